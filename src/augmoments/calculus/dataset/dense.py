"""Mean and covariance of images drawn from a whole dataset, as one dense matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from augmoments.calculus.expected_operator import average
from augmoments.calculus.state import State
from augmoments.operators.base import Shape
from augmoments.operators.fields import FieldExpansion
from augmoments.rules import QuadraticRule

_BYTES_AT_ONCE = 256 * 2**20


@dataclass(frozen=True)
class DenseState(State):
    """A whole dataset, drawn from uniformly: one mean image and one dense covariance."""

    mean: Tensor
    """(C, H, W)."""
    covariance: Tensor
    """(D, D)."""

    @property
    def shape(self) -> Shape:
        """``(C, H, W)``."""
        return tuple(self.mean.shape)  # type: ignore[return-value]

    def through(self, rule: QuadraticRule) -> DenseState:
        mean = self.mean[None]
        if isinstance(rule.operator, FieldExpansion):
            covariance = self._blended(rule.operator)
            moved = average(rule, self.shape).apply(mean)[0]
        else:
            columns = rule.columns(mean)[:, 0]
            spread = rule.spread(columns.flatten(1))
            covariance = self._sandwich(rule) + spread.T @ spread
            moved = rule.mean(columns)
            if rule.expectation is not None:
                moved = average(rule, self.shape).apply(mean)[0]
        covariance = (covariance + covariance.T) / 2
        if rule.noise is not None:
            covariance = covariance + rule.noise.to(moved).expand_as(moved).flatten().diag()
        return DenseState(moved, covariance)

    def _blended(self, operator: FieldExpansion) -> Tensor:
        """Through a blend with a constant, with random weights pixel by pixel."""
        kept = operator.kept.to(self.mean).flatten(1)
        gap = (operator.fill_like(self.mean) - self.mean).flatten()
        found = over_channels(kept.T @ kept, self.covariance)
        return found + over_channels(kept[1:].T @ kept[1:], torch.outer(gap, gap))

    def _sandwich(self, rule: QuadraticRule) -> Tensor:
        """``sum_kl G_kl A_k V A_l^T``, a few operators at a time."""
        gram = rule.weights.diag() if rule.gram is None else rule.gram
        total: Tensor | None = None
        at_once = max(1, _BYTES_AT_ONCE // (self.covariance.nbytes * 2))
        for block in torch.arange(len(rule)).split(at_once):
            if gram.requires_grad or rule.points.requires_grad:
                part = checkpoint(self._terms, rule, gram, block, use_reentrant=False)
            else:
                part = self._terms(rule, gram, block)
            total = part if total is None else total + part
        assert total is not None
        return total

    def _terms(self, rule: QuadraticRule, gram: Tensor, block: Tensor) -> Tensor:
        """The terms of the sum with k in ``block``."""
        met = gram[block].any(0).nonzero()[:, 0]
        rows = self._move(rule, met, self.covariance.expand(len(met), -1, -1))
        mixed = torch.einsum("kl,lij->kji", gram[block][:, met].to(rows), rows)
        return self._move(rule, block, mixed).sum(0)

    def _move(self, rule: QuadraticRule, index: Tensor, rows: Tensor) -> Tensor:
        """Apply the linear part of operator ``index[b]`` to every row of ``rows[b]``."""
        images = rows.reshape(*rows.shape[:2], *self.mean.shape)
        return rule.operator.linear(images, rule.points[index]).flatten(2)

    @classmethod
    def mix(cls, weights: Sequence[float], states: Sequence[DenseState]) -> DenseState:
        pairs = list(zip(weights, states, strict=True))
        mean = torch.stack([weight * state.mean for weight, state in pairs]).sum(0)
        covariance = torch.zeros_like(states[0].covariance)
        for weight, state in pairs:
            gap = (state.mean - mean).flatten()
            covariance = covariance + weight * (state.covariance + torch.outer(gap, gap))
        return DenseState(mean, covariance)


def over_channels(plane: Tensor, matrix: Tensor) -> Tensor:
    """The product value by value of ``matrix`` ``(D, D)`` with ``plane`` ``(HW, HW)``.

    ``plane`` is the same for every pair of channels.
    """
    pixels = len(plane)
    channels = len(matrix) // pixels
    blocks = matrix.reshape(channels, pixels, channels, pixels)
    return (blocks * plane[None, :, None].to(matrix)).reshape(matrix.shape)
