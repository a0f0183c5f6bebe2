"""The operations that automatic augmentation chooses from, and how strong they are.

Names and strengths are torchvision's. A magnitude is one of evenly spaced bins in single
precision; an outcome is an operation's place in :data:`NAMES` and the strength that its operator
takes. Equal outcomes are merged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import atan, degrees

import numpy as np
import torch

from augmoments.laws.joint import Table
from augmoments.operators.affine_part import AffinePart
from augmoments.operators.base import Operator
from augmoments.operators.color import Brightness, Contrast, Saturation
from augmoments.operators.pointwise import (
    Autocontrast,
    Equalize,
    Invert,
    Posterize,
    Sharpness,
    Solarize,
)
from augmoments.operators.switch import Identity, Switch
from augmoments.operators.warp import Fill, Resampling

Outcome = tuple[float, ...]

_CORNER = (0.0, 0.0)
_OPERATORS: dict[str, Callable[[Resampling], Operator]] = {
    "Identity": lambda _: Identity(),
    "ShearX": lambda resampling: AffinePart(resampling, _CORNER, "shear along x"),
    "ShearY": lambda resampling: AffinePart(resampling, _CORNER, "shear along y"),
    "TranslateX": lambda resampling: AffinePart(resampling, None, "shift along x"),
    "TranslateY": lambda resampling: AffinePart(resampling, None, "shift along y"),
    "Rotate": lambda resampling: AffinePart(resampling, None, "angle"),
    "Brightness": lambda _: Brightness(clamp=True),
    "Color": lambda _: Saturation(clamp=True),
    "Contrast": lambda _: Contrast(clamp=True),
    "Sharpness": lambda _: Sharpness(),
    "Posterize": lambda _: Posterize(),
    "Solarize": lambda _: Solarize(),
    "AutoContrast": lambda _: Autocontrast(),
    "Equalize": lambda _: Equalize(),
    "Invert": lambda _: Invert(),
}
NAMES = tuple(_OPERATORS)
SKIPPED: Outcome = (NAMES.index("Identity"), 0.0)
GEOMETRIC = NAMES[1:6]
BLENDS = NAMES[6:10]


@dataclass(frozen=True)
class Space:
    """Operations to choose from, and the largest magnitude of each."""

    names: tuple[str, ...]
    shear: float
    """Slope."""
    shift: Callable[[int], float]
    """Pixels, for images of so many pixels along the axis."""
    angle: float
    """Degrees."""
    blend: float
    """By how much the factors of brightness, colour, contrast and sharpness differ from 1."""
    bits: tuple[int, int]
    """Of the colour values that are left: for no magnitude, and how many fewer for the largest."""

    def magnitudes(self, name: str, bins: int, size: tuple[int, int]) -> list[float]:
        """All magnitudes of an operation for images of ``size`` ``(H, W)``."""
        if name == "Posterize":
            most, fewer = self.bits
            steps = torch.arange(bins, dtype=torch.float32) / ((bins - 1) / fewer)
            return (most - steps).round().tolist()
        largest = {
            "ShearX": self.shear,
            "ShearY": self.shear,
            "TranslateX": self.shift(size[1]),
            "TranslateY": self.shift(size[0]),
            "Rotate": self.angle,
            **dict.fromkeys(BLENDS, self.blend),
        }
        if name in largest:
            return torch.linspace(0.0, largest[name], bins, dtype=torch.float32).tolist()
        if name == "Solarize":
            return torch.linspace(1.0, 0.0, bins, dtype=torch.float32).tolist()
        return [0.0] * bins


STANDARD = Space(NAMES[:-1], 0.3, lambda size: 150.0 / 331.0 * size, 30.0, 0.9, (8, 4))
WIDE = Space(NAMES[:-1], 0.99, lambda size: 32.0, 135.0, 0.99, (8, 6))
MIXED = Space(NAMES[1:-1], 0.3, lambda size: size / 3.0, 30.0, 0.9, (4, 4))
MIXED_PARTLY = replace(MIXED, names=tuple(name for name in MIXED.names if name not in BLENDS))


def outcomes(name: str, magnitude: float) -> list[Outcome]:
    """What an operation of a given magnitude can be: two equally likely signs, or one outcome."""
    signed = name in GEOMETRIC or name in BLENDS
    place = float(NAMES.index(name))
    return [
        (place, _strength(name, sign * magnitude)) for sign in ((1.0, -1.0) if signed else (1.0,))
    ]


def _strength(name: str, magnitude: float) -> float:
    if name.startswith("Shear"):
        return degrees(atan(magnitude))
    if name.startswith("Translate"):
        return float(int(magnitude))
    return 1.0 + magnitude if name in BLENDS else magnitude


def switch(interpolation: object, fill: Fill | None) -> Switch:
    """All operations; with a fill value, bilinear borders are torchvision's."""
    outside = (0.0, "zeros") if fill is None else (fill, "torchvision")
    resampling = Resampling.of(interpolation, *outside)
    return Switch(tuple(build(resampling) for build in _OPERATORS.values()))


@lru_cache(maxsize=64)
def choices(space: Space, bins: int, levels: range, size: tuple[int, int]) -> Table:
    """The law of one operation, uniform among those of ``space`` and then among ``levels``."""
    weighted = []
    for name in space.names:
        magnitudes = space.magnitudes(name, bins, size)
        for level in levels:
            found = outcomes(name, magnitudes[level])
            share = 1 / (len(space.names) * len(levels) * len(found))
            weighted += [(outcome, share) for outcome in found]
    return merged(weighted)


def merged(weighted: Iterable[tuple[Outcome, float]]) -> Table:
    """A table in which every outcome stands once."""
    points, weights = zip(*weighted, strict=True)
    rows, place = np.unique(np.asarray(points, dtype=float) + 0.0, axis=0, return_inverse=True)
    return Table(rows, np.bincount(place.reshape(-1), weights).astype(float))
