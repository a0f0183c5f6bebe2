"""How much of the variance of a loss comes from each step of a policy."""

from __future__ import annotations

from math import ceil, log2

import torch
from torch import Tensor

from augmoments.alignment.portions import Portion, StepShare, StepShares
from augmoments.augmentations.base import Augmentation
from augmoments.calculus.explain import steps_of
from augmoments.calculus.nodes import REPLICATES
from augmoments.calculus.plan import shapes_along
from augmoments.calculus.shares import Parts, parts_of, ratio
from augmoments.calculus.variance import Draws, Variance
from augmoments.errors import PolicyError
from augmoments.estimate import Method, rounding
from augmoments.laws.joint import Seed
from augmoments.losses.judged import Judged
from augmoments.operators.base import Shape

_CHUNK = 64
_LEAST = 4  # two to the power of it are the first points of a replicate


def step_shares(
    judged: Judged,
    saliency: Tensor,
    noise: Tensor,
    images: Tensor,
    policy: Augmentation,
    tol: float,
    seed: int,
    max_nodes: int,
) -> StepShares:
    """Shares of every step in the variances of a loss and of its linearization.

    Policies of some of the steps are evaluated at the same draws, so that shares are known better
    than variances. Draws double until no pooled share is off by more than ``tol``. Variances of
    the loss and of its linearization up to ``noise`` ``(N, 2)`` are rounding and count as none.
    """
    steps = steps_of(policy)
    shape: Shape = tuple(images.shape[1:])  # type: ignore[assignment]
    outcomes = policy.outcomes(shape)
    level = _LEAST
    if outcomes <= max_nodes:
        level = max(level, ceil(log2(outcomes / REPLICATES)))
    while True:
        parts = _parts(judged, saliency, images, steps, seed, level)
        parts = _seen(parts, noise.flatten())
        nodes = REPLICATES * 2**level
        found = _portions(parts, rounding(images.dtype))
        worst = max((p.pooled_error for step in found for p in step[:2] if p), default=0.0)
        if outcomes <= nodes or worst <= tol or 2 * nodes > max_nodes:
            break
        level += 1
    names = [
        s.rows(here)[0].step for s, here in zip(steps, shapes_along(steps, shape), strict=True)
    ]
    seeded = any(isinstance(parameter.law, Seed) for parameter in policy.parameters(shape))
    method: Method = "monte-carlo" if seeded else "quasi-monte-carlo"
    if outcomes <= nodes:
        method, nodes = "exact", int(outcomes)
    shares = (StepShare(name, *portions) for name, portions in zip(names, found, strict=True))
    return StepShares(tuple(shares), parts.whole.value[::2], method, nodes)


def _parts(
    judged: Judged,
    saliency: Tensor,
    images: Tensor,
    steps: tuple[Augmentation, ...],
    seed: int,
    level: int,
) -> Parts:
    """Variances of the loss and along the saliency map: ``G = 2 N`` quantities, in pairs."""
    unit = torch.nn.functional.normalize(saliency.flatten(1).double(), eps=1e-300)
    found: list[Parts] = []
    for index in torch.arange(len(images), device=images.device).split(_CHUNK):

        def both(moved: Tensor, place: Tensor, index: Tensor = index) -> Tensor:
            if moved.shape[1:] != saliency.shape[1:]:
                raise PolicyError("What is left of the policy gives images of another shape.")
            place = index[place]
            loss = judged.loss.per_sample(judged.model(moved), judged.targets[place])
            along = (moved.flatten(1).double() * unit[place]).sum(1)
            return torch.stack([loss.double(), along], 1)

        with torch.no_grad():
            found.append(parts_of(Draws(steps, images[index], seed, level, both)))
    whole, alone, without, random = zip(*found, strict=True)
    return Parts(
        _joined(whole),
        [_maybe(step) for step in zip(*alone, strict=True)],
        [_maybe(step) for step in zip(*without, strict=True)],
        random[0],
    )


def _seen(parts: Parts, noise: Tensor) -> Parts:
    value, single = parts.whole
    return parts._replace(whole=Variance(torch.where(value > noise, value, 0.0), single))


def _joined(parts: tuple[Variance, ...]) -> Variance:
    return Variance(
        torch.cat([part.value for part in parts]), torch.cat([part.single for part in parts], 1)
    )


def _maybe(parts: tuple[Variance | None, ...]) -> Variance | None:
    known = tuple(part for part in parts if part is not None)
    return _joined(known) if len(known) == len(parts) else None


def _portions(parts: Parts, floor: float) -> list[tuple[Portion | None, ...]]:
    """Alone and beyond of the loss, alone of the linearization, of every step."""
    pairs = zip(parts.alone, parts.without, strict=True)
    return [
        (
            _portion(alone, parts.whole, 0, floor),
            _rest(_portion(without, parts.whole, 0, floor), parts.whole.value[::2] > 0),
            _portion(alone, parts.whole, 1, floor),
        )
        for alone, without in pairs
    ]


def _portion(part: Variance | None, whole: Variance, which: int, floor: float) -> Portion | None:
    """Shares of the loss (0) or of its linearization (1)."""
    if part is None:
        return None
    own, every = (Variance(v.value[which::2], v.single[:, which::2]) for v in (part, whole))
    value, error = ratio(own, every)
    pooled, pooled_error = ratio(_sum(own), _sum(every))
    return Portion(value, error + floor, float(pooled), float(pooled_error) + floor)


def _sum(variance: Variance) -> Variance:
    return Variance(variance.value.sum(0, keepdim=True), variance.single.sum(1, keepdim=True))


def _rest(share: Portion | None, some: Tensor) -> Portion | None:
    """What is left of 1, where there is some variance."""
    if share is None:
        return None
    pooled = 1 - share.pooled if some.any() else 0.0
    return share._replace(value=torch.where(some, 1 - share.value, 0.0), pooled=pooled)
