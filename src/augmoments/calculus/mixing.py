r"""Moments of batches whose images are blended with each other, and of their labels.

With the random field B of :class:`~augmoments.augmentations.mixing.Mixing`, :math:`m = E[B]`, and
independent images x with means :math:`\mu` and covariances V, the blend
:math:`y_n = x_n + B (x_{n-1} - x_n)` has

.. math::
    E[y_n] &= \mu_n + m\,(\mu_{n-1} - \mu_n), \\
    \mathrm{Cov}[y_n] &= E[(1-B)(1-B)^\top] \circ V_n + E[B B^\top] \circ V_{n-1}
        + \mathrm{Cov}[B] \circ \delta_n \delta_n^\top, \quad \delta_n = \mu_{n-1} - \mu_n .
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from augmoments.augmentations.mixing import Mixing
from augmoments.calculus.expected_operator import ExpectedOperator
from augmoments.calculus.solution import Errors, Solution, relative_change
from augmoments.calculus.state import FactorState
from augmoments.checks import check_memory
from augmoments.operators.base import Shape
from augmoments.rules.fields import RandomField

_FIRST_TERMS = 16
_DENSE_FROM = 2  # columns a value


@dataclass(frozen=True)
class LabelMoments:
    r"""Moments of the mixed labels :math:`\ell` of a batch.

    Attributes:
        mean: ``E[l]``, shape ``(N, K)``.
        covariance: ``Cov[l]``, shape ``(N, K, K)``.
        cross: ``E[l y^T]`` with the mixed image y, shape ``(N, K, C, H, W)``.
    """

    mean: Tensor
    covariance: Tensor
    cross: Tensor

    def through(self, operator: ExpectedOperator) -> LabelMoments:
        """The same once y has passed independent affine steps with the average ``operator``."""
        count, classes = self.mean.shape
        moved = operator.linear(self.cross.flatten(0, 1)).unflatten(0, (count, classes))
        if operator.has_offset:
            moved = moved + self.mean[..., None, None, None] * operator.offset.to(moved)
        return replace(self, cross=moved)


def label_moments(mixing: Mixing, labels: Tensor, mean: Tensor) -> LabelMoments:
    """Exact moments of mixed labels, and their cross moments with the mixed images.

    Args:
        mixing: MixUp, CutMix or a choice of them.
        labels: Class indices ``(N,)`` or probabilities ``(N, K)``.
        mean: Means of the images before they are mixed, ``(N, C, H, W)``.

    Raises:
        InputError: Labels of a wrong shape, or class indices without ``num_classes``.
    """
    shape: Shape = tuple(mean.shape[1:])  # type: ignore[assignment]
    soft = mixing.soft_labels(labels, len(mean)).to(mean)
    field, share = mixing.field(shape, 1).mean, mixing.share(shape)
    label_gap, image_gap = soft.roll(1, 0) - soft, mean.roll(1, 0) - mean
    label, image = soft + share.mean * label_gap, mean + field.to(mean) * image_gap
    variance = share.square - share.mean**2
    shared = (share.product - share.mean * field).to(mean)
    return LabelMoments(
        label,
        variance * label_gap[:, :, None] * label_gap[:, None],
        _outer(label, image) + _outer(label_gap, shared * image_gap),
    )


def solve_mixing(state: FactorState, mixing: Mixing, tol: float, max_terms: int) -> Solution:
    """Mix a batch, the covariance of the field refined until two changes say that it is known.

    Args:
        state: The images of one whole batch, in order.
        mixing: MixUp, CutMix or a choice of them.
        tol: Relative error asked of the covariances.
        max_terms: Most terms of the field, where it is not exact.
    """
    shape: Shape = tuple(state.mean.shape[1:])  # type: ignore[assignment]
    terms = _FIRST_TERMS
    field = mixing.field(shape, terms)
    now, earlier = mix(state, field), None
    if field.exact or len(state.mean) == 1:
        return _solution(now, Errors.constant(state.mean, 0.0), len(field.root))
    while True:
        terms *= 2
        before, now = now, mix(state, mixing.field(shape, terms))
        change = relative_change(before, now)._replace(mean=torch.zeros_like(state.loss))
        if earlier is not None:
            errors = Errors(
                *(last + first / 4 for last, first in zip(change, earlier, strict=True))
            )
            if float(errors.covariance.max()) <= tol or 2 * terms > max_terms:
                return _solution(now, errors, terms)
        earlier = change


def _solution(state: FactorState, errors: Errors, terms: int) -> Solution:
    """Errors with what compression has dropped."""
    nothing = torch.zeros_like(state.loss)
    return Solution(state, errors + Errors(nothing, state.loss, state.loss), max(1, terms))


def mix(state: FactorState, field: RandomField) -> FactorState:
    """Blend each image of a batch with the one before it, the first one with the last."""
    count = len(state.mean)
    if count == 1:
        return state
    state = state.compress()
    before = state.select(torch.arange(count, device=state.mean.device).roll(1))
    share, root = field.mean.to(state.mean), field.root.to(state.mean)
    gap = before.mean - state.mean
    noise = None
    if state.noise is not None and before.noise is not None:
        variance = root.square().sum(0)
        own, other = variance + (1 - share).square(), variance + share.square()
        noise = own * state.noise + other * before.noise
    return replace(
        state,
        mean=state.mean + share * gap,
        factor=_factor(((state.factor, 1 - share), (before.factor, share)), gap, root),
        loss=state.loss + before.loss,
        noise=noise,
    )


_Part = tuple[Tensor, Tensor]
"""A factor ``(N, J, C, H, W)`` and the average share ``(H, W)`` of its images in the blend."""


def _factor(parts: tuple[_Part, _Part], gap: Tensor, root: Tensor) -> Tensor:
    """Columns term by term, or roots of dense matrices where these would be too many."""
    count, size = len(gap), gap[0].numel()
    old = sum(factor.shape[1] for factor, _ in parts)
    columns = len(root) + (1 + len(root)) * old
    dense = old > 0 and columns > _DENSE_FROM * size
    needed = gap.element_size() * (count + 3 if dense else 1.5 * count * columns / size) * size**2
    check_memory(needed, "the covariance of mixed images", "smaller images or fewer at a time")
    if dense:
        roots = [
            _root(_covariance([(f[n].flatten(1), s.flatten()) for f, s in parts], g, root))
            for n, g in enumerate(gap)
        ]
        return torch.stack(roots).reshape(count, -1, *gap.shape[1:])
    terms = [root[:, None] * gap[:, None]]
    for factor, share in parts:
        terms += [share * factor, (root[:, None] * factor[:, :, None]).flatten(1, 2)]
    return torch.cat(terms, 1)


def _covariance(parts: list[_Part], gap: Tensor, root: Tensor) -> Tensor:
    """The covariance ``(D, D)`` of one blend."""
    channels = len(gap)
    flat = root.flatten(1)
    field = flat.T @ flat

    def weighted(weights: Tensor, columns: Tensor) -> Tensor:
        planes = (columns.T @ columns).reshape(channels, len(weights), channels, len(weights))
        return (planes * weights[:, None]).flatten(0, 1).flatten(1)

    found = weighted(field, gap.reshape(1, -1))
    for factor, share in parts:
        found = found + weighted(field + torch.outer(share, share), factor)
    return found


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


def _outer(labels: Tensor, images: Tensor) -> Tensor:
    """``l x^T`` of each image, ``(N, K, C, H, W)``."""
    return labels[..., None, None, None] * images[:, None]
