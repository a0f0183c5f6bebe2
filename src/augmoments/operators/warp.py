"""Resampling: the output pixel at ``(x, y)`` reads the input at ``source(x, y; theta)``.

Pixel centres have whole coordinates, x points right and y down. Signs are torchvision's.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from augmoments.errors import InputError, InputTypeError, PolicyError
from augmoments.operators.base import Neutral, Operator, Pieces, Shape
from augmoments.operators.crossings import Crossings, Index, arc_crossings, monotone_crossings

Interpolation = Literal["nearest", "bilinear"]
Border = Literal["zeros", "torchvision"]
Axis = Literal["x", "y"]
Fill = float | Sequence[float]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Resampling:
    r"""How values between and beyond pixels are found.

    With ``M`` the interpolation with zero padding, ``m = M 1`` and ``f`` the fill value, the
    result is :math:`M x + f (1 - m)` for ``border="zeros"``. torchvision's bilinear transforms
    with a fill value multiply by the mask once more, :math:`m (M x - f) + f`, which darkens the
    border; that is ``border="torchvision"``. With nearest neighbours the two agree.
    """

    interpolation: Interpolation = "bilinear"
    fill: float | tuple[float, ...] = 0.0
    border: Border = "zeros"

    @classmethod
    def of(cls, interpolation: Any, fill: Fill, border: str) -> Resampling:
        """Check and normalise what a user gave; torchvision's enum is read too."""
        mode = getattr(interpolation, "value", interpolation)
        if mode not in ("nearest", "bilinear"):
            raise InputError(
                f'interpolation must be "nearest" or "bilinear", got {interpolation!r}.'
            )
        if border not in ("zeros", "torchvision"):
            raise InputError(f'border must be "zeros" or "torchvision", got {border!r}.')
        try:
            values = np.atleast_1d(np.asarray(fill, dtype=float))
        except (TypeError, ValueError) as error:
            raise InputTypeError(
                f"fill must be a number or one a channel, got {fill!r}."
            ) from error
        if not np.isfinite(values).all():
            raise InputError(f"fill must be finite, got {fill!r}.")
        flat = float(values[0]) if values.size == 1 else tuple(float(v) for v in values)
        return cls(mode, flat, border)  # type: ignore[arg-type]

    @property
    def masks_twice(self) -> bool:
        """Whether the inside mask enters the result a second time."""
        return self.border == "torchvision" and self.interpolation == "bilinear"

    def check_shape(self, shape: Shape) -> None:
        if isinstance(self.fill, tuple) and len(self.fill) != shape[0]:
            raise PolicyError(
                f"fill has {len(self.fill)} values but the images {shape[0]} channels."
            )

    def fill_like(self, images: Tensor) -> Tensor:
        """The fill value a channel, shape ``(C, 1, 1)``."""
        fill = torch.tensor(self.fill, dtype=images.dtype, device=images.device)
        return fill.expand(images.shape[-3]).reshape(-1, 1, 1)

    def sample(self, images: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Read ``images`` ``(B, n, C, H, W)`` at pixel coordinates ``x``, ``y`` ``(B, H', W')``."""
        if self.interpolation == "nearest":
            x, y = x.round(), y.round()
        size = _size(images, x.dtype)
        grid = torch.stack([x, y], -1).mul(2 / size).add_(1 / size - 1)
        return self.read(images, grid.to(images.dtype))

    def read(self, images: Tensor, grid: Tensor) -> Tensor:
        """The same at positions ``(B, H', W', 2)`` that reach from -1 to 1 over the images."""
        groups, n, channels, height, width = images.shape

        def sampled(values: Tensor) -> Tensor:
            shares = _shares(*values.shape[:2])
            out = F.grid_sample(
                values.reshape(groups * shares, -1, height, width),
                grid.repeat_interleave(shares, 0) if shares > 1 else grid,
                mode=self.interpolation,
                padding_mode="zeros",
                align_corners=False,
            )
            return out.reshape(*values.shape[:2], *grid.shape[1:3])

        out = sampled(images.reshape(groups, n * channels, height, width))
        out = out.reshape(groups, n, channels, *grid.shape[1:3])
        fill = self.fill_like(images)
        if not self.masks_twice and not fill.any():
            return out
        mask = sampled(images.new_ones(1, 1, height, width).expand(groups, -1, -1, -1))[:, None]
        return mask * (out - fill) + fill if self.masks_twice else out + fill * (1 - mask)


class Warp(Operator):
    """A resampling along source coordinates that depend on the parameters."""

    acts_on = "space"
    resampling: Resampling

    @property
    def smooth(self) -> bool:
        return self.resampling.interpolation == "bilinear"

    @property
    def affine(self) -> bool:
        return True

    @property
    def centred(self) -> bool:
        """Whether the image's centre stays: mirrored about it, a pixel reads the mirrored place."""
        return False

    @abstractmethod
    def source(self, x: Any, y: Any, theta: Any, shape: Shape) -> tuple[Any, Any]:
        """Input coordinates that output pixel ``(x, y)`` reads; arrays or tensors alike.

        They are affine in x and y.
        """

    @abstractmethod
    def crossings(self, x: Array, y: Array, shape: Shape, low: float, high: float) -> Crossings:
        """Parameters in ``[low, high]`` at which a source coordinate crosses a grid line."""

    def cuts(self, low: float, high: float) -> Array:
        """Points that keep the coordinates smooth enough for ten Gauss nodes between them."""
        return np.empty(0)

    def check_shape(self, shape: Shape) -> None:
        self.resampling.check_shape(shape)

    def fill_like(self, images: Tensor) -> Tensor:
        return self.resampling.fill_like(images)

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        shape: Shape = tuple(images.shape[-3:])  # type: ignore[assignment]
        _, height, width = shape
        y = torch.arange(height, dtype=torch.float64, device=images.device)[None, :, None]
        x = torch.arange(width, dtype=torch.float64, device=images.device)[None, None, :]
        theta = theta.to(images.device)[:, 0, None, None]

        def source(x: Tensor, y: Tensor) -> Tensor:
            return torch.stack(torch.broadcast_tensors(*self.source(x, y, theta, shape)), -1)

        if self.resampling.interpolation == "nearest":  # whose ties leave no room for rounding
            places = source(x, y).expand(len(theta), height, width, 2)
            return self.resampling.sample(images, *places.unbind(-1))
        size = _size(images, torch.float64)
        middle_x, middle_y = x.mean(2, keepdim=True), y.mean(1, keepdim=True)
        row = (2 * source(x, middle_y) + 1) / size - 1
        column = 2 * (source(middle_x, y) - source(middle_x, middle_y)) / size
        return self.resampling.read(images, row.to(images.dtype) + column.to(images.dtype))

    def linear(self, images: Tensor, theta: Tensor) -> Tensor:
        if not self.resampling.fill_like(images).any():
            return self(images, theta)
        return super().linear(images, theta)

    def grid_lines(self, size: int) -> tuple[float, int]:
        """First grid line and number of lines at which the interpolation of one axis changes."""
        return (-0.5, size + 1) if self.resampling.interpolation == "nearest" else (-1.0, size + 2)


def _size(images: Tensor, dtype: torch.dtype) -> Tensor:
    """Width and height."""
    return torch.tensor(images.shape[:-3:-1], dtype=dtype, device=images.device)


def _shares(groups: int, planes: int) -> int:
    """Into how many equal shares to cut the planes, for ``grid_sample`` runs groups in parallel."""
    threads = torch.get_num_threads()
    if groups >= threads:
        return 1
    return next(share for share in range(threads, 0, -1) if planes % share == 0)


def _library(values: Any) -> Any:
    return torch if isinstance(values, Tensor) else np


def _centre(shape: Shape, centre: tuple[float, float] | None = None) -> tuple[float, float]:
    if centre is not None:
        return centre[0] - 0.5, centre[1] - 0.5
    return (shape[2] - 1) / 2, (shape[1] - 1) / 2


@dataclass(frozen=True)
class Translation(Warp):
    """Shift by ``theta`` pixels along one axis, to the right or downwards."""

    axis: Axis
    resampling: Resampling

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return (Neutral(0.0),)

    @property
    def parameter(self) -> str:
        return f"shift along {self.axis}, pixels"

    def source(self, x: Any, y: Any, theta: Any, shape: Shape) -> tuple[Any, Any]:
        return (x - theta, y) if self.axis == "x" else (x, y - theta)

    def pieces(self, low: float, high: float) -> Pieces:
        if self.resampling.interpolation == "nearest":
            return Pieces(np.arange(np.floor(low - 0.5), np.ceil(high - 0.5) + 1) + 0.5, 0)
        edges = np.arange(np.floor(low), np.ceil(high) + 1)
        return Pieces(edges, 2 if self.resampling.masks_twice else 1)

    def crossings(self, x: Array, y: Array, shape: Shape, low: float, high: float) -> Crossings:
        position, size = (x, shape[2]) if self.axis == "x" else (y, shape[1])
        lines = self.grid_lines(size)
        return monotone_crossings(
            lines, position - low, position - high, lambda i, u: position[i] - u
        )


@dataclass(frozen=True)
class Shear(Warp):
    """Shear along one axis by an angle of ``theta`` degrees about the image's centre."""

    axis: Axis
    resampling: Resampling

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return (Neutral(0.0),)

    @property
    def centred(self) -> bool:
        return True

    @property
    def parameter(self) -> str:
        return f"angle along {self.axis}, degrees"

    def source(self, x: Any, y: Any, theta: Any, shape: Shape) -> tuple[Any, Any]:
        cx, cy = _centre(shape)
        slope = _library(theta).tan(theta * (np.pi / 180))
        return (x + slope * (y - cy), y) if self.axis == "x" else (x, y + slope * (x - cx))

    def cuts(self, low: float, high: float) -> Array:
        halving = 90 - 90 * 0.5 ** np.arange(1, 40)  # towards the poles of the tangent
        return np.concatenate([-halving, [0.0], halving])

    def crossings(self, x: Array, y: Array, shape: Shape, low: float, high: float) -> Crossings:
        cx, cy = _centre(shape)
        position, arm, size = (x, y - cy, shape[2]) if self.axis == "x" else (y, x - cx, shape[1])
        start, stop = (position + np.tan(np.deg2rad(t)) * arm for t in (low, high))

        def angle(i: Index, u: Array) -> Array:
            return np.rad2deg(np.arctan((u - position[i]) / arm[i]))

        return monotone_crossings(self.grid_lines(size), start, stop, angle)


@dataclass(frozen=True)
class Zoom(Warp):
    """Enlarge by the factor ``theta`` about the image's centre, along the axes named."""

    axes: Literal["x", "y", "xy"]
    resampling: Resampling

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return (Neutral(1.0),)

    @property
    def centred(self) -> bool:
        return True

    @property
    def parameter(self) -> str:
        return "factor" if self.axes == "xy" else f"factor along {self.axes}"

    def source(self, x: Any, y: Any, theta: Any, shape: Shape) -> tuple[Any, Any]:
        cx, cy = _centre(shape)
        return (
            cx + (x - cx) / theta if "x" in self.axes else x,
            cy + (y - cy) / theta if "y" in self.axes else y,
        )

    def cuts(self, low: float, high: float) -> Array:
        return low * 2.0 ** np.arange(0, np.ceil(np.log2(high / low)))

    def crossings(self, x: Array, y: Array, shape: Shape, low: float, high: float) -> Crossings:
        found = []
        for axis, position, centre, size in zip(
            "xy", (x, y), _centre(shape), (shape[2], shape[1]), strict=True
        ):
            if axis in self.axes:
                arm = position - centre
                start, stop = centre + arm / low, centre + arm / high

                def factor(i: Index, u: Array, arm: Array = arm, centre: float = centre) -> Array:
                    return arm[i] / (u - centre)

                found.append(monotone_crossings(self.grid_lines(size), start, stop, factor))
        return Crossings.join(found)


@dataclass(frozen=True)
class Rotation(Warp):
    """Rotate by ``theta`` degrees, counter-clockwise, about ``centre`` (the image's by default).

    A centre is given as torchvision takes it: ``(x, y)`` from the upper left corner.
    """

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
        return "angle, degrees"

    def source(self, x: Any, y: Any, theta: Any, shape: Shape) -> tuple[Any, Any]:
        cx, cy = _centre(shape, self.centre)
        radians = theta * (np.pi / 180)
        cos, sin = _library(theta).cos(radians), _library(theta).sin(radians)
        return cx + cos * (x - cx) - sin * (y - cy), cy + sin * (x - cx) + cos * (y - cy)

    def cuts(self, low: float, high: float) -> Array:
        return np.arange(low, high, 30.0)

    def crossings(self, x: Array, y: Array, shape: Shape, low: float, high: float) -> Crossings:
        cx, cy = _centre(shape, self.centre)
        radius, phase = np.hypot(x - cx, y - cy), np.arctan2(y - cy, x - cx)
        low, high = np.deg2rad(low), np.deg2rad(high)
        columns = arc_crossings(self.grid_lines(shape[2]), cx, radius, phase, low, high)
        rows = arc_crossings(self.grid_lines(shape[1]), cy, radius, phase - np.pi / 2, low, high)
        both = Crossings.join([columns, rows])
        return Crossings(both.pixel, np.rad2deg(both.parameter))
