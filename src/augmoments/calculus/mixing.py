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
from augmoments.calculus.blend import Weighted, weighted_factor
from augmoments.calculus.expected_operator import ExpectedOperator
from augmoments.calculus.solution import Errors, Solution, relative_change
from augmoments.calculus.state import FactorState
from augmoments.operators.base import Shape
from augmoments.rules.fields import RandomField

_FIRST_TERMS = 16


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
    kept, taken = torch.cat([1 - share[None], root]), torch.cat([share[None], root])
    gap = before.mean - state.mean
    terms = [Weighted(gap[:, None], root)]
    if state.factor.shape[1]:
        terms += [Weighted(state.factor, kept), Weighted(before.factor, taken)]
    noise = None
    if state.noise is not None and before.noise is not None:
        noise = kept.square().sum(0) * state.noise + taken.square().sum(0) * before.noise
    return replace(
        state,
        mean=state.mean + share * gap,
        factor=weighted_factor(terms),
        loss=state.loss + before.loss,
        noise=noise,
    )


def _outer(labels: Tensor, images: Tensor) -> Tensor:
    """``l x^T`` of each image, ``(N, K, C, H, W)``."""
    return labels[..., None, None, None] * images[:, None]
