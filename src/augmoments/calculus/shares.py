"""Shares of the variance of a policy, step by step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.nodes import QUANTILE, REPLICATES
from augmoments.calculus.plan import shapes_along
from augmoments.calculus.variance import Draws
from augmoments.errors import PolicyError
from augmoments.operators.base import Shape

_VALUES = 2**25  # of all augmented images of one policy, so that it is quick
_LEAST, _MOST = 4, 8  # two to the power of it are the points of a replicate


class Share(NamedTuple):
    """A share of the variance, with a 99.5% bound of how far it may be off."""

    value: float
    error: float


Shares = list[tuple[Share | None, Share | None]]


def shares(steps: Sequence[Augmentation], images: Tensor, tol: float, seed: int) -> Shares:
    """Shares of every step, alone and beyond the others; ``None`` where there is none.

    Points are doubled until no share is off by more than ``tol``, as long as they are few.
    """
    log2 = _LEAST
    while True:
        found = _shares(Draws(steps, images, seed, log2))
        worst = max((share.error for pair in found for share in pair if share), default=0.0)
        log2 += 1
        if worst <= tol or log2 > _MOST or REPLICATES * 2**log2 * images.numel() > _VALUES:
            return found


def _shares(draws: Draws) -> Shares:
    shape: Shape = tuple(draws.images.shape[1:])  # type: ignore[assignment]
    places = range(len(draws.steps))
    pairs = zip(draws.steps, shapes_along(draws.steps, shape), strict=True)
    random = [bool(step.parameters(here)) for step, here in pairs]
    whole = draws.variance(places)

    def share(kept: Iterable[int]) -> Share | None:
        try:
            part = draws.variance(list(kept))
        except PolicyError:
            return None
        if not whole.value > 0:
            return None
        ratio = part.value / whole.value
        off = (part.single - ratio * whole.single).std() / REPLICATES**0.5 / whole.value
        return Share(ratio, QUANTILE * float(off))

    def alone(place: int) -> Share | None:
        if not random[place]:
            return Share(0.0, 0.0)
        if sum(random) == 1:
            return Share(1.0, 0.0) if whole.value > 0 else None
        return share(p for p in places if p == place or not random[p])

    def beyond(place: int) -> Share | None:
        others = share(p for p in places if p != place)
        return None if others is None else Share(1 - others.value, others.error)

    return [(alone(place), beyond(place)) for place in places]
