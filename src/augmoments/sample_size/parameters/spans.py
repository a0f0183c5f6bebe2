r"""Nodes of a policy whose images are combinations of fewer images.

Where the action is linear in a parameter between known edges, an image at any node is
:math:`T(x) = \sum_k h_k A_k x` with hat functions h and the images :math:`A_k x` at the edges. What
is asked of the nodes then follows from products of those fewer images.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import numpy as np
import torch
from scipy.interpolate import BSpline
from torch import Tensor

from augmoments.augmentations.parameters import Parameter, independent
from augmoments.calculus.nodes import NodeFamily
from augmoments.estimate import Method
from augmoments.laws import ContinuousLaw
from augmoments.laws.joint import JointAtoms
from augmoments.rules import gauss_nodes

_FOURTH = 4  # degree of the products of images that are integrated


@dataclass(frozen=True)
class Span:
    """Nodes with weights, and the draws whose images they are combinations of."""

    points: Tensor
    """Draws ``(B, P)``, float64."""
    weights: Tensor
    """``(n,)``, float64, sums to 1."""
    hats: Tensor | None
    """``(n, B)``; ``None`` where the nodes are the draws themselves."""
    method: Method
    replicates: int = 1

    @classmethod
    def of(cls, family: NodeFamily, level: int) -> Span:
        """The nodes of ``family`` at ``level``."""
        if family.method == "cubature" and family.polynomial:
            return _combined(family)
        nodes = family.nodes(level)
        return cls(nodes.theta.detach(), nodes.weights, None, nodes.method, nodes.replicates)

    def __len__(self) -> int:
        return len(self.weights)

    def weighted(self, a: Tensor) -> Tensor:
        """``E[h h^T] a`` for rows ``(N, B, J)`` that are combined with the hat functions h."""
        if self.hats is None:
            return self.weights.to(a)[:, None] * a
        gram = self.hats.T @ (self.weights[:, None] * self.hats)
        return gram.to(a) @ a

    def products(self, a: Tensor, b: Tensor) -> Tensor:
        """Inner products at the nodes, ``(N, n)``, of rows ``(N, B, ...)`` that are combined."""
        if self.hats is None:
            return (a * b).sum(2)
        hats = self.hats.to(a)
        return ((hats @ (a @ b.mT)) * hats).sum(2)

    def averages(self, a: Tensor, b: Tensor) -> Tensor:
        """``E[a b^T]`` by every replicate, ``(N, R, J, L)``, of ``(N, B, J)`` and ``(N, B, L)``."""
        blocks = self.replicates
        rows, others = (v.unflatten(1, (blocks, -1)) for v in (self.weighted(a), b))
        return blocks * (rows.mT @ others)

    def means(self, values: Tensor) -> Tensor:
        """Means ``(..., R)`` over the nodes of every replicate, of ``(..., n)``."""
        blocks = self.replicates
        return (blocks * self.weights.to(values) * values).unflatten(-1, (blocks, -1)).sum(-1)


class _Axis(NamedTuple):
    """Nodes of one parameter as combinations of its outcomes ``points``."""

    points: np.ndarray
    weights: np.ndarray
    hats: np.ndarray


def _combined(family: NodeFamily) -> Span:
    axes = [_axis(parameter) for parameter in family.parameters]
    points = independent([JointAtoms(a.points, np.ones(len(a.points))) for a in axes]).points
    weights = reduce(np.kron, [axis.weights for axis in axes])
    hats = reduce(np.kron, [axis.hats for axis in axes])
    points, weights, hats = (torch.from_numpy(v) for v in (points, weights, hats))
    return Span(points, weights, hats, "exact")


def _axis(parameter: Parameter) -> _Axis:
    law, pieces = parameter.law, parameter.pieces
    if not isinstance(law, ContinuousLaw):
        points, weights = parameter.atoms()
        return _Axis(points, weights, np.eye(len(points)))
    assert pieces is not None
    points, weights = gauss_nodes(law, pieces, _FOURTH * pieces.degree)
    if pieces.degree != 1:
        return _Axis(points[:, None], weights, np.eye(len(points)))
    edges = np.unique(np.concatenate([law.support, pieces.edges.clip(*law.support)]))
    knots = np.concatenate([edges[:1], edges, edges[-1:]])
    return _Axis(edges[:, None], weights, BSpline.design_matrix(points, knots, 1).toarray())
