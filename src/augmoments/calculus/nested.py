r"""The covariance of one random step by cells that are cut into thirds.

The midpoint of a cell is also that of its middle third, so that each level keeps the columns
:math:`c_k = T_{\theta_k}(x) - E[T(x)]` of the one before. With the weights w of a level, padded by
zeros, and the products :math:`K_{kl} = c_k \cdot c_l` of all columns, its covariance is

.. math:: V = C^\top S C, \qquad S = \mathrm{diag}(w) - w w^\top, \qquad K = C C^\top ,

and the trace and the Frobenius norm of V, or of the difference of two levels, are those of
:math:`S K`: :math:`\mathrm{tr}\,V = \mathrm{tr}\,S K`,
:math:`\|V\|_F^2 = \mathrm{tr}\,(S K)^2`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from augmoments.calculus.covariance import products
from augmoments.calculus.expected_operator import average
from augmoments.calculus.memory import keep_freed_blocks
from augmoments.calculus.principal import principal
from augmoments.calculus.solution import Errors, Solution, ratio
from augmoments.calculus.state import FactorState
from augmoments.estimate import rounding
from augmoments.operators.base import Shape, outer
from augmoments.rules import QuadraticRule
from augmoments.rules.nesting import Rules

_FIRST = 10  # even: where an angle of zero is the middle of the law, all pixels have a kink there
_BYTES_AT_ONCE = 2**24  # of columns
_BLOCK = 2**22  # of columns that one call of the operator makes
_SINGLE = 1e-4  # tolerance from which on products in float32 are right enough


@dataclass(frozen=True)
class _Columns:
    """Images at the nodes of one level, those of the level before first."""

    index: Tensor
    images: Tensor
    mean: Tensor
    """Exact, ``(N, C', H', W')``."""
    columns: Tensor
    """What is left of the augmented images without the mean, ``(N, J, D')``."""
    gram: Tensor
    """Products of the columns, ``(N, J, J)``, as long as there are no more than D'."""
    order: Tensor
    """Which node each column belongs to, ``(J,)``."""
    weights: Tensor
    """Those of the nodes, ``(J,)``, float64."""
    change: Errors | None = None
    """Relative changes from the level before."""

    @classmethod
    def none(cls, images: Tensor, mean: Tensor) -> _Columns:
        """Before the first level."""
        count, size = len(images), mean[0].numel()
        return cls(
            torch.arange(count, device=images.device),
            images,
            mean,
            mean.new_empty(count, 0, size),
            mean.new_empty(count, 0, 0, dtype=torch.float64),
            torch.empty(0, dtype=torch.int64),
            torch.empty(0, dtype=torch.float64, device=images.device),
        )

    def select(self, index: Tensor | slice) -> _Columns:
        """Some of the images, by mask or slice."""
        if isinstance(index, Tensor) and index.all():
            return self
        return replace(
            self,
            index=self.index[index],
            images=self.images[index],
            mean=self.mean[index],
            columns=self.columns[index],
            gram=self.gram[index],
            change=None if self.change is None else self.change.select(index),
        )

    def finer(self, rule: QuadraticRule, double: bool) -> _Columns:
        """The columns at the nodes of ``rule``, of which a third are here already."""
        count, size = len(self.images), self.columns.shape[2]
        new = torch.arange(len(rule))
        if len(self.order):
            new = new[new % 3 != 1]
        order = torch.cat([3 * self.order + 1, new])
        columns = self.columns.new_empty(count, len(rule), size)
        columns[:, : len(self.order)] = self.columns
        fresh = columns[:, len(self.order) :]
        at_once = max(1, _BLOCK // self.mean.nbytes)
        for part, points in zip(
            fresh.split(at_once, 1), rule.points[new].split(at_once), strict=True
        ):
            moved = rule.operator(outer(self.images, len(points)), points)
            torch.sub(moved.flatten(2), self.mean.flatten(1), out=part.transpose(0, 1))
        weights = rule.weights[order].to(columns.device)
        gram = self.gram
        if len(rule) <= size:
            gram = _grown(gram, columns, double)
        return replace(self, columns=columns, gram=gram, order=order, weights=weights)

    def core(self, weights: Tensor) -> Tensor:
        """A matrix with the trace of V, and its square with that of V squared; linear in S."""
        if self.counted:
            return weights[:, None] * (self.gram - (weights @ self.gram)[:, None])
        columns = self.columns.double()
        mean = weights @ columns
        return columns.mT @ (weights[:, None] * columns) - mean[:, :, None] * mean[:, None]

    @property
    def counted(self) -> bool:
        """Whether the products of all columns are known."""
        return self.gram.shape[1] == len(self.weights)

    def changed(self, before: Tensor) -> Errors:
        """Relative changes since the level with the weights ``before``."""
        core, padded = self.core(self.weights), torch.zeros_like(self.weights)
        padded[: len(before)] = before
        gap = core - self.core(padded)
        trace, norm = _trace(core), _norm(core)
        size = self.mean.double().flatten(1).norm(dim=1).hypot(trace.clamp_min(0).sqrt())
        unseen = (rounding(self.mean.dtype, max(self.mean.shape[-2:])) * size).square()
        distance, moved = ratio(_norm(gap), norm, unseen), ratio(_trace(gap).abs(), trace, unseen)
        exact = torch.zeros_like(distance)
        return Errors(*(part.to(self.mean) for part in (exact, distance, moved, distance)))

    def solution(self, errors: Errors, tolerance: float) -> Solution:
        """The covariance with as few columns as it needs, if these are at most half as many."""
        rank, lost, weights = len(self.weights), torch.zeros_like(errors.mean), self.weights
        factor = None
        if self.counted:
            centred = torch.eye(rank).to(weights) - weights[:, None]
            root = centred * weights.sqrt()
            kept = principal(root.mT @ self.gram @ root, tolerance)
            if 2 * kept.rank <= rank:
                factor = (root @ kept.vectors).mT.to(self.columns) @ self.columns
                lost = kept.dropped.to(lost)
        if factor is None:
            scale, share = weights.sqrt().to(self.columns), weights.to(self.columns)
            factor = (self.columns - (share @ self.columns)[:, None]) * scale[:, None]
        state = FactorState(self.mean, factor.unflatten(2, self.mean.shape[1:]), lost, tolerance)
        return Solution(state, errors + Errors(torch.zeros_like(lost), lost, lost, lost), rank)


def _grown(gram: Tensor, columns: Tensor, double: bool) -> Tensor:
    """The products of all columns, given those of the first ones."""
    known = gram.shape[1]
    fresh = columns[:, known:]
    cross = products(fresh, columns) if double else (fresh @ columns.mT).double()
    return torch.cat([torch.cat([gram, cross[..., :known].mT], 2), cross], 1)


def _trace(core: Tensor) -> Tensor:
    return core.diagonal(dim1=1, dim2=2).sum(1)


def _norm(core: Tensor) -> Tensor:
    return (core * core.mT).sum((1, 2)).clamp_min(0).sqrt()


@torch.no_grad()
def solve_nested(start: FactorState, rules: Rules, tol: float, max_nodes: int) -> Solution:
    """Mean and covariance after a single random step, to a relative error of ``tol``.

    What a level is off is told from the changes over the last two, see :func:`_bound`.
    """
    keep_freed_blocks()
    images = start.mean
    shape: Shape = tuple(images.shape[1:])  # type: ignore[assignment]
    first = min(_FIRST, max(2, max_nodes // 18 * 2))
    mean = average(rules(first), shape).apply(images)
    done: list[tuple[Tensor, Solution]] = []
    queue = [_Columns.none(images, mean)]
    while queue:
        now = queue.pop()
        count = 3 * len(now.weights) or first
        room = max(1, _BYTES_AT_ONCE // (max(count, 9 * first) * mean[0].nbytes))
        if len(now.index) > room:
            parts = range(0, len(now.index), room)
            queue += [now.select(slice(part, part + room)) for part in parts]
            continue
        after = now.finer(rules(count), images.dtype == torch.float64 or tol < _SINGLE)
        if not len(now.weights):
            queue.append(after)
            continue
        change = after.changed(now.weights)
        open_ = torch.ones_like(now.index, dtype=torch.bool)
        if now.change is not None:
            errors = _bound(change, now.change)
            open_ = (errors.covariance > tol) & (3 * count <= max_nodes)
            if not open_.all():
                closed = after.select(~open_)
                done.append((closed.index, closed.solution(errors.select(~open_), start.tolerance)))
        if open_.any():
            queue.append(replace(after, change=change).select(open_))
    return Solution.gather(len(images), done)


def _bound(last: Errors, first: Errors) -> Errors:
    """How far off a level is, from how it changed and how the one before did.

    Errors fall as the width of the cells or faster, so that what is left is at most half of the
    last change; where that is small by chance, the one before has shrunk to a ninth. The trace
    may hardly change twice in a row, so that the change of the covariance counts for it, too.
    """
    found = Errors(*(torch.maximum(b / 2, a / 18) for b, a in zip(last, first, strict=True)))
    return found._replace(trace=torch.maximum(found.trace, found.covariance))
