"""Converters of colour, noise, blur and all else that keeps pixels in their places."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from augmoments.adapters.torchvision.channels import RGB, Grayscale, RandomChannelPermutation
from augmoments.adapters.torchvision.reading import is_first_version
from augmoments.adapters.torchvision.whitening import LinearTransformation
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.blur import GaussianBlur
from augmoments.augmentations.choice import RandomChoice
from augmoments.augmentations.color import ColorJitter, Normalize, RandomGrayscale
from augmoments.augmentations.compose import Compose, RandomApply
from augmoments.augmentations.erasing import RandomErasing
from augmoments.augmentations.mixing import CutMix, MixUp
from augmoments.augmentations.noise import GaussianNoise
from augmoments.augmentations.pixelwise import (
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomEqualize,
    RandomInvert,
    RandomPosterize,
    RandomSolarize,
)

_JITTERS = ("brightness", "contrast", "saturation", "hue")


def color_jitter(step: Any) -> Augmentation:
    """``ColorJitter``, whose ranges are ``None`` where nothing is changed."""
    return ColorJitter(*(_range(step, name) for name in _JITTERS))


def _range(step: Any, name: str) -> Any:
    given = getattr(step, name)
    return 0.0 if given is None else tuple(given)


def photometric_distort(step: Any) -> Augmentation:
    """``RandomPhotometricDistort``: contrast comes before or after saturation and hue."""
    brightness, contrast, saturation, hue = (
        RandomApply(ColorJitter(**{name: _range(step, name)}), step.p) for name in _JITTERS
    )
    orders = [contrast, saturation, hue], [saturation, hue, contrast]
    return Compose(
        [
            brightness,
            RandomChoice([Compose(order) for order in orders]),
            RandomApply(RandomChannelPermutation(), step.p),
        ]
    )


def grayscale(step: Any) -> Augmentation:
    """``Grayscale``; with three channels, version 1 leaves images of one channel as they are."""
    if is_first_version(step) and step.num_output_channels == 3:
        return RandomGrayscale(1.0)
    return Grayscale(step.num_output_channels)


def normalize(step: Any) -> Augmentation:
    """``Normalize``."""
    return Normalize(tuple(step.mean), tuple(step.std))


def linear_transformation(step: Any) -> Augmentation:
    """``LinearTransformation``."""
    return LinearTransformation(step.transformation_matrix, step.mean_vector)


def gaussian_blur(step: Any) -> Augmentation:
    """``GaussianBlur``."""
    return GaussianBlur(tuple(step.kernel_size), tuple(step.sigma))


def random_erasing(step: Any) -> Augmentation:
    """``RandomErasing``, whose value is ``None`` for noise in version 2."""
    value = "random" if step.value is None else step.value
    value = tuple(value) if isinstance(value, list) else value
    return RandomErasing(step.p, tuple(step.scale), tuple(step.ratio), value)


STEPS: dict[str, Callable[[Any], Augmentation]] = {
    "ColorJitter": color_jitter,
    "CutMix": lambda step: CutMix(alpha=step.alpha, num_classes=step.num_classes),
    "GaussianBlur": gaussian_blur,
    "GaussianNoise": lambda step: GaussianNoise(step.mean, step.sigma, step.clip),
    "Grayscale": grayscale,
    "LinearTransformation": linear_transformation,
    "MixUp": lambda step: MixUp(alpha=step.alpha, num_classes=step.num_classes),
    "Normalize": normalize,
    "RGB": lambda step: RGB(),
    "RandomAdjustSharpness": lambda step: RandomAdjustSharpness(step.sharpness_factor, step.p),
    "RandomAutocontrast": lambda step: RandomAutocontrast(step.p),
    "RandomChannelPermutation": lambda step: RandomChannelPermutation(),
    "RandomEqualize": lambda step: RandomEqualize(step.p),
    "RandomErasing": random_erasing,
    "RandomGrayscale": lambda step: RandomGrayscale(step.p),
    "RandomInvert": lambda step: RandomInvert(step.p),
    "RandomPhotometricDistort": photometric_distort,
    "RandomPosterize": lambda step: RandomPosterize(step.bits, step.p),
    "RandomSolarize": lambda step: RandomSolarize(step.threshold, step.p),
}
