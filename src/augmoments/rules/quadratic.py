r"""The one object from which every second-order answer follows.

A random affine operator :math:`T` is, as far as first and second moments go, a *quadratic rule*:
fixed operators :math:`A_1, \dots, A_K`, a vector :math:`g` and a positive semidefinite matrix
:math:`G` with

.. math:: E[T] = \sum_k g_k A_k, \qquad E[T\,S\,T^\top] = \sum_{kl} G_{kl}\, A_k S A_l^\top .

Atoms and quadrature nodes have :math:`g = w` and :math:`G = \mathrm{diag}(w)`; an expansion
:math:`T = \sum_k \varphi_k(\theta) A_k` has :math:`g = E[\varphi]` and
:math:`G = E[\varphi \varphi^\top]`. Independent steps multiply (:class:`Product`), a random choice
mixes (:class:`Mixture`). The tree is kept as it is: answers walk it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from augmoments.operators.base import Operator, Shape, outer
from augmoments.operators.kronecker import KroneckerSum
from augmoments.operators.piecewise import SpatialMean

_BYTES_AT_ONCE = 2**22  # of columns, which then stay in the cache
OperatorMean = SpatialMean | KroneckerSum
Route = Literal["atoms", "expansion", "gauss", "cubature"]


@dataclass(frozen=True)
class QuadraticRule:
    """A leaf: ``operator`` at the parameters ``points``, with ``weights`` g and ``gram`` G."""

    operator: Operator
    points: Tensor
    """Parameters of the operators A_k, shape (K, P), float64."""
    weights: Tensor
    """The vector g, shape (K,), float64."""
    gram: Tensor | None = None
    """The matrix G, shape (K, K); ``None`` for ``diag(weights)``."""
    route: Route = "atoms"
    """How the rule came about; all but ``"cubature"`` have exact first and second moments."""
    expectation: Callable[[], OperatorMean] | None = None
    """The exact E[M] where a closed form sharpens the mean of the nodes."""
    noise: Tensor | None = None
    """Variance of independent noise that is added to every value, ``(C, H, W)`` or broadcast."""

    @property
    def keeps_noise(self) -> bool:
        """Whether values that are uncorrelated stay so."""
        alone = self.gram is None or self.operator.acts_on == "channels"
        return self.operator.monomial and alone

    @property
    def exact(self) -> bool:
        """Whether first and second moments are exact, to rounding."""
        return self.route != "cubature"

    @property
    def differentiable(self) -> bool:
        """Whether points or weights carry gradients."""
        return self.points.requires_grad or self.weights.requires_grad

    def __len__(self) -> int:
        return len(self.points)

    def columns(self, images: Tensor) -> Tensor:
        """``A_k x`` for all k, shape ``(K, n, C, H, W)`` from ``(n, C, H, W)``."""
        if self.differentiable or images.requires_grad:
            return self.operator(outer(images, len(self)), self.points)
        shape: Shape = tuple(images.shape[1:])  # type: ignore[assignment]
        out = images.new_empty(len(self), len(images), *self.operator.output_shape(shape))
        at_once = max(1, _BYTES_AT_ONCE // images.nbytes)
        for part, points in zip(out.split(at_once), self.points.split(at_once), strict=True):
            part.copy_(self.operator(outer(images, len(points)), points))
        return out

    def linear_columns(self, images: Tensor) -> Tensor:
        """The same without the offsets of the operators."""
        return self.operator.linear(outer(images, len(self)), self.points)

    def mean(self, columns: Tensor) -> Tensor:
        """``sum_k g_k c_k`` from columns ``(K, ...)``."""
        return torch.einsum("k,k...->...", self.weights.to(columns), columns)

    def rooted(self, columns: Tensor) -> Tensor:
        """Columns ``(J, ...)`` with ``sum_j r_j r_j^T = sum_kl G_kl c_k c_l^T``."""
        if self.gram is None:
            return _scale(columns, self.weights.sqrt())
        return torch.einsum("kj,k...->j...", _root(self.gram).to(columns), columns)

    def spread(self, columns: Tensor) -> Tensor:
        """The same for ``G - g g^T``: a root of the covariance of ``sum_k phi_k c_k``."""
        if self.gram is None:
            return self.centred(columns.clone(), self.mean(columns))
        centred = self.gram - torch.outer(self.weights, self.weights)
        return torch.einsum("kj,k...->j...", _root(centred).to(columns), columns)

    def centred(self, columns: Tensor, mean: Tensor) -> Tensor:
        """``sqrt(w_k) (c_k - mean)`` of a rule with a diagonal gram, written over the columns."""
        if columns.requires_grad or mean.requires_grad or self.differentiable:
            return _scale(columns - mean, self.weights.sqrt())
        for column, weight in zip(columns, self.weights.sqrt().tolist(), strict=True):
            column.sub_(mean).mul_(weight)
        return columns


@dataclass(frozen=True)
class Product:
    """Independent random steps, the first one applied first; no factor is the identity."""

    factors: tuple[Rule, ...]


@dataclass(frozen=True)
class Mixture:
    """One of several rules, drawn with the probabilities ``weights``."""

    weights: tuple[float, ...]
    branches: tuple[Rule, ...]


Rule = QuadraticRule | Product | Mixture
IDENTITY = Product(())


def leaves(rule: Rule) -> list[QuadraticRule]:
    """All leaves of a tree of rules, in order."""
    match rule:
        case QuadraticRule():
            return [rule]
        case Product(factors=parts) | Mixture(branches=parts):
            return [leaf for part in parts for leaf in leaves(part)]


def _scale(columns: Tensor, weights: Tensor) -> Tensor:
    return columns * weights.to(columns).reshape(-1, *(1,) * (columns.ndim - 1))


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    keep = values > 1e-15 * values[-1].clamp_min(0)
    return vectors[:, keep] * values[keep].sqrt()
