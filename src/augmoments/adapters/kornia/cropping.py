"""Crops as matrices of rows and of columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from augmoments.errors import PolicyError
from augmoments.operators.base import Shape
from augmoments.operators.separable import Separable

Padding = Literal["constant", "reflect", "replicate", "circular"]
Mode = Literal["bilinear", "bicubic", "nearest-exact"]
Size = tuple[int, int]
_MOST_PADDING = {"reflect": lambda side: side - 1, "circular": lambda side: side}


def padded(side: int, before: int, after: int, mode: Padding) -> Tensor:
    """Padding of one axis, a matrix ``(before + side + after, side)`` of zeros and ones."""
    unit = torch.eye(side, dtype=torch.float64)[None]
    return F.pad(unit, (before, after), mode=mode)[0].T


def check_padding(name: str, side: int, most: int, mode: Padding) -> None:
    """Refuse padding that reads beyond the other end of the image."""
    limit = _MOST_PADDING.get(mode, lambda _: most)(side)
    if most > limit:
        raise PolicyError(
            f"{name} pads by {most} pixels with mode {mode!r}, but an axis of {side} pixels allows "
            f"at most {limit}; enlarge the images, pad less, or use mode 'constant'."
        )


def resized(length: int, size: int, mode: Mode, align_corners: bool | None) -> Tensor:
    """Interpolation of one axis, ``(size, length)``."""
    unit = torch.eye(length, dtype=torch.float64)[None, :, :, None]
    return F.interpolate(unit, (size, 1), mode=mode, align_corners=align_corners)[0, :, :, 0].T


@dataclass(frozen=True)
class Crop(Separable):
    """Pad the image, then cut out a window of ``size`` with the corner ``theta``, (top, left).

    ``padding`` counts the pixels at the left, right, top and bottom.
    """

    size: Size
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    mode: Padding = "constant"
    fill: float | tuple[float, ...] = 0.0

    @property
    def parameter(self) -> str:
        return "top and left, pixels"

    def corner(self, theta: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
        """Top and left in the padded image, each ``(B,)``."""
        return theta[:, 0].round().long(), theta[:, 1].round().long()

    def canvas(self, shape: Shape) -> Size:
        """Height and width of the padded image."""
        left, right, top, bottom = self.padding
        return shape[1] + top + bottom, shape[2] + left + right

    def output_shape(self, shape: Shape) -> Shape:
        return shape[0], *self.size

    def check_shape(self, shape: Shape) -> None:
        left, right, top, bottom = self.padding
        check_padding("Crop", shape[1], max(top, bottom), self.mode)
        check_padding("Crop", shape[2], max(left, right), self.mode)
        canvas = self.canvas(shape)
        if any(side > most for side, most in zip(self.size, canvas, strict=True)):
            raise PolicyError(
                f"A crop of {self.size} pixels is larger than the padded image, {canvas}, which "
                "would be resized; crop less, or pad more."
            )
        if isinstance(self.fill, tuple) and len(self.fill) != shape[0]:
            raise PolicyError(f"fill has {len(self.fill)} values, the images {shape[0]} channels.")

    def fill_like(self, images: Tensor) -> Tensor:
        fill = torch.tensor(self.fill, dtype=images.dtype, device=images.device)
        return fill.expand(images.shape[-3]).reshape(-1, 1, 1)

    def row_matrices(self, theta: Tensor, height: int) -> Tensor:
        table = padded(height, *self.padding[2:], self.mode)
        return _windows(table, self.corner(theta, (1, height, self.size[1]))[0], self.size[0])

    def column_matrices(self, theta: Tensor, width: int) -> Tensor:
        table = padded(width, *self.padding[:2], self.mode)
        return _windows(table, self.corner(theta, (1, self.size[0], width))[1], self.size[1])


@dataclass(frozen=True)
class CentreCrop(Crop):
    """Cut out the middle, rounded to the top left; takes no parameter."""

    @property
    def parameter(self) -> str:
        return "none"

    def corner(self, theta: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
        zero = torch.zeros(len(theta), dtype=torch.long)
        return zero + (shape[1] - self.size[0]) // 2, zero + (shape[2] - self.size[1]) // 2


def _windows(table: Tensor, starts: Tensor, size: int) -> Tensor:
    """Rows ``start`` to ``start + size - 1`` of a table, for every start."""
    return table[starts.cpu()[:, None] + torch.arange(size)]


@dataclass(frozen=True)
class ResizedCrop(Separable):
    """Cut out the box ``theta``, (top, left, height, width), and resize it to ``size``."""

    size: Size
    mode: Mode = "bilinear"
    align_corners: bool | None = True

    @property
    def parameter(self) -> str:
        return "top, left, height and width, pixels"

    def output_shape(self, shape: Shape) -> Shape:
        return shape[0], *self.size

    def row_matrices(self, theta: Tensor, height: int) -> Tensor:
        return self._boxes(theta[:, 0], theta[:, 2], height, self.size[0])

    def column_matrices(self, theta: Tensor, width: int) -> Tensor:
        return self._boxes(theta[:, 1], theta[:, 3], width, self.size[1])

    def _boxes(self, starts: Tensor, lengths: Tensor, side: int, size: int) -> Tensor:
        starts, lengths = starts.cpu().round().long(), lengths.cpu().round().long()
        out = torch.zeros(len(starts), size, side, dtype=torch.float64)
        for length in lengths.unique().tolist():
            rows = (lengths == length).nonzero()[:, 0]
            table = resized(length, size, self.mode, self.align_corners)
            place = starts[rows, None, None] + torch.arange(length)
            part = torch.zeros(len(rows), size, side, dtype=torch.float64)
            shape = (len(rows), size, length)
            out[rows] = part.scatter_(2, place.expand(shape), table.expand(shape))
        return out
