"""CoarseDropout and Erasing: boxes that are filled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from augmoments.adapters.albumentations.parameters import truncated
from augmoments.adapters.unsupported import unsupported
from augmoments.augmentations import erasing as augmentations
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.choice import RandomChoice
from augmoments.augmentations.compose import Compose
from augmoments.errors import PolicyError
from augmoments.laws.boxes import BoxLaw
from augmoments.laws.erasing import albumentations_erasing_law
from augmoments.laws.profiles import anywhere
from augmoments.operators.base import Shape


@dataclass(frozen=True)
class HoleStep(augmentations.Erasing):
    """One hole of CoarseDropout: sides drawn apart, anywhere in the image."""

    fill: tuple[float, ...]
    heights: tuple[float, float]
    widths: tuple[float, float]

    @property
    def erased(self) -> tuple[float, ...]:
        return self.fill

    @property
    def family(self) -> str:
        return "CoarseDropout"

    def output_shape(self, shape: Shape) -> Shape:
        whole = self.heights[1] >= 1
        for size, (low, high) in zip(shape[1:], (self.heights, self.widths), strict=True):
            if (whole and int(low) > size) or (not whole and high > 1):
                raise PolicyError(
                    f"CoarseDropout fills holes of {low:g} to {high:g} along an axis of {size} "
                    "pixels: give pixels for both sides, or shares below 1."
                )
        return super().output_shape(shape)

    def law_for(self, shape: Shape) -> BoxLaw:
        sides = []
        for size, (low, high) in zip(shape[1:], (self.heights, self.widths), strict=True):
            if self.heights[1] >= 1:
                values = np.arange(int(low), int(min(high, size)) + 1, dtype=float)
                sides.append((values, np.full(len(values), 1 / len(values))))
            else:
                sides.append(truncated(low * size, high * size).atoms)
        (heights, tall), (widths, wide) = sides
        h, w = (side.ravel() for side in np.meshgrid(heights, widths, indexing="ij"))
        h, w = h.astype(np.int64), w.astype(np.int64)
        corners = anywhere(shape[1], h), anywhere(shape[2], w)
        return BoxLaw(shape[1:], h, w, np.outer(tall, wide).ravel(), *corners)


@dataclass(frozen=True)
class ErasingStep(augmentations.Erasing):
    """The box of Erasing."""

    fill: tuple[float, ...]
    scale: tuple[float, float]
    ratio: tuple[float, float]

    @property
    def erased(self) -> tuple[float, ...]:
        return self.fill

    @property
    def family(self) -> str:
        return "Erasing"

    def output_shape(self, shape: Shape) -> Shape:
        height, width = shape[1:]
        (least, _), (low, high) = self.scale, self.ratio
        if least * height * width > min(low * height**2, width**2 / high):
            raise PolicyError(
                f"Erasing fails on images of {height} x {width} pixels: no box of the least area "
                f"allowed fits at every ratio from {low:g} to {high:g}; lower scale."
            )
        return super().output_shape(shape)

    def law_for(self, shape: Shape) -> BoxLaw:
        return albumentations_erasing_law(shape[1], shape[2], 1.0, self.scale, self.ratio)


def coarse_dropout(transform: Any) -> Augmentation:
    """CoarseDropout: a uniform number of independent holes."""
    low, high = (int(count) for count in transform.num_holes_range)
    hole = HoleStep(
        _fill(transform), tuple(transform.hole_height_range), tuple(transform.hole_width_range)
    )
    counts = [Compose([hole] * count) for count in range(low, high + 1)]
    return counts[0] if len(counts) == 1 else RandomChoice(counts)


def erasing(transform: Any) -> Augmentation:
    """Erasing: one box of a uniform area and ratio."""
    return ErasingStep(_fill(transform), tuple(transform.scale), tuple(transform.ratio))


def _fill(transform: Any) -> tuple[float, ...]:
    if isinstance(transform.fill, str):
        raise unsupported(transform, f"fill={transform.fill!r} is random", "use a number as fill")
    given = transform.fill
    return tuple(map(float, given)) if isinstance(given, tuple | list) else (float(given),)
