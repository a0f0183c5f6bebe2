"""Weighted sums over draws of one image, and the moments that follow from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.operators.base import outer

Observe = Callable[[Tensor], Tensor]
_AT_ONCE = 2**20  # values of augmented images
_EPS = torch.finfo(torch.float64).eps


@dataclass(frozen=True)
class Subject:
    """What is looked at: one image under a policy, in float64, and functions of the result."""

    policy: Augmentation
    image: Tensor
    """``(1, C, H, W)``."""
    observe: Observe
    """Maps augmented images ``(k, C', H', W')`` to values ``(k, Q)``."""

    def draws(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Augmented images ``(k, D)`` and values ``(k, Q)`` at draws ``(k, P)``."""
        at_once = max(1, _AT_ONCE // self.image.numel())
        parts = [
            self.policy.apply(outer(self.image, len(part)), part)[:, 0]
            for part in theta.split(at_once)
        ]
        moved = torch.cat(parts)
        return moved.flatten(1), self.observe(moved)


@dataclass(frozen=True)
class Sums:
    """Sums over draws with weights, of differences to a centre, for several blocks of draws."""

    first: Tensor
    """``(R, D + Q)``: images and values."""
    second: Tensor
    """``(R, D, D)``."""
    squares: Tensor
    """Of the values, ``(R, Q)``."""

    @classmethod
    def of(cls, columns: Tensor, weights: Tensor, size: int) -> Sums:
        """Of one block of draws: images and values side by side, ``(k, D + Q)``."""
        images, values = columns[:, :size], columns[:, size:]
        return cls(
            (weights @ columns)[None],
            ((weights[:, None] * images).T @ images)[None],
            (weights @ values.square())[None],
        )

    def plus(self, other: Sums, share: float = 1.0) -> Sums:
        """``(1 - share) self + share other``, or the plain sum if ``share`` is 1."""
        kept = 1.0 if share == 1.0 else 1 - share
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Sums(*(kept * a + share * b for a, b in pairs))

    @classmethod
    def stack(cls, blocks: list[Sums]) -> Sums:
        """One block after the other."""
        names = ("first", "second", "squares")
        return cls(*(torch.cat([getattr(block, name) for block in blocks]) for name in names))


@dataclass(frozen=True)
class Truth:
    """Reference moments in float64, each with a bound of its own error."""

    mean: Tensor
    """``(D,)``."""
    covariance: Tensor
    """``(D, D)``."""
    values: Tensor
    """``(Q,)``."""
    variances: Tensor
    """``(Q,)``."""
    mean_error: float = 0.0
    """In Euclidean norm."""
    covariance_error: float = 0.0
    """In Frobenius norm."""
    spectral_error: float = 0.0
    trace_error: float = 0.0
    values_error: Tensor | None = None
    """``(Q,)``."""
    variances_error: Tensor | None = None
    exact: bool = False
    """Whether only rounding is left."""

    @classmethod
    def pooled(cls, sums: Sums, centre: Tensor) -> Truth:
        """From the average over blocks, without errors."""
        size = sums.second.shape[-1]
        first = sums.first.mean(0)
        covariance = sums.second.mean(0) - torch.outer(first[:size], first[:size])
        variances = (sums.squares.mean(0) - first[size:].square()).clamp_min(0)
        whole = centre + first
        return cls(whole[:size], covariance, whole[size:], variances)

    def widened(self) -> Truth:
        """The same with rounding added to every error."""
        size = float(self.mean.norm())
        trace = max(float(self.covariance.trace()), 0.0)
        images = 4 * _EPS * (size + trace**0.5)
        spread = 8 * _EPS * (size * trace**0.5 + trace) + images**2
        values = 8 * _EPS * (self.values.abs() + self.variances.sqrt())
        products = 8 * _EPS * (self.values.abs() * self.variances.sqrt() + self.variances)
        products = products + 16 * values.square()
        nothing = torch.zeros_like(values)
        return replace(
            self,
            mean_error=self.mean_error + images,
            covariance_error=self.covariance_error + spread,
            spectral_error=self.spectral_error + spread,
            trace_error=self.trace_error + spread,
            values_error=values + (nothing if self.values_error is None else self.values_error),
            variances_error=products
            + (nothing if self.variances_error is None else self.variances_error),
        )
