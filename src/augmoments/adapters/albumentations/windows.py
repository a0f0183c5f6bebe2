"""Crops and pads: which pixels of an axis, extended beyond its ends, the output shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from augmoments.adapters.albumentations.parameters import constant, integers
from augmoments.adapters.albumentations.sampling import (
    CONSTANT,
    REFLECT,
    REFLECT_101,
    REPLICATE,
    WRAP,
)
from augmoments.adapters.unsupported import unsupported
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.compose import Compose
from augmoments.augmentations.elementary import Elementary
from augmoments.errors import PolicyError
from augmoments.laws import Law
from augmoments.operators.base import Operator, Shape
from augmoments.operators.warp import Axis, Resampling

_AXES: tuple[Axis, Axis] = ("y", "x")
_ZEROS = Resampling("nearest")


@dataclass(frozen=True)
class Extent:
    """How long an axis of ``size`` pixels becomes."""

    at_least: int = 0
    at_most: int | None = None
    plus: int = 0
    multiple_of: int = 1

    def __call__(self, size: int) -> int:
        size = max(size + self.plus, self.at_least)
        size = size if self.at_most is None else min(size, self.at_most)
        return -(-size // self.multiple_of) * self.multiple_of


@dataclass(frozen=True)
class Window(Operator):
    """Show the pixels from ``theta`` on, along one axis.

    Args:
        axis: Rows (``"y"``) or columns (``"x"``).
        extent: How many pixels are shown.
        border: What lies beyond the image, OpenCV's constant.
        outside: The fill value there, for the constant border.
    """

    axis: Axis
    extent: Extent
    border: int = CONSTANT
    outside: Resampling = _ZEROS
    acts_on = "space"

    @property
    def parameter(self) -> str:
        return "first row, pixels" if self.axis == "y" else "first column, pixels"

    @property
    def affine(self) -> bool:
        return True

    def check_shape(self, shape: Shape) -> None:
        self.outside.check_shape(shape)

    def output_shape(self, shape: Shape) -> Shape:
        channels, height, width = shape
        if self.axis == "y":
            return channels, self.extent(height), width
        return channels, height, self.extent(width)

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        lines = images if self.axis == "x" else images.mT
        size = lines.shape[-1]
        start = theta[:, 0].round().long().to(images.device)
        position = start[:, None] + torch.arange(self.extent(size), device=images.device)
        index = source(position, size, self.border)[:, None, None, None]
        shown = lines.gather(-1, index.expand(*lines.shape[:-1], -1))
        if self.border == CONSTANT:
            inside = ((position >= 0) & (position < size))[:, None, None, None]
            shown = torch.where(inside, shown, self.outside.fill_like(images))
        return shown if self.axis == "x" else shown.mT


def source(position: Tensor, size: int, border: int) -> Tensor:
    """Which of ``size`` pixels stands at positions on the extended axis."""
    if border == WRAP:
        return position % size
    if border == REFLECT:
        around = position % (2 * size)
        return torch.minimum(around, 2 * size - 1 - around)
    if border == REFLECT_101 and size > 1:
        around = position % (2 * size - 2)
        return torch.minimum(around, 2 * size - 2 - around)
    return position.clamp(0, size - 1)


@dataclass(frozen=True)
class Place:
    """Where along an axis a window lies: the law of its first pixel.

    Args:
        crop: ``"random"``, ``"center"``, or the first pixel that is kept.
        pad: ``"center"``, ``"before"`` or ``"after"``, which say where pixels are added,
            ``"random"``, or how many are added before the image.
    """

    crop: str | int = "center"
    pad: str | int = "center"

    def law(self, size: int, out: int) -> Law:
        """The law of the first pixel, of ``out`` that are shown of ``size``."""
        if out >= size:
            return self._padded(out - size)
        if self.crop == "random":
            return integers(0, size - out)
        return constant((size - out) // 2 if self.crop == "center" else int(self.crop))

    def _padded(self, added: int) -> Law:
        if self.pad == "random":
            return integers(-added, 0)
        before = {"center": added // 2, "before": added, "after": 0}
        return constant(-(before[self.pad] if isinstance(self.pad, str) else self.pad))


@dataclass(frozen=True)
class WindowStep(Elementary):
    """A window along one axis at a random or fixed place."""

    window: Window
    place: Place
    owner: str
    largest: int | None = None
    """Along its axis, the image must have so many pixels; ``None`` if it is padded."""

    @property
    def operator(self) -> Operator:
        return self.window

    @property
    def family(self) -> str:
        return self.owner

    def law_for(self, shape: Shape) -> Law:
        size = shape[1] if self.window.axis == "y" else shape[2]
        return self.place.law(size, self.window.extent(size))

    def output_shape(self, shape: Shape) -> Shape:
        size = shape[1] if self.window.axis == "y" else shape[2]
        if self.largest is not None and size < self.largest:
            raise PolicyError(
                f"{self.owner} cuts out {self.largest} pixels along {self.window.axis}, images of "
                f"shape {shape} have {size}; pad them first, or use pad_if_needed=True."
            )
        return super().output_shape(shape)


def crop(transform: Any) -> Augmentation:
    """RandomCrop and CenterCrop: to a fixed size, padded where the image is smaller."""
    name = type(transform).__name__
    where = "random" if name == "RandomCrop" else "center"
    steps = []
    for axis, size in zip(_AXES, (transform.height, transform.width), strict=True):
        window = Window(axis, Extent(size, size), *_border(transform))
        place = Place(where, _position(transform.pad_position, axis))
        steps.append(WindowStep(window, place, name, None if transform.pad_if_needed else size))
    return Compose(steps)


def fixed_crop(transform: Any) -> Augmentation:
    """Crop: a fixed box."""
    if transform.pad_if_needed:
        raise unsupported(
            transform, "pad_if_needed=True is not known", "use PadIfNeeded, then Crop"
        )
    ends = (transform.y_min, transform.y_max), (transform.x_min, transform.x_max)
    return Compose(
        [
            WindowStep(Window(axis, Extent(b - a, b - a)), Place(a), "Crop", b)
            for axis, (a, b) in zip(_AXES, ends, strict=True)
        ]
    )


def pad(transform: Any) -> Augmentation:
    """Pad: fixed numbers of pixels at the four sides."""
    given = transform.padding
    sides = tuple(given) if isinstance(given, tuple | list) else (given,) * 4
    left, top, right, bottom = sides * 2 if len(sides) == 2 else sides
    return Compose(
        [
            WindowStep(
                Window(axis, Extent(plus=before + after), *_border(transform)),
                Place(pad=before),
                "Pad",
            )
            for axis, before, after in zip(_AXES, (top, left), (bottom, right), strict=True)
        ]
    )


def pad_if_needed(transform: Any) -> Augmentation:
    """PadIfNeeded: up to a least size, or to a multiple of a number of pixels."""
    steps = []
    least = transform.min_height, transform.min_width
    divisors = transform.pad_height_divisor, transform.pad_width_divisor
    for axis, size, divisor in zip(_AXES, least, divisors, strict=True):
        extent = Extent(size) if size is not None else Extent(multiple_of=divisor)
        place = Place(pad=_position(transform.position, axis))
        steps.append(WindowStep(Window(axis, extent, *_border(transform)), place, "PadIfNeeded"))
    return Compose(steps)


def _border(transform: Any) -> tuple[int, Resampling]:
    known = (CONSTANT, REPLICATE, REFLECT, WRAP, REFLECT_101)
    if transform.border_mode not in known:
        raise unsupported(
            transform,
            f"border_mode={transform.border_mode} is not known",
            "use border_mode=cv2.BORDER_CONSTANT",
        )
    return transform.border_mode, Resampling.of("nearest", transform.fill, "zeros")


def _position(given: Any, axis: Axis) -> str:
    """The side at which pixels are added: an image at the top has them after it."""
    name = str(getattr(given, "value", given))
    if name in ("center", "random"):
        return name
    return "after" if ("top" if axis == "y" else "left") in name else "before"
