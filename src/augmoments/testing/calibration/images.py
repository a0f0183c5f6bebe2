"""Random images: photos and digits, and such as nodes find hard."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from augmoments.data.embedded import PHOTOS, digits, photo
from augmoments.operators.base import Shape

KINDS = (
    "digit",
    "photo",
    "photo",
    "synthetic",
    "noise",
    "checkerboard",
    "constant",
    "single pixel",
)
MOST_VALUES = 1200
"""Values of an image, so that its dense covariance is a matter of megabytes."""


def random_shape(rng: np.random.Generator) -> Shape:
    """One or three channels; mostly up to 12 pixels a side, some up to 24, few up to 40."""
    most = (12, 24, 40)[rng.choice(3, p=(0.85, 0.12, 0.03))]
    height, width = (int(n) for n in rng.integers(1, most + 1, 2))
    channels = 3 if rng.random() < 0.45 and 3 * height * width <= MOST_VALUES else 1
    return channels, height, width


def of_kind(rng: np.random.Generator, kind: str, shape: Shape) -> Tensor:
    """An image ``(1, C, H, W)`` in [0, 1], float64.

    Args:
        rng: Source of randomness.
        kind: One of :data:`KINDS`.
        shape: ``(C, H, W)``.
    """
    channels, height, width = shape
    match kind:
        case "digit" | "photo":
            return _crop(rng, kind, shape)
        case "noise":
            values = rng.random(shape)
        case "checkerboard":
            side = int(rng.integers(1, 4))
            y, x = np.mgrid[:height, :width] // side
            values = np.broadcast_to((x + y) % 2, shape) * np.ones(shape)
        case "constant":
            values = np.full(shape, 1.0 if rng.random() < 0.3 else rng.random())
        case "single pixel":
            values = np.zeros(shape)
            values[:, rng.integers(height), rng.integers(width)] = rng.random(channels)
        case _:
            return random_image(rng, shape)
    return torch.from_numpy(values)[None]


def random_image(rng: np.random.Generator, shape: Shape) -> Tensor:
    """Noise, sparse dots, a wave or a box, ``(1, C, H, W)``, float64."""
    channels, height, width = shape
    match rng.integers(4):
        case 0:
            values = rng.random(shape)
        case 1:
            values = (rng.random(shape) < 0.3).astype(float)
            values[0, 0, 0] = 1
        case 2:
            y, x = np.mgrid[:height, :width]
            waves = [np.cos(2 * rng.random() * x + 2 * rng.random() * y) for _ in range(channels)]
            values = 0.5 + 0.5 * np.stack(waves)
        case _:
            values = np.zeros(shape)
            top, left = height // 4, width // 4
            values[:, top : 3 * top + 1, left : 3 * left + 1] = rng.random((channels, 1, 1)) + 0.1
            values = values.clip(0, 1)
    return torch.from_numpy(values)[None]


@lru_cache
def _whole(kind: str, number: int) -> Tensor:
    """A digit repeated over a plane, or a photo of which a pixel of a crop is a few pixels."""
    if kind == "digit":
        return digits()[0][number].double().tile(1, 6, 6)
    return photo(PHOTOS[number], 96)[0].double()


def _crop(rng: np.random.Generator, kind: str, shape: Shape) -> Tensor:
    """A part of a photo or of a digit, as many channels as wanted."""
    channels, height, width = shape
    whole = _whole(kind, int(rng.integers(len(PHOTOS))))
    top, left = (
        int(rng.integers(whole.shape[axis] - side + 1)) for axis, side in ((1, height), (2, width))
    )
    part = whole[:, top : top + height, left : left + width]
    return part[:1].expand(channels, -1, -1)[None] if len(part) != channels else part[None]
