r"""Mean vectors and total variances over an augmentation, by nodes, group by group of values.

With nodes in R replicates that are independent of each other, and the means :math:`m_r` of each,
:math:`\|E g\|^2` is estimated without bias from the products of different replicates,
:math:`\frac{1}{R (R - 1)} \sum_{r \ne s} m_r \cdot m_s`. Nothing is kept of single values: of every
image its R means, and numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.integrate import first_level, node_values
from augmoments.calculus.nodes import QUANTILE, JointNodes, NodeFamily
from augmoments.errors import ModelError
from augmoments.estimate import rounding
from augmoments.sample_size.gradients.per_sample import PerSample

BYTES_AT_ONCE = 2**25


@dataclass(frozen=True)
class Vectors:
    """Estimates for n images and G groups of values, the last of which is all of them.

    ``A`` alternatives tell the errors: what each replicate says or, of a grid, what it says, what
    it said with half the nodes, and with a quarter of them.
    """

    variance: Tensor
    """Total variance, ``(n, G)``."""
    square: Tensor
    """Squared length of the mean vector, ``(n, G)``."""
    variances: Tensor
    """Alternatives of ``variance``, ``(n, A, G)``."""
    squares: Tensor
    """Alternatives of ``square``, ``(n, A, G)``."""
    means: Tensor
    """Alternatives of the mean vector, ``(n, A, P)``."""

    def put(self, active: Tensor, part: Vectors) -> None:
        """Overwrite the images ``active`` by better estimates."""
        for field in fields(self):
            mine = getattr(self, field.name)
            mine.index_copy_(0, active.to(mine.device), getattr(part, field.name))

    def remember(self, active: Tensor, before: Vectors) -> None:
        """Take what is known of the images ``active`` as the alternatives from fewer nodes."""
        for name in ("variances", "squares", "means"):
            theirs = getattr(before, name)
            getattr(self, name)[:, 1:] = theirs[active.to(theirs.device), :2]


def settle(
    what: PerSample,
    images: Tensor,
    index: Tensor,
    family: NodeFamily,
    tol: float,
    max_nodes: int,
) -> Vectors:
    """Estimates for the images ``index``.

    The level is raised for those whose figures are not yet right to ``tol``.
    """
    result: Vectors | None = None
    active = torch.arange(len(index))
    level, first = 0, first_level(family)
    while True:
        nodes = family.nodes(level)
        found = _at(what, images[index[active]], index[active], family.policy, nodes)
        if result is None:
            result = found
        else:
            if not family.replicated:
                found.remember(active, result)
            result.put(active, found)
        if family.method == "exact":
            return result
        if level >= first:
            active = active[_open(found, tol, family.replicated).cpu()]
            if not len(active) or 2 * len(nodes) > max_nodes:
                return result
        level += 1


def _open(found: Vectors, tol: float, replicated: bool) -> Tensor:
    """Which images are not yet right, ``(n,)``."""
    floors = slack(found.variance, found.square, found.means.dtype)
    variance = error(found.variance, found.variances, replicated) - floors[0]
    square = error(found.square, found.squares, replicated) - floors[1]
    return ((variance > tol * found.variance) | (square > tol * found.square))[:, -1]


def error(value: Tensor, alternatives: Tensor, replicated: bool) -> Tensor:
    """Absolute error bounds ``(n, G)`` from ``(n, A, G)``.

    99.5% from replicates; of a grid the last change, and a quarter of the one before it.
    """
    if not replicated:
        last, before = alternatives.diff(dim=1).abs().unbind(1)
        return last + before / 4
    count = alternatives.shape[1]
    gaps = alternatives - alternatives.mean(1, keepdim=True)
    spread = QUANTILE * (gaps.square().sum(1) / (count * (count - 1))).sqrt()
    return spread + (alternatives.mean(1) - value).abs()


def slack(variance: Tensor, square: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """What rounding may do to a total variance and to the squared length of a mean."""
    floor = rounding(dtype)
    mixed = (variance.clamp_min(0) * square.clamp_min(0)).sqrt()
    return (
        floor * (variance.abs() + mixed) + floor**2 * square.abs(),
        floor * (square.abs() + mixed) + floor**2 * variance.abs(),
    )


def squared_means(
    means: Tensor, sizes: list[int], replicated: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Squared lengths of mean vectors ``(n, A, P)``: estimate, noise, alternatives; float64."""
    columns = []
    for part in means.split(sizes, -1):
        part = part.double()
        middle = part.mean(1) if replicated else part[:, 0]
        gaps = part - middle[:, None]
        noise = gaps.square().sum(-1).sum(1)
        length = middle.square().sum(-1)
        if replicated:
            noise = noise / (part.shape[1] * (part.shape[1] - 1))
            others = length[:, None] + 2 * torch.einsum("nap,np->na", gaps, middle)
            length = length - noise
        else:
            others = part.square().sum(-1)
        columns.append((length, noise, others))
    length, noise, others = (torch.stack(column, -1) for column in zip(*columns, strict=True))
    return with_sum(length), with_sum(noise), with_sum(others)


def with_sum(groups: Tensor) -> Tensor:
    """``(..., G - 1)`` with its sum as the last of G."""
    return torch.cat([groups, groups.sum(-1, keepdim=True)], -1)


def _at(
    what: PerSample,
    images: Tensor,
    index: Tensor,
    policy: Augmentation,
    nodes: JointNodes,
) -> Vectors:
    """Estimates from nodes of one level; sums are of differences to the first value."""
    sizes = list(what.sizes.values())
    most = max(1, BYTES_AT_ONCE // (images.element_size() * sum(sizes)))
    blocks = nodes.replicates
    centre: Tensor | None = None
    shifts = [torch.zeros(())] * blocks
    squares = [torch.zeros(())] * blocks
    for block, weights, values in node_values(what.at, images, index, policy, nodes, most):
        _check_finite(values, index)
        centre = values[0].clone() if centre is None else centre
        gaps = values - centre
        shift = torch.einsum("k,knp->np", weights.to(gaps), gaps)
        shifts[block] = shift + shifts[block].to(shift)
        lengths = [part.square().sum(-1).double() for part in gaps.split(sizes, -1)]
        square = torch.einsum("k,kng->ng", weights.to(lengths[0]), torch.stack(lengths, -1))
        squares[block] = square + squares[block].to(square)
    assert centre is not None
    shift = torch.stack(shifts, 1)
    spread = with_sum(torch.stack(squares, 1))
    means = centre[:, None] + shift
    if blocks == 1:
        variance = spread[:, 0] - squared_means(shift, sizes, replicated=False)[0]
        means = means.repeat(1, 3, 1)
        square, _, others = squared_means(means, sizes, replicated=False)
        return Vectors(variance, square, variance[:, None].repeat(1, 3, 1), others, means)
    length, _, variances = squared_means(shift, sizes, replicated=True)
    # about the pooled mean: s_r - 2 m_r.m + |m|^2
    variances = spread - variances
    variance = spread.mean(1) - length
    square, _, others = squared_means(means, sizes, replicated=True)
    return Vectors(variance, square, variances, others, means)


def _check_finite(values: Tensor, index: Tensor) -> None:
    wrong = (~values.isfinite()).any(2).any(0).nonzero().flatten()
    if len(wrong):
        raise ModelError(
            f"The loss or its gradient is not finite somewhere in the augmentation for "
            f"{len(wrong)} of {len(index)} images, the first is image {int(index[wrong[0]])}: no "
            "number of draws finds it."
        )
