"""The same augmentations in torchvision, kornia and albumentations, and what one draw takes."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

import _torchvision  # noqa: F401 - lets torchvision be imported beside a CPU build of torch
import numpy as np
import torch
from _timing import seconds
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
Pipelines = dict[str, Any]


def rotation(degrees: float = 30) -> Pipelines:
    """One angle."""
    import albumentations as A
    import kornia.augmentation as K

    return {
        "torchvision": v2.RandomRotation(degrees, InterpolationMode.BILINEAR),
        "kornia": K.RandomRotation(float(degrees), p=1.0),
        "albumentations": A.Rotate((-degrees, degrees), p=1.0),
    }


def affine(parameters: int = 5) -> Pipelines:
    """Angle, then two shifts (3 parameters), factor (4), shear (5); bilinear."""
    import albumentations as A
    import kornia.augmentation as K

    shift = (0.1, 0.1) if parameters >= 3 else None
    factor = (0.9, 1.1) if parameters >= 4 else None
    shear = 10 if parameters >= 5 else None
    bilinear = InterpolationMode.BILINEAR
    return {
        "torchvision": v2.RandomAffine(15, shift, factor, shear, interpolation=bilinear),
        "kornia": K.RandomAffine(15.0, shift, factor, shear and (-10.0, 10.0), p=1.0),
        "albumentations": A.Affine(
            scale=factor or 1.0,
            rotate=(-15, 15),
            shear={"x": (-10, 10) if shear else 0, "y": 0},
            translate_percent=(-0.1, 0.1) if shift else 0,
            p=1.0,
        ),
    }


def simclr() -> Pipelines:
    """Crop, flip, colours, greys."""
    import albumentations as A
    import kornia.augmentation as K

    jitter = v2.ColorJitter(0.4, 0.4, 0.4, 0.1)
    return {
        "torchvision": v2.Compose(
            [
                v2.RandomResizedCrop(32, (0.2, 1.0)),
                v2.RandomHorizontalFlip(),
                v2.RandomApply([jitter], 0.8),
                v2.RandomGrayscale(0.2),
            ]
        ),
        "kornia": K.AugmentationSequential(
            K.RandomResizedCrop((32, 32), scale=(0.2, 1.0)),
            K.RandomHorizontalFlip(),
            K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
            K.RandomGrayscale(p=0.2),
        ),
        "albumentations": A.Compose(
            [
                A.RandomResizedCrop((32, 32), scale=(0.2, 1.0)),
                A.HorizontalFlip(),
                A.ColorJitter((0.6, 1.4), (0.6, 1.4), (0.6, 1.4), (-0.1, 0.1), p=0.8),
                A.ToGray(p=0.2),
            ]
        ),
    }


def translation(pixels: float, side: int) -> Callable[[Tensor], Tensor]:
    """kornia's shifts of a batch."""
    import kornia.augmentation as K

    return K.RandomAffine(0.0, translate=(pixels / side, pixels / side), p=1.0)


def crop_flip(side: int) -> Callable[[Tensor], Tensor]:
    """kornia's padded crops, each image its own, and flips."""
    import kornia.augmentation as K

    return K.AugmentationSequential(
        K.RandomCrop((side, side), padding=4, p=1.0), K.RandomHorizontalFlip()
    )


class Draw(NamedTuple):
    """The library that draws one image fastest, and how."""

    library: str
    work: Callable[[], object]
    """Draws ``images`` images."""
    images: int
    seconds: dict[str, float]
    """Seconds an image in each library."""


def fastest(pipelines: Pipelines, image: Tensor, repeats: int = 5) -> Draw:
    """Time draws of ``image``: kornia in a batch, the others in one call each."""
    batch = 500 if image.numel() < 10_000 else 32
    array = image.permute(1, 2, 0).contiguous().numpy()
    many = image.expand(batch, *image.shape).contiguous()
    singles = min(batch, 100)
    works: dict[str, tuple[int, Callable[[], object]]] = {
        "torchvision": (
            singles,
            lambda: [pipelines["torchvision"](image) for _ in range(singles)],
        ),
        "kornia": (batch, lambda: pipelines["kornia"](many)),
        "albumentations": (
            singles,
            lambda: [pipelines["albumentations"](image=array) for _ in range(singles)],
        ),
    }
    found = {}
    for name, (count, work) in works.items():
        work()
        found[name] = statistics.median(seconds(work) for _ in range(repeats)) / count
    best = min(found, key=found.__getitem__)
    return Draw(best, works[best][1], works[best][0], found)


def draws(pipeline: Any, image: Tensor, count: int, seed: int = 0) -> Tensor:
    """Draws of torchvision's pipeline as rows in double precision, ``(count, D)``."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - torchvision's own state
        return torch.stack([pipeline(image).flatten() for _ in range(count)]).double()
