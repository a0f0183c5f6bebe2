"""The affine maps of albumentations, with OpenCV's pixel coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from augmoments.adapters.albumentations.sampling import check_warped_channels
from augmoments.operators.base import Neutral, Shape
from augmoments.operators.projective import Projective
from augmoments.operators.warp import Resampling

_RADIANS = torch.pi / 180


@dataclass(frozen=True)
class AffineWarp(Projective):
    r"""The inverse of :math:`C T H R S C^{-1}`: shift, shear, rotate and enlarge about the centre.

    The parameters are the angle in degrees (counter-clockwise), the shifts along x and y in
    pixels, the shear angles along x and y in degrees, and the factors along x and y; ``H`` has
    minus the tangents of the shears beside the diagonal, both at once. With ``keep_ratio`` the
    second factor is the first one.
    """

    resampling: Resampling
    keep_ratio: bool = False

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return tuple(map(Neutral, (0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0)))

    @property
    def parameter(self) -> str:
        return "angle, shift along x and y, shear along x and y, factor along x and y"

    def origin(self, shape: Shape) -> tuple[float, float]:
        return (shape[2] - 1) / 2, (shape[1] - 1) / 2

    def check_shape(self, shape: Shape) -> None:
        self.resampling.check_shape(shape)
        check_warped_channels("Affine", shape)

    def matrices(self, theta: Tensor, shape: Shape) -> Tensor:
        angle, x, y, shear_x, shear_y, scale_x, scale_y = theta.double().unbind(1)
        if self.keep_ratio:
            scale_y = scale_x
        cos, sin = (angle * _RADIANS).cos(), (angle * _RADIANS).sin()
        slope_x, slope_y = (-(shear * _RADIANS).tan() for shear in (shear_x, shear_y))
        one = torch.ones_like(cos)
        shear = _matrices(((one, slope_x), (slope_y, one)))
        turn = _matrices(((cos * scale_x, sin * scale_y), (-sin * scale_x, cos * scale_y)))
        back = torch.linalg.inv(shear @ turn)
        return torch.cat([back, -back @ torch.stack([x, y], -1)[..., None]], 2)


@dataclass(frozen=True)
class FittedRotation(Projective):
    """Rotate by ``theta`` degrees, then squeeze the rotated image's bounding box into the frame.

    The box is rounded down to whole pixels, and every axis squeezed by its own factor.
    """

    resampling: Resampling

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return (Neutral(0.0),)

    @property
    def parameter(self) -> str:
        return "angle, degrees"

    def check_shape(self, shape: Shape) -> None:
        self.resampling.check_shape(shape)
        check_warped_channels("SafeRotate", shape)

    def matrices(self, theta: Tensor, shape: Shape) -> Tensor:
        height, width = shape[1:]
        angle = theta[:, 0].double() * _RADIANS
        cos, sin = angle.cos(), angle.sin()
        box_x = (height * sin.abs() + width * cos.abs()).floor()
        box_y = (height * cos.abs() + width * sin.abs()).floor()
        turn = _matrices(((cos, sin), (-sin, cos)))
        centre = torch.tensor([width / 2 - 0.5, height / 2 - 0.5]).to(theta)
        middle = torch.stack([box_x / 2, box_y / 2], -1)
        squeeze = torch.stack([width / box_x, height / box_y], -1)
        back = (turn * squeeze[..., None]).inverse()
        offset = centre[:, None] - turn.mT @ middle[..., None]
        return torch.cat([back, offset], 2)


def _matrices(rows: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Tensor:
    """Matrices ``(B, 2, 2)`` of elements ``(B,)``."""
    return torch.stack([torch.stack(row, -1) for row in rows], -2)
