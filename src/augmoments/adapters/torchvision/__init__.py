"""Transforms of torchvision as augmentations, for float images in [0, 1].

The package reads the attributes of the objects that it is given and never imports torchvision.
Transforms of versions 1 and 2 are told by their classes' names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from augmoments.adapters.torchvision import containers, conversions, geometry, values
from augmoments.adapters.torchvision.drawing import draw
from augmoments.adapters.torchvision.refusals import REFUSALS
from augmoments.adapters.unsupported import unsupported
from augmoments.augmentations.base import Augmentation
from augmoments.errors import InputError, InputTypeError, LawError, PolicyError

Fallback = Callable[[Any, PolicyError], Augmentation]

STEPS = geometry.STEPS | values.STEPS | conversions.STEPS
"""What reads a transform that has no others inside, by its class's name."""


def convert(transform: Any, fallback: Fallback | None = None) -> Augmentation:
    """The augmentation that does, with the same probabilities, what ``transform`` does.

    Images are floating point in [0, 1]: conversions to it are left out, and steps on 8-bit images,
    which round, are taken as the same steps on floating-point images. Automatic augmentation and
    other transforms of version 1 that take 8-bit images only stand for their namesakes of v2.

    Args:
        transform: A transform of ``torchvision.transforms`` or ``torchvision.transforms.v2``, or
            a composition, ``torch.nn.Sequential`` included. Augmentations of augmoments among the
            steps stay what they are.
        fallback: Takes every innermost step that is not understood, with the reason, and gives
            what stands for it.

    Raises:
        PolicyError: A step or an option that is not understood, which the message names. Classes
            that are derived from torchvision's are not, as they can do anything.
    """
    try:
        return _build(transform, fallback)
    except PolicyError as error:
        if fallback is None:
            raise
        return fallback(transform, error)


def _build(step: Any, fallback: Fallback | None) -> Augmentation:
    if isinstance(step, Augmentation):
        return step

    def build(inner: Any) -> Augmentation:
        return convert(inner, fallback)

    kind, name = type(step), type(step).__name__
    if kind is nn.Sequential:
        return containers.sequential(step, build)
    if kind is nn.Identity:
        return containers.NOTHING
    if not kind.__module__.startswith("torchvision.transforms."):
        raise _stranger(step)
    if name in containers.CONTAINERS:
        return containers.CONTAINERS[name](step, build)
    if name in REFUSALS:
        raise unsupported(step, *REFUSALS[name])
    if name not in STEPS:
        raise unsupported(step, "it has no counterpart here", "leave it out")
    try:
        return STEPS[name](step)
    except (InputError, InputTypeError, LawError) as error:
        why = str(error).rstrip(".")
        raise unsupported(step, why, "give it a value that is taken") from error


def _stranger(step: Any) -> PolicyError:
    """What is said of other people's classes and functions."""
    bases = (base for base in type(step).__mro__[1:] if base.__module__.startswith("torchvision."))
    base = next(bases, None)
    why = "it is no transform of torchvision, and what it does cannot be read from it"
    if base is not None:
        why = f"it is derived from {base.__name__} and may do something else"
    return unsupported(step, why, "put an augmentation of augmoments in its place")


__all__ = ["convert", "draw"]
