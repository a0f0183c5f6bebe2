r"""What a random image and a random draw each have of the variance of a vector.

With the vector :math:`g_i` of image i, random by the augmentation: *within* images
:math:`\frac1N \sum_i \mathrm{tr}\,\mathrm{Cov}(g_i)`, *between* images :math:`\frac1N \sum_i \|E
g_i\|^2 - \|\bar g\|^2` with :math:`\bar g = \frac1N \sum_i E g_i`. Their sum is the variance of the
vector of a random image at a random draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.nodes import QUANTILE, NodeFamily
from augmoments.estimate import Method
from augmoments.operators.base import Shape
from augmoments.sample_size.gradients.per_sample import PerSample
from augmoments.sample_size.gradients.vectors import (
    BYTES_AT_ONCE,
    Vectors,
    error,
    settle,
    slack,
    squared_means,
)

_CHUNK = 256


class Number(NamedTuple):
    """Values with absolute error bounds, float64; the last column is of all groups together."""

    value: Tensor
    error: Tensor


@dataclass(frozen=True)
class Spread:
    """The figures of one policy, for G groups of values, the last of which is all of them."""

    variance: Number
    """Total variance of every image, ``(N, G)``."""
    square: Number
    """Squared length of the mean vector of every image, ``(N, G)``."""
    within: Number
    """``(G,)``."""
    between: Number
    """``(G,)``."""
    length: Number
    """Squared length of the mean over all images, ``(G,)``."""
    method: Method


@dataclass(frozen=True)
class Spreads:
    """The figures of Q policies, and of their mean vectors together, over all groups."""

    single: list[Spread]
    between: Number
    """Covariance over the images of the mean vectors of two policies, ``(Q, Q)``."""
    inner: Tensor
    """Inner products of the means over all images, ``(Q, Q)``."""


def spreads(
    what: PerSample,
    images: Tensor,
    policies: Sequence[Augmentation],
    tol: float,
    seed: int,
    max_nodes: int,
) -> Spreads:
    """Figures of vectors of images under policies; scrambled by themselves, one seed each."""
    shape: Shape = tuple(images.shape[1:])  # type: ignore[assignment]
    families = [NodeFamily(p, shape, seed + q, max_nodes) for q, p in enumerate(policies)]
    sizes = list(what.sizes.values())
    sums = [_Sum(family, sizes) for family in families]
    each = BYTES_AT_ONCE // (8 * images.element_size() * sum(sizes) * len(policies))
    products = torch.zeros(len(policies), len(policies), dtype=torch.float64)
    for index in torch.arange(len(images)).split(min(max(each, 1), _CHUNK)):
        middles = []
        for one in sums:
            found = settle(what, images, index, one.family, tol, max_nodes)
            middles.append(one.add(found))
        if len(policies) > 1:
            flat = torch.stack([middle.flatten().double() for middle in middles])
            products += (flat @ flat.T).cpu()
    single = [one.spread() for one in sums]
    return _together(single, sums, products / len(images))


class _Sum:
    """Sums over images."""

    def __init__(self, family: NodeFamily, sizes: list[int]) -> None:
        self.family = family
        self.sizes = sizes
        self.dtype = torch.float64
        self.parts: list[tuple[Tensor, ...]] = []
        self.means = self.noise = self.variances = self.squares = torch.zeros(())

    def add(self, found: Vectors) -> Tensor:
        """Take in some images; their mean vectors ``(n, P)``."""
        replicated = self.family.replicated
        floors = slack(found.variance, found.square, found.means.dtype)
        errors = (
            error(found.variance, found.variances, replicated) + floors[0],
            error(found.square, found.squares, replicated) + floors[1],
        )
        variance, square = _above(found.variance, floors[0]), _above(found.square, floors[1])
        self.parts.append((variance, errors[0], square, errors[1]))
        self.means = self.means + found.means.double().sum(0)
        self.noise = self.noise + squared_means(found.means, self.sizes, replicated)[1].sum(0)
        self.variances = self.variances + found.variances.sum(0)
        self.squares = self.squares + found.squares.sum(0)
        self.dtype = found.means.dtype
        return found.means.mean(1) if replicated else found.means[:, 0]

    def spread(self) -> Spread:
        """The figures of all images that were taken in."""
        replicated = self.family.replicated
        variance, variance_error, square, square_error = (
            torch.cat(column) for column in zip(*self.parts, strict=True)
        )
        count = len(variance)
        within = variance.mean(0)
        length, _, lengths = squared_means(self.means[None] / count, self.sizes, replicated)
        between = square.mean(0) - length[0]
        floors = slack(within, square.mean(0), self.dtype)
        others = self.squares / count - lengths[0]
        return Spread(
            variance=Number(variance, variance_error),
            square=Number(square, square_error),
            within=_number(within, self.variances / count, replicated, floors[0]),
            between=_number(between, others, replicated, floors[1]),
            length=_number(length[0], lengths[0], replicated, floors[1]),
            method=self.family.method,
        )


def _number(value: Tensor, alternatives: Tensor, replicated: bool, floor: Tensor) -> Number:
    bound = error(value[None], alternatives[None], replicated)[0] + floor
    return Number(_above(value, floor), bound)


def _above(value: Tensor, floor: Tensor) -> Tensor:
    """What is no more than rounding is zero."""
    return torch.where(value > floor, value, 0.0)


def _together(single: list[Spread], sums: list[_Sum], products: Tensor) -> Spreads:
    """The Cauchy-Schwarz inequality bounds what two policies have in common."""
    count = len(single[0].variance.value)
    middles = [
        (one.means.mean(0) if one.family.replicated else one.means[0]) / count for one in sums
    ]
    inner = torch.stack([torch.stack([a @ b for b in middles]) for a in middles]).cpu()
    value = products - inner
    norms = torch.stack([one.between.value[-1] for one in single]).cpu().sqrt()
    off = torch.stack(
        [
            (one.noise[-1] / count).sqrt() * (QUANTILE if one.family.replicated else 1.0)
            for one in sums
        ]
    ).cpu()
    bound = norms[:, None] * off + off[:, None] * norms + off[:, None] * off
    for q, one in enumerate(single):
        value[q, q], bound[q, q] = one.between.value[-1].cpu(), one.between.error[-1].cpu()
        inner[q, q] = one.length.value[-1].cpu()
    return Spreads(single, Number(value, bound), inner)
