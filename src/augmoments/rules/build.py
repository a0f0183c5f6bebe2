"""From an operator and the law of its parameter to a quadratic rule: the choice of a route."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from augmoments.laws import ContinuousLaw, Discrete, Law, Nodes
from augmoments.operators.base import Operator, Pieces, Shape
from augmoments.operators.piecewise import SpatialMean, constant_pieces, expected_warp
from augmoments.operators.warp import Warp
from augmoments.rules.quadratic import QuadraticRule, Route

_cached_expectation = lru_cache(maxsize=32)(expected_warp)
_cached_steps = lru_cache(maxsize=32)(constant_pieces)


def quadratic_rule(operator: Operator, law: Law | None, shape: Shape, n: int) -> QuadraticRule:
    """The rule of ``operator`` under ``law``.

    Routes, the first that applies: *atoms* for finite laws and operators that are piecewise
    constant in their parameter; *expansion* for piecewise linear ones; *Gauss nodes* on each
    piece for piecewise polynomials; else *cubature* with ``n`` nodes, its mean made exact by the
    *piecewise* expectation where the operator is a resampling.
    """
    if law is None:
        return QuadraticRule(operator, torch.zeros(1, 0), torch.ones(1, dtype=torch.float64))
    if isinstance(law, Discrete):
        return _diagonal(operator, law.atoms)
    assert isinstance(law, ContinuousLaw)
    pieces = operator.pieces(*law.support)
    if pieces is None and isinstance(operator, Warp):
        pieces = _cached_steps(operator, law, shape)
    if pieces is not None and pieces.degree == 0:
        return _diagonal(operator, _constants(law, pieces))
    if pieces is not None and pieces.degree == 1:
        return _expansion(operator, law, pieces)
    if pieces is not None:
        return _diagonal(operator, gauss_nodes(law, pieces, 2 * pieces.degree), "gauss")

    def expectation() -> SpatialMean:
        return _cached_expectation(operator, law, shape)

    exact_mean = expectation if isinstance(operator, Warp) else None
    nodes = law.cells(n)
    rule = _diagonal(operator, nodes, "cubature")
    return replace(rule, expectation=exact_mean)


def gauss_nodes(law: ContinuousLaw, pieces: Pieces, degree: int, refine: int = 1) -> Nodes:
    """Nodes that integrate polynomials of ``degree`` on each piece, exactly where the law's
    density is itself a polynomial and to machine precision otherwise.

    Args:
        refine: Cut every piece into as many equal parts.
    """
    edges = _cells(law, pieces)
    if refine > 1:
        steps = np.arange(refine) / refine
        inner = edges[:-1, None] + np.diff(edges)[:, None] * steps
        edges = np.append(inner.ravel(), edges[-1])
    points, weights = law.quadrature(edges[:-1], edges[1:], law.order(degree))
    return Nodes(points.ravel(), weights.ravel())


def _cells(law: ContinuousLaw, pieces: Pieces) -> np.ndarray:
    low, high = law.support
    inner = pieces.edges[(low < pieces.edges) & (pieces.edges < high)]
    return np.union1d(law.knots, inner)


def _constants(law: ContinuousLaw, pieces: Pieces) -> Nodes:
    return Nodes((pieces.edges[:-1] + pieces.edges[1:]) / 2, np.diff(law.cdf(pieces.edges)))


def _expansion(operator: Operator, law: ContinuousLaw, pieces: Pieces) -> QuadraticRule:
    """Linear interpolation between the edges: hat functions, whose Gram matrix is tridiagonal."""
    edges = pieces.edges
    points, weights = gauss_nodes(law, pieces, 2)
    cell = np.clip(np.searchsorted(edges, points, side="right") - 1, 0, len(edges) - 2)
    hats = np.zeros((len(points), len(edges)))
    share = (points - edges[cell]) / (edges[cell + 1] - edges[cell])
    index = np.arange(len(points))
    hats[index, cell], hats[index, cell + 1] = 1 - share, share
    gram = hats.T @ (weights[:, None] * hats)
    mean, gram = _tensor(weights @ hats), _tensor(gram)
    return QuadraticRule(operator, _column(edges), mean, gram, "expansion")


def _diagonal(operator: Operator, nodes: Nodes, route: Route = "atoms") -> QuadraticRule:
    weights = _tensor(nodes.weights)
    return QuadraticRule(operator, _column(nodes.points), weights, route=route)


def _tensor(values: np.ndarray) -> Tensor:
    return torch.as_tensor(np.array(values, dtype=float))


def _column(values: np.ndarray) -> Tensor:
    return _tensor(values)[:, None]
