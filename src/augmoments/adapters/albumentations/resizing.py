"""Changes of the size, and crops that are resized, with OpenCV's interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from augmoments.adapters.albumentations.sampling import CUBIC, LINEAR, LINEAR_EXACT, NEAREST
from augmoments.adapters.unsupported import unsupported
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.crops import RandomResizedCrop
from augmoments.augmentations.elementary import Elementary, Step
from augmoments.errors import PolicyError
from augmoments.laws.boxes import BoxLaw
from augmoments.laws.profiles import anywhere
from augmoments.operators.base import Operator, Shape
from augmoments.operators.interpolation import Interpolation, Taps
from augmoments.operators.resize import CropResize, Resize
from augmoments.operators.separable import Separable

_MODES = {LINEAR: "bilinear", LINEAR_EXACT: "bilinear", CUBIC: "bicubic"}


@dataclass(frozen=True)
class Floored(Interpolation):
    """OpenCV's nearest neighbours: the pixel at ``floor(i r)``, computed in double precision."""

    def taps(self, length: Tensor, out: int) -> Taps:
        pixels = torch.arange(out, device=length.device)
        ratio = torch.full_like(length, out) / length
        index = (pixels * ratio.reciprocal()).floor().minimum(length - 1)
        return Taps(index.long()[..., None], torch.ones_like(index)[..., None])


_FLOORED = Floored("nearest", antialias=False)


@dataclass(frozen=True)
class ResizedCropStep(RandomResizedCrop):
    """A random box, resized by nearest neighbours."""

    @property
    def operator(self) -> CropResize:
        return CropResize(self.size, _FLOORED)  # type: ignore[arg-type]

    @property
    def family(self) -> str:
        return "RandomResizedCrop"


@dataclass(frozen=True)
class SizedCropStep(Elementary):
    """A box of a random height, its width in proportion, at a random place, resized."""

    action: CropResize
    heights: tuple[int, int]
    ratio: float

    @property
    def operator(self) -> Operator:
        return self.action

    @property
    def family(self) -> str:
        return "RandomSizedCrop"

    def law_for(self, shape: Shape) -> BoxLaw:
        drawn = np.arange(self.heights[0], self.heights[1] + 1)
        heights = np.minimum(drawn, shape[1])
        widths = np.minimum([int(height * self.ratio) for height in drawn.tolist()], shape[2])
        if not widths.all():
            raise PolicyError("RandomSizedCrop would cut out boxes without pixels.")
        corners = anywhere(shape[1], heights), anywhere(shape[2], widths)
        return BoxLaw(shape[1:], heights, widths, np.full(len(drawn), 1 / len(drawn)), *corners)


@dataclass(frozen=True)
class MaxSize(Separable):
    """Resize by one factor, ``limit / side``, where both sides are rounded; takes no parameter.

    Args:
        limits: For the height and the width; ``None`` for one that is free.
        smallest: Whether the larger factor of the two is taken, else the smaller.
        interpolation: How values between pixels are found.
    """

    limits: tuple[int | None, int | None]
    smallest: bool
    interpolation: Interpolation

    @property
    def parameter(self) -> str:
        return "none"

    def output_shape(self, shape: Shape) -> Shape:
        pairs = zip(self.limits, shape[1:], strict=True)
        factors = [limit / side for limit, side in pairs if limit is not None]
        factor = max(factors) if self.smallest else min(factors)
        height, width = (max(1, round(side * factor)) for side in shape[1:])
        return shape[0], height, width

    def matrices(self, theta: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
        start = torch.zeros(1, dtype=torch.float64, device=theta.device)
        rows, columns = (
            self.interpolation.matrices(start, start + size, size, out)
            for size, out in zip(shape[1:], self.output_shape(shape)[1:], strict=True)
        )
        return rows.expand(len(theta), -1, -1), columns.expand(len(theta), -1, -1)


def max_size(transform: Any) -> Augmentation:
    """LongestMaxSize and SmallestMaxSize: one factor for both sides."""
    name, side, sides = type(transform).__name__, transform.max_size, transform.max_size_hw
    if isinstance(side, Sequence):
        raise unsupported(
            transform, f"max_size={side} makes the output size random", "use one max_size"
        )
    limits = (side, side) if sides is None else tuple(sides)
    action = MaxSize(limits, name == "SmallestMaxSize", _interpolation(transform))
    return Step(action, None, name)


def resize(transform: Any) -> Augmentation:
    """Resize: to a fixed size."""
    size = (transform.height, transform.width)
    return Step(Resize(size, _interpolation(transform)), None, "Resize")


def resized_crop(transform: Any) -> Augmentation:
    """RandomResizedCrop: torchvision's law, without antialiasing."""
    kernel, ranges = _interpolation(transform), (tuple(transform.scale), tuple(transform.ratio))
    size = tuple(transform.size)
    if isinstance(kernel, Floored):
        return ResizedCropStep(size, *ranges)
    return RandomResizedCrop(size, *ranges, kernel.mode, antialias=False)


def sized_crop(transform: Any) -> Augmentation:
    """RandomSizedCrop: a uniform height."""
    action = CropResize(tuple(transform.size), _interpolation(transform))
    low, high = transform.min_max_height
    return SizedCropStep(action, (int(low), int(high)), float(transform.w2h_ratio))


def _interpolation(transform: Any) -> Interpolation:
    if transform.area_for_downscale is not None:
        raise unsupported(
            transform,
            f"area_for_downscale={transform.area_for_downscale!r} is not known",
            "use area_for_downscale=None",
        )
    if transform.interpolation == NEAREST:
        return _FLOORED
    if transform.interpolation not in _MODES:
        raise unsupported(
            transform,
            f"interpolation={transform.interpolation} is not known",
            "use interpolation=cv2.INTER_LINEAR, INTER_CUBIC or INTER_NEAREST",
        )
    return Interpolation.of(_MODES[transform.interpolation], antialias=False)
