"""Resize images, or boxes that are cut out of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from augmoments.errors import InputError, PolicyError
from augmoments.operators.base import Shape
from augmoments.operators.interpolation import Interpolation
from augmoments.operators.separable import Separable


@dataclass(frozen=True)
class CropResize(Separable):
    """Cut a box out of the image, then resize it to ``size`` ``(H', W')``.

    The parameters are the top, the left, the height and the width of the box, whole numbers of
    pixels; the box lies inside the image.
    """

    size: tuple[int, int]
    interpolation: Interpolation

    @property
    def parameter(self) -> str:
        return "top, left, height and width of the box, pixels"

    def output_shape(self, shape: Shape) -> Shape:
        return (shape[0], *self.size)

    def matrices(self, theta: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
        top, left, height, width = theta.unbind(1)
        return (
            self.interpolation.matrices(top, height, shape[1], self.size[0]),
            self.interpolation.matrices(left, width, shape[2], self.size[1]),
        )


@dataclass(frozen=True)
class Resize(Separable):
    """Resize as torchvision's ``Resize`` does; takes no parameter.

    Attributes:
        size: ``(height, width)``, or one length for the shorter edge while the other one follows
            the aspect ratio, or ``None`` to make the longer edge ``max_size``.
        interpolation: How values between pixels are found.
        max_size: The longer edge may not exceed it; not together with a pair of sizes.
    """

    size: int | tuple[int, int] | None
    interpolation: Interpolation
    max_size: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "mirrors", not self.interpolation.mode.startswith("nearest"))
        if self.max_size is None:
            if self.size is None:
                raise InputError("Resize: give size, max_size or both.")
        elif isinstance(self.size, tuple):
            raise InputError(
                f"Resize: max_size takes one length as size, got the pair {self.size}."
            )
        elif self.size is not None and self.max_size <= self.size:
            raise InputError(
                f"Resize: max_size must exceed size, got {self.max_size} for {self.size}."
            )

    @property
    def parameter(self) -> str:
        return "none"

    def output_shape(self, shape: Shape) -> Shape:
        if isinstance(self.size, tuple):
            return (shape[0], *self.size)
        height, width = shape[1:]
        short, long = self._edges(min(height, width), max(height, width))
        return (shape[0], long, short) if width <= height else (shape[0], short, long)

    def _edges(self, short: int, long: int) -> tuple[int, int]:
        """The shorter and the longer edge of the output; quotients are cut to whole numbers."""
        if self.size is None:
            assert self.max_size is not None
            return int(self.max_size * short / long), self.max_size
        assert isinstance(self.size, int)
        edge, other = self.size, int(self.size * long / short)
        if self.max_size is not None and other > self.max_size:
            return int(self.max_size * edge / other), self.max_size
        return edge, other

    def check_shape(self, shape: Shape) -> None:
        _, height, width = self.output_shape(shape)
        if height < 1 or width < 1:
            raise PolicyError(
                f"Resize would turn images of {shape[1]} x {shape[2]} pixels into {height} x "
                f"{width}: too long and thin; give size as a pair (height, width)."
            )

    def matrices(self, theta: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
        rows, columns = (
            self._whole(theta, size, out)
            for size, out in zip(shape[1:], self.output_shape(shape)[1:], strict=True)
        )
        return rows, columns

    def _whole(self, theta: Tensor, size: int, out: int) -> Tensor:
        """The matrix that resizes all of an axis, once for each group."""
        start = torch.zeros(1, dtype=torch.float64, device=theta.device)
        matrix = self.interpolation.matrices(start, start + size, size, out)
        return matrix.expand(len(theta), -1, -1)
