"""How albumentations draws numbers: uniform, rounded towards zero, several at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import floor

import numpy as np
from numpy.typing import ArrayLike

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.elementary import Elementary, scaled_drawing
from augmoments.augmentations.parameters import Parameter
from augmoments.laws import ContinuousLaw, Discrete, Law, Uniform
from augmoments.laws.independent import Independent
from augmoments.laws.joint import Array, JointLaw
from augmoments.operators.base import Operator, Shape


def constant(value: float) -> Discrete:
    """The law of a number that is not random."""
    return Discrete([float(value)])


def uniform(ends: Sequence[float]) -> Law:
    """``random.uniform(*ends)``, whose ends may agree or come in either order."""
    low, high = sorted(float(end) for end in ends)
    return constant(low) if low == high else Uniform(low, high)


def integers(low: int, high: int) -> Discrete:
    """``random.randint(low, high)``: whole numbers, both ends included."""
    return Discrete(range(low, high + 1))


def truncated(low: float, high: float) -> Discrete:
    r"""``int(random.uniform(low, high))``, rounded towards zero.

    .. math:: P(k) = |[k, k + 1) \cap [low, high]| / (high - low) \quad (k > 0),

    mirrored for negative ``k``; zero gets the whole of ``(-1, 1)``.
    """
    if low == high:
        return constant(int(low))
    low, high = min(low, high), max(low, high)
    values = np.arange(floor(low), floor(high) + 2)
    edges = np.clip(values, low, high)
    share = np.diff(edges) / (high - low)
    towards_zero = np.where(values[:-1] >= 0, values[:-1], values[1:])
    found, which = np.unique(towards_zero, return_inverse=True)
    weights = np.bincount(which, share)
    return Discrete(found[weights > 0].tolist(), weights[weights > 0].tolist())


def is_constant(law: Law) -> bool:
    """Whether a law has one outcome only."""
    return isinstance(law, Discrete) and len(set(law.values)) == 1


@dataclass(frozen=True)
class Halves(ContinuousLaw):
    """With equal probability uniform on ``(low, 1)`` or on ``(1, high)``, ``low < 1 < high``."""

    low: float
    high: float

    @property
    def support(self) -> tuple[float, float]:
        return self.low, self.high

    def rescaled(self, about: float, factor: float) -> Halves | None:
        if about != 1:
            return None
        return Halves(1 + factor * (self.low - 1), 1 + factor * (self.high - 1))

    def ppf(self, q: ArrayLike) -> Array:
        return np.interp(np.asarray(q, dtype=float), [0.0, 0.5, 1.0], [self.low, 1.0, self.high])

    @property
    def degree(self) -> int:
        return 0

    @property
    def knots(self) -> Array:
        return np.array([self.low, 1.0, self.high])

    def density(self, x: ArrayLike) -> Array:
        return np.where(np.asarray(x) < 1, 0.5 / (1 - self.low), 0.5 / (self.high - 1))

    def cdf(self, x: ArrayLike) -> Array:
        return np.interp(np.asarray(x, dtype=float), self.knots, [0.0, 0.5, 1.0])

    def partial_mean(self, x: ArrayLike) -> Array:
        halves = (Uniform(self.low, 1.0), Uniform(1.0, self.high))
        return (halves[0].partial_mean(x) + halves[1].partial_mean(x)) / 2


@dataclass(frozen=True)
class Drawn(Elementary):
    """An operator whose parameters are independent numbers.

    What is not affine gets nodes over each number apart, what is affine over all at once.
    """

    action: Operator
    laws: tuple[Law, ...]
    owner: str

    @property
    def operator(self) -> Operator:
        return self.action

    @property
    def law(self) -> Law | JointLaw | None:
        if not self.laws:
            return None
        return self.laws[0] if len(self.laws) == 1 else Independent(self.laws)

    @property
    def family(self) -> str:
        return self.owner

    def _scaled(self, strength: float) -> Augmentation:
        law = scaled_drawing(self.owner, self.action, Independent(self.laws), strength)
        assert isinstance(law, Independent)
        return replace(self, laws=law.laws)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        if self.affine or any(not isinstance(law, ContinuousLaw | Discrete) for law in self.laws):
            return super().parameters(shape)
        return tuple(Parameter(law) for law in self.laws)
