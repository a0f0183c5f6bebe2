"""Affine maps of which only one parameter varies, with torchvision's rounding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from augmoments.operators.affine import Affine
from augmoments.operators.base import Neutral, Shape
from augmoments.operators.fused import multiply_add

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
    def neutral(self) -> tuple[Neutral, ...]:
        return (Neutral(0.0),)

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

    def positions(self, theta: Tensor, shape: Shape, device: torch.device) -> tuple[Tensor, Tensor]:
        """Input pixels that are read, each ``(B, H, W)``.

        Quarter turns of images that are not square read half-way between pixels. Which one is read
        is then up to rounding, so the last step is fused as in PyTorch's ``grid_sample``.
        """
        _, height, width = shape
        size = torch.tensor([width, height], dtype=torch.float64, device=device)
        y, x = torch.meshgrid(
            torch.arange(height, dtype=torch.float64, device=device) - (height - 1) / 2,
            torch.arange(width, dtype=torch.float64, device=device) - (width - 1) / 2,
            indexing="ij",
        )
        points = torch.stack([x, y, torch.ones_like(x)], -1).reshape(1, -1, 3)
        matrix = self.matrices(theta, shape).to(device)
        grid = points.expand(len(theta), -1, -1).bmm((matrix / (0.5 * size)[:, None]).mT)
        x, y = multiply_add(grid + 1, size / 2, -0.5).unbind(2)
        return x.reshape(-1, height, width), y.reshape(-1, height, width)
