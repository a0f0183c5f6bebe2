r"""How far weights that were found with nodes are from those that minimise the expected loss.

Nodes that are slightly other ones have their minimum elsewhere: to first order by
:math:`\delta\Theta = -H^{-1} g` with their gradient g at the solution and the Hessian H there.
Replicates, or coarser grids, are such nodes. The loss at the solution, by the nodes that it was
fitted to, is too low by :math:`E[g^\top H^{-1} g]` on average, which its error bound has twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from augmoments.calculus.nodes import QUANTILE
from augmoments.linear.newton import Newton, relative_size
from augmoments.linear.softmax import NodeCrossEntropy

_STEP_ERROR = 0.03


class Accuracy(NamedTuple):
    """What nodes say about a solution."""

    loss: float
    """Expected cross-entropy."""
    loss_error: float
    """Absolute error bound of it."""
    weights_error: float
    """Relative error bound of the weights, to first order."""


def accuracy(
    newton: Newton, objective: NodeCrossEntropy, theta: Tensor, coarser: Sequence[NodeCrossEntropy]
) -> Accuracy:
    """Expected loss at ``theta`` and error bounds of it and of the weights.

    Args:
        newton: The minimisation of ``objective``.
        objective: The loss by nodes.
        theta: Weights near its minimum.
        coarser: The loss by grids of half as many nodes, and of a quarter; none where the nodes
            are all there are, or come in replicates.
    """
    loss, gradient = objective.losses(theta)
    value, pooled = float(loss.mean()), gradient.mean(0)
    if objective.rows.replicates > 1:
        pairs = len(loss) * (len(loss) - 1)
        gaps = gradient - pooled
        steps = newton.steps(theta, torch.cat([pooled[None], gaps]), _STEP_ERROR)
        away, *others = (relative_size(step, theta) for step in steps)
        error = QUANTILE * (sum(size**2 for size in others) / pairs) ** 0.5
        optimism = -float((gaps * steps[1:]).sum()) / pairs
        spread = (float((loss - loss.mean()).square().sum()) / pairs) ** 0.5
        return Accuracy(value, QUANTILE * spread + 2 * optimism, away + error)
    found = [other.losses(theta) for other in coarser]
    levels = [pooled, *(slope.mean(0) for _, slope in found)]
    changes = [pooled, *(b - a for a, b in pairwise(levels))]
    away, *others = (
        relative_size(step, theta)
        for step in newton.steps(theta, torch.stack(changes), _STEP_ERROR)
    )
    values = [value, *(float(each.mean()) for each, _ in found)]
    gaps = [abs(b - a) for a, b in pairwise(values)]
    return Accuracy(value, _bound(gaps), away + _bound(others))


def _bound(changes: list[float]) -> float:
    """From the last change of level, and a quarter of the one before; 0 if there is none."""
    return sum(share * change for share, change in zip((1.0, 0.25), changes, strict=False))
