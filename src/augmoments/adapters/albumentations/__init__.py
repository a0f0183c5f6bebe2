"""Transforms of albumentations 2.0.8 as augmentations, for float images in [0, 1].

The package reads the attributes of the objects that it is given; it never imports albumentations
or OpenCV. Transforms are told by their class's name.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from augmoments.adapters.albumentations.compose import sometimes
from augmoments.adapters.albumentations.drawing import dependent, draw
from augmoments.adapters.albumentations.ranges import out_of_range
from augmoments.adapters.albumentations.tables import COMPOSITIONS, LEAVES
from augmoments.adapters.unsupported import unsupported
from augmoments.augmentations.base import Augmentation
from augmoments.errors import InputError, InputTypeError, LawError, PolicyError

VERSION = "2.0.8"
"""The version whose laws and arithmetic these are."""

Fallback = Callable[[Any, PolicyError], Augmentation]

_OWN_COIN = {"OneOrOther"}
_NEVER_FORCED = {"OneOrOther", "RandomOrder", "SomeOf"}


def convert(transform: Any, fallback: Fallback | None = None) -> Augmentation:
    """The augmentation that does, with the same probabilities, what ``transform`` does.

    Args:
        transform: A transform or a composition of albumentations 2.0.8, for float32 images with
            values in [0, 1].
        fallback: Takes every innermost step that is not understood, with the reason, and gives
            what stands for it.

    Raises:
        PolicyError: A transform or an option that is not understood, which the message names; a
            composition with a seed, whose steps draw the same random numbers; or another version
            of albumentations.

    Example:
        >>> import albumentations as A
        >>> convert(A.HorizontalFlip(p=0.5)).outcomes((3, 8, 8))
        2
    """
    reader = _Reader(fallback, out_of_range(transform))
    error = _version_error(transform)
    return reader.read(transform, False) if error is None else reader.give_up(transform, error)


@dataclass(frozen=True)
class _Reader:
    """Reads transforms, knowing those that are ``misplaced`` after what their values name."""

    fallback: Fallback | None
    misplaced: dict[int, str]

    def read(self, step: Any, forced: bool) -> Augmentation:
        """What ``step`` does, with its own ``p`` or ``forced`` by what it stands in."""
        try:
            return self._known(step, forced)
        except PolicyError as error:
            if forced and type(step).__name__ not in _NEVER_FORCED and step.p > 0:
                step = copy.copy(step)
                step.p = 1.0
            return self.give_up(step, error)

    def give_up(self, step: Any, error: PolicyError) -> Augmentation:
        """What stands for a step that is not understood."""
        if self.fallback is None:
            raise error
        return self.fallback(step, error)

    def _known(self, step: Any, forced: bool) -> Augmentation:
        _check(step, self.misplaced)
        name = type(step).__name__
        if name in LEAVES:
            return sometimes(_leaf(step), 1.0 if forced and step.p > 0 else step.p)
        inner = COMPOSITIONS[name](step, self.read)
        if name in _OWN_COIN or (forced and name not in _NEVER_FORCED):
            return inner
        return sometimes(inner, step.p)


def _leaf(step: Any) -> Augmentation:
    """What a transform does when it is applied."""
    try:
        return LEAVES[type(step).__name__](step)
    except (InputError, InputTypeError, LawError) as error:
        why = str(error).rstrip(".")
        raise unsupported(step, why, "give it a value that is taken") from error


def _check(step: Any, misplaced: dict[int, str]) -> None:
    """Refuse what is not known, and what is not what it looks like."""
    name = type(step).__name__
    ours = type(step).__module__.startswith("albumentations.")
    if not ours or not (name in LEAVES or name in COMPOSITIONS):
        known = ", ".join(sorted({*LEAVES, *COMPOSITIONS}))
        raise unsupported(step, "it has no counterpart here", f"use one of {known}")
    if step.replay_mode:
        raise unsupported(step, "it replays one draw", "give the original pipeline")
    if id(step) in misplaced:
        before = misplaced[id(step)]
        raise unsupported(
            step, f"it takes values in [0, 1], which {before} leaves", f"put it before {before}"
        )
    if dependent(step):
        raise unsupported(
            step,
            f"seed={step.seed} gives all steps the same random numbers, so that they are not "
            "independent",
            "use seed=None, or set_random_state(numpy.random.default_rng(seed), "
            "random.Random(seed)), which lets the steps share one stream",
        )


def _version_error(transform: Any) -> PolicyError | None:
    """What is said of other versions, whose laws may differ under the same names."""
    found = getattr(sys.modules.get("albumentations"), "__version__", VERSION)
    if found == VERSION:
        return None
    return unsupported(
        transform,
        f"the laws of albumentations {found} were not checked",
        f"use albumentations {VERSION}",
    )


__all__ = ["convert", "draw"]
