"""Blur and resizing, as matrices of rows and of columns."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from augmoments.adapters.kornia.cropping import (
    Mode,
    Padding,
    Size,
    check_padding,
    padded,
    resized,
)
from augmoments.errors import PolicyError
from augmoments.operators.base import Operator, Shape
from augmoments.operators.separable import Separable


def gaussian_taps(deviation: Tensor, count: int) -> Tensor:
    """Normalised values of a Gaussian at ``count`` pixels about its centre, ``(B, count)``."""
    distance = torch.arange(count, dtype=torch.float64) - count // 2
    power = distance.square() / (2 * deviation[:, None].square())
    values = torch.where(distance == 0, 1.0, torch.exp(-power))
    return values / values.sum(1, keepdim=True)


def blurred(taps: Tensor, side: int, mode: Padding) -> Tensor:
    """A filter along one axis with its padding, ``(B, side, side)``."""
    count = taps.shape[1]
    table = padded(side, count // 2, count // 2, mode)
    return torch.einsum("bt,tji->bij", taps, table.unfold(0, side, 1))


@dataclass(frozen=True)
class GaussianBlur(Separable):
    """Blur with a Gaussian of standard deviation ``theta`` pixels on ``taps`` (rows, columns)."""

    taps: Size
    mode: Padding
    mirrors = True

    @property
    def parameter(self) -> str:
        return "standard deviation, pixels"

    def check_shape(self, shape: Shape) -> None:
        for side, count in zip(shape[1:], self.taps, strict=True):
            check_padding("RandomGaussianBlur", side, count // 2, self.mode)

    def row_matrices(self, theta: Tensor, height: int) -> Tensor:
        return self._axis(theta, height, self.taps[0])

    def column_matrices(self, theta: Tensor, width: int) -> Tensor:
        return self._axis(theta, width, self.taps[1])

    def _axis(self, theta: Tensor, side: int, count: int) -> Tensor:
        return blurred(gaussian_taps(theta[:, 0].cpu(), count), side, self.mode)


@dataclass(frozen=True)
class Resize(Operator):
    """Resize to ``size``, or a ``side`` of the image to a number; takes no parameter.

    ``antialias`` blurs first, by half of what a factor of reduction exceeds 1 as the standard
    deviation. The ``side`` is ``"short"``, ``"long"``, ``"vert"`` or ``"horz"``.
    """

    size: int | Size
    side: str
    mode: Mode
    align_corners: bool | None
    antialias: bool

    acts_on = "space"

    @property
    def parameter(self) -> str:
        return "none"

    @property
    def affine(self) -> bool:
        return True

    def output_shape(self, shape: Shape) -> Shape:
        if not isinstance(self.size, int):
            return shape[0], *self.size
        ratio = shape[2] / shape[1]
        upright = self.side == "vert" or (self.side == "short" and ratio >= 1)
        if upright or (self.side == "long" and ratio < 1):
            return shape[0], self.size, int(self.size * ratio)
        return shape[0], int(self.size / ratio), self.size

    def check_shape(self, shape: Shape) -> None:
        out = self.output_shape(shape)
        if min(out) < 1:
            raise PolicyError(f"Resize turns images of shape {shape} into {out}; use a larger size.")
        if self._blurs(shape):
            for side, target in zip(shape[1:], out[1:], strict=True):
                check_padding("Resize", side, len(self._taps(side, target)) // 2, "reflect")

    def _blurs(self, shape: Shape) -> bool:
        _, height, width = self.output_shape(shape)
        return self.antialias and (shape[1] > height or shape[2] > width)

    def _taps(self, side: int, size: int) -> Tensor:
        deviation = max((side / size - 1) / 2, 0.001)
        taps = int(max(4 * deviation, 3))
        count = 1 if side == 1 else taps + (taps + 1) % 2
        return gaussian_taps(torch.tensor([deviation], dtype=torch.float64), count)[0]

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        shape: Shape = tuple(images.shape[-3:])  # type: ignore[assignment]
        rows, columns = (table.to(images) for table in self.tables(shape))
        return torch.einsum("ih,bnchw,jw->bncij", rows, images, columns)

    def linear(self, images: Tensor, theta: Tensor) -> Tensor:
        return self(images, theta)

    def tables(self, shape: Shape) -> tuple[Tensor, Tensor]:
        """How rows and columns are mixed in images of ``shape``."""
        found = []
        for side, size in zip(shape[1:], self.output_shape(shape)[1:], strict=True):
            table = resized(side, size, self.mode, self.align_corners)
            if self._blurs(shape):
                table = table @ blurred(self._taps(side, size)[None], side, "reflect")[0]
            found.append(table)
        return found[0], found[1]
