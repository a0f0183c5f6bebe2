"""The normal law, and the normal law conditioned on an interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from augmoments.errors import LawError
from augmoments.laws.base import Array, ContinuousLaw, check_finite, check_order, check_positive
from augmoments.laws.parameters import Number

_TAIL = 8.5  # standard deviations; the normal mass beyond is 2e-17
_INV_SQRT_2PI = 1 / np.sqrt(2 * np.pi)


def _phi(z: ArrayLike) -> Array:
    return _INV_SQRT_2PI * np.exp(-0.5 * np.square(z))


class _Gaussian(ContinuousLaw):
    """A normal density with location ``loc`` and scale ``std``, conditioned on its support."""

    loc: Number
    std: Number

    @property
    def _mass(self) -> float:
        low, high = self._standardise(self.support)
        if low > 0:
            low, high = -high, -low
        return float(special.ndtr(high) - special.ndtr(low))

    def _standardise(self, x: ArrayLike) -> Array:
        return (np.clip(x, *self.support) - self.loc) / self.std

    @property
    def knots(self) -> Array:
        return _split(*self.support, self.std)

    def cell_edges(self, n: int) -> Array:
        # A density of nodes proportional to the cube root of the law's density is optimal.
        low, high = self._standardise(self.support)
        wide = np.sqrt(3.0)
        q = np.linspace(special.ndtr(low / wide), special.ndtr(high / wide), n + 1)
        edges = self.loc + self.std * wide * special.ndtri(q)
        edges[0], edges[-1] = self.support
        return edges

    def density(self, x: ArrayLike) -> Array:
        return _phi((np.asarray(x) - self.loc) / self.std) / (self.std * self._mass)

    def cdf(self, x: ArrayLike) -> Array:
        low, _ = self._standardise(self.support)
        z = self._standardise(x)
        if low > 0:
            return (special.ndtr(-low) - special.ndtr(-z)) / self._mass
        return (special.ndtr(z) - special.ndtr(low)) / self._mass

    def partial_mean(self, x: ArrayLike) -> Array:
        low = self._standardise(self.support[0])
        z = self._standardise(x)
        drop = -_phi(low) * np.expm1((low - z) * (low + z) / 2)  # phi(low) - phi(z)
        return self.loc * self.cdf(x) + self.std * drop / self._mass

    def ppf(self, q: ArrayLike) -> Array:
        low, _ = self._standardise(self.support)
        q = np.asarray(q, dtype=float)
        if low > 0:
            z = -special.ndtri(special.ndtr(-low) - q * self._mass)
        else:
            z = special.ndtri(special.ndtr(low) + q * self._mass)
        return np.clip(self.loc + self.std * z, *self.support)


@dataclass(frozen=True)
class Normal(_Gaussian):
    """Normal law with mean ``loc`` and standard deviation ``std``.

    Its support ends 8.5 standard deviations from the mean, where a mass of 2e-17 is left.

    >>> round(Normal(1, 2).expect(2), 10)
    5.0
    """

    _places = ("loc",)
    _widths = ("std",)

    loc: Number
    std: Number

    def __post_init__(self) -> None:
        self._read_numbers()
        check_finite("Normal", loc=self.loc)
        check_positive("Normal", std=self.std)

    @property
    def support(self) -> tuple[float, float]:
        return self.loc - _TAIL * self.std, self.loc + _TAIL * self.std

    def velocity(self, name: str, x: Array) -> Array:
        return np.ones_like(x) if name == "loc" else (x - self.loc) / self.std


@dataclass(frozen=True)
class TruncatedNormal(_Gaussian):
    """Normal law conditioned on ``[low, high]``; ``loc`` and ``std`` are those before.

    >>> round(TruncatedNormal(0, 1, -1, 1).expect(2), 6)
    0.291125
    """

    _places = ("loc", "low", "high")
    _widths = ("std",)

    loc: Number
    std: Number
    low: Number
    high: Number

    def __post_init__(self) -> None:
        self._read_numbers()
        check_finite("TruncatedNormal", loc=self.loc)
        check_positive("TruncatedNormal", std=self.std)
        check_order("TruncatedNormal", self.low, self.high)
        nearest = min(max(self.loc, self.low), self.high)
        if abs(nearest - self.loc) > _TAIL * self.std:
            raise LawError(
                f"TruncatedNormal: [{self.low}, {self.high}] lies more than {_TAIL} standard "
                f"deviations from {self.loc}; no mass is left to condition on."
            )

    @property
    def support(self) -> tuple[float, float]:
        nearest = min(max(self.loc, self.low), self.high)
        reach = float(np.hypot(_TAIL * self.std, nearest - self.loc))  # of a tail as of the whole
        return max(self.low, self.loc - reach), min(self.high, self.loc + reach)

    def velocity(self, name: str, x: Array) -> Array:
        z, a, b = ((t - self.loc) / self.std for t in (x, self.low, self.high))
        share = self.cdf(x)
        low = (1 - share) * np.exp((z - a) * (z + a) / 2)
        high = share * np.exp((z - b) * (z + b) / 2)
        found = {"low": low, "high": high, "loc": 1 - low - high, "std": z - a * low - b * high}
        return found[name]


def _split(low: float, high: float, width: float) -> Array:
    return np.linspace(low, high, max(1, int(np.ceil((high - low) / width))) + 1)
