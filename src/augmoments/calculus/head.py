r"""Moments by nodes over the joint law of a head's parameters.

.. math:: \mu = \sum_i w_i t_i, \qquad V = \sum_i w_i (t_i - \mu)(t_i - \mu)^\top ,

with :math:`t_i` what draw i makes of the image. Two things make the mean better than that: an
affine head may have a closed form of it; and one that is not may have an affine *surrogate* with
the same parameters, :math:`s_i \approx t_i`, whose mean has a closed form, so that nodes are needed
for :math:`E[t - s]` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from augmoments.calculus.leading import leading
from augmoments.calculus.nodes import QUANTILE, REPLICATES, JointNodes
from augmoments.calculus.plan import Plan
from augmoments.calculus.solution import Errors, Solution, ratio
from augmoments.calculus.state import FactorState
from augmoments.calculus.windows.replicates import windowed_errors
from augmoments.operators.base import outer

Action = Callable[[Tensor, Tensor], tuple[Tensor, Tensor | None]]
_BYTES_AT_ONCE = 256 * 2**20
_BYTES_OF_NODES = 2**20  # evaluated together, so that what comes between stays in the cache
_EXACTLY = 2**24  # values of a factor whose Gram matrix is computed in float64
_TAIL_DRAWS = 2
_ITERATIONS = 20


def evaluate_head(plan: Plan, level: int, state: FactorState) -> Solution:
    """Mean, factor and noise from the nodes; errors from replicates, if there are any."""
    assert plan.policy is not None
    assert plan.nodes is not None
    nodes, images = plan.nodes.nodes(level), state.mean
    columns, noises = _in_parts(plan.policy.conditional, images, nodes)
    assert columns is not None
    weights = nodes.weights.to(images)
    mean = torch.einsum("k,kn...->n...", weights, columns)
    mean, mean_error = _better_mean(plan, nodes, images, columns, mean)
    moving = columns.requires_grad or mean.requires_grad
    columns = columns - mean if moving else columns.sub_(mean)
    columns *= weights.sqrt().reshape(-1, 1, 1, 1, 1)
    noise = None if noises is None else torch.einsum("k,kn...->n...", weights, noises)
    moved = replace(state, mean=mean, factor=columns.transpose(0, 1), noise=noise)
    if nodes.replicates == 1:
        errors = Errors.constant(images, torch.nan)._replace(mean=mean_error)
    elif plan.windows is not None:
        full, kept = moved, leading(moved, state.tolerance)
        moved = replace(full, factor=kept.factor)
        with torch.no_grad():
            shares = _block_noise(noises, nodes)
            shares = None if shares is None else shares.to(mean).unflatten(2, mean.shape[1:])
            found = windowed_errors(plan.windows, full, kept, nodes, shares)
            errors = Errors(mean_error, *found)
    else:
        with torch.no_grad():
            errors = Errors(mean_error, *_replicate_errors(plan, moved, nodes, noises))
    return Solution(moved, errors, len(nodes))


def _in_parts(
    action: Action, images: Tensor, nodes: JointNodes
) -> tuple[Tensor | None, Tensor | None]:
    """What an action makes of the images at all nodes, ``(K, N, ...)``, a few nodes at a time."""
    at_once = max(1, _BYTES_OF_NODES // images.nbytes)
    found: list[Tensor | None] = [None, None]
    for start in range(0, len(nodes), at_once):
        theta = nodes.theta[start : start + at_once]
        for place, part in enumerate(action(outer(images, len(theta)), theta)):
            if part is None:
                continue
            whole = found[place]
            if whole is None:
                whole = found[place] = part.new_zeros(len(nodes), *part.shape[1:])
            whole[start : start + at_once] = part
    return found[0], found[1]


def _better_mean(
    plan: Plan, nodes: JointNodes, images: Tensor, columns: Tensor, plain: Tensor
) -> tuple[Tensor, Tensor]:
    """The mean that is known best, and its relative error (NaN where nothing tells it)."""
    if plan.head_mean is not None:
        return plan.head_mean.apply(images), images.new_zeros(len(images))
    if nodes.replicates == 1:
        return plain, images.new_full((len(images),), torch.nan)
    error = _mean_error(columns.detach(), plain.detach(), nodes, plan)
    if plan.surrogate is not None:
        gaps, _ = _in_parts(plan.surrogate.conditional, images, nodes)
        assert gaps is not None
        gaps = columns - gaps
        shift = torch.einsum("k,kn...->n...", nodes.weights.to(images), gaps)
        assert plan.surrogate_mean is not None
        corrected = plan.surrogate_mean.apply(images) + shift
        smaller = _mean_error(gaps.detach(), shift.detach(), nodes, plan)
        use = smaller < error
        plain = torch.where(use.reshape(-1, 1, 1, 1), corrected, plain)
        error = torch.minimum(smaller, error)
    norm = _seen(plain.detach(), plan).double().flatten(1).norm(dim=1)
    return plain, ratio(error, norm).to(plain.dtype)


def _seen(mean: Tensor, plan: Plan) -> Tensor:
    """A mean as errors are told of it: after the tail where that just cuts windows."""
    return mean if plan.windows is None else plan.windows.average(mean)


def _mean_error(columns: Tensor, pooled: Tensor, nodes: JointNodes, plan: Plan) -> Tensor:
    """99.5% bound on the norm of the error of a mean of ``columns`` ``(K, N, ...)``."""
    blocks = nodes.replicates
    weights = blocks * nodes.weights.to(columns)
    each = torch.block_diag(*weights.chunk(blocks)) @ columns.flatten(1)
    gaps = _seen(each.reshape(-1, *pooled.shape) - pooled, plan)
    squares = gaps.double().flatten(2).square().sum((0, 2))
    return QUANTILE * (squares / (blocks * (blocks - 1))).sqrt()


def _replicate_errors(
    plan: Plan, state: FactorState, nodes: JointNodes, noises: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """99.5% bounds on the errors of the pooled covariance, relative to its size.

    In Frobenius norm, of the trace, and in spectral norm relative to the trace.
    """
    blocks = nodes.replicates
    pairs = blocks * (blocks - 1)
    factor = state.factor.flatten(2).unflatten(1, (blocks, -1))
    parts = [_compared(part) for part in factor.split(_images_at_once(factor))]
    inner, spectral = (torch.cat(column) for column in zip(*parts, strict=True))
    noise = _block_noise(noises, nodes)
    if noise is not None:
        inner = inner + _noise_inner(factor.square().sum(2).double(), noise)
    own, pooled = inner.diagonal(dim1=1, dim2=2).sum(1) * blocks**2, inner.sum((1, 2))
    covariance = QUANTILE * ((own - blocks * pooled).clamp_min(0) / pairs).sqrt()
    largest = QUANTILE * (spectral.square().sum(1) / pairs).sqrt()
    largest = covariance if noise is not None else torch.minimum(largest, covariance)
    traces = _energies(plan, state.factor).unflatten(1, (blocks, -1)).sum(2) * blocks
    if noise is not None:
        traces = traces + noise.sum(2) * blocks
    trace = QUANTILE * ((traces - traces.mean(1, keepdim=True)).square().sum(1) / pairs).sqrt()
    unseen = state.roundoff.double().square()
    found = (
        ratio(covariance, pooled.sqrt(), unseen),
        ratio(trace, traces.mean(1), unseen),
        ratio(largest, state.covariance.trace().double(), unseen),
    )
    first, second, third = (part.to(state.mean.dtype) for part in found)
    return first, second, third


def _energies(plan: Plan, factor: Tensor) -> Tensor:
    """What each column ``(N, J)`` adds to the trace after the tail, up to a common factor.

    A few draws of the tail stand for all: what matters is which columns it enlarges.
    """
    own = factor.square().flatten(2).sum(2).double()
    if plan.keeps_traces or factor.numel() > _EXACTLY:
        return own
    generator = torch.Generator().manual_seed(plan.seed)
    theta = plan.tail_policy.draw(plan.middle, _TAIL_DRAWS, generator)
    flat = factor.flatten(0, 1)[None]
    total = torch.zeros_like(own)
    for draw in theta.split(1):
        moved, nothing = (
            plan.tail_policy.apply(x, draw)[0] for x in (flat, torch.zeros_like(flat[:, :1]))
        )
        if nothing.any():
            moved = moved - nothing
        total += moved.square().flatten(1).sum(1).double().reshape(own.shape)
    return total


def _block_noise(noises: Tensor | None, nodes: JointNodes) -> Tensor | None:
    """Each replicate's share of the noise, ``(N, R, D)``."""
    if noises is None:
        return None
    shares = nodes.weights.to(noises).reshape(nodes.replicates, -1, 1, 1)
    parts = noises.flatten(2).unflatten(0, (nodes.replicates, -1))
    return (shares * parts).sum(1).transpose(0, 1).double()


def _noise_inner(diagonal: Tensor, noise: Tensor) -> Tensor:
    """What noise ``(N, R, D)`` adds to the inner products of blocks with ``diagonal``."""
    return diagonal @ noise.mT + noise @ diagonal.mT + noise @ noise.mT


def _compared(factor: Tensor) -> tuple[Tensor, Tensor]:
    """Second moments of the blocks of factors ``(N, R, J, D)``, compared with each other.

    Returns:
        Their Frobenius inner products ``(N, R, R)``, and the spectral norm of the distance of each,
        R times, from the sum of all, ``(N, R)``.
    """
    blocks, columns, size = factor.shape[1:]
    if blocks * columns * size <= _EXACTLY:
        factor = factor.double()
    signs = blocks * torch.eye(blocks, dtype=factor.dtype, device=factor.device) - 1
    if blocks * columns <= size:
        flat = factor.flatten(1, 2)
        gram = flat @ flat.mT
        squares = gram.double().square()
        inner = squares.unflatten(1, (blocks, -1)).unflatten(3, (blocks, -1)).sum((2, 4))
        scales = signs.repeat_interleave(columns, 1)
        return inner, _largest(lambda x: gram @ (scales[None].mT * x), gram)
    second = factor.mT @ factor
    flat = second.flatten(2)
    total = second.sum(1)

    def distance(x: Tensor) -> Tensor:
        own = torch.einsum("nrde,ner->ndr", second, x)
        return blocks * own - total @ x

    return (flat @ flat.mT).double(), _largest(distance, total, blocks)


def _largest(action: Callable[[Tensor], Tensor], like: Tensor, count: int = REPLICATES) -> Tensor:
    """Spectral radii ``(N, R)`` of R maps of the columns of ``(N, J, R)``, by power iteration."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(like.shape[1], count, generator=generator, dtype=torch.float64)
    x = start.to(like).expand(len(like), -1, -1)
    norm = x.norm(dim=1, keepdim=True)
    for _ in range(_ITERATIONS):
        x = action(x / norm.clamp_min(torch.finfo(like.dtype).tiny))
        norm = x.norm(dim=1, keepdim=True)
    return norm[:, 0].double()


def _images_at_once(factor: Tensor) -> int:
    blocks, columns, size = factor.shape[1:]
    widest = min((blocks * columns) ** 2, blocks * size**2)
    return max(1, _BYTES_AT_ONCE // (widest * factor.element_size()))
