"""Shares of the variance of a policy, step by step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.nodes import QUANTILE, REPLICATES
from augmoments.calculus.plan import shapes_along
from augmoments.calculus.variance import Draws, Variance
from augmoments.errors import PolicyError
from augmoments.operators.base import Shape

_VALUES = 2**25  # of all augmented images of one policy, so that it is quick
_LEAST, _MOST = 4, 8  # two to the power of it are the points of a replicate


class Share(NamedTuple):
    """A share of the variance, with a 99.5% bound of how far it may be off."""

    value: float
    error: float


class Parts(NamedTuple):
    """The variances of a policy and of policies of some of its steps.

    ``None`` stands for a policy whose steps do not follow each other.
    """

    whole: Variance
    alone: list[Variance | None]
    """Where no step but this one is random."""
    without: list[Variance | None]
    """Where this step is left out."""
    random: list[bool]
    """Whether a step is random at all."""


Shares = list[tuple[Share | None, Share | None]]


def shares(steps: Sequence[Augmentation], images: Tensor, tol: float, seed: int) -> Shares:
    """Shares of every step, alone and beyond the others; ``None`` where there is none.

    Points are doubled until no share is off by more than ``tol``, as long as they are few.
    """
    log2 = _LEAST
    while True:
        found = _of_images(parts_of(Draws(steps, images, seed, log2)))
        worst = max((share.error for pair in found for share in pair if share), default=0.0)
        log2 += 1
        if worst <= tol or log2 > _MOST or REPLICATES * 2**log2 * images.numel() > _VALUES:
            return found


def parts_of(draws: Draws) -> Parts:
    """The variances of a policy, of each step alone, and without each step."""
    shape: Shape = tuple(draws.images.shape[1:])  # type: ignore[assignment]
    places = range(len(draws.steps))
    pairs = zip(draws.steps, shapes_along(draws.steps, shape), strict=True)
    random = [bool(step.parameters(here)) for step, here in pairs]
    whole = draws.variance(places)

    def kept(some: Iterable[int]) -> Variance | None:
        try:
            return draws.variance(list(some))
        except PolicyError:
            return None

    def alone(place: int) -> Variance | None:
        if not random[place]:
            return Variance(*map(torch.zeros_like, whole))
        if sum(random) == 1:
            return whole
        return kept(p for p in places if p == place or not random[p])

    return Parts(
        whole,
        [alone(place) for place in places],
        [kept(p for p in places if p != place) for place in places],
        random,
    )


def ratio(part: Variance, whole: Variance) -> tuple[Tensor, Tensor]:
    """Shares and their error bounds, ``(G,)``; 0 where there is no variance."""
    some = whole.value > 0
    scale = torch.where(some, whole.value, 1.0)
    value = torch.where(some, part.value / scale, 0.0)
    off = (part.single - value * whole.single).std(0) / REPLICATES**0.5 / scale
    return value, torch.where(some, QUANTILE * off, 0.0)


def _of_images(parts: Parts) -> Shares:
    def share(part: Variance | None) -> Share | None:
        if part is None or not parts.whole.value > 0:
            return None
        value, error = ratio(part, parts.whole)
        return Share(float(value), float(error))

    found: Shares = []
    for alone, without, random in zip(*parts[1:], strict=True):
        others = share(without)
        found.append(
            (
                share(alone) if random else Share(0.0, 0.0),
                None if others is None else Share(1 - others.value, others.error),
            )
        )
    return found
