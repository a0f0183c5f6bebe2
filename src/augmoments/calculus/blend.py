r"""Covariances weighted pixel by pixel, as blends with random fields of weights leave them.

A random diagonal operator takes the covariance :math:`F F^\top` to its elementwise product with
:math:`W W^\top`, the second moment of the weights. Column by column that takes as many columns as
F and W have together, multiplied; where these are too many, the matrix is formed and its root
taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from augmoments.checks import check_memory
from augmoments.operators.fields import FieldExpansion
from augmoments.rules import QuadraticRule

_DENSE_FROM = 2  # columns a value


class Weighted(NamedTuple):
    r"""One summand of a covariance, :math:`W W^\top \circ F F^\top`."""

    factor: Tensor
    """The columns F, ``(N, J, C, H, W)``."""
    weights: Tensor
    """The columns W, alike on every channel and for all images, ``(K, H, W)``."""

    @property
    def columns(self) -> int:
        """How many columns the product has if it is taken column by column."""
        return self.factor.shape[1] * len(self.weights)


def weighted_factor(terms: Sequence[Weighted]) -> Tensor:
    """Columns ``(N, R, C, H, W)`` of the sum of ``terms``.

    Raises:
        NotEnoughMemoryError: They do not fit.
    """
    shape, count = terms[0].factor.shape[2:], len(terms[0].factor)
    size, columns = shape.numel(), sum(term.columns for term in terms)
    dense = any(len(t.weights) > 1 and t.factor.shape[1] > 1 for t in terms)
    dense = dense and columns > _DENSE_FROM * size
    values = (count + 3) * size**2 if dense else 2 * count * columns * size
    needed = values * terms[0].factor.element_size()
    check_memory(needed, "the covariance of blended images", "smaller or fewer images")
    if not dense:
        parts = [(t.weights[:, None] * t.factor[:, :, None]).flatten(1, 2) for t in terms]
        return torch.cat(parts, 1)
    return torch.stack([_root(_sum(terms, n)) for n in range(count)]).reshape(count, -1, *shape)


def _sum(terms: Sequence[Weighted], n: int) -> Tensor:
    """The covariance ``(D, D)`` of image ``n``."""
    total: Tensor | None = None
    for factor, weights in terms:
        columns, fields = factor[n].flatten(1), weights.flatten(1)
        channels, pixels = factor.shape[2], fields.shape[1]
        planes = (columns.T @ columns).reshape(channels, pixels, channels, pixels)
        part = planes * (fields.T @ fields)[:, None]
        total = part if total is None else total + part
    assert total is not None
    return total.flatten(0, 1).flatten(1)


def _root(matrix: Tensor) -> Tensor:
    """Rows R with ``R^T R = matrix``, positive semidefinite; gradients are those of the matrix.

    Where it is singular the root is fixed and its change to first order is added, which is zero.
    """
    lower, failed = torch.linalg.cholesky_ex(matrix.double())
    if not failed:
        return lower.T.to(matrix.dtype)
    with torch.no_grad():
        values, vectors = torch.linalg.eigh(matrix.double())
        values = values.clamp_min(0)
        some = values > 1e-12 * values[-1]
        root, inverse = values.sqrt(), torch.where(some, values, torch.inf).rsqrt()
        kept = vectors[:, some]
        left = torch.eye(len(matrix)).to(kept) - kept @ kept.T / 2
    fixed = (vectors * root).T
    change = (matrix - matrix.detach()).double()
    return (fixed + (vectors * inverse).T @ change @ left).to(matrix.dtype)


def most_columns(rule: QuadraticRule, columns: int, size: int) -> int:
    """How many columns of ``size`` values a step needs at most, given ``columns`` before it."""
    found = len(rule) * (min(columns, size) + 1)
    return min(found, (_DENSE_FROM + 4) * size) if blends(rule) else found


def blends(rule: QuadraticRule) -> bool:
    """Whether a step blends with a random field."""
    return isinstance(rule.operator, FieldExpansion)
