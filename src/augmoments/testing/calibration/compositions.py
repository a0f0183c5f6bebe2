"""Random warps, colour changes and what is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.color import ColorJitter
from augmoments.augmentations.compose import Compose, RandomApply
from augmoments.augmentations.geometric import (
    RandomHorizontalFlip,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)
from augmoments.laws import Beta, Law, Triangular, TruncatedNormal, Uniform


def random_law(rng: np.random.Generator, low: float, high: float) -> Law:
    """A law on [low, high]: even, lopsided, narrow or with its mass at both ends."""
    width = high - low
    match rng.integers(6):
        case 0:
            return Uniform(low, high)
        case 1:
            loc, std = low + width * rng.random(), width * (0.1 + 0.4 * rng.random())
            return TruncatedNormal(loc, std, low, high)
        case 2:
            return Triangular(low, high, low + width * rng.random())
        case 3:
            return Beta(0.3 + 3 * rng.random(), 0.3 + 3 * rng.random(), low, high)
        case 4:
            return Beta(0.2, 0.3, low, high)
        case _:
            return TruncatedNormal((low + high) / 2, width / 8, low, high)


def random_range(rng: np.random.Generator, most: float) -> tuple[float, float]:
    """Two ends between ``-most`` and ``most``, not too close to each other."""
    low, high = np.sort(most * (2 * rng.random(2) - 1)).tolist()
    return low, max(high, low + 0.02 * most)


def random_warp(rng: np.random.Generator) -> Augmentation:
    """A rotation, shear, zoom or translation."""
    options: dict[str, Any] = {
        "interpolation": "nearest" if rng.random() < 0.35 else "bilinear",
        "border": "torchvision" if rng.random() < 0.3 else "zeros",
    }
    fill = 0.0 if rng.random() < 0.6 else float(rng.random())
    match rng.integers(5):
        case 0:
            center = None if rng.random() < 0.7 else tuple((rng.random(2) * 10 - 2).tolist())
            law = random_law(rng, *random_range(rng, 10 ** (2.2 * rng.random())))
            return RandomRotation(law, center=center, fill=fill, **options)
        case 1:
            x, y = (random_law(rng, *random_range(rng, 2 + 60 * rng.random())) for _ in "xy")
            return RandomShear(x=x if rng.random() < 0.7 else 0.0, y=y, fill=fill, **options)
        case 2:
            law = random_law(rng, *_factors(rng, 0.05 + 1.5 * rng.random()))
            return RandomZoom(law, fill=fill, **options)
        case 3:
            x, y = (random_law(rng, *_factors(rng, 0.05 + rng.random())) for _ in "xy")
            return RandomZoom(x=x, y=y, **options)
        case _:
            x, y = (random_law(rng, *random_range(rng, 0.1 + 4 * rng.random())) for _ in "xy")
            return RandomTranslation(x=x, y=y, **options)


def _factors(rng: np.random.Generator, most: float) -> list[float]:
    return np.exp(random_range(rng, most)).tolist()


def random_jitter(rng: np.random.Generator, clamp: bool) -> ColorJitter:
    """Some of brightness, contrast and saturation."""
    factors: dict[str, Any] = {
        name: random_law(rng, 0.1 + 0.8 * rng.random(), 1 + rng.random())
        for name in ("brightness", "contrast", "saturation")
        if rng.random() < 0.6
    }
    return ColorJitter(**factors or {"brightness": 0.4}, clamp=clamp)


def random_composition(rng: np.random.Generator, clamp: bool) -> Compose:
    """One to three warps, perhaps a flip, and colours: always if they clamp."""
    steps = [random_warp(rng)]
    if rng.random() < 0.4:
        steps.append(random_warp(rng))
    if clamp or rng.random() < 0.4:
        steps.insert(int(rng.integers(len(steps) + 1)), random_jitter(rng, clamp))
    if rng.random() < 0.3:
        steps.insert(0, RandomHorizontalFlip(0.3))
    if rng.random() < 0.2:
        steps.append(RandomApply(random_warp(rng), 0.3))
    return Compose(steps)
