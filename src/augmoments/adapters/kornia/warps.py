"""kornia's affine and perspective maps, on pixel coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from augmoments.operators.base import Neutral, Shape
from augmoments.operators.projective import Projective
from augmoments.operators.warp import Resampling


@dataclass(frozen=True)
class Affine(Projective):
    r"""Shear, enlarge, rotate and shift, all about the image's centre.

    With :math:`a, b` the tangents of the shears, a point goes to
    :math:`c + R\,S \begin{pmatrix} 1 & -a \\ -b & 1 + ab \end{pmatrix} (u - c) + t`. The parameters
    are the angle (degrees, clockwise), the shifts along x and y as shares of width and height, the
    factors along x and y (one for both if ``isotropic``), and the shears along x and y (degrees).
    """

    resampling: Resampling
    isotropic: bool = False

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        factors = (1.0,) if self.isotropic else (1.0, 1.0)
        return tuple(map(Neutral, (0.0, 0.0, 0.0, *factors, 0.0, 0.0)))

    @property
    def parameter(self) -> str:
        return "angle, shifts, factors and shears along x and y"

    def origin(self, shape: Shape) -> tuple[float, float]:
        return (shape[2] - 1) / 2, (shape[1] - 1) / 2

    def matrices(self, theta: Tensor, shape: Shape) -> Tensor:
        angle, shift_x, shift_y, factor_x, *factor_y, shear_x, shear_y = theta.unbind(1)
        factor_y = factor_x if self.isotropic else factor_y[0]
        angle, shear_x, shear_y = (t * (math.pi / 180) for t in (angle, shear_x, shear_y))
        a, b = shear_x.tan(), shear_y.tan()
        cos, sin = angle.cos(), angle.sin()
        right = cos / factor_x, sin / factor_x
        down = -sin / factor_y, cos / factor_y
        rows = [
            [(1 + a * b) * r + a * d for r, d in zip(right, down, strict=True)],
            [b * r + d for r, d in zip(right, down, strict=True)],
        ]
        x, y = shift_x * shape[2], shift_y * shape[1]
        entries = [e for p, q in rows for e in (p, q, -(p * x + q * y))]
        return torch.stack(entries, 1).reshape(-1, 2, 3)


@dataclass(frozen=True)
class Perspective(Projective):
    """Pull the four corners of the image by ``theta``, ``(x, y)`` each.

    The corners are top left, top right, bottom right and bottom left. A share of 1 is ``scale``
    times half of the image's side, towards the centre; with ``centred``, shares from 0 to 1 are
    spread evenly about the corner, and reach as far.
    """

    resampling: Resampling
    scale: float
    centred: bool

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return (Neutral(0.5 if self.centred else 0.0),) * 8

    @property
    def parameter(self) -> str:
        return "shifts of the four corners along x and y"

    def ends(self, theta: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
        """Where the corners are and where they go, each ``(B, 4, 2)``, in pixels."""
        _, height, width = shape
        inwards = torch.tensor([[1, 1], [-1, 1], [-1, -1], [1, -1]], dtype=torch.float64)
        reach = torch.tensor([side * (side > 1) for side in (width, height)]) * (self.scale / 2)
        sides = torch.tensor([max(side - 1, 1) for side in (width, height)])
        corners = (1 - inwards) / 2 * sides
        share = theta.cpu().reshape(-1, 4, 2)
        shift = 2 * (share - 0.5) if self.centred else share * inwards
        return corners.expand(len(share), -1, -1), corners + shift * reach

    def matrices(self, theta: Tensor, shape: Shape) -> Tensor:
        before, after = self.ends(theta, shape)
        return homography(after, before)


def homography(points: Tensor, images: Tensor) -> Tensor:
    """The projective maps that take four points to four others, ``(B, 4, 2)`` to ``(B, 3, 3)``."""
    ones = torch.ones_like(points[..., :1])
    known = torch.cat([points, ones], -1)
    none = torch.zeros_like(known)
    first = torch.cat([known, none, -images[..., :1] * points], -1)
    second = torch.cat([none, known, -images[..., 1:] * points], -1)
    system = torch.cat([first, second], 1)
    values = torch.cat([images[..., 0], images[..., 1]], 1)
    found = torch.linalg.solve(system, values)
    return torch.cat([found, torch.ones_like(found[:, :1])], 1).reshape(-1, 3, 3)
