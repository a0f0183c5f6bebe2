"""Affine maps of which only one parameter varies, with torchvision's rounding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from augmoments.operators.affine import Affine
from augmoments.operators.base import Shape

_COLUMNS = {"angle": 0, "shift along x": 1, "shift along y": 2}
_COLUMNS |= {"shear along x": 4, "shear along y": 5}


@dataclass(frozen=True)
class AffinePart(Affine):
    """One of the parameters of :class:`~augmoments.operators.affine.Affine`, the others neutral.

    Angles (in degrees) turn counter-clockwise, as torchvision's ``rotate`` and unlike its
    ``affine``; shifts are pixels, shears degrees.
    """

    varies: Literal["angle", "shift along x", "shift along y", "shear along x", "shear along y"] = (
        "angle"
    )

    @property
    def parameter(self) -> str:
        return f"{self.varies}, {'pixels' if 'shift' in self.varies else 'degrees'}"

    def matrices(self, theta: Tensor, shape: Shape) -> Tensor:
        strength = theta[:, 0]
        if self.varies == "angle":
            strength = -strength.remainder(360)
        full = torch.zeros(len(theta), 6, dtype=theta.dtype, device=theta.device)
        full[:, 3] = 1
        full[:, _COLUMNS[self.varies]] = strength
        return super().matrices(full, shape)
