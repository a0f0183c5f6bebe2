"""From images and a plan to mean and covariance, refined to a tolerance.

Each image is refined until its own estimated error is small enough, so that its result does not
depend on the images beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import torch
from torch import Tensor

from augmoments.calculus.carry import carried
from augmoments.calculus.head import evaluate_head
from augmoments.calculus.plan import Plan
from augmoments.calculus.solution import Errors, Solution, relative_change
from augmoments.calculus.state import FactorState, propagate
from augmoments.rules import leaves

_FIRST_NODES = 16
_BYTES_AT_ONCE = 256 * 2**20
_RATE = 0.75  # power of the number of nodes by which errors of replicates shrink, cautiously

Step = Callable[[FactorState, int], Solution]


def solve(images: Tensor, plan: Plan, tol: float) -> Solution:
    """Moments of a batch to a relative error of ``tol``, as far as the nodes carry."""
    solution = head_moments(images, plan, tol)
    if not plan.tail:
        return solution

    def move(state: FactorState, level: int) -> Solution:
        rule = plan.rule(_FIRST_NODES * 2**level)
        parts = leaves(rule)
        errors = Errors.constant(state.mean, torch.nan)
        if all(leaf.exact or leaf.expectation for leaf in parts):
            errors = errors._replace(mean=torch.zeros_like(errors.mean))
        return Solution(propagate(rule, state), errors, sum(map(len, parts)))

    tail = _refine(move, solution.state, tol / 2, plan.max_nodes, plan.exact_tail)
    dropped = tail.state.loss
    lost = Errors(torch.zeros_like(dropped), dropped, dropped, dropped)
    before = carried(solution, tail.state, plan)
    return Solution(tail.state, before + tail.errors + lost, solution.nodes + tail.nodes)


def head_moments(images: Tensor, plan: Plan, tol: float) -> Solution:
    """Moments after the head of a plan; without a head the images are certain."""
    eps = torch.finfo(images.dtype).eps
    tolerance = 8 * eps if plan.method == "exact" else max(0.03 * tol, 8 * eps)
    start = FactorState.certain(images, tolerance)
    if plan.nodes is None:
        return Solution(start, Errors.constant(images, 0.0), 0)

    def evaluate(state: FactorState, level: int) -> Solution:
        return evaluate_head(plan, level, state)

    return _refine(evaluate, start, tol / 2, plan.max_nodes, plan.nodes.method == "exact")


@dataclass(frozen=True)
class _Pending:
    """Images whose error is not yet small enough, and what is known of them."""

    index: Tensor
    level: int
    previous: FactorState | None = None
    """Where the level before left them."""
    change: Errors | None = None
    """Changes at the level before."""

    def select(self, index: Tensor) -> _Pending:
        """Some of the images, by index or mask."""
        return replace(
            self,
            index=self.index[index],
            previous=self.previous and self.previous.select(index),
            change=self.change and self.change.select(index),
        )

    @property
    def at_once(self) -> int:
        """How many of the images fit into the working memory at this level."""
        if self.previous is None:
            return len(self.index)
        columns, *shape = self.previous.factor.shape[1:]
        return max(1, _BYTES_AT_ONCE // (64 * columns * prod(shape)))


def _refine(step: Step, start: FactorState, tol: float, max_nodes: int, exact: bool) -> Solution:
    """Raise the level of ``step`` for those images whose error is not yet below ``tol``.

    Where a step does not know its own error, it is taken from the changes over the last two
    levels, the earlier one as it has shrunk since, by a quarter. One of them alone can miss a
    kink: halving a cell changes nothing if the kink lies beyond both new nodes.
    """
    everything = torch.arange(len(start.mean), device=start.mean.device)
    if exact:
        return replace(step(start, 0), errors=Errors.constant(start.mean, 0.0))
    done: list[tuple[Tensor, Solution]] = []
    queue = [_Pending(everything, 0)]
    while queue:
        now = queue.pop()
        if len(now.index) > now.at_once:
            places = torch.arange(len(now.index), device=now.index.device)
            queue += [now.select(part) for part in places.split(now.at_once)]
            continue
        found, change, jump = step(start.select(now.index), now.level), None, 1
        open_ = torch.ones_like(now.index, dtype=torch.bool)
        told = not found.errors.covariance.isnan().any()
        if not told and now.previous is not None:
            change = relative_change(now.previous, found.state)
            if now.change is not None:
                pairs = zip(change, now.change, strict=True)
                found = _with_errors(found, Errors(*(last + first / 4 for last, first in pairs)))
        if not found.errors.covariance.isnan().any():
            worst = torch.maximum(found.errors.mean, found.errors.covariance)
            open_ = (worst > tol) & (2 * found.nodes <= max_nodes)
            if not open_.all():
                done.append((now.index[~open_], found.select(~open_)))
            if told and open_.any():
                jump = _jump(float(worst[open_].min()) / tol, max_nodes / found.nodes)
        if open_.any():
            queue.append(_Pending(now.index, now.level + jump, found.state, change).select(open_))
    return Solution.gather(len(everything), done)


def _jump(excess: float, room: float) -> int:
    """By how many levels to raise one whose error is ``excess`` times too large."""
    return max(1, int(min(np.log2(excess) / _RATE, np.log2(room))))


def _with_errors(found: Solution, errors: Errors) -> Solution:
    """Fill in the errors that a step does not know.

    A mean that is piecewise linear in the parameter may not change at all where its kinks hide.
    The covariance always changes, and as many standard deviations are allowed to the mean.
    """
    if found.errors.mean.isnan().any():
        with torch.no_grad():
            deviation = found.state.covariance.frobenius_norm().sqrt()
            scale = found.state.mean.flatten(1).norm(dim=1)
            hidden = torch.where(deviation > 0, errors.covariance * deviation / scale, 0.0)
        return replace(found, errors=errors._replace(mean=torch.maximum(errors.mean, hidden)))
    return replace(found, errors=errors._replace(mean=found.errors.mean))
