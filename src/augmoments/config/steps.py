"""The steps that a file can name, and the arguments that they take."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any

from augmoments.augmentations.affine import RandomAffine
from augmoments.augmentations.augmix import AugMix
from augmoments.augmentations.automatic import AutoAugment, RandAugment, TrivialAugmentWide
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.blur import GaussianBlur
from augmoments.augmentations.choice import RandomChoice, RandomOrder
from augmoments.augmentations.color import ColorJitter, Normalize, RandomGrayscale
from augmoments.augmentations.compose import Compose, RandomApply
from augmoments.augmentations.conversion import ToDtype
from augmoments.augmentations.crops import CenterCrop, Pad, RandomCrop, RandomResizedCrop, Resize
from augmoments.augmentations.elastic import ElasticTransform
from augmoments.augmentations.erasing import RandomErasing
from augmoments.augmentations.geometric import (
    RandomHorizontalFlip,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomVerticalFlip,
    RandomZoom,
)
from augmoments.augmentations.mixing import CutMix, MixUp
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

STEPS: dict[str, Callable[..., Augmentation]] = {
    step.__name__: step
    for step in (
        RandomAffine,
        AugMix,
        AutoAugment,
        RandAugment,
        TrivialAugmentWide,
        GaussianBlur,
        ColorJitter,
        Normalize,
        RandomGrayscale,
        Compose,
        RandomApply,
        RandomChoice,
        RandomOrder,
        ToDtype,
        CenterCrop,
        Pad,
        RandomCrop,
        RandomResizedCrop,
        Resize,
        ElasticTransform,
        RandomErasing,
        RandomHorizontalFlip,
        RandomRotation,
        RandomShear,
        RandomTranslation,
        RandomVerticalFlip,
        RandomZoom,
        CutMix,
        MixUp,
        GaussianNoise,
        RandomPerspective,
        RandomAdjustSharpness,
        RandomAutocontrast,
        RandomEqualize,
        RandomInvert,
        RandomPosterize,
        RandomSolarize,
    )
}
"""Classes, and functions that give an augmentation."""

_WANTED = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "None": "null",
}


def arguments_of(step: Callable[..., Augmentation]) -> dict[str, Parameter]:
    """The arguments of a step by name, in their order."""
    return dict(signature(step).parameters)


def required(argument: Parameter) -> bool:
    """Whether an argument has no default."""
    return argument.default is Parameter.empty


def misfit(argument: Parameter, value: Any) -> str | None:
    """What is wanted of an argument, if ``value`` is of another type; the rest is up to the step.

    >>> misfit(arguments_of(RandomPosterize)["bits"], 2.5)
    'a whole number'
    """
    kinds = [kind.strip() for kind in str(argument.annotation).split("|")]
    if isinstance(value, bool) and not {"bool", "Any"} & set(kinds):
        return _WANTED.get(kinds[0], "a number")
    if not all(kind in _WANTED for kind in kinds) or any(_fits(value, kind) for kind in kinds):
        return None
    return ", ".join(_WANTED[kind] for kind in kinds)


def _fits(value: Any, kind: str) -> bool:
    match kind:
        case "None":
            return value is None
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int)
        case "float":
            return isinstance(value, int | float)
    return isinstance(value, str)
