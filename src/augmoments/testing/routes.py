"""Moments by every route there is, against each other."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.covariance import Covariance
from augmoments.calculus.expected_operator import average
from augmoments.calculus.moments import moments
from augmoments.calculus.nodes import NodeFamily
from augmoments.calculus.state import DenseState, FactorState, propagate
from augmoments.operators.base import outer
from augmoments.rules import leaves
from augmoments.testing.common import assert_close, require, shape_of, size_of

_MOST_NODES = 8192


def check_routes(
    policy: Augmentation,
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
        policy: The augmentation.
        images: ``(N, C, H, W)``; small, dense matrices are formed.
        tol: Tolerance of the moments.
        seed: Seed of nodes that are random.
        rtol: Relative difference allowed between exact routes.
    """
    exact = policy.affine and _check_rule(policy, images, rtol)
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
    covariance = Covariance(factored.factor).dense()
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
    family = NodeFamily(policy, seed)
    level = 0
    if family.method == "exact" or family.polynomial:
        mean, covariance, nodes = _sums(policy, images, family, level)
        nothing = torch.zeros(len(images), dtype=mean.dtype)
        return _ByNodes(mean, covariance, nothing, nothing, True, nodes)
    while len(family.nodes(level + 1)) <= _MOST_NODES:
        level += 1
    mean, covariance, nodes = _sums(policy, images, family, level)
    before, covariance_before, _ = _sums(policy, images, family, level - 1)
    change = (mean - before).flatten(1).norm(dim=1) / mean.flatten(1).norm(dim=1).clamp_min(1e-300)
    norm = covariance.flatten(1).norm(dim=1).clamp_min(1e-300)
    change_covariance = (covariance - covariance_before).flatten(1).norm(dim=1) / norm
    cell = 4 * size_of(images) / nodes  # jumps of a few pixels may hide from both levels
    scale = mean.flatten(1).norm(dim=1).clamp_min(1e-300)
    return _ByNodes(
        mean,
        covariance,
        2 * change + cell / scale,
        2 * change_covariance + cell * size_of(images) / norm,
        False,
        nodes,
    )


def _sums(
    policy: Augmentation, images: Tensor, family: NodeFamily, level: int
) -> tuple[Tensor, Tensor, int]:
    nodes = family.nodes(level)
    moved = torch.cat(
        [policy.apply(outer(images, len(theta)), theta) for theta in nodes.theta.split(512)]
    ).flatten(2)
    weights = nodes.weights.to(moved)
    mean = torch.einsum("k,knd->nd", weights, moved)
    rooted = weights.sqrt()[:, None, None] * (moved - mean)
    covariance = torch.einsum("knd,kne->nde", rooted, rooted)
    return mean.reshape(images.shape), covariance, len(nodes)
