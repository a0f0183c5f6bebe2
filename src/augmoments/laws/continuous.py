"""The continuous laws that augmentations draw their parameters from.

Their parameters are numbers, or scalar tensors: moments then carry their gradients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from augmoments.errors import LawError
from augmoments.laws.base import (
    Array,
    ContinuousLaw,
    check_order,
    check_positive,
)
from augmoments.laws.parameters import Number, OptionalNumber


@dataclass(frozen=True)
class Uniform(ContinuousLaw):
    """Uniform law on ``[low, high]``.

    >>> Uniform(-2, 2).expect(2)
    1.3333333333333333
    >>> import torch
    >>> width = torch.tensor(2.0, requires_grad=True)
    >>> Uniform(-width, width).differentiable
    True
    """

    _places = ("low", "high")

    low: Number
    high: Number

    def __post_init__(self) -> None:
        self._read_numbers()
        check_order("Uniform", self.low, self.high)

    @property
    def support(self) -> tuple[float, float]:
        return float(self.low), float(self.high)

    @property
    def degree(self) -> int:
        return 0

    def density(self, x: ArrayLike) -> Array:
        return np.full(np.shape(x), 1 / (self.high - self.low))

    def cdf(self, x: ArrayLike) -> Array:
        return np.clip((np.asarray(x) - self.low) / (self.high - self.low), 0.0, 1.0)

    def partial_mean(self, x: ArrayLike) -> Array:
        x = np.clip(x, self.low, self.high)
        return (x - self.low) * (x + self.low) / (2 * (self.high - self.low))

    def ppf(self, q: ArrayLike) -> Array:
        return self.low + (self.high - self.low) * np.asarray(q, dtype=float)

    def velocity(self, name: str, x: Array) -> Array:
        share = self.cdf(x)
        return share if name == "high" else 1 - share


@dataclass(frozen=True)
class Triangular(ContinuousLaw):
    """Triangular law on ``[low, high]`` with its peak at ``mode`` (the middle by default).

    >>> round(Triangular(-1, 1).expect(2), 10)
    0.1666666667
    """

    _places = ("low", "high", "mode")

    low: Number
    high: Number
    mode: OptionalNumber = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self._read_numbers()
        check_order("Triangular", self.low, self.high)
        if self.mode is not None and not self.low <= self.mode <= self.high:
            raise LawError(f"Triangular: mode {self.mode} is outside [{self.low}, {self.high}].")

    @property
    def peak(self) -> float:
        return (self.low + self.high) / 2 if self.mode is None else float(self.mode)

    @property
    def support(self) -> tuple[float, float]:
        return float(self.low), float(self.high)

    @property
    def degree(self) -> int:
        return 1

    @property
    def knots(self) -> Array:
        return np.unique([self.low, self.peak, self.high])

    def density(self, x: ArrayLike) -> Array:
        x = np.asarray(x, dtype=float)
        top = 2 / (self.high - self.low)
        with np.errstate(divide="ignore", invalid="ignore"):
            up = top * (x - self.low) / (self.peak - self.low)
            down = top * (self.high - x) / (self.high - self.peak)
        return np.where(x < self.peak, up, np.where(self.high == self.peak, top, down))

    def _sides(self, x: ArrayLike) -> tuple[Array, Array, float, float]:
        x = np.clip(x, self.low, self.high)
        below, above = np.minimum(x, self.peak), np.maximum(x, self.peak)
        width = self.high - self.low
        rise, fall = width * (self.peak - self.low), width * (self.high - self.peak)
        return below, above, rise, fall

    def cdf(self, x: ArrayLike) -> Array:
        below, above, rise, fall = self._sides(x)
        left = (below - self.low) ** 2 / rise if rise else 0.0
        right = ((self.high - self.peak) ** 2 - (self.high - above) ** 2) / fall if fall else 0.0
        return np.asarray(left + right)

    def partial_mean(self, x: ArrayLike) -> Array:
        below, above, rise, fall = self._sides(x)

        def rising(t: Array | float) -> Array:
            d = np.asarray(t) - self.low
            return (2 * d**3 / 3 + self.low * d**2) / rise

        def falling(t: Array | float) -> Array:
            d = self.high - np.asarray(t)
            return (2 * d**3 / 3 - self.high * d**2) / fall

        left = rising(below) if rise else 0.0
        right = falling(above) - falling(self.peak) if fall else 0.0
        return np.asarray(left + right)

    def ppf(self, q: ArrayLike) -> Array:
        q = np.asarray(q, dtype=float)
        width = self.high - self.low
        left = self.low + np.sqrt(q * width * (self.peak - self.low))
        right = self.high - np.sqrt((1 - q) * width * (self.high - self.peak))
        return np.where(q * width < self.peak - self.low, left, right)

    def velocity(self, name: str, x: Array) -> Array:
        width, rise, fall = self.high - self.low, self.peak - self.low, self.high - self.peak
        below, above = x - self.low, self.high - x
        with np.errstate(divide="ignore", invalid="ignore"):
            left = {
                "low": 1 - below / 2 * (1 / width + 1 / np.float64(rise)),
                "high": below / (2 * width),
                "mode": below / (2 * np.float64(rise)),
            }
            right = {
                "low": above / (2 * width),
                "high": 1 - above / 2 * (1 / width + 1 / np.float64(fall)),
                "mode": above / (2 * np.float64(fall)),
            }
        on_left = (x < self.peak) | (fall == 0)
        found = np.where(on_left, left[name], right[name])
        if self.mode is None:
            found = found + np.where(on_left, left["mode"], right["mode"]) / 2
        return found


@dataclass(frozen=True)
class LogUniform(ContinuousLaw):
    """Law whose logarithm is uniform on ``[log low, log high]``; both ends positive.

    >>> round(LogUniform(0.5, 2).expect(1), 6)
    1.082021
    """

    low: Number
    high: Number

    def __post_init__(self) -> None:
        self._read_numbers()
        check_order("LogUniform", self.low, self.high)
        check_positive("LogUniform", low=self.low)

    def rescaled(self, about: float, factor: float) -> LogUniform | None:
        if about != 0:
            return None
        return LogUniform(factor * self._given("low"), factor * self._given("high"))

    @property
    def _log_ratio(self) -> float:
        return float(np.log(self.high / self.low))

    @property
    def support(self) -> tuple[float, float]:
        return float(self.low), float(self.high)

    @property
    def knots(self) -> Array:
        pieces = int(np.ceil(self._log_ratio / np.log(2.0)))
        knots = self.low * np.exp(np.linspace(0, self._log_ratio, pieces + 1))
        knots[-1] = self.high
        return knots

    def cell_edges(self, n: int) -> Array:
        power = 2 / 3
        edges = np.linspace(self.low**power, self.high**power, n + 1) ** (1 / power)
        edges[0], edges[-1] = self.support
        return edges

    def density(self, x: ArrayLike) -> Array:
        return 1 / (np.asarray(x) * self._log_ratio)

    def cdf(self, x: ArrayLike) -> Array:
        return np.log(np.clip(x, self.low, self.high) / self.low) / self._log_ratio

    def partial_mean(self, x: ArrayLike) -> Array:
        return (np.clip(x, self.low, self.high) - self.low) / self._log_ratio

    def ppf(self, q: ArrayLike) -> Array:
        return np.clip(
            self.low * np.exp(np.asarray(q, dtype=float) * self._log_ratio), *self.support
        )

    def velocity(self, name: str, x: Array) -> Array:
        share = self.cdf(x)
        return share * x / self.high if name == "high" else (1 - share) * x / self.low


@dataclass(frozen=True)
class Beta(ContinuousLaw):
    """Beta law with shapes ``a`` and ``b``, stretched from [0, 1] to ``[low, high]``.

    The shapes are numbers, not tensors that require a gradient.

    >>> Beta(2, 2).mean
    0.5
    """

    _places = ("low", "high")

    a: float
    b: float
    low: Number = 0.0  # type: ignore[assignment]
    high: Number = 1.0  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self._read_numbers()
        check_positive("Beta", a=self.a, b=self.b)
        check_order("Beta", self.low, self.high)

    @property
    def support(self) -> tuple[float, float]:
        return float(self.low), float(self.high)

    @property
    def degree(self) -> int | None:
        whole = float(self.a).is_integer() and float(self.b).is_integer()
        return int(self.a + self.b - 2) if whole else None

    @property
    def knots(self) -> Array:
        if self.degree is not None and self.degree <= 8:
            return np.asarray(self.support)
        # Cells that halve towards the ends keep the singularities there out of every circle
        # of convergence; cells no wider than a standard deviation resolve a narrow peak.
        graded = 0.5 ** np.arange(45, 0, -1)
        total = self.a + self.b
        std = np.sqrt(self.a * self.b / (total + 1)) / total
        peak = np.clip(self.a / total + std * np.arange(-12, 13), 0, 1)
        inner = (
            np.concatenate([graded, 1 - graded, peak]) if std < 0.2 else np.r_[graded, 1 - graded]
        )
        return self.low + (self.high - self.low) * np.unique(np.r_[0.0, inner, 1.0])

    def cell_edges(self, n: int) -> Array:
        # Nodes as dense as the cube root of the law's density, but at a singular end as dense
        # as the law itself: no cell there may hold much of the mass.
        a, b = (shape if shape < 1 else (shape + 2) / 3 for shape in (self.a, self.b))
        unit = special.betaincinv(a, b, np.linspace(0, 1, n + 1))
        edges = self.low + (self.high - self.low) * unit
        edges[0], edges[-1] = self.support
        return edges

    def _unit(self, x: ArrayLike) -> Array:
        return np.clip((np.asarray(x) - self.low) / (self.high - self.low), 0.0, 1.0)

    def density(self, x: ArrayLike) -> Array:
        t = self._unit(x)
        with np.errstate(divide="ignore"):
            log = special.xlogy(self.a - 1, t) + special.xlog1py(self.b - 1, -t)
        return np.exp(log - special.betaln(self.a, self.b)) / (self.high - self.low)

    def cdf(self, x: ArrayLike) -> Array:
        return special.betainc(self.a, self.b, self._unit(x))

    def partial_mean(self, x: ArrayLike) -> Array:
        t = self._unit(x)
        unit = special.betainc(self.a + 1, self.b, t) * self.a / (self.a + self.b)
        return self.low * self.cdf(x) + (self.high - self.low) * unit

    def ppf(self, q: ArrayLike) -> Array:
        return self.low + (self.high - self.low) * special.betaincinv(self.a, self.b, q)

    def velocity(self, name: str, x: Array) -> Array:
        if name in ("a", "b"):
            return super().velocity(name, x)
        share = self._unit(x)
        return share if name == "high" else 1 - share
