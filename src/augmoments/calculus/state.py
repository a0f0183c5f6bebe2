r"""What is known about random images half-way through a policy: their mean and covariance.

A step with the random affine operator :math:`T(x) = M x + b`, independent of what came before,
takes mean :math:`\mu` and covariance V to

.. math:: E[T](\mu), \qquad E[M V M^\top] + \mathrm{Cov}[T(\mu)]

(the law of total covariance). Both terms follow from the step's quadratic rule, and both are
positive semidefinite by construction. Two representations of V go through the same steps: a
factor for each image, here, and one dense matrix for a whole dataset, in ``dense``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self, TypeVar

import torch
from torch import Tensor

from augmoments.calculus.blend import Weighted, weighted_factor
from augmoments.calculus.covariance import Covariance, products
from augmoments.calculus.expected_operator import average
from augmoments.calculus.principal import principal
from augmoments.checks import check_memory
from augmoments.estimate import rounding
from augmoments.operators.base import Shape
from augmoments.operators.fields import FieldExpansion
from augmoments.rules import Mixture, Product, QuadraticRule, Rule

_FEW_OPERATORS = 4  # up to which columns are multiplied as they are ...
_FEW_COLUMNS = 4096  # ... unless they become more than that
S = TypeVar("S", bound="State")


class State(ABC):
    """Mean and covariance of random images, moved through a policy step by step."""

    @abstractmethod
    def through(self, rule: QuadraticRule) -> Self:
        """Mean and covariance after one more independent step."""

    @classmethod
    @abstractmethod
    def mix(cls, weights: Sequence[float], states: Sequence[Any]) -> Self:
        """Mean and covariance if one of ``states`` is drawn with probabilities ``weights``."""


def propagate(rule: Rule, state: S) -> S:
    """Move ``state`` through the random operator that ``rule`` describes."""
    match rule:
        case Product(factors=factors):
            for factor in factors:
                state = propagate(factor, state)
            return state
        case Mixture(weights=weights, branches=branches):
            return type(state).mix(weights, [propagate(branch, state) for branch in branches])
        case QuadraticRule():
            return state.through(rule)


@dataclass(frozen=True)
class FactorState(State):
    """A batch of images, each with a factor of its covariance."""

    mean: Tensor
    """(N, C, H, W)."""
    factor: Tensor
    """(N, J, C, H, W); the covariance is the sum over J of outer products."""
    loss: Tensor
    """What compression may have dropped so far, a share of the Frobenius norm, (N,)."""
    tolerance: float
    """Largest share of the trace that one compression may drop."""
    noise: Tensor | None = None
    """(N, C, H, W), variances of noise that is independent from value to value, if there is any."""

    @classmethod
    def certain(cls, images: Tensor, tolerance: float) -> FactorState:
        """Images that are not random."""
        empty = images.new_zeros(len(images), 0, *images.shape[1:])
        return cls(images, empty, images.new_zeros(len(images)), tolerance)

    @cached_property
    def covariance(self) -> Covariance:
        """The covariance of factor and noise."""
        return Covariance(self.factor, self.noise)

    def through(self, rule: QuadraticRule) -> FactorState:
        if isinstance(rule.operator, FieldExpansion):
            return self._blended(rule, rule.operator)
        moved = rule.columns(self.mean)
        mean = rule.mean(moved)
        fresh = rule.centred(moved, mean) if rule.gram is None else rule.spread(moved)
        parts = [fresh.transpose(0, 1)]
        before = self if rule.keeps_noise else self._noise_as_columns()
        if len(rule) > _FEW_OPERATORS or before.factor.shape[1] * len(rule) > _FEW_COLUMNS:
            before = before.compress()
        count, rank = before.factor.shape[:2]
        if rank:
            old = rule.rooted(rule.linear_columns(before.factor.flatten(0, 1)))
            parts.append(old.unflatten(1, (count, rank)).transpose(0, 1).flatten(1, 2))
        if rule.expectation is not None:
            mean = average(rule, _shape(self.mean)).apply(self.mean)
        noise = None
        if before.noise is not None:
            noise = rule.rooted(rule.linear_columns(before.noise.sqrt())).square().sum(0)
        noise = _added(noise, rule.noise, mean)
        factor = torch.cat(parts, 1) if rank else parts[0]
        return replace(before, mean=mean, factor=factor, noise=noise)

    def _blended(self, rule: QuadraticRule, operator: FieldExpansion) -> FactorState:
        """Through a blend with a constant, with random weights pixel by pixel."""
        before = self.compress()
        kept = operator.kept.to(self.mean)
        gap = operator.fill_like(self.mean) - self.mean
        terms = [Weighted(gap[:, None], kept[1:])]
        if before.factor.shape[1]:
            terms.append(Weighted(before.factor, kept))
        mean = average(rule, _shape(self.mean)).apply(self.mean)
        noise = None if self.noise is None else kept.square().sum(0) * self.noise
        noise = _added(noise, rule.noise, mean)
        return replace(before, mean=mean, factor=weighted_factor(terms), noise=noise)

    def _noise_as_columns(self) -> FactorState:
        """The same with a column of the factor for every value that has noise."""
        if self.noise is None:
            return self
        count, size = len(self.mean), self.mean[0].numel()
        needed = 2 * count * size**2 * self.mean.element_size()
        check_memory(needed, "noise that is resampled", "smaller images, or the noise last")
        columns = (
            self.noise.flatten(1).sqrt().diag_embed().reshape(count, size, *self.mean.shape[1:])
        )
        return replace(self, factor=torch.cat([self.factor, columns], 1), noise=None)

    @classmethod
    def mix(cls, weights: Sequence[float], states: Sequence[FactorState]) -> FactorState:
        pairs = [(weight, state) for weight, state in zip(weights, states, strict=True) if weight]
        mean = torch.stack([weight * state.mean for weight, state in pairs]).sum(0)
        parts = []
        for weight, state in pairs:
            parts += [weight**0.5 * state.factor, weight**0.5 * (state.mean - mean)[:, None]]
        loss = torch.stack([state.loss for _, state in pairs]).amax(0)
        noises = [weight * state.noise for weight, state in pairs if state.noise is not None]
        noise = torch.stack(noises).sum(0) if noises else None
        return replace(states[0], mean=mean, factor=torch.cat(parts, 1), loss=loss, noise=noise)

    def select(self, index: Tensor | slice) -> FactorState:
        """Some of the images, by index, mask or slice."""
        return replace(
            self,
            mean=self.mean[index],
            factor=self.factor[index],
            loss=self.loss[index],
            noise=None if self.noise is None else self.noise[index],
        )

    @cached_property
    def trace(self) -> Tensor:
        """Total variance, (N,), float64 and detached."""
        total = self.covariance.gram.diagonal(dim1=1, dim2=2).sum(1)
        return total if self.noise is None else total + self.noise.detach().double().sum((1, 2, 3))

    @cached_property
    def square(self) -> Tensor:
        """The square of the covariance's Frobenius norm, (N,), float64 and detached."""
        total = self.covariance.gram.square().sum((1, 2))
        return total if self.noise is None else total + noise_inner(self, self)

    @cached_property
    def roundoff(self) -> Tensor:
        """Rounding of the columns of the factor, all together, (N,)."""
        size = (
            self.mean.flatten(1)
            .norm(dim=1)
            .hypot(torch.linalg.vector_norm(self.factor, dim=(1, 2, 3, 4)))
        )
        return rounding(self.mean.dtype, max(self.mean.shape[-2:])) * size

    def compress(self, least: float = 1.0) -> FactorState:
        """Drop the directions that carry next to nothing of the covariance.

        The columns are rotated onto the leading eigenvectors of their Gram matrix, and each
        image keeps as many as it needs itself. At most ``tolerance`` of the trace is dropped;
        it counts in full against the Frobenius norm, as later steps may align what was dropped.
        Of a gradient as much is lost as the root of that share, so then next to nothing is dropped.
        Nothing is done unless the columns become fewer by a factor of ``least``.
        """
        flat = self.factor.flatten(2)
        columns, size = flat.shape[1:]
        if columns <= 1:
            return self
        floor = torch.finfo(flat.dtype).eps
        tolerance = floor if flat.requires_grad else max(self.tolerance, floor)
        with torch.no_grad():
            small = flat.mT @ flat if size < columns else flat @ flat.mT
            kept = principal(small.double(), tolerance)
            rank = kept.rank
            if rank * least > columns or (bool(kept.values.all()) and rank == columns):
                return self
            rotation = kept.vectors
            if size < columns:
                scale = torch.where(kept.values > 0, kept.values, 1.0).rsqrt()
                rotation = flat.double() @ rotation * scale[:, None]
            dropped = kept.dropped
            rotation = rotation.to(flat.dtype)
        factor = (flat.mT @ rotation).mT.reshape(-1, rank, *self.factor.shape[2:])
        return replace(self, factor=factor, loss=self.loss + dropped.to(self.loss.dtype))


def inner(a: FactorState, b: FactorState) -> Tensor:
    """Frobenius inner product of two covariances, (N,), float64."""
    p, q = a.factor.flatten(2), b.factor.flatten(2)
    if max(p.shape[1], q.shape[1]) <= p.shape[2]:
        found = products(p, q).square().sum((1, 2))
    else:
        found = (products(p.mT, p.mT) * products(q.mT, q.mT)).sum((1, 2))
    return found if a.noise is None or b.noise is None else found + noise_inner(a, b)


def noise_inner(a: FactorState, b: FactorState) -> Tensor:
    """What noise in both adds to it."""
    assert a.noise is not None
    assert b.noise is not None
    first, second = a.noise.double().flatten(1), b.noise.double().flatten(1)
    p, q = a.factor.double().flatten(2), b.factor.double().flatten(2)
    diagonals = first * q.square().sum(1) + p.square().sum(1) * second
    return (diagonals + first * second).sum(1)


def _added(noise: Tensor | None, more: Tensor | None, like: Tensor) -> Tensor | None:
    """Variances of noise with more of it."""
    if more is None:
        return noise
    found = more.to(like).expand_as(like)
    return found if noise is None else noise + found


def _shape(images: Tensor) -> Shape:
    return tuple(images.shape[-3:])  # type: ignore[return-value]
