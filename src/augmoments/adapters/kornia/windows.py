"""Crops and sizes where kornia's rules are its own."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from augmoments.operators.base import Shape
from augmoments.operators.crop import Crop, Padding
from augmoments.operators.resize import Resize


@dataclass(frozen=True)
class FramedCrop(Crop):
    """A crop whose frame, with ``pad_if_needed``, is as wide as what the bare image lacks."""

    def frame(self, shape: Shape) -> Padding:
        left, top, right, bottom = self.padding
        if not self.pad_if_needed:
            return self.padding
        down, across = self.size[0] - shape[1], self.size[1] - shape[2]
        return max(left, across), max(top, down), max(right, across), max(bottom, down)


@dataclass(frozen=True)
class MiddleCrop(Crop):
    """A crop of the middle, rounded towards the upper left corner; takes no parameter."""

    @property
    def parameter(self) -> str:
        return "none"

    def picks(self, theta: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
        corner = [float((places - 1) // 2) for places in self.corners(shape)]
        return super().picks(theta.new_tensor(corner).expand(len(theta), -1), shape)


@dataclass(frozen=True)
class SidedResize(Resize):
    """Resize the ``"short"``, ``"long"``, ``"vert"`` or ``"horz"`` side to the length ``size``."""

    side: str = "short"

    def output_shape(self, shape: Shape) -> Shape:
        if not isinstance(self.size, int):
            return super().output_shape(shape)
        ratio = shape[2] / shape[1]
        if self.side in ("vert", "short" if ratio >= 1 else "long"):
            return shape[0], self.size, int(self.size * ratio)
        return shape[0], int(self.size / ratio), self.size
