"""Sums over the draws of a policy, replicate by replicate, with nothing kept of the draws."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation, width_of
from augmoments.augmentations.compose import RandomApply
from augmoments.augmentations.geometric import RandomHorizontalFlip, RandomVerticalFlip
from augmoments.calculus.expected_operator import ExpectedOperator, average
from augmoments.calculus.nodes import QUANTILE, JointNodes
from augmoments.calculus.plan import Plan, shapes_along
from augmoments.operators.base import Operator, outer
from augmoments.rules import QuadraticRule

_VALUES_AT_ONCE = 3 * 2**16  # 768 KiB in float32: a few of them stay in the cache
_STARTED = 256  # images after the first step, whose matrices are the same for all images
_MOST_OPERATORS = 4
_FEW_OUTCOMES = 64


@dataclass(frozen=True)
class Tail:
    """An affine tail of few operators, whose mirror images commute with what follows them."""

    plan: Plan
    operators: tuple[tuple[float, tuple[tuple[Operator, Tensor], ...]], ...]
    """Probabilities, and the operators with their parameters that are then applied in turn."""

    @classmethod
    def of(cls, plan: Plan) -> Tail | None:
        """``None`` where the operators are many, or not that simple."""
        found: list[tuple[float, tuple[tuple[Operator, Tensor], ...]]] = [(1.0, ())]
        shapes = shapes_along(plan.tail, plan.middle)
        for place, (part, shape) in enumerate(zip(plan.tail, shapes, strict=True)):
            flips = isinstance(part, RandomHorizontalFlip | RandomVerticalFlip)
            if flips and all(later.mirrors for later in plan.tail[place + 1 :]):
                continue
            rule = part.rule(shape, 1)
            if not isinstance(rule, QuadraticRule) or rule.route != "atoms":
                return None
            if rule.gram is not None or rule.noise is not None:
                return None
            if len(found) * len(rule) > _MOST_OPERATORS:
                return None
            atoms = list(zip(rule.weights.tolist(), rule.points.split(1), strict=True))
            found = [
                (share * weight, (*path, (rule.operator, point)))
                for share, path in found
                for weight, point in atoms
                if weight
            ]
        return cls(plan, tuple(found))

    def energy(self, images: Tensor) -> Tensor:
        """``E||T(t)||^2`` for images ``(..., C, H, W)``, float64."""
        total = images.new_zeros(images.shape[:-3], dtype=torch.float64)
        for share, path in self.operators:
            moved = images.flatten(0, -4)[None]
            for operator, point in path:
                moved = operator(moved, point)
            total += share * _norms(moved).square().reshape(total.shape)
        return total

    @cached_property
    def mean(self) -> ExpectedOperator:
        """What the tail does on average."""
        return average(self.plan.rule(1), self.plan.middle)

    def means(self, means: Tensor) -> Tensor:
        """What becomes of means ``(R, N, C, H, W)``."""
        return self.mean.apply(means.flatten(0, 1)).unflatten(0, means.shape[:2])


@dataclass(frozen=True)
class DrawSums:
    """Means over the draws of each of R replicates."""

    first: Tensor
    """Of the images after the head, ``(R, N, C, H, W)``."""
    shadow: Tensor | None
    """The same of what the surrogate of the head makes of them, where there is one."""
    second: Tensor
    """Of the energies after the tail, ``(R, N)``, float64."""

    @classmethod
    def over(cls, plan: Plan, tail: Tail, nodes: JointNodes, images: Tensor) -> DrawSums:
        """Evaluate the head of ``plan`` at ``nodes`` of all ``images``."""
        assert plan.policy is not None
        blocks, count = nodes.replicates, len(images)
        start, *rest = _steps(plan.policy, plan)
        twins = _steps(plan.surrogate, plan)[1:] if plan.surrogate and start.part.affine else None
        first = images.new_zeros(blocks, count, *plan.middle)
        shadow = None if twins is None else torch.zeros_like(first)
        second = torch.zeros(blocks, count, dtype=torch.float64, device=images.device)
        replicate = (torch.arange(len(nodes)) // (len(nodes) // blocks)).tolist()
        weights = (blocks * nodes.weights).tolist()
        size = prod(start.part.output_shape(plan.shape))
        width = min(count, max(1, _VALUES_AT_ONCE // size))
        draws = max(1, _VALUES_AT_ONCE // (size * width))
        branch = _branches(plan.policy, plan, nodes.theta)
        for rows in branch.argsort(stable=True).split(max(draws, _STARTED // count)):
            started = start(outer(images, len(rows)), nodes.theta[rows])
            runs = branch[rows].unique_consecutive(return_counts=True)[1].tolist()
            for alike, group in zip(rows.split(runs), started.split(runs), strict=True):
                for own, part in zip(alike.split(draws), group.split(draws), strict=True):
                    places = [(replicate[row], weights[row]) for row in own.tolist()]
                    theta = nodes.theta[own]
                    for left in range(0, count, width):
                        there = slice(left, left + width)
                        moved = _through(rest, part[:, there], theta)
                        _add(second[:, there], places, tail.energy(moved))
                        _add(first[:, there], places, moved)
                        if twins is not None and shadow is not None:
                            _add(shadow[:, there], places, _through(twins, part[:, there], theta))
        return cls(first, shadow, second)

    def joined(self, more: DrawSums) -> DrawSums:
        """With as many further draws."""
        shadow = None
        if self.shadow is not None and more.shadow is not None:
            shadow = (self.shadow + more.shadow) / 2
        return DrawSums((self.first + more.first) / 2, shadow, (self.second + more.second) / 2)

    def select(self, index: Tensor) -> DrawSums:
        """Those of some of the images."""
        shadow = None if self.shadow is None else self.shadow[:, index]
        return DrawSums(self.first[:, index], shadow, self.second[:, index])

    def mean(self, plan: Plan, tail: Tail, images: Tensor) -> tuple[Tensor, Tensor]:
        """The mean after the tail that is known best, and the bound of its error, ``(N,)``."""
        if plan.head_mean is not None:
            exact = tail.mean.apply(plan.head_mean.apply(images))
            return exact, torch.zeros_like(self.second[0])
        plain, error = _pooled(tail.means(self.first))
        if self.shadow is None or plan.surrogate_mean is None:
            return plain, error
        gaps = self.first - self.shadow
        corrected, smaller = _pooled(tail.means(gaps + plan.surrogate_mean.apply(images)))
        use = (smaller < error).reshape(-1, 1, 1, 1)
        return torch.where(use, corrected, plain), torch.minimum(smaller, error)

    def trace(self, tail: Tail) -> tuple[Tensor, Tensor]:
        """The trace after the tail and the bound of its error, ``(N,)``, float64.

        The square of the mean of all draws is too large by the variance of that mean.
        """
        means = tail.means(self.first)
        pairs = len(means) * (len(means) - 1)
        pooled, bound = _pooled(means)
        square = _norms(pooled).square()
        excess = (bound / QUANTILE).square()
        shifts = (means - pooled).mul_(pooled).flatten(2).sum(2, dtype=torch.float64)
        traces = self.second - square - 2 * shifts
        error = QUANTILE * ((traces - traces.mean(0)).square().sum(0) / pairs).sqrt()
        return traces.mean(0) + excess, error


class _Step(NamedTuple):
    """A step of a policy and its columns of theta."""

    part: Augmentation
    columns: slice

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        return self.part.apply(images, theta[:, self.columns])


def _steps(policy: Augmentation, plan: Plan) -> list[_Step]:
    steps = policy.parts
    widths = map(width_of, steps, shapes_along(steps, plan.shape))
    ends = accumulate(widths, initial=0)
    return [_Step(s, slice(*pair)) for s, pair in zip(steps, pairwise(ends), strict=True)]


def _through(steps: Iterable[_Step], images: Tensor, theta: Tensor) -> Tensor:
    for step in steps:
        images = step(images, theta)
    return images


def _branches(policy: Augmentation, plan: Plan, theta: Tensor) -> Tensor:
    """Which draws agree in all parameters that have few outcomes and a say, a number for each."""
    few = [p.count <= _FEW_OUTCOMES for p in policy.parameters(plan.shape) for _ in range(p.width)]
    if not any(few):
        return torch.zeros(len(theta), dtype=torch.long)
    said = theta.detach().clone()
    for step in _steps(policy, plan):
        if isinstance(step.part, RandomApply):
            own = said[:, step.columns]
            own *= own[:, :1]
    choices = said[:, torch.tensor(few, dtype=torch.bool)]
    return choices.unique(dim=0, return_inverse=True)[1]


def _add(totals: Tensor, places: list[tuple[int, float]], parts: Tensor) -> None:
    """Add every part to the total of its replicate, with its weight."""
    if len(parts) == 1:
        replicate, weight = places[0]
        totals[replicate].add_(parts[0], alpha=weight)
        return
    replicates, weights = zip(*places, strict=True)
    shares = torch.zeros(len(totals), len(parts), dtype=totals.dtype)
    shares[list(replicates), torch.arange(len(parts))] = torch.tensor(weights, dtype=totals.dtype)
    totals += (shares.to(totals.device) @ parts.flatten(1)).reshape(totals.shape)


def _pooled(means: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of replicates ``(R, N, ...)``, and a 99.5% bound of the norm of its error."""
    pooled = means.mean(0)
    squares = _norms(means - pooled).square().sum(0)
    return pooled, QUANTILE * (squares / (len(means) * (len(means) - 1))).sqrt()


def _norms(images: Tensor) -> Tensor:
    return torch.linalg.vector_norm(images.flatten(-3), dim=-1).double()
