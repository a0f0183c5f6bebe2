"""Any function of augmented images, integrated by nodes over the joint law of a policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from augmoments.adapters import Policy, as_policy
from augmoments.augmentations.base import Augmentation
from augmoments.calculus.memory import images_at_once
from augmoments.calculus.nodes import QUANTILE, JointNodes, NodeFamily
from augmoments.errors import ModelError
from augmoments.estimate import Estimate, Method, rounding
from augmoments.operators.base import Shape, outer
from augmoments.options import check_numerics

Indexed = Callable[[Tensor, Tensor], Tensor]
Progress = Callable[[int, int], None]


class NodeValues(NamedTuple):
    """The values of a function of all images at some nodes of one replicate."""

    replicate: int
    weights: Tensor
    """``(k,)``; those of a replicate sum to 1."""
    values: Tensor
    """``(k, N, ...)``."""


_IMAGES_OF_A_GROUP = 256


def integrate(
    fn: Indexed,
    images: Tensor,
    policy: Policy,
    tol: float,
    seed: int,
    max_nodes: int,
    progress: Progress | None = None,
) -> Estimate:
    """Expectation and variance of a function of an image and of its position in the batch."""
    policy = as_policy(policy)
    tol, seed, max_nodes = check_numerics(tol, seed, max_nodes)
    shape: Shape = tuple(images.shape[1:])  # type: ignore[assignment]
    policy.output_shape(shape)
    family = NodeFamily(policy, shape, seed, max_nodes)
    parts, done = [], 0
    for index in torch.arange(len(images)).split(
        min(_IMAGES_OF_A_GROUP, images_at_once(images[0]))
    ):
        parts.append(_refine(fn, images, index, policy, family, tol, max_nodes))
        done += len(index)
        if progress is not None:
            progress(done, len(images))
    return Estimate(
        *(torch.cat([getattr(part, name) for part in parts]) for name in _FIELDS),
        method=family.method,
        nodes=max(part.nodes for part in parts),
    )


_FIELDS = ("value", "variance", "error", "variance_error")


def _refine(
    fn: Indexed,
    images: Tensor,
    index: Tensor,
    policy: Augmentation,
    family: NodeFamily,
    tol: float,
    max_nodes: int,
) -> Estimate:
    """Raise the level for those images whose error is not yet small enough.

    Replicates keep the sums over the nodes that they have and add what is new. Rounding is stated,
    but no reason for more nodes.
    """
    result: Estimate | None = None
    sums: _Sums | None = None
    active = torch.arange(len(index))
    level, first, count = 0, first_level(family), 0
    while True:
        before = sums if family.replicated else None
        nodes = family.nodes(level) if before is None else family.added(level)
        sums = _sum(fn, images[index[active]], index[active], policy, nodes, before)
        count = len(nodes) if before is None else 2 * count
        found = _estimate(sums, nodes.method, count)
        if result is not None and nodes.replicates == 1:
            found = _with_change(found, result, active, earlier=level > 1)
        result = found if result is None else _update(result, active, found)
        if family.method == "exact":
            return result
        small = tol * torch.maximum(found.value.abs(), found.variance.sqrt())
        rounded = _rounding(found.value, found.variance, torch.zeros_like(found.value))
        settled = found.error - rounded[0] <= small
        settled &= found.variance_error - rounded[1] <= 4 * tol * found.variance
        if family.replicated:
            settled &= found.variance > 0  # what all nodes agree on, none may have met
        open_ = ~(settled.flatten(1).all(1) if settled.ndim > 1 else settled).cpu()
        if level >= first:
            if 2 * count > max_nodes or not open_.any():
                return result
            active, sums = active[open_], sums.select(open_)
        level += 1


def first_level(family: NodeFamily) -> int:
    """The level from which on errors can be told.

    Replicates know theirs. Between pieces where the action is a polynomial one change tells it;
    elsewhere it takes two, because halving a cell can miss a kink.
    """
    if family.replicated:
        return 0
    return 1 if family.polynomial else 2


def _with_change(found: Estimate, before: Estimate, active: Tensor, earlier: bool) -> Estimate:
    """Errors from the change since the level before, and a quarter of the one before that."""
    shift = found.value - before.value[active]
    error, variance_error = _rounding(found.value, found.variance, shift)
    error = error + shift.abs()
    variance_error = variance_error + (found.variance - before.variance[active]).abs()
    if earlier:
        error = error + before.error[active] / 4
        variance_error = variance_error + before.variance_error[active] / 4
    return replace(found, error=error, variance_error=variance_error)


class _Sums(NamedTuple):
    """Averages of differences to the first value, replicate by replicate.

    Nothing is kept of the single values.
    """

    centre: Tensor
    """The first value, ``(N, ...)``."""
    first: Tensor
    """``(R, N, ...)``."""
    second: Tensor
    """Of the squared differences, ``(R, N, ...)``."""

    def select(self, mask: Tensor) -> _Sums:
        return _Sums(self.centre[mask], self.first[:, mask], self.second[:, mask])


def _sum(
    fn: Indexed,
    images: Tensor,
    index: Tensor,
    policy: Augmentation,
    nodes: JointNodes,
    before: _Sums | None,
) -> _Sums:
    """Averages over the nodes, and over as many that were met ``before``."""
    blocks = nodes.replicates
    centre = None if before is None else before.centre
    sums: list[list[Tensor]] = [[torch.zeros(())] * blocks for _ in (1, 2)]
    for block, weights, values in node_values(fn, images, index, policy, nodes):
        centre = values[0].detach() if centre is None else centre
        gaps = values - centre
        for power, totals in enumerate(sums, start=1):
            term = torch.einsum("k,k...->...", weights.to(gaps), gaps**power)
            totals[block] = term + totals[block].to(term)
    assert centre is not None
    first, second = torch.stack(sums[0]), torch.stack(sums[1])
    if before is not None:
        first, second = (before.first + first) / 2, (before.second + second) / 2
    return _Sums(centre, first, second)


def _estimate(sums: _Sums, method: Method, count: int) -> Estimate:
    """Mean and variance, and what is known of their errors."""
    centre, first, second = sums
    blocks, shift = len(first), first.mean(0)
    value, variance = centre + shift, (second.mean(0) - shift.square()).clamp_min(0)
    error, variance_error = _rounding(value, variance, shift)
    if blocks == 1:
        known = 0.0 if method == "exact" else torch.nan
        error, variance_error = error + known, variance_error + known
    else:
        pairs = blocks * (blocks - 1)
        squares = second - 2 * shift * first + shift.square()  # about the pooled mean
        spread = QUANTILE * ((first - shift).square().sum(0) / pairs).sqrt()
        variance_spread = QUANTILE * ((squares - squares.mean(0)).square().sum(0) / pairs).sqrt()
        error, variance_error = error + spread, variance_error + variance_spread
    return Estimate(value, variance, error, variance_error, method, count)


def _rounding(value: Tensor, variance: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """What rounding may do to mean and variance: of the single values, and of their sums."""
    floor, deviation = rounding(value.dtype), variance.sqrt()
    error = floor * (value.abs() + deviation)
    return error, 4 * floor * (variance + shift.square()) + error * (2 * deviation + error)


def node_values(
    fn: Indexed,
    images: Tensor,
    index: Tensor,
    policy: Augmentation,
    nodes: JointNodes,
    most: int | None = None,
) -> Iterator[NodeValues]:
    """The values of ``fn`` at all nodes, replicate by replicate, a bounded number at a time.

    Args:
        fn: Maps augmented images ``(n, ...)`` and their places in the batch to ``(n, ...)``.
        images: ``(N, C, H, W)``.
        index: Their places in the batch, ``(N,)``.
        policy: The augmentation.
        nodes: Its nodes.
        most: Augmented images at a time, or one node of all images where that is more.
    """
    at_once = images_at_once(images[0])
    pieces = max(1, min(most or at_once, at_once) // len(images))
    blocks = nodes.replicates
    pairs = zip(nodes.theta.chunk(blocks), nodes.weights.chunk(blocks), strict=True)
    for block, (theta, weights) in enumerate(pairs):
        for part, share in zip(theta.split(pieces), weights.split(pieces), strict=True):
            yield NodeValues(block, blocks * share, _values(fn, images, index, policy, part))


def _values(
    fn: Indexed, images: Tensor, index: Tensor, policy: Augmentation, theta: Tensor
) -> Tensor:
    """``fn`` at every draw of every image, ``(n, N, ...)``."""
    moved = policy.apply(outer(images, len(theta)), theta).flatten(0, 1)
    values = fn(moved, index.repeat(len(theta)))
    if not isinstance(values, Tensor) or values.shape[:1] != moved.shape[:1]:
        shape = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise ModelError(
            f"The function must give one value, or more, for each of {len(moved)} images along "
            f"the first axis; it gave {shape}."
        )
    return values.unflatten(0, (len(theta), len(images)))


def _update(estimate: Estimate, active: Tensor, part: Estimate) -> Estimate:
    where = (active.to(part.value.device),)
    fields = {
        name: getattr(estimate, name).index_put(where, getattr(part, name)) for name in _FIELDS
    }
    return replace(estimate, nodes=part.nodes, **fields)
