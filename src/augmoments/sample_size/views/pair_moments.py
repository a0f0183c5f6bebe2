r"""Hoeffding's variances of a function of two independent draws, from its values at pairs of nodes.

In replicates of nodes, draws that must be independent come from different replicates: pairs (r, s)
for :math:`E \ell` and :math:`E \ell^2`, triples for :math:`E[\ell(t, t') \ell(t, t'')]`, quadruples
for :math:`(E \ell)^2`. So all estimates are without bias; leaving out each replicate in turn (the
jackknife) tells their errors.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from augmoments.calculus.nodes import QUANTILE


class PairMoments(NamedTuple):
    """Of one function, or of several."""

    mean: Tensor
    first: Tensor
    r""":math:`\zeta_1 = \mathrm{Var}\,E[\ell \mid t_1]`."""
    second: Tensor
    r""":math:`\zeta_2 = \mathrm{Var}\,\ell`."""


def pair_moments(
    table: Tensor, weights: Tensor, replicates: int, floor: float
) -> tuple[PairMoments, PairMoments]:
    """Estimates, and absolute error bounds of each.

    Args:
        table: Symmetric, the values at pairs of nodes, ``(M, M)``.
        weights: Of the nodes of one replicate, ``(M / R,)``, sum 1.
        replicates: R; 1 for nodes that are not random, which have no error of their own but
            rounding.
        floor: Relative rounding error of the values.
    """
    centre = table.mean()
    blocks = (table - centre).unflatten(1, (replicates, -1)).unflatten(0, (replicates, -1))
    lines = torch.einsum("rasb,b->ras", blocks, weights)
    means = torch.einsum("ras,a->rs", lines, weights)
    squares = torch.einsum("rasb,a,b->rs", blocks.square(), weights, weights)
    triples = torch.einsum("ras,rat,a->rst", lines, lines, weights)
    if replicates == 1:
        mean = means[0, 0]
        found = PairMoments(
            centre + mean,
            (triples[0, 0, 0] - mean.square()).clamp_min(0),
            (squares[0, 0] - mean.square()).clamp_min(0),
        )
        return found, _rounding(found, floor)
    found = _unbiased(means, squares, triples)
    left_out = []
    for replicate in range(replicates):
        kept = torch.arange(replicates) != replicate
        left_out.append(
            _unbiased(
                means[kept][:, kept], squares[kept][:, kept], triples[kept][:, kept][:, :, kept]
            )
        )
    errors = []
    for others in zip(*left_out, strict=True):
        gaps = torch.stack(others) - torch.stack(others).mean()
        errors.append(QUANTILE * ((replicates - 1) / replicates * gaps.square().sum()).sqrt())
    first, second = found.first.clamp_min(0), found.second.clamp_min(0)
    found = PairMoments(centre + found.mean, first, second)
    return found, PairMoments(*map(torch.add, errors, _rounding(found, floor)))


def _rounding(found: PairMoments, floor: float) -> PairMoments:
    """What rounding of the values may do, also where they vary little."""
    noise = floor * found.mean.abs()
    return PairMoments(noise, *(2 * noise * value.sqrt() + noise**2 for value in found[1:]))


def _unbiased(means: Tensor, squares: Tensor, triples: Tensor) -> PairMoments:
    """From what pairs ``(R, R)`` and triples ``(R, R, R)`` of replicates say."""
    r = len(means)
    apart = 1 - torch.eye(r, dtype=means.dtype, device=means.device)
    means, squares = means * apart, squares * apart
    pairs, triplets = r * (r - 1), r * (r - 1) * (r - 2)
    total, lines, same = means.sum(), means.sum(1).square().sum(), means.square().sum()
    # all products of two pairs, less those that share one draw (four ways) or both (two ways)
    square = (total.square() - 4 * (lines - same) - 2 * same) / (triplets * (r - 3))
    different = apart[:, :, None] * apart[:, None, :] * apart[None]
    return PairMoments(
        total / pairs,
        (triples * different).sum() / triplets - square,
        squares.sum() / pairs - square,
    )
