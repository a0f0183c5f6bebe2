"""Affine maps with all of torchvision's parameters at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from augmoments.operators.base import Neutral, Shape
from augmoments.operators.crossings import Crossings
from augmoments.operators.projective import Projective
from augmoments.operators.warp import Array, Resampling, Rotation, Warp


@dataclass(frozen=True)
class Affine(Projective):
    r"""Shift, rotate, enlarge and shear at once: the inverse of :math:`T C R S Y X C^{-1}`.

    The parameters are the angle in degrees (clockwise, unlike
    :class:`~augmoments.operators.warp.Rotation`'s), the shifts along x and y in pixels, the factor,
    and the shears along x and y in degrees. ``X`` and ``Y`` shear by minus the tangent. A centre is
    given as torchvision takes it: ``(x, y)`` from the upper left corner.

    Reference:
        ``torchvision.transforms.v2.functional.affine``.
    """

    resampling: Resampling
    centre: tuple[float, float] | None = None
    margin: tuple[int, int] = field(default=(0, 0), kw_only=True)

    @property
    def neutral(self) -> tuple[Neutral, ...] | None:
        if any(self.margin):
            return None
        return tuple(map(Neutral, (0.0, 0.0, 0.0, 1.0, 0.0, 0.0)))

    @property
    def parameter(self) -> str:
        return "angle, shift along x and y, factor, shear along x and y"

    def origin(self, shape: Shape) -> tuple[float, float]:
        return (shape[2] - 1) / 2, (shape[1] - 1) / 2

    def matrices(self, theta: Tensor, shape: Shape) -> Tensor:
        angle, shift_x, shift_y, factor, shear_x, shear_y = theta.cpu().unbind(1)
        angle, shear_x, shear_y = (t * (math.pi / 180) for t in (angle, shear_x, shear_y))
        a, c = (_each(f, angle - shear_y) / _each(math.cos, shear_y) for f in (math.cos, math.sin))
        slope = _each(math.tan, shear_x)
        b = -(a * slope + _each(math.sin, angle))
        d = _each(math.cos, angle) - c * slope
        cx, cy = self._centre(shape)
        x, y = cx + shift_x, cy + shift_y
        rows = []
        for along, across, centre in ((d, -b, cx), (-c, a, cy)):
            along, across = along / factor, across / factor
            rows += [along, across, centre - along * x - across * y]
        return torch.stack(rows, 1).reshape(-1, 2, 3)

    def _centre(self, shape: Shape) -> tuple[float, float]:
        """What is rotated about, in pixels from the image's centre."""
        if self.centre is None:
            return 0.0, 0.0
        return self.centre[0] - shape[2] * 0.5, self.centre[1] - shape[1] * 0.5


def _each(function: Callable[[float], float], values: Tensor) -> Tensor:
    """A function of :mod:`math`, whose last bit may differ from PyTorch's, of every value."""
    found = torch.tensor([function(value) for value in values.tolist()], dtype=torch.float64)
    if not values.requires_grad:
        return found
    smooth = getattr(torch, function.__name__)(values)
    return found + (smooth - smooth.detach())


@dataclass(frozen=True)
class Clockwise(Warp):
    """Rotate by ``theta`` degrees clockwise: :class:`Affine` with an angle alone."""

    resampling: Resampling
    centre: tuple[float, float] | None = None

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return (Neutral(0.0),)

    @property
    def centred(self) -> bool:
        return self.centre is None

    @property
    def parameter(self) -> str:
        return "angle, degrees clockwise"

    @property
    def _counter(self) -> Rotation:
        return Rotation(self.resampling, self.centre)

    def source(self, x: Any, y: Any, theta: Any, shape: Shape) -> tuple[Any, Any]:
        return self._counter.source(x, y, -theta, shape)

    def cuts(self, low: float, high: float) -> Array:
        return -self._counter.cuts(-high, -low)

    def crossings(self, x: Array, y: Array, shape: Shape, low: float, high: float) -> Crossings:
        found = self._counter.crossings(x, y, shape, -high, -low)
        return Crossings(found.pixel, -found.parameter)
