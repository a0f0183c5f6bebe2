"""Moments with their errors, and distances between them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from augmoments.calculus.state import FactorState, inner
from augmoments.calculus.windows import WindowedState, Windows


class Errors(NamedTuple):
    """Relative error bounds of moments, one an image."""

    mean: Tensor
    """``||mean - truth|| / ||truth||``, shape ``(N,)``."""
    covariance: Tensor
    """``||V - truth||_F / ||truth||_F``, shape ``(N,)``; a covariance within the rounding of the
    images counts as zero, and as known."""
    trace: Tensor
    """``|tr V - truth| / truth``, shape ``(N,)``."""
    spectral: Tensor
    """``||V - truth||_2 / tr(truth)``, shape ``(N,)``, for eigenvalues."""

    @classmethod
    def constant(cls, like: Tensor, value: float) -> Errors:
        """The same error for each of the images ``like``."""
        return cls(*(like.new_full((len(like),), value) for _ in cls._fields))

    def __add__(self, other: object) -> Errors:
        """Errors of stages that follow each other."""
        assert isinstance(other, Errors)
        return Errors(*(a + b for a, b in zip(self, other, strict=True)))

    def select(self, index: Tensor | slice) -> Errors:
        """Those of some of the images."""
        return Errors(*(part[index] for part in self))


@dataclass(frozen=True)
class Solution:
    """Moments of a batch with their relative errors."""

    state: FactorState
    errors: Errors
    """NaN where they are not known yet."""
    nodes: int
    """Evaluations of the policy an image, the most over the batch."""
    windows: Windows | None = None
    """Windows that are still to be cut; the errors are those after it."""

    @cached_property
    def seen(self) -> FactorState | WindowedState:
        """Mean and covariance after the windows."""
        return self.state if self.windows is None else WindowedState(self.state, self.windows)

    def spread(self) -> Solution:
        """The same with the windows cut, and all columns written out."""
        if self.windows is None:
            return self
        return replace(self, state=WindowedState(self.state, self.windows).spread(), windows=None)

    def select(self, index: Tensor) -> Solution:
        """Those of some of the images, by a mask."""
        if index.all():
            return self
        return replace(self, state=self.state.select(index), errors=self.errors.select(index))

    @classmethod
    def gather(cls, count: int, parts: list[tuple[Tensor, Solution]]) -> Solution:
        """Put ``count`` images back into their order, factors padded with zeros to one rank."""
        if len(parts) == 1:
            return parts[0][1]
        order = torch.cat([index for index, _ in parts]).argsort()
        states = [part.state for _, part in parts]
        noises = [state.noise for state in states if state.noise is not None]
        state = replace(
            states[0],
            mean=torch.cat([s.mean for s in states])[order],
            factor=_gathered([(index, part.state.factor) for index, part in parts], count),
            loss=torch.cat([s.loss for s in states])[order],
            noise=torch.cat(noises)[order] if noises else None,
        )
        columns = zip(*(part.errors for _, part in parts), strict=True)
        errors = Errors(*(torch.cat(column)[order] for column in columns))
        return cls(state, errors, max(part.nodes for _, part in parts))


def _gathered(parts: list[tuple[Tensor, Tensor]], count: int) -> Tensor:
    rank = max(factor.shape[1] for _, factor in parts)
    like = parts[0][1]
    out = like.new_zeros(count, rank, *like.shape[2:])
    for index, factor in parts:
        out[index, : factor.shape[1]] = factor
    return out


def relative_change(before: FactorState, after: FactorState) -> Errors:
    """Distance of means, covariances and traces, relative to the size of the latter.

    The Frobenius norms stand for the spectral norm and the trace, too, which bounds their ratio.
    """
    with torch.no_grad():
        scale = after.mean.double().flatten(1).norm(dim=1)
        shift = (after.mean.double() - before.mean.double()).flatten(1).norm(dim=1)
        squared = before.square - 2 * inner(before, after) + after.square
        gap, norm = squared.clamp_min(0).sqrt(), after.square.sqrt()
        first, second = before.trace, after.trace
        unseen = after.roundoff.double().square()
        found = (
            ratio(shift, scale),
            ratio(gap, norm, unseen),
            ratio((first - second).abs(), second, unseen),
            ratio(gap, norm, unseen),
        )
        return Errors(*(part.to(after.mean.dtype) for part in found))


def ratio(error: Tensor, norm: Tensor, unseen: Tensor | float = 0.0) -> Tensor:
    """Relative error; one below ``unseen`` counts as none."""
    return torch.where(error > unseen, error / norm.clamp_min(1e-300), 0.0)
