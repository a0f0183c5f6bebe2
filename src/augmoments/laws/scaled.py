"""Continuous laws stretched about a point, where that leaves their family."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from augmoments.laws.base import Array, ContinuousLaw, Law
from augmoments.laws.discrete import Discrete


@dataclass(frozen=True)
class Stretched(ContinuousLaw):
    """The law of ``about + factor (theta - about)`` with ``theta`` drawn from ``law``.

    Example:
        >>> from augmoments.laws import LogUniform
        >>> Stretched(LogUniform(0.5, 2), about=1.0, factor=0.5).support
        (0.75, 1.5)
    """

    law: ContinuousLaw
    about: float
    factor: float

    def __str__(self) -> str:
        return f"{self.factor:g} times {self.law} about {self.about:g}"

    def _from(self, theta: ArrayLike) -> Array:
        return self.about + self.factor * (np.asarray(theta, dtype=float) - self.about)

    def _to(self, x: ArrayLike) -> Array:
        return self.about + (np.asarray(x, dtype=float) - self.about) / self.factor

    @property
    def support(self) -> tuple[float, float]:
        low, high = self._from(self.law.support)
        return float(low), float(high)

    @property
    def knots(self) -> Array:
        return self._from(self.law.knots)

    @property
    def degree(self) -> int | None:
        return self.law.degree

    def cell_edges(self, n: int) -> Array:
        return self._from(self.law.cell_edges(n))

    def density(self, x: ArrayLike) -> Array:
        return self.law.density(self._to(x)) / self.factor

    def cdf(self, x: ArrayLike) -> Array:
        return self.law.cdf(self._to(x))

    def partial_mean(self, x: ArrayLike) -> Array:
        inner = self._to(x)
        shift = self.about * (1 - self.factor)
        return shift * self.law.cdf(inner) + self.factor * self.law.partial_mean(inner)

    def ppf(self, q: ArrayLike) -> Array:
        return self._from(self.law.ppf(q))

    @property
    def differentiable(self) -> bool:
        return self.law.differentiable

    def detached(self) -> Stretched:
        return Stretched(self.law.detached(), self.about, self.factor)

    def attach(self, points: Tensor) -> Tensor:
        inner = self.about + (points - self.about) / self.factor
        return points + self.factor * (self.law.attach(inner) - inner)

    def attached_mass(self, low: Array, high: Array) -> Tensor:
        return self.law.attached_mass(self._to(low), self._to(high))

    def rescaled(self, about: float, factor: float) -> Law | None:
        return rescaled_law(self.law, about, self.factor * factor) if about == self.about else None


def rescaled_law(law: Law, about: float, factor: float) -> Law:
    """The law of ``about + factor (theta - about)``, for a ``factor`` of at least 0.

    Example:
        >>> from augmoments.laws import Uniform
        >>> rescaled_law(Uniform(0.8, 1.4), about=1.0, factor=0.5)
        Uniform(low=0.9, high=1.2)
    """
    if factor == 0:
        return Discrete([about])
    found = law.rescaled(about, factor)
    if found is not None:
        return found
    assert isinstance(law, ContinuousLaw)
    return Stretched(law, about, factor)
