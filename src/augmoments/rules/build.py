"""From an operator and the law of its parameter to a quadratic rule: the choice of a route."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

from augmoments.errors import PolicyError
from augmoments.laws import ContinuousLaw, Discrete, Law, Nodes, Normal, Uniform
from augmoments.laws.joint import JointLaw
from augmoments.laws.sobol import sobol
from augmoments.operators.base import Operator, Pieces, Shape
from augmoments.operators.piecewise import SpatialMean, constant_pieces, expected_warp
from augmoments.operators.remembered import Remembered
from augmoments.operators.warp import Translation, Warp
from augmoments.rules.quadratic import QuadraticRule, Route

MOST_ATOMS = 4096
"""Up to how many operators a rule has one for each outcome of a finite law."""

_ROOM = 1 << 30

_cached_expectation = Remembered(expected_warp, lambda mean: mean.nbytes, _ROOM)
_cached_steps = lru_cache(maxsize=32)(constant_pieces)  # 2,048 numbers at most


def quadratic_rule(
    operator: Operator, law: Law | JointLaw | None, shape: Shape, n: int
) -> QuadraticRule:
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
    if isinstance(law, JointLaw):
        return _joint(operator, law, n)
    assert isinstance(law, ContinuousLaw)

    def expectation() -> SpatialMean:
        return _cached_expectation(operator, law, shape)

    exact_mean = expectation if isinstance(operator, Warp) else None
    if law.differentiable:
        return _differentiable(operator, law, shape, n)
    pieces = _in_sight(operator, operator.pieces(*law.support), shape)
    if pieces is None and isinstance(operator, Warp):
        steps = _cached_steps(operator, law, shape)
        if steps is not None:
            return replace(_diagonal(operator, _constants(law, steps)), expectation=exact_mean)
    if pieces is not None and pieces.degree == 0:
        return _diagonal(operator, _constants(law, pieces))
    if pieces is not None and pieces.degree == 1:
        return _expansion(operator, law, pieces)
    if pieces is not None:
        return _diagonal(operator, gauss_nodes(law, pieces, 2 * pieces.degree), "gauss")
    nodes = law.cells(n)
    rule = _diagonal(operator, nodes, "cubature")
    return replace(rule, expectation=exact_mean)


def _differentiable(operator: Operator, law: ContinuousLaw, shape: Shape, n: int) -> QuadraticRule:
    """The rule of a law whose parameters carry gradients.

    Quadrature points move with the law at fixed weights (see :meth:`Law.attach`); of an operator
    that is piecewise constant the probabilities of the pieces change. Points are used where there
    is an expansion, and the mean is that of the nodes, with their error.

    Raises:
        PolicyError: The operator jumps, at too many places.
    """
    pieces = _in_sight(operator, operator.pieces(*law.support), shape)
    if pieces is None and isinstance(operator, Warp):
        pieces = _cached_steps(operator, law.detached(), shape)
    if pieces is not None and pieces.degree == 0:
        low, high = pieces.edges[:-1], pieces.edges[1:]
        masses = law.attached_mass(low, high)
        kept = masses.detach() > 0
        return QuadraticRule(operator, _column((low + high) / 2)[kept], masses[kept])
    if not operator.smooth:
        raise PolicyError(
            f"{type(operator).__name__} of images of shape {shape} jumps at too many places of "
            f'{law} to have a derivative: use interpolation="bilinear".'
        )
    if pieces is None:
        nodes, route = law.cells(n), "cubature"
    else:
        nodes, route = _smooth_nodes(law, pieces), "gauss"
    points = law.attach(_tensor(nodes.points))[:, None]
    return QuadraticRule(operator, points, _tensor(nodes.weights), route=route)


def _smooth_nodes(law: ContinuousLaw, pieces: Pieces) -> Nodes:
    """Nodes at which a polynomial on each piece is integrated together with its velocity."""
    if isinstance(law, Uniform | Normal):
        return gauss_nodes(law, pieces, 2 * pieces.degree)
    edges = np.union1d(_cells(law, pieces), law.knots)
    points, weights = law.quadrature(edges[:-1], edges[1:], law.order(2 * pieces.degree + 4))
    return Nodes(points.ravel(), weights.ravel())


def _joint(operator: Operator, law: JointLaw, n: int) -> QuadraticRule:
    """One operator for each outcome if they are few, else ``n`` low-discrepancy points."""
    if law.count <= MOST_ATOMS:
        points, weights = law.atoms()
        return QuadraticRule(operator, _tensor(points), _tensor(weights))
    if law.differentiable and not operator.smooth:
        raise PolicyError(
            f"{type(operator).__name__} jumps as its parameters move, so that it has no "
            'derivative: where it reads the nearest pixel, use interpolation="bilinear".'
        )
    power = max(0, n - 1).bit_length()
    u = sobol(law.dimension, power, 0)
    points = law.attach(_tensor(law.ppf(u)))
    weights = torch.full((len(points),), 1 / len(points), dtype=torch.float64)
    return QuadraticRule(operator, points, weights, route="cubature")


def _in_sight(operator: Operator, pieces: Pieces | None, shape: Shape) -> Pieces | None:
    """Leave out the edges of translations that move the whole image away: all there is fill."""
    if pieces is None or not isinstance(operator, Translation):
        return pieces
    edges, size = pieces.edges, shape[2] if operator.axis == "x" else shape[1]
    seen = edges[np.abs(edges) <= size + 1]
    return Pieces(np.unique(np.concatenate([edges[:1], seen, edges[-1:]])), pieces.degree)


def gauss_nodes(law: ContinuousLaw, pieces: Pieces, degree: int, refine: int = 1) -> Nodes:
    """Gauss nodes of the law itself on each piece: exact for polynomials of ``degree``.

    Args:
        law: The law of the parameter.
        pieces: Where the integrand is a polynomial.
        degree: Degree of the polynomials.
        refine: Cut every piece into as many equal parts.
    """
    edges = _cells(law, pieces)
    steps = np.arange(refine) / refine
    inner = edges[:-1, None] + np.diff(edges)[:, None] * steps
    edges = np.append(inner.ravel(), edges[-1])
    order = degree // 2 + 1
    cells = [_gauss_cell(law, low, high, order) for low, high in pairwise(edges)]
    return Nodes(*(np.concatenate(column) for column in zip(*cells, strict=True)))


def _gauss_cell(law: ContinuousLaw, low: float, high: float, order: int) -> Nodes:
    """The ``order`` Gauss nodes of the law restricted to one cell.

    Stieltjes' recurrence for its orthogonal polynomials on a fine quadrature, then the
    eigenvalues of the Jacobi matrix (Golub and Welsch 1969).
    """
    knots = law.knots
    cuts = np.concatenate([[low], knots[(low < knots) & (knots < high)], [high]])
    points, weights = (v.ravel() for v in law.quadrature(cuts[:-1], cuts[1:], law.order(2 * order)))
    mass = weights.sum()
    if mass <= 0:
        return Nodes(np.empty(0), np.empty(0))
    centre, half = (low + high) / 2, (high - low) / 2
    t, share = (points - centre) / half, weights / mass
    diagonal, off = np.zeros(order), np.zeros(order)
    before, now = np.zeros_like(t), np.ones_like(t)
    norm = 1.0
    for k in range(order):
        diagonal[k] = np.sum(share * t * now**2) / norm
        after = (t - diagonal[k]) * now - off[k - 1] * before if k else t - diagonal[k]
        last, norm = norm, np.sum(share * after**2)
        if norm < 1e-26:
            order = k + 1
            break
        off[k] = norm / last
        before, now = now, after
    nodes, vectors = eigh_tridiagonal(diagonal[:order], np.sqrt(off[: order - 1]))
    return Nodes(centre + half * nodes, mass * vectors[0] ** 2)


def _cells(law: ContinuousLaw, pieces: Pieces) -> np.ndarray:
    low, high = law.support
    inner = pieces.edges[(low < pieces.edges) & (pieces.edges < high)]
    return np.concatenate([[low], inner, [high]])


def _constants(law: ContinuousLaw, pieces: Pieces) -> Nodes:
    low, high = pieces.edges[:-1], pieces.edges[1:]
    return Nodes((low + high) / 2, law.mass(low, high))


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
