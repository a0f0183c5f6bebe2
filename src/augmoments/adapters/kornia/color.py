"""Converters of brightness, contrast, saturation, hue, gray, and their jitters."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from augmoments.adapters.kornia.laws import is_constant, sampled
from augmoments.adapters.kornia.steps import Drawing, name_of, sometimes
from augmoments.adapters.kornia.tones import (
    Gain,
    GraySaturation,
    Hue,
    MeanContrast,
    Offset,
    Saturation,
    Shuffled,
    Tone,
)
from augmoments.adapters.kornia.values import Clamp, Grayscale
from augmoments.augmentations.base import Augmentation
from augmoments.laws import Discrete
from augmoments.laws.independent import Independent

_NEUTRAL = (1.0, 1.0, 1.0, 0.0)


def random_brightness(module: Any) -> Augmentation:
    """``RandomBrightness``, which adds."""
    return _alone(module, Offset(module.clip_output), "brightness_factor")


def random_contrast(module: Any) -> Augmentation:
    """``RandomContrast``, which multiplies."""
    return _alone(module, Gain(module.clip_output), "contrast_factor")


def random_saturation(module: Any) -> Augmentation:
    """``RandomSaturation``, in HSV."""
    return _alone(module, Saturation(), "saturation_factor")


def random_hue(module: Any) -> Augmentation:
    """``RandomHue``."""
    return _alone(module, Hue(), "hue_factor")


def _alone(module: Any, tone: Tone, name: str) -> Augmentation:
    law = sampled(module._param_generator.sampler_dict[name])
    return sometimes(module, Drawing(tone, law, name_of(module)))


def color_jitter(module: Any) -> Augmentation:
    """``ColorJitter``, whose steps are torchvision's but for the weights of gray."""
    steps = Gain(name="brightness"), MeanContrast(), GraySaturation(), Hue()
    return _jitter(module, steps)


def color_jiggle(module: Any) -> Augmentation:
    """``ColorJiggle``, whose steps are those of ``RandomBrightness`` and its like."""
    return _jitter(module, (Offset(), Gain(), Saturation(), Hue()))


def _jitter(module: Any, tones: tuple[Tone, ...]) -> Augmentation:
    """The steps that can change anything, in a random order or the one that was given."""
    names = ("brightness", "contrast", "saturation", "hue")
    laws = [sampled(getattr(module._param_generator, f"{name}_sampler")) for name in names]
    given = module._fixed_order
    allowed = range(4) if given is None else given
    active = [i for i in allowed if not is_constant(laws[i], _NEUTRAL[i])]
    owner = name_of(module)
    if not active:
        return sometimes(module, Drawing(Clamp(), None, owner))
    if len(active) == 1:
        return sometimes(module, Drawing(tones[active[0]], laws[active[0]], owner))
    places = tuple(range(len(active)))
    orders = tuple(permutations(places)) if given is None else (places,)
    operator = Shuffled(tuple(tones[i] for i in active), orders)
    law = Independent((Discrete(range(len(orders))), *(laws[i] for i in active)))
    return sometimes(module, Drawing(operator, law, owner))


def random_grayscale(module: Any) -> Augmentation:
    """``RandomGrayscale``."""
    weights = module.rgb_weights
    values = None if weights is None else tuple(float(w) for w in weights.reshape(-1))
    return sometimes(module, Drawing(Grayscale(values), None, name_of(module)))


CONVERTERS = {
    "ColorJiggle": color_jiggle,
    "ColorJitter": color_jitter,
    "RandomBrightness": random_brightness,
    "RandomContrast": random_contrast,
    "RandomGrayscale": random_grayscale,
    "RandomHue": random_hue,
    "RandomSaturation": random_saturation,
}
