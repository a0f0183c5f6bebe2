"""Converters of what changes values: gamma, thresholds, histograms, noise, scaling."""

from __future__ import annotations

from typing import Any

import torch

from augmoments.adapters.kornia.laws import number, rounded, sampled
from augmoments.adapters.kornia.steps import Drawing, name_of, refuse, sometimes
from augmoments.adapters.kornia.values import (
    AutoContrast,
    ClampedSharpness,
    ColourShift,
    Equalize,
    Gamma,
    Invert,
    Posterize,
    Solarize,
)
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.noise import GaussianNoise
from augmoments.laws.independent import Independent
from augmoments.operators.base import Operator
from augmoments.operators.color import Standardisation


def _fixed(module: Any, operator: Operator) -> Augmentation:
    return sometimes(module, Drawing(operator, None, name_of(module)))


def _several(module: Any, operator: Operator, names: tuple[str, ...]) -> Augmentation:
    laws = tuple(sampled(module._param_generator.sampler_dict[name]) for name in names)
    law = laws[0] if len(laws) == 1 else Independent(laws)
    return sometimes(module, Drawing(operator, law, name_of(module)))


def random_gamma(module: Any) -> Augmentation:
    """``RandomGamma``."""
    return _several(module, Gamma(), ("gamma_factor", "gain_factor"))


def random_invert(module: Any) -> Augmentation:
    """``RandomInvert``."""
    top = torch.as_tensor(module.flags["max_val"])
    if top.numel() > 1 and top.shape[-3:] != (top.numel(), 1, 1):
        raise refuse(
            module, "a max_val that differs between pixels", "one number, or one a channel"
        )
    return _fixed(module, Invert(tuple(float(v) for v in top.reshape(-1))))


def random_solarize(module: Any) -> Augmentation:
    """``RandomSolarize``."""
    return _several(module, Solarize(), ("thresholds", "additions"))


def random_posterize(module: Any) -> Augmentation:
    """``RandomPosterize``; a single number of bits is the lower end of a range up to 8."""
    sampler = module._param_generator.bit_sampler
    law = rounded(number(sampler.low), number(sampler.high))
    return sometimes(module, Drawing(Posterize(), law, name_of(module)))


def random_equalize(module: Any) -> Augmentation:
    """``RandomEqualize``."""
    return _fixed(module, Equalize())


def random_sharpness(module: Any) -> Augmentation:
    """``RandomSharpness``."""
    return _several(module, ClampedSharpness(), ("sharpness",))


def random_auto_contrast(module: Any) -> Augmentation:
    """``RandomAutoContrast``."""
    return _fixed(module, AutoContrast(bool(module.clip_output)))


def random_gaussian_noise(module: Any) -> Augmentation:
    """``RandomGaussianNoise``, which is not clipped."""
    generator = module._param_generator
    noise = GaussianNoise(number(generator.mean), abs(number(generator.std)), clip=False)
    return sometimes(module, noise)


def random_rgb_shift(module: Any) -> Augmentation:
    """``RandomRGBShift``."""
    return _several(module, ColourShift(), ("r_shift", "g_shift", "b_shift"))


def normalize(module: Any) -> Augmentation:
    """``Normalize``."""
    mean, std = _by_channel(module, "mean"), _by_channel(module, "std")
    return _fixed(module, Standardisation(mean, std))


def denormalize(module: Any) -> Augmentation:
    """``Denormalize``, ``std x + mean``."""
    mean, std = _by_channel(module, "mean"), _by_channel(module, "std")
    if len(mean) != len(std):
        size = max(len(mean), len(std))
        mean, std = (v * (size // len(v)) for v in (mean, std))
    pairs = zip(mean, std, strict=True)
    return _fixed(
        module, Standardisation(tuple(-m / s for m, s in pairs), tuple(1 / s for s in std))
    )


def _by_channel(module: Any, name: str) -> tuple[float, ...]:
    """A mean or a standard deviation, one number or one a channel."""
    values = module.flags[name].detach()
    if values.ndim > 2 or (values.ndim == 2 and len(values) > 1):
        raise refuse(module, f"{name} of shape {tuple(values.shape)}", "one number a channel")
    numbers = tuple(float(v) for v in values.reshape(-1))
    if name == "std" and not all(numbers):
        raise refuse(module, "a std of 0", "positive standard deviations")
    return numbers


CONVERTERS = {
    "Denormalize": denormalize,
    "Normalize": normalize,
    "RandomAutoContrast": random_auto_contrast,
    "RandomEqualize": random_equalize,
    "RandomGamma": random_gamma,
    "RandomGaussianNoise": random_gaussian_noise,
    "RandomInvert": random_invert,
    "RandomPosterize": random_posterize,
    "RandomRGBShift": random_rgb_shift,
    "RandomSharpness": random_sharpness,
    "RandomSolarize": random_solarize,
}
