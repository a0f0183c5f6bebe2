"""What a policy draws, one place at a time."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
import torch
from torch import Tensor

from augmoments.errors import PolicyError
from augmoments.laws import Discrete, Law
from augmoments.laws.joint import JointAtoms, JointLaw
from augmoments.operators.base import Pieces


@dataclass(frozen=True)
class Parameter:
    """What a policy draws at one place, and where the action is a polynomial in it, if known."""

    law: Law | JointLaw
    pieces: Pieces | None = None
    smooth: bool = True
    """Whether the action is continuous in it."""

    @property
    def width(self) -> int:
        """How many columns of theta it fills."""
        return self.law.width if isinstance(self.law, JointLaw) else 1

    @property
    def dimension(self) -> int:
        """How many uniform numbers it takes."""
        return self.law.dimension if isinstance(self.law, JointLaw) else 1

    @property
    def count(self) -> float:
        """How many outcomes it has, ``inf`` if the law is not finite."""
        if isinstance(self.law, JointLaw):
            return self.law.count
        if isinstance(self.law, Discrete):
            return int((self.law.atoms.weights > 0).sum())
        return inf

    def ppf(self, u: np.ndarray) -> np.ndarray:
        """Outcomes ``(n, width)`` for uniform numbers ``(n, dimension)``."""
        return self.law.ppf(u) if isinstance(self.law, JointLaw) else self.law.ppf(u[:, 0])[:, None]

    def attach(self, points: Tensor) -> Tensor:
        """Outcomes ``(n, width)`` that move with the parameters of the law.

        Raises:
            PolicyError: The action jumps, so that its derivative says nothing.
        """
        if not self.law.differentiable:
            return points
        if not self.smooth:
            raise PolicyError(
                f"The action jumps as its parameter ({self.law}) moves, so that it has no "
                'derivative: where it reads the nearest pixel, use interpolation="bilinear".'
            )
        if isinstance(self.law, JointLaw):
            return self.law.attach(points)
        return self.law.attach(points[:, 0])[:, None]

    def atoms(self) -> JointAtoms:
        """All outcomes with their probabilities."""
        if isinstance(self.law, JointLaw):
            return self.law.atoms()
        assert isinstance(self.law, Discrete)
        points, weights = self.law.atoms
        return JointAtoms(points[weights > 0, None], weights[weights > 0])

    def sample(self, n: int, generator: torch.Generator | None) -> Tensor:
        """``n`` independent outcomes, ``(n, width)``, float64."""
        drawn = self.law.sample(n, generator)
        return drawn if drawn.ndim == 2 else drawn[:, None]


def independent(parts: list[JointAtoms]) -> JointAtoms:
    """All combinations of independent outcomes, side by side."""
    points, weights = np.zeros((1, 0)), np.ones(1)
    for part in parts:
        first = np.repeat(points, len(part.points), axis=0)
        points = np.concatenate([first, np.tile(part.points, (len(points), 1))], 1)
        weights = np.outer(weights, part.weights).ravel()
    return JointAtoms(points, weights)
