"""Random policies, family by family."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from augmoments.adapters import Policy
from augmoments.augmentations.affine import RandomAffine
from augmoments.augmentations.augmix import AugMix
from augmoments.augmentations.automatic import AutoAugment, RandAugment, TrivialAugmentWide
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.blur import GaussianBlur
from augmoments.augmentations.choice import RandomChoice, RandomOrder
from augmoments.augmentations.color import ColorJitter, Normalize, RandomGrayscale
from augmoments.augmentations.compose import Compose, RandomApply
from augmoments.augmentations.crops import CenterCrop, Pad, RandomCrop, RandomResizedCrop, Resize
from augmoments.augmentations.elastic import ElasticTransform
from augmoments.augmentations.erasing import RandomErasing
from augmoments.augmentations.geometric import RandomHorizontalFlip, RandomVerticalFlip
from augmoments.augmentations.noise import GaussianNoise
from augmoments.augmentations.perspective import RandomPerspective
from augmoments.augmentations.pixelwise import (
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomEqualize,
    RandomInvert,
    RandomPosterize,
    RandomSolarize,
)
from augmoments.operators.base import Shape
from augmoments.testing.calibration.compositions import (
    random_composition,
    random_jitter,
    random_law,
    random_range,
    random_warp,
)

Rng = np.random.Generator


def _warp(rng: Rng, shape: Shape) -> Policy:
    return random_warp(rng)


def _linear(rng: Rng, shape: Shape) -> Policy:
    return random_composition(rng, clamp=False)


def _clamped(rng: Rng, shape: Shape) -> Policy:
    if rng.random() < 0.25:
        hue = random_law(rng, *random_range(rng, 0.5 * rng.random()))
        return Compose([random_warp(rng), ColorJitter((0.6, 1.5), hue=hue)])
    if rng.random() < 0.2:
        return random_jitter(rng, clamp=True)
    return random_composition(rng, clamp=True)


def _joint(rng: Rng, shape: Shape) -> Policy:
    """Several numbers drawn together."""
    interpolation: Any = "nearest" if rng.random() < 0.4 else "bilinear"
    match rng.integers(4):
        case 0:
            return RandomPerspective(0.1 + 0.7 * rng.random(), rng.random(), interpolation)
        case 1 if rng.random() < 0.4:
            return ElasticTransform(10 * rng.random(), 0.5 + rng.random(), interpolation)
        case _:
            shifts = None if rng.random() < 0.4 else tuple((0.4 * rng.random(2)).tolist())
            scale = None if rng.random() < 0.4 else (0.5 + 0.4 * rng.random(), 1 + rng.random())
            shear = None if rng.random() < 0.5 else random_range(rng, 30)
            degrees = random_law(rng, *random_range(rng, 10 ** (2 * rng.random())))
            return RandomAffine(degrees, shifts, scale, shear, interpolation)


def _crop(rng: Rng, shape: Shape) -> Policy:
    size = [int(n) for n in rng.integers(1, np.minimum(shape[1:], 16) + 1)]
    ends = np.sort(0.05 + 0.95 * rng.random(2)).tolist()
    crop: Augmentation
    match rng.integers(4):
        case 0:
            crop = RandomCrop(size, int(rng.integers(0, 4)), fill=float(rng.random()))
        case 1:
            crop = Compose([Pad(int(rng.integers(1, 3))), RandomCrop(size), Resize(3)])
        case 2:
            crop = RandomResizedCrop(size, (ends[0], ends[1]), interpolation="nearest")
        case _:
            crop = RandomResizedCrop(size, (ends[0], ends[1]))
    match rng.integers(4):
        case 0:
            return Compose([crop, random_jitter(rng, clamp=True), RandomHorizontalFlip()])
        case 1:
            return Compose([random_warp(rng), crop])
        case 2:
            return Compose([crop, random_warp(rng), CenterCrop(size)])
        case _:
            return crop


def _values(rng: Rng, shape: Shape) -> Policy:
    """Blur, noise, erasing, and fixed changes of the values."""
    p = float(rng.random())
    low, high = np.sort(0.02 + 0.5 * rng.random(2)).tolist()
    kernel = 3 if min(shape[1:]) < 3 else int(rng.choice((3, 5)))
    steps: list[Callable[[], Augmentation]] = [
        lambda: GaussianBlur(kernel, random_law(rng, 0.1 + low, 0.6 + high)),
        lambda: GaussianNoise(0.1 * p, (low, high), clip=rng.random() < 0.5),
        lambda: RandomErasing(p, (low, high), value=float(rng.random())),
        lambda: RandomInvert(p),
        lambda: RandomSolarize(0.3 + low, p),
        lambda: RandomPosterize(2, p),
        lambda: RandomAutocontrast(p),
        lambda: RandomEqualize(p),
        lambda: RandomAdjustSharpness(2 * high, p),
        lambda: RandomGrayscale(p),
        lambda: Normalize(0.4, 0.25),
    ]
    first = steps[rng.choice(len(steps), p=(0.2, 0.15, 0.25, *[0.05] * 8))]()
    match rng.integers(4):
        case 0:
            return first
        case 1:
            return Compose([random_warp(rng), first])
        case 2:
            return Compose([first, random_warp(rng)])
        case _:
            return Compose([first, steps[rng.integers(4)]()])


def _choice(rng: Rng, shape: Shape) -> Policy:
    parts = [random_warp(rng), random_jitter(rng, clamp=rng.random() < 0.5), RandomVerticalFlip()]
    match rng.integers(3):
        case 0:
            return RandomChoice(parts, rng.random(3).tolist())
        case 1:
            return RandomOrder(parts)
        case _:
            return Compose([RandomApply([parts[0], parts[1]], float(rng.random())), parts[2]])


def _automatic(rng: Rng, shape: Shape) -> Policy:
    interpolation: Any = "nearest" if rng.random() < 0.5 else "bilinear"
    match rng.integers(5):
        case 0:
            return AugMix(mixture_width=2, chain_depth=2, interpolation=interpolation)
        case 1:
            name = str(rng.choice(("imagenet", "cifar10", "svhn")))
            return AutoAugment(name, interpolation)
        case 2:
            return TrivialAugmentWide(interpolation=interpolation)
        case _:
            return RandAugment(int(rng.integers(1, 3)), int(rng.integers(1, 30)))


def _pipeline(rng: Rng, shape: Shape) -> Policy:
    """One to four steps of torchvision, in the order in which recipes have them."""
    v2 = import_module("torchvision.transforms.v2")
    size = [max(1, round(0.8 * side)) for side in shape[1:]]
    crops = (
        lambda: v2.RandomResizedCrop(size, (0.2, 1.0)),
        lambda: v2.RandomCrop(size, padding=1),
        lambda: v2.RandomAffine(15, (0.1, 0.1), (0.8, 1.2), 10),
        lambda: v2.RandomRotation(float(60 * rng.random())),
    )
    values = (
        lambda: v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
        lambda: v2.RandomApply([v2.ColorJitter(0.8, 0.8)], 0.8),
        lambda: v2.RandomGrayscale(0.2),
        lambda: v2.RandomSolarize(0.5, 0.2),
        lambda: v2.GaussianBlur(3, (0.1, 2.0)),
        lambda: v2.RandomErasing(0.5),
    )
    steps = [crops[rng.integers(4)](), v2.RandomHorizontalFlip()][: int(rng.integers(1, 3))]
    steps += [values[place]() for place in rng.choice(6, int(rng.integers(3)), replace=False)]
    return v2.Compose(steps)


FAMILIES: dict[str, tuple[float, Callable[[Rng, Shape], Policy]]] = {
    "one warp": (0.18, _warp),
    "warps and colours": (0.12, _linear),
    "clamped colours": (0.16, _clamped),
    "several parameters": (0.12, _joint),
    "crops": (0.12, _crop),
    "values": (0.12, _values),
    "choices": (0.06, _choice),
    "automatic": (0.04, _automatic),
    "torchvision": (0.08, _pipeline),
}
"""How often each family is drawn, and by what; a pipeline needs torchvision."""
