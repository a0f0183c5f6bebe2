"""Laws of several numbers that are drawn together, such as the corner and the size of a box."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from augmoments.errors import LawError

Array = NDArray[np.float64]


class JointAtoms(NamedTuple):
    """The outcomes of a finite joint law."""

    points: Array
    """(K, width)."""
    weights: Array
    """(K,), sums to 1."""


class JointLaw(ABC):
    """The law of ``width`` numbers, a map of ``dimension`` independent uniform numbers."""

    @property
    @abstractmethod
    def width(self) -> int:
        """How many numbers one draw consists of."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """How many uniform numbers :meth:`ppf` takes."""

    @property
    @abstractmethod
    def count(self) -> float:
        """How many outcomes there are; ``inf`` if the law is not finite."""

    @abstractmethod
    def ppf(self, u: Array) -> Array:
        """The draws ``(n, width)`` that belong to uniform numbers ``(n, dimension)`` in [0, 1).

        Monotone in each number where that makes sense, so that well-spread points give well-spread
        draws.
        """

    def atoms(self) -> JointAtoms:
        """All outcomes and their probabilities.

        Raises:
            LawError: The law is not finite.
        """
        raise LawError(f"{self} has infinitely many outcomes.")

    @property
    def differentiable(self) -> bool:
        """Whether gradients flow from :meth:`attach` to parameters of the law."""
        return False

    def attach(self, points: Tensor) -> Tensor:
        """The same points ``(n, width)``, moving with the parameters of the law."""
        return points

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """``n`` independent draws, shape ``(n, width)``, float64."""
        u = torch.rand(n, self.dimension, generator=generator, dtype=torch.float64)
        return torch.from_numpy(np.ascontiguousarray(self.ppf(u.numpy()), dtype=float))


@dataclass(frozen=True, eq=False)
class Table(JointLaw):
    """Finitely many outcomes, rows of ``points`` ``(K, width)``, with ``weights`` ``(K,)``."""

    points: Array
    weights: Array

    def __str__(self) -> str:
        return f"{len(self.points)} outcomes"

    def __post_init__(self) -> None:
        if len(self.points) != len(self.weights) or not np.isclose(self.weights.sum(), 1):
            raise LawError("A table needs one weight an outcome, and weights that sum to 1.")

    @property
    def width(self) -> int:
        return self.points.shape[1]

    @property
    def dimension(self) -> int:
        return 1

    @property
    def count(self) -> float:
        return len(self.points)

    def ppf(self, u: Array) -> Array:
        ends = np.cumsum(self.weights)
        index = np.searchsorted(ends / ends[-1], u[:, 0], side="right")
        return self.points[np.minimum(index, len(self.points) - 1)]

    def atoms(self) -> JointAtoms:
        return JointAtoms(self.points, self.weights)


@dataclass(frozen=True)
class Seed(JointLaw):
    """The seed of an action that draws its own random numbers, too many to be integrated over.

    Answers that it touches are Monte Carlo estimates.
    """

    @property
    def width(self) -> int:
        return 1

    @property
    def dimension(self) -> int:
        return 1

    @property
    def count(self) -> float:
        return np.inf

    def ppf(self, u: Array) -> Array:
        return np.floor(u * 2.0**31)
