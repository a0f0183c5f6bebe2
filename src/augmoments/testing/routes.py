"""Moments by every route there is, against each other."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from augmoments.adapters import Policy, as_policy
from augmoments.augmentations.base import Augmentation
from augmoments.calculus.dataset.dense import DenseState
from augmoments.calculus.expected_operator import average
from augmoments.calculus.moments import moments
from augmoments.calculus.nodes import QUANTILE, NodeFamily
from augmoments.calculus.state import FactorState, propagate
from augmoments.operators.base import outer
from augmoments.rules import leaves
from augmoments.testing.common import assert_close, require, shape_of, size_of

_MOST_NODES = 8192


def check_routes(
    policy: Policy,
    images: Tensor,
    *,
    tol: float = 1e-3,
    seed: int = 0,
    rtol: float = 1e-9,
) -> None:
    """Every route to the moments agrees with every other.

    For an affine policy the rule moves images with factored and with dense covariances alike,
    and its mean is that of the expected operator. For every policy, moments lie within their
    stated error of nodes over the joint law of the parameters, which know nothing of rules; to
    ``rtol`` where both are exact.

    Args:
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations.
        images: ``(N, C, H, W)``; small, dense matrices are formed.
        tol: Tolerance of the moments.
        seed: Seed of nodes that are random.
        rtol: Relative difference allowed between exact routes.
    """
    policy = as_policy(policy)
    by_rule = policy.affine and not policy.jointly(shape_of(images))
    exact = by_rule and _check_rule(policy, images, rtol)
    found = moments(images, policy, tol, seed=seed, value_range=None)
    brute = _by_nodes(policy, images, seed + 1)
    exact = exact and brute.exact
    dense = found.covariance.dense()
    size = size_of(images)
    for n in range(len(images)):
        for what, got, want, stated, degree in (
            ("mean", found.mean[n], brute.mean[n], found.error.mean[n] + brute.mean_error[n], 1),
            (
                "covariance",
                dense[n],
                brute.covariance[n],
                found.error.covariance[n] + brute.covariance_error[n],
                2,
            ),
        ):
            norm, gap = float(want.norm()), float((got - want).norm())
            allowed = rtol * size**degree
            if not exact:
                allowed = float(stated) * norm + 1e-3 * allowed
            require(
                gap <= allowed,
                f"the {what} of {policy}, image {n}, is {gap:.3g} from that by {brute.nodes} nodes "
                f"(norm {norm:.3g}), allowed {allowed:.3g}",
            )


def _check_rule(policy: Augmentation, images: Tensor, rtol: float) -> bool:
    """Compare all that a rule gives; tell whether it is exact."""
    shape = shape_of(images)
    rule = policy.rule(shape, 64)
    factored = propagate(rule, FactorState.certain(images, 0.0))
    covariance = factored.covariance.dense()
    mean = average(rule, shape) @ images
    size, pixels = size_of(images), images[0].numel()
    what = f"the mean of {policy} by its rule and by its expected operator"
    assert_close(factored.mean, mean, rtol * size, what)
    for n, image in enumerate(images):
        none = torch.zeros(pixels, pixels, dtype=images.dtype, device=images.device)
        dense = propagate(rule, DenseState(image, none))
        what = f"of {policy}, image {n}, with factored and with dense covariance"
        assert_close(factored.mean[n], dense.mean, rtol * size, f"the mean {what}")
        assert_close(covariance[n], dense.covariance, rtol * size**2, f"the covariance {what}")
    return all(leaf.exact for leaf in leaves(rule))


class _ByNodes(NamedTuple):
    """Moments by plain sums over nodes of the joint law, with relative errors an image."""

    mean: Tensor
    covariance: Tensor
    mean_error: Tensor
    covariance_error: Tensor
    exact: bool
    nodes: int


def _by_nodes(policy: Augmentation, images: Tensor, seed: int) -> _ByNodes:
    family = NodeFamily(policy, shape_of(images), seed)
    level = 0
    if family.method == "exact" or family.polynomial:
        exact = family.nodes(level)
        mean, covariance = _moments_of(policy, images, exact.theta, exact.weights)
        nothing = torch.zeros(len(images), dtype=mean.dtype)
        return _ByNodes(mean, covariance, nothing, nothing, True, len(exact))
    while len(family.nodes(level + 1)) <= _MOST_NODES:
        level += 1
    found = family.nodes(level)
    mean, covariance = _moments_of(policy, images, found.theta, found.weights)
    size, count = size_of(images), len(found)
    scale = mean.flatten(1).norm(dim=1).clamp_min(1e-300)
    norm = covariance.flatten(1).norm(dim=1).clamp_min(1e-300)
    if found.replicates > 1:
        blocks = zip(
            *(t.chunk(found.replicates) for t in (found.theta, found.weights)), strict=True
        )
        pairs = [_moments_of(policy, images, t, w * found.replicates) for t, w in blocks]
        means, covariances = (torch.stack(column) for column in zip(*pairs, strict=True))
        mean_error, covariance_error = _spread(means) / scale, _spread(covariances) / norm
    else:
        coarse = family.nodes(level - 1)
        before = _moments_of(policy, images, coarse.theta, coarse.weights)
        mean_error = 2 * (mean - before[0]).flatten(1).norm(dim=1) / scale
        covariance_error = 2 * (covariance - before[1]).flatten(1).norm(dim=1) / norm
    cell = 4 * size / count  # jumps of a few pixels may hide from every level
    return _ByNodes(
        mean,
        covariance,
        mean_error + cell / scale,
        covariance_error + cell * size / norm,
        False,
        count,
    )


def _spread(replicates: Tensor) -> Tensor:
    """Bound of the error of the mean of replicates ``(R, N, ...)``, in norm, ``(N,)``."""
    count = len(replicates)
    gaps = (replicates - replicates.mean(0)).flatten(2).square().sum((0, 2))
    return QUANTILE * (gaps / (count * (count - 1))).sqrt()


def _moments_of(
    policy: Augmentation, images: Tensor, theta: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    moved = torch.cat([policy.apply(outer(images, len(part)), part) for part in theta.split(512)])
    shape = moved.shape[2:]
    moved, weights = moved.flatten(2), weights.to(moved)
    mean = torch.einsum("k,knd->nd", weights, moved)
    rooted = weights.sqrt()[:, None, None] * (moved - mean)
    return mean.unflatten(1, shape), torch.einsum("knd,kne->nde", rooted, rooted)
