"""Perspective: four points inside the image become its corners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from augmoments.adapters.albumentations.sampling import (
    check_warped_channels,
    resampling,
)
from augmoments.adapters.unsupported import unsupported
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.elementary import Step
from augmoments.errors import PolicyError
from augmoments.laws.joint import Array, JointLaw
from augmoments.operators.base import Shape
from augmoments.operators.projective import Projective
from augmoments.operators.warp import Resampling

_LARGEST = 0.32
_SMALLEST_SIDE = 6


@dataclass(frozen=True)
class CornerLaw(JointLaw):
    r"""Four points at :math:`|N(0, s)| \bmod 0.32` from the corners, in image sides.

    Along each axis apart; ``s`` is uniform on ``scale``. The points are top left, top right,
    bottom right, bottom left.
    """

    scale: tuple[float, float]

    @property
    def width(self) -> int:
        return 8

    @property
    def dimension(self) -> int:
        return 9

    @property
    def count(self) -> float:
        return np.inf

    def ppf(self, u: Array) -> Array:
        low, high = self.scale
        scale = low + (high - low) * u[:, :1]
        inset = np.mod(scale * ndtri((1 + u[:, 1:]) / 2), _LARGEST).reshape(-1, 4, 2)
        inset[:, 1, 0] = 1 - inset[:, 1, 0]
        inset[:, 2] = 1 - inset[:, 2]
        inset[:, 3, 1] = 1 - inset[:, 3, 1]
        return inset.reshape(-1, 8)


@dataclass(frozen=True)
class Corners(Projective):
    r"""Map the points ``theta``, in image sides, to the corners, then enlarge once more.

    The corners are at ``(0, 0)`` and ``(W, H)``. The additional factors are W and H over the
    longest horizontal and vertical side of the quadrangle, rounded down to whole pixels.
    """

    resampling: Resampling

    @property
    def parameter(self) -> str:
        return "x and y of the four points, image sides"

    def check_shape(self, shape: Shape) -> None:
        self.resampling.check_shape(shape)
        check_warped_channels("Perspective", shape)
        if min(shape[1:]) < _SMALLEST_SIDE:
            raise PolicyError(
                f"Perspective takes images of at least {_SMALLEST_SIDE} x {_SMALLEST_SIDE} pixels, "
                f"these have shape {shape}."
            )

    def matrices(self, theta: Tensor, shape: Shape) -> Tensor:
        height, width = shape[1:]
        size = torch.tensor([width, height], dtype=torch.float64)
        points = (theta.cpu().double().reshape(-1, 4, 2) * size).float().double()
        corners = size * torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1]], dtype=torch.float64)
        sides = (points - points.roll(-1, 1)).norm(dim=-1)
        longest = torch.stack([sides[:, [0, 2]].amax(1), sides[:, [1, 3]].amax(1)], 1).floor()
        forward = _homography(points, corners)
        factors = torch.cat([size / longest, torch.ones(len(points), 1)], 1)
        return (factors[..., None] * forward).inverse()


def _homography(points: Tensor, targets: Tensor) -> Tensor:
    """The matrices ``(B, 3, 3)`` that take ``points`` ``(B, 4, 2)`` to ``targets`` ``(4, 2)``."""
    ones, zeros = torch.ones(len(points), 4, 1), torch.zeros(len(points), 4, 3)
    homogeneous = torch.cat([points, ones], -1)
    rows_x = torch.cat([homogeneous, zeros, -targets[:, :1] * points], -1)
    rows_y = torch.cat([zeros, homogeneous, -targets[:, 1:] * points], -1)
    system = torch.stack([rows_x, rows_y], 2).reshape(-1, 8, 8)
    values = targets.reshape(1, 8, 1).expand(len(points), -1, -1)
    found = torch.linalg.solve(system, values)[..., 0]
    return torch.cat([found, torch.ones(len(found), 1)], 1).reshape(-1, 3, 3)


def perspective(transform: Any) -> Augmentation:
    """Perspective with ``keep_size``."""
    if not transform.keep_size:
        raise unsupported(
            transform, "keep_size=False makes the output size random", "use keep_size=True"
        )
    if transform.fit_output:
        raise unsupported(transform, "fit_output=True is not known", "use fit_output=False")
    if not isinstance(transform.fill, tuple | list) and transform.fill != 0:
        raise unsupported(
            transform,
            f"fill={transform.fill:g} fills the first channel only",
            "use fill=0, or one value a channel",
        )
    low, high = transform.scale
    law = CornerLaw((float(low), float(high)))
    return Step(Corners(resampling(transform)), law, "Perspective")
