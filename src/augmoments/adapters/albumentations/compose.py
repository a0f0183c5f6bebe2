"""How albumentations puts transforms together, and where the ``p`` of a child counts.

Compose and Sequential call each child with its own ``p``. OneOf draws a child with weights ``p``
and then forces it. SomeOf and RandomOrder draw children alike and let each use its own ``p``; they
cannot be forced themselves, nor can OneOrOther.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import combinations, combinations_with_replacement, permutations, product
from math import factorial, prod
from typing import Any

from augmoments.adapters.unsupported import unsupported
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.choice import RandomChoice
from augmoments.augmentations.compose import Compose, RandomApply
from augmoments.augmentations.elementary import Step
from augmoments.augmentations.geometric import RandomHorizontalFlip, RandomVerticalFlip
from augmoments.augmentations.sequence import Chain
from augmoments.laws import bernoulli
from augmoments.operators.sometimes import Sometimes

Build = Callable[[Any, bool], Augmentation]
"""Converts a transform, forced or with its own ``p``."""

_MOST_BRANCHES = 720


NOTHING = Chain(())
"""Leaves images as they are."""


def sometimes(augmentation: Augmentation, p: float) -> Augmentation:
    """Apply with probability ``p``."""
    if p >= 1 or augmentation == NOTHING:
        return augmentation
    if p <= 0:
        return NOTHING
    if isinstance(augmentation, RandomHorizontalFlip | RandomVerticalFlip):
        return replace(augmentation, p=p * augmentation.p)
    if isinstance(augmentation, Step) and augmentation.drawn is None:
        return Step(Sometimes(augmentation.action), bernoulli(p), augmentation.owner)
    return RandomApply(augmentation, p)


def in_order(steps: Iterable[Augmentation]) -> Augmentation:
    """One after the other, without those that do nothing."""
    kept = [step for step in steps if step != NOTHING]
    if not kept:
        return NOTHING
    return kept[0] if len(kept) == 1 else Compose(kept)


def sequence(transform: Any, build: Build) -> Augmentation:
    """Compose, ReplayCompose and Sequential."""
    return in_order(build(child, False) for child in transform.transforms)


def one_of(transform: Any, build: Build) -> Augmentation:
    """OneOf: the children's ``p`` are weights."""
    if not transform.transforms:
        return NOTHING
    return RandomChoice(
        [build(child, True) for child in transform.transforms], transform.transforms_ps
    )


def some_of(transform: Any, build: Build) -> Augmentation:
    """SomeOf: ``n`` of the children, in the order in which they stand."""
    steps = [build(child, False) for child in transform.transforms]
    if transform.replace:
        chosen = combinations_with_replacement(range(len(steps)), transform.n)
        return _choice(transform, steps, chosen, _arrangements)
    return _choice(transform, steps, combinations(range(len(steps)), transform.n))


def random_order(transform: Any, build: Build) -> Augmentation:
    """RandomOrder: ``n`` of the children, in the order in which they are drawn."""
    steps = [build(child, False) for child in transform.transforms]
    if transform.replace:
        return _choice(transform, steps, product(range(len(steps)), repeat=transform.n))
    return _choice(transform, steps, permutations(range(len(steps)), transform.n))


def one_or_other(transform: Any, build: Build) -> Augmentation:
    """OneOrOther: the first with probability ``p``, else the last."""
    first, last = build(transform.transforms[0], True), build(transform.transforms[-1], True)
    return RandomChoice([first, last], (transform.p, 1 - transform.p))


def _choice(
    transform: Any,
    steps: list[Augmentation],
    chosen: Iterable[tuple[int, ...]],
    weigh: Callable[[tuple[int, ...]], float] = lambda indices: 1.0,
) -> Augmentation:
    found = []
    for indices in chosen:
        found.append(indices)
        if len(found) > _MOST_BRANCHES:
            raise unsupported(
                transform,
                f"n={transform.n} of {len(steps)} transforms make over {_MOST_BRANCHES} choices",
                "use fewer transforms or a smaller n",
            )
    branches = [in_order(steps[index] for index in indices) for indices in found]
    if len(branches) == 1:
        return branches[0]
    return RandomChoice(branches, [weigh(indices) for indices in found])


def _arrangements(indices: tuple[int, ...]) -> float:
    """In how many orders the same indices can be drawn."""
    return factorial(len(indices)) / prod(factorial(n) for n in Counter(indices).values())
