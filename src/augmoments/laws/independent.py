"""Independent numbers, drawn together."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, prod

import numpy as np
import torch
from torch import Tensor

from augmoments.errors import LawError
from augmoments.laws.base import Law
from augmoments.laws.discrete import Discrete
from augmoments.laws.joint import Array, JointAtoms, JointLaw


@dataclass(frozen=True)
class Independent(JointLaw):
    """Independent numbers with a law each; constants take no uniform number.

    Example:
        >>> law = Independent((Discrete([0.0]), Discrete([0.0, 1.0], [0.75, 0.25])))
        >>> law.dimension, law.count, law.atoms().weights.tolist()
        (1, 2, [0.75, 0.25])
    """

    laws: tuple[Law, ...]

    def __str__(self) -> str:
        random = [str(law) for law in self.laws if _outcomes(law) > 1]
        return ", ".join(random) if len(random) <= 2 else f"{len(random)} independent numbers"

    @property
    def width(self) -> int:
        return len(self.laws)

    @property
    def dimension(self) -> int:
        return sum(_outcomes(law) > 1 for law in self.laws)

    @property
    def count(self) -> float:
        return prod(_outcomes(law) for law in self.laws)

    def ppf(self, u: Array) -> Array:
        columns, used = [], 0
        for law in self.laws:
            random = _outcomes(law) > 1
            columns.append(law.ppf(u[:, used] if random else np.full(len(u), 0.5)))
            used += random
        return np.column_stack(columns)

    @property
    def differentiable(self) -> bool:
        return any(law.differentiable for law in self.laws)

    def attach(self, points: Tensor) -> Tensor:
        pairs = zip(self.laws, points.unbind(1), strict=True)
        return torch.stack([law.attach(column) for law, column in pairs], 1)

    def atoms(self) -> JointAtoms:
        found = []
        for law in self.laws:
            if not isinstance(law, Discrete):
                raise LawError(f"{law} has infinitely many outcomes.")
            points, weights = law.atoms
            found.append((points[weights > 0], weights[weights > 0]))
        points = np.meshgrid(*(points for points, _ in found), indexing="ij")
        weights = np.meshgrid(*(weights for _, weights in found), indexing="ij")
        return JointAtoms(
            np.stack([p.ravel() for p in points], 1), np.prod([w.ravel() for w in weights], 0)
        )


def _outcomes(law: Law) -> float:
    return int((law.atoms.weights > 0).sum()) if isinstance(law, Discrete) else inf
