"""From images and a plan to mean and covariance, refined to a tolerance.

Each image is refined until its own estimated error is small enough, so that its result does not
depend on the images beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from augmoments.calculus.carry import CAUTION, carried, frobenius
from augmoments.calculus.head import evaluate_head
from augmoments.calculus.leading import leading
from augmoments.calculus.nested import solve_nested
from augmoments.calculus.plan import Plan
from augmoments.calculus.solution import Errors, Solution, ratio, relative_change
from augmoments.calculus.state import FactorState, propagate
from augmoments.calculus.windows import WindowedState, Windows
from augmoments.rules import leaves
from augmoments.rules.nesting import thirds

_FIRST_NODES = 16
_BYTES_AT_ONCE = 2**24  # of columns: pages that come back from the system cost more than they hold
_RATE = 0.75  # power of the number of nodes by which errors of replicates shrink, cautiously

Step = Callable[[FactorState, int], Solution]


def solve(images: Tensor, plan: Plan, tol: float) -> Solution:
    """Moments of a batch to a relative error of ``tol``, as far as the nodes carry."""
    solution = head_moments(images, plan, tol)
    if not plan.tail:
        return solution
    if plan.windows is not None:
        return _windowed(solution, plan, plan.windows)

    rules = None if plan.head or images.requires_grad else thirds(plan.rule)
    if rules is not None:
        return solve_nested(solution.state, rules, tol / 2, plan.max_nodes)

    def move(state: FactorState, level: int) -> Solution:
        rule = plan.rule(_FIRST_NODES * 2**level)
        parts = leaves(rule)
        errors = Errors.constant(state.mean, torch.nan)
        if all(leaf.exact or leaf.expectation for leaf in parts):
            errors = errors._replace(mean=torch.zeros_like(errors.mean))
        return Solution(propagate(rule, state), errors, sum(map(len, parts)))

    tail = _refine(
        move, solution.state, tol / 2, plan.max_nodes, plan.exact_tail, finish=_fewer_columns
    )
    dropped = tail.state.loss
    lost = Errors(torch.zeros_like(dropped), dropped, dropped, dropped)
    before = carried(solution, tail.state, plan)
    return Solution(tail.state, before + tail.errors + lost, solution.nodes + tail.nodes)


def _fewer_columns(state: FactorState) -> FactorState:
    """Compressed, where that is worth the trouble and no gradient is lost."""
    columns, size = state.factor.flatten(2).shape[1:]
    if state.factor.requires_grad or columns > size:
        return state
    return state.compress(least=2)


def _windowed(before: Solution, plan: Plan, windows: Windows) -> Solution:
    """Moments after a tail of windows; the errors of replicates are those after it already."""
    assert plan.nodes is not None
    if plan.nodes.replicated:
        return replace(before, windows=windows)
    kept = leading(before.state, before.state.tolerance)
    state = replace(before.state, factor=kept.factor)
    after = WindowedState(state, windows)
    errors = carried(before, after, plan)
    norm, trace = frobenius(after.covariance, CAUTION), after.covariance.trace()
    share = ratio(kept.norm, norm)
    lost = Errors(torch.zeros_like(share), share, ratio(kept.trace, trace), share)
    return Solution(state, errors + lost, before.nodes, windows)


def head_moments(images: Tensor, plan: Plan, tol: float) -> Solution:
    """Moments after the head of a plan; without a head the images are certain."""
    eps = torch.finfo(images.dtype).eps
    share = 0.03 if plan.windows is None else 0.4  # windows enlarge nothing that is dropped
    tolerance = 8 * eps if plan.method == "exact" else max(share * tol, 8 * eps)
    start = FactorState.certain(images, tolerance)
    if plan.nodes is None:
        return Solution(start, Errors.constant(images, 0.0), 0)

    def evaluate(state: FactorState, level: int) -> Solution:
        return evaluate_head(plan, level, state)

    exact = plan.nodes.method == "exact"
    return _refine(evaluate, start, tol / 2, plan.max_nodes, exact, plan.first_level)


@dataclass(frozen=True)
class _Pending:
    """Images whose error is not yet small enough, and what is known of them."""

    index: Tensor
    level: int
    previous: FactorState | None = None
    """Where the level before left them."""
    change: Errors | None = None
    """Changes at the level before."""

    def select(self, index: Tensor | slice) -> _Pending:
        """Some of the images, by mask or slice."""
        if isinstance(index, Tensor) and index.all():
            return self
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
        return max(1, _BYTES_AT_ONCE // (2 * self.previous.factor[0].nbytes))


def _refine(
    step: Step,
    start: FactorState,
    tol: float,
    max_nodes: int,
    exact: bool,
    first: int = 0,
    finish: Callable[[FactorState], FactorState] | None = None,
) -> Solution:
    """Raise the level of ``step`` for those images whose error is not yet below ``tol``.

    Where a step does not know its own error, it is taken from the changes over the last two
    levels, the earlier one as it has shrunk since, by a quarter. One of them alone can miss a
    kink: halving a cell changes nothing if the kink lies beyond both new nodes. ``finish`` is what
    then becomes of their states.
    """
    everything = torch.arange(len(start.mean), device=start.mean.device)
    if exact:
        return replace(step(start, 0), errors=Errors.constant(start.mean, 0.0))
    done: list[tuple[Tensor, Solution]] = []
    queue = [_Pending(everything, first)]
    while queue:
        now = queue.pop()
        if len(now.index) > now.at_once:
            starts = range(0, len(now.index), now.at_once)
            queue += [now.select(slice(start, start + now.at_once)) for start in starts]
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
                last = found.select(~open_)
                state = last.state if finish is None else finish(last.state)
                done.append((now.index[~open_], replace(last, state=state)))
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
