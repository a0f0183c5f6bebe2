"""How torchvision puts transforms together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.choice import RandomChoice, RandomOrder
from augmoments.augmentations.compose import Compose, RandomApply
from augmoments.augmentations.sequence import Chain

Build = Callable[[Any], Augmentation]

NOTHING = Chain(())
"""Leaves images as they are."""


def in_order(steps: Iterable[Augmentation]) -> Augmentation:
    """One after the other, without those that do nothing."""
    kept = [step for step in steps if step != NOTHING]
    if not kept:
        return NOTHING
    return kept[0] if len(kept) == 1 else Compose(kept)


def sequence(container: Any, build: Build) -> Augmentation:
    """``Compose``."""
    return in_order(build(step) for step in container.transforms)


def sequential(module: Any, build: Build) -> Augmentation:
    """``torch.nn.Sequential``."""
    return in_order(build(step) for step in module)


def random_apply(container: Any, build: Build) -> Augmentation:
    """``RandomApply``: all of the steps with probability ``p``."""
    inner = sequence(container, build)
    return NOTHING if inner == NOTHING else RandomApply(inner, container.p)


def random_choice(container: Any, build: Build) -> Augmentation:
    """``RandomChoice``, with weights ``p``."""
    return RandomChoice([build(step) for step in container.transforms], container.p)


def random_order(container: Any, build: Build) -> Augmentation:
    """``RandomOrder``: in which steps that do nothing have no place."""
    steps = [step for step in map(build, container.transforms) if step != NOTHING]
    return RandomOrder(steps) if len(steps) > 1 else in_order(steps)


CONTAINERS: dict[str, Callable[[Any, Build], Augmentation]] = {
    "Compose": sequence,
    "RandomApply": random_apply,
    "RandomChoice": random_choice,
    "RandomOrder": random_order,
}
