"""From images and a plan to mean and covariance, refined to a tolerance.

Each image is refined until its own estimated error is small enough, so that its result does not
depend on the images beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.nodes import QUANTILE, JointNodes
from augmoments.calculus.plan import Plan
from augmoments.calculus.state import FactorState, propagate
from augmoments.operators.base import outer
from augmoments.rules import leaves

_FIRST_NODES = 16
_BYTES_AT_ONCE = 256 * 2**20
_EXACTLY = 2**24  # values of a factor whose Gram matrix is computed in float64


@dataclass(frozen=True)
class Solution:
    """Moments of a batch with their relative errors."""

    state: FactorState
    mean_error: Tensor
    """(N,), relative to the norm of the mean."""
    covariance_error: Tensor
    """(N,), relative to the Frobenius norm of the covariance."""
    nodes: int
    """Evaluations of the policy an image, the most over the batch."""


def solve(images: Tensor, plan: Plan, tol: float) -> Solution:
    """Moments of a batch to a relative error of ``tol``, as far as the nodes carry."""
    solution = head_moments(images, plan, tol)
    if not plan.tail:
        return solution

    def move(state: FactorState, level: int) -> Solution:
        rule = plan.rule(_FIRST_NODES * 2**level)
        unknown = images.new_full((len(state.mean),), torch.nan)
        parts = leaves(rule)
        known = all(leaf.exact or leaf.expectation for leaf in parts)
        mean_error = torch.zeros_like(unknown) if known else unknown
        return Solution(propagate(rule, state), mean_error, unknown, sum(map(len, parts)))

    tail = _refine(move, solution.state, tol / 2, plan.max_nodes, plan.exact_tail)
    return Solution(
        tail.state,
        solution.mean_error + tail.mean_error,
        solution.covariance_error + tail.covariance_error + tail.state.loss,
        solution.nodes + tail.nodes,
    )


def head_moments(images: Tensor, plan: Plan, tol: float) -> Solution:
    """Moments after the head of a plan; without a head the images are certain."""
    eps = torch.finfo(images.dtype).eps
    tolerance = 8 * eps if plan.method == "exact" else max(0.01 * tol, 8 * eps)
    start = FactorState.certain(images, tolerance)
    nodes, policy = plan.nodes, plan.policy
    if nodes is None or policy is None:
        nothing = images.new_zeros(len(images))
        return Solution(start, nothing, nothing, 0)

    def evaluate(state: FactorState, level: int) -> Solution:
        known = None if plan.head_mean is None else plan.head_mean.apply(state.mean)
        return _evaluate(policy, nodes.nodes(level), state, known)

    return _refine(evaluate, start, tol / 2, plan.max_nodes, nodes.method == "exact")


def _evaluate(
    policy: Augmentation, nodes: JointNodes, state: FactorState, known: Tensor | None
) -> Solution:
    """Mean, factor and noise from the nodes; errors from replicates, if there are any.

    A mean that is ``known`` takes the place of that of the nodes.
    """
    images = state.mean
    columns, noises = policy.conditional(outer(images, len(nodes)), nodes.theta)
    columns, weights = columns.transpose(0, 1), nodes.weights.to(images)
    mean = torch.einsum("k,nk...->n...", weights, columns) if known is None else known
    factor = weights.sqrt()[:, None, None, None] * (columns - mean[:, None])
    noise = None if noises is None else torch.einsum("k,kn...->n...", weights, noises)
    moved = replace(state, mean=mean, factor=factor, noise=noise)
    if nodes.replicates == 1:
        unknown = images.new_full((len(images),), torch.nan)
        nothing = unknown if known is None else torch.zeros_like(unknown)
        return Solution(moved, nothing, unknown, len(nodes))
    with torch.no_grad():
        mean_error, covariance_error = _replicate_errors(moved, nodes, noises)
    if known is not None:
        mean_error = torch.zeros_like(mean_error)
    return Solution(moved, mean_error, covariance_error, len(nodes))


def _replicate_errors(
    state: FactorState, nodes: JointNodes, noises: Tensor | None
) -> tuple[Tensor, Tensor]:
    """99.5% bounds on the errors of the pooled mean and covariance, relative to their norms."""
    blocks = nodes.replicates
    pairs = blocks * (blocks - 1)
    factor = state.factor.flatten(2).unflatten(1, (blocks, -1))
    weights = nodes.weights.sqrt().to(factor).reshape(1, blocks, -1, 1)
    gaps = blocks * (weights * factor).sum(2).double()  # replicate mean minus pooled mean
    mean_error = (gaps.square().sum((1, 2)) / pairs).sqrt()
    inner = torch.cat([_block_inner(part) for part in factor.split(_images_at_once(factor))])
    if noises is not None:
        shares = nodes.weights.to(noises).reshape(blocks, -1, 1, 1)
        noise = (shares * noises.flatten(2).unflatten(0, (blocks, -1))).sum(1).transpose(0, 1)
        inner = inner + _noise_inner(factor.square().sum(2).double(), noise.double())
    own, pooled = inner.diagonal(dim1=1, dim2=2).sum(1) * blocks**2, inner.sum((1, 2))
    covariance_error = ((own - blocks * pooled).clamp_min(0) / pairs).sqrt()
    scale = state.mean.double().flatten(1).norm(dim=1)
    return (
        (QUANTILE * _ratio(mean_error, scale)).to(state.mean.dtype),
        (QUANTILE * _ratio(covariance_error, pooled.sqrt(), state.roundoff.square())).to(
            state.mean.dtype
        ),
    )


def _noise_inner(diagonal: Tensor, noise: Tensor) -> Tensor:
    """What noise ``(N, R, D)`` adds to the inner products of blocks with ``diagonal``."""
    return diagonal @ noise.mT + noise @ diagonal.mT + noise @ noise.mT


def _block_inner(factor: Tensor) -> Tensor:
    """Frobenius inner products ``(N, R, R)`` of the second moments of blocks ``(N, R, J, D)``."""
    blocks, columns, size = factor.shape[1:]
    if blocks * columns * size <= _EXACTLY:
        factor = factor.double()
    if blocks * columns <= size:
        flat = factor.flatten(1, 2)
        gram = (flat @ flat.mT).double().square()
        return gram.unflatten(1, (blocks, -1)).unflatten(3, (blocks, -1)).sum((2, 4))
    second = (factor.mT @ factor).flatten(2)
    return (second @ second.mT).double()


def _images_at_once(factor: Tensor) -> int:
    blocks, columns, size = factor.shape[1:]
    widest = min((blocks * columns) ** 2, blocks * size**2)
    return max(1, _BYTES_AT_ONCE // (widest * factor.element_size()))


@dataclass(frozen=True)
class _Pending:
    """Images whose error is not yet small enough, and what is known of them."""

    index: Tensor
    level: int
    previous: FactorState | None = None
    """Where the level before left them."""
    change: tuple[Tensor, ...] | None = None
    """Changes of mean and covariance at the level before."""

    def select(self, index: Tensor) -> _Pending:
        """Some of the images, by index or mask."""
        return replace(
            self,
            index=self.index[index],
            previous=self.previous and self.previous.select(index),
            change=self.change and tuple(part[index] for part in self.change),
        )

    @property
    def at_once(self) -> int:
        """How many of the images fit into the working memory at this level."""
        if self.previous is None:
            return len(self.index)
        columns, *shape = self.previous.factor.shape[1:]
        return max(1, _BYTES_AT_ONCE // (64 * columns * prod(shape)))


def _refine(
    step: Callable[[FactorState, int], Solution],
    start: FactorState,
    tol: float,
    max_nodes: int,
    exact: bool,
) -> Solution:
    """Raise the level of ``step`` for those images whose error is not yet below ``tol``.

    Where a step does not know its own error, it is taken from the changes over the last two
    levels, the earlier one as it has shrunk since, by a quarter. One of them alone can miss a
    kink: halving a cell changes nothing if the kink lies beyond both new nodes.
    """
    everything = torch.arange(len(start.mean), device=start.mean.device)
    if exact:
        found = step(start, 0)
        nothing = start.mean.new_zeros(len(everything))
        return replace(found, mean_error=nothing, covariance_error=nothing)
    done: list[tuple[Tensor, Solution]] = []
    queue = [_Pending(everything, 0)]
    while queue:
        now = queue.pop()
        if len(now.index) > now.at_once:
            places = torch.arange(len(now.index), device=now.index.device)
            queue += [now.select(part) for part in places.split(now.at_once)]
            continue
        found, change = step(start.select(now.index), now.level), None
        open_ = torch.ones_like(now.index, dtype=torch.bool)
        if found.covariance_error.isnan().any() and now.previous is not None:
            change = relative_change(now.previous, found.state)
            if now.change is not None:
                pairs = zip(change, now.change, strict=True)
                found = _with_errors(found, *(latest + before / 4 for latest, before in pairs))
        if not found.covariance_error.isnan().any():
            worst = torch.maximum(found.mean_error, found.covariance_error)
            open_ = (worst > tol) & (2 * found.nodes <= max_nodes)
            if not open_.all():
                done.append((now.index[~open_], _select(found, ~open_)))
        if open_.any():
            queue.append(_Pending(now.index, now.level + 1, found.state, change).select(open_))
    return _gather(len(everything), done)


def _with_errors(found: Solution, mean_error: Tensor, covariance_error: Tensor) -> Solution:
    """Fill in the errors that a step does not know.

    A mean that is piecewise linear in the parameter may not change at all where its kinks hide.
    The covariance always changes, and as many standard deviations are allowed to the mean.
    """
    if found.mean_error.isnan().any():
        with torch.no_grad():
            deviation = found.state.covariance.frobenius_norm().sqrt()
            scale = found.state.mean.flatten(1).norm(dim=1)
            hidden = torch.where(deviation > 0, covariance_error * deviation / scale, 0.0)
        found = replace(found, mean_error=torch.maximum(mean_error, hidden))
    return replace(found, covariance_error=covariance_error)


def relative_change(before: FactorState, after: FactorState) -> tuple[Tensor, Tensor]:
    """Distance of means and of covariances, relative to the norms of the latter, each ``(N,)``."""
    with torch.no_grad():
        scale = after.mean.double().flatten(1).norm(dim=1)
        shift = (after.mean.double() - before.mean.double()).flatten(1).norm(dim=1)
        aa, ab, bb = (_inner(*pair) for pair in ((before, before), (before, after), (after, after)))
        gap = (aa - 2 * ab + bb).clamp_min(0).sqrt()
        dtype = after.mean.dtype
        return (
            _ratio(shift, scale).to(dtype),
            _ratio(gap, bb.sqrt(), after.roundoff.square()).to(dtype),
        )


def _inner(a: FactorState, b: FactorState) -> Tensor:
    """Frobenius inner product of two covariances, ``(N,)``."""
    p, q = a.factor.double().flatten(2), b.factor.double().flatten(2)
    if max(p.shape[1], q.shape[1]) <= p.shape[2]:
        found = (p @ q.mT).square().sum((1, 2))
    else:
        found = ((p.mT @ p) * (q.mT @ q)).sum((1, 2))
    if a.noise is not None and b.noise is not None:
        first, second = a.noise.double().flatten(1), b.noise.double().flatten(1)
        diagonals = first * q.square().sum(1) + p.square().sum(1) * second
        found = found + (diagonals + first * second).sum(1)
    return found


def _ratio(error: Tensor, norm: Tensor, noise: Tensor | float = 0.0) -> Tensor:
    """Relative error; one below ``noise`` counts as none."""
    return torch.where(error > noise, error / norm.clamp_min(1e-300), 0.0)


def _select(solution: Solution, index: Tensor) -> Solution:
    return Solution(
        solution.state.select(index),
        solution.mean_error[index],
        solution.covariance_error[index],
        solution.nodes,
    )


def _gather(count: int, parts: list[tuple[Tensor, Solution]]) -> Solution:
    """Put the images back into their order, factors padded with zeros to one rank."""
    if len(parts) == 1:
        return parts[0][1]
    order = torch.cat([index for index, _ in parts]).argsort()
    rank = max(part.state.factor.shape[1] for _, part in parts)

    def pad(factor: Tensor) -> Tensor:
        missing = rank - factor.shape[1]
        return torch.cat([factor, factor.new_zeros(len(factor), missing, *factor.shape[2:])], 1)

    states = [part.state for _, part in parts]
    state = replace(
        states[0],
        mean=torch.cat([s.mean for s in states])[order],
        factor=torch.cat([pad(s.factor) for s in states])[order],
        loss=torch.cat([s.loss for s in states])[order],
        noise=None
        if states[0].noise is None
        else torch.cat([s.noise for s in states if s.noise is not None])[order],
    )
    return Solution(
        state,
        torch.cat([part.mean_error for _, part in parts])[order],
        torch.cat([part.covariance_error for _, part in parts])[order],
        max(part.nodes for _, part in parts),
    )
