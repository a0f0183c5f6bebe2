"""Finite laws: atoms, coins and constants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from augmoments.checks import check_probability
from augmoments.errors import InputTypeError, LawError
from augmoments.laws.base import Array, Law, Nodes, check_number


@dataclass(frozen=True)
class Discrete(Law):
    """Finite law: ``values`` with ``probabilities`` (equal ones by default).

    >>> Discrete([-1, 0, 1]).expect(2)
    0.6666666666666666
    """

    values: Sequence[float]
    probabilities: Sequence[float] | None = None

    def __post_init__(self) -> None:
        for value in (*_entries(self.values), *_entries(self.probabilities)):
            check_number("Discrete: a value or probability", value)
        try:
            values = tuple(float(v) for v in self.values)
        except (TypeError, ValueError) as error:
            raise InputTypeError(
                f"Discrete: values must be a sequence of numbers, got {self.values!r}."
            ) from error
        if not values:
            raise LawError("Discrete: values is empty; give at least one.")
        if not np.isfinite(values).all():
            raise LawError(f"Discrete: values must be finite, got {list(values)}.")
        count = len(values)
        given = self.probabilities
        weights = np.full(count, 1 / count) if given is None else np.asarray(given, dtype=float)
        if weights.shape != (count,):
            raise LawError(f"Discrete: {count} values but {weights.size} probabilities.")
        if not (np.isfinite(weights).all() and (weights >= 0).all()):
            raise LawError(f"Discrete: probabilities must be non-negative, got {given!r}.")
        total = weights.sum()
        if abs(total - 1) > 1e-9:
            raise LawError(f"Discrete: probabilities must sum to 1, they sum to {total}.")
        if abs(total - 1) > count * np.finfo(float).eps:  # more than rounding, so that a copy of
            weights = weights / total  # the law has the same probabilities
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "probabilities", tuple(weights.tolist()))

    def __str__(self) -> str:
        points, weights = self.atoms
        if len(points) == 1:
            return f"{points[0]:g}"
        if points.tolist() == [0, 1]:
            return f"probability {weights[1]:g}"
        if len(points) <= 4:
            return ", ".join(f"{w:.3g} at {p:g}" for p, w in zip(points, weights, strict=True))
        return f"{len(points)} values from {points.min():g} to {points.max():g}"

    @property
    def atoms(self) -> Nodes:
        """Values and probabilities as a quadrature rule, exact for every function."""
        return Nodes(np.asarray(self.values), np.asarray(self.probabilities))

    @property
    def support(self) -> tuple[float, float]:
        return min(self.values), max(self.values)

    def expect(self, degree: int) -> float:
        points, weights = self.atoms
        return float(np.sum(weights * points**degree))

    def rescaled(self, about: float, factor: float) -> Discrete:
        values = [about + factor * (value - about) for value in self.values]
        return Discrete(values, self.probabilities)

    def ppf(self, q: ArrayLike) -> Array:
        points, weights = self.atoms
        steps = np.cumsum(weights)
        index = np.searchsorted(steps, np.asarray(q, dtype=float) * steps[-1], side="right")
        return points[np.minimum(index, len(points) - 1)]


def bernoulli(p: float) -> Discrete:
    """The law of a coin that shows 1 with probability ``p`` and 0 otherwise."""
    check_number("The probability", p)
    p = check_probability(p)
    return Discrete([0.0, 1.0], [1 - p, p])


def _entries(given: object) -> Iterable[object]:
    if isinstance(given, Tensor):
        return (given,)
    return given if isinstance(given, Sequence) else ()
