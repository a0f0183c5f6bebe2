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

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.mixing import Mixing
from augmoments.augmentations.mixing_choice import as_mixing
from augmoments.augmentations.sequence import Chain
from augmoments.calculus.blend import Weighted, weighted_factor
from augmoments.calculus.expected_operator import ExpectedOperator, average
from augmoments.calculus.plan import Plan
from augmoments.calculus.solution import Errors, Solution, relative_change
from augmoments.calculus.state import FactorState, propagate
from augmoments.errors import PolicyError
from augmoments.estimate import Method, weakest
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

    def select(self, index: Tensor | slice) -> LabelMoments:
        """Those of some of the images."""
        return LabelMoments(self.mean[index], self.covariance[index], self.cross[index])

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


@dataclass(frozen=True)
class MixedPlan:
    """A policy with one step that mixes the images of a batch."""

    before: Plan
    """What is done to the images one by one, before they are mixed."""
    mixing: Mixing
    after: Plan
    """What is done to them afterwards, affine."""

    @classmethod
    def of(
        cls, policy: Augmentation, shape: Shape, seed: int, max_nodes: int, budget: float
    ) -> MixedPlan | None:
        """Cut ``policy`` where it mixes images, ``None`` if it does not; see :meth:`Plan.of`.

        Raises:
            PolicyError: It mixes twice, or a step after that is not affine.
        """
        parts = policy.parts
        found = [as_mixing(part) for part in parts]
        places = [i for i, mixing in enumerate(found) if mixing is not None]
        if not places:
            return None
        if len(places) > 1:
            raise PolicyError(
                "The policy mixes the images of a batch twice; blends of blends are not "
                "independent, so that their moments are not known: mix once, or choose with "
                "RandomChoice([MixUp(), CutMix()])."
            )
        first, last = Chain(parts[: places[0]]), Chain(parts[places[0] + 1 :])
        middle = first.output_shape(shape)
        before = Plan.of(first, shape, seed, max_nodes, budget)
        after = Plan.of(last, middle, seed, max_nodes, float("inf"))
        if after.head:
            raise PolicyError(
                f"{after.head[-1]} follows a step that mixes the images of a batch, and is not "
                "affine or has too many outcomes: put it before that step."
            )
        mixing = found[places[0]]
        assert mixing is not None
        return cls(before, mixing, after)

    @property
    def method(self) -> Method:
        """How mean and covariance are found."""
        exact = self.mixing.field(self.after.shape, 1).exact
        return weakest(self.before.method, "exact" if exact else "cubature", self.after.method)

    @property
    def mean_method(self) -> Method:
        """How the mean is found."""
        return weakest(self.before.mean_method, self.after.mean_method)

    def solve(self, before: Solution, tol: float) -> Solution:
        """Moments of a whole batch from those of its images before they are mixed."""
        mixed = solve_mixing(before.state, self.mixing, tol / 2, self.after.max_nodes)
        errors = before.errors._replace(spectral=before.errors.covariance) + mixed.errors

        def move(nodes: int) -> FactorState:
            return propagate(self.after.rule(nodes), mixed.state)

        if self.after.exact_tail:
            state = move(1)
            dropped = state.loss - mixed.state.loss
            errors = errors + Errors(torch.zeros_like(dropped), dropped, dropped, dropped)
            return Solution(state, errors, before.nodes + mixed.nodes)
        moved = _refined(move, tol / 2, self.after.max_nodes)
        return Solution(moved.state, errors + moved.errors, before.nodes + moved.nodes)

    def label_moments(self, labels: Tensor, before: Tensor) -> LabelMoments:
        """Moments of the labels, and their cross moments with the images that come out.

        Args:
            labels: Class indices ``(N,)`` or probabilities ``(N, K)``.
            before: Means of the images before they are mixed, ``(N, C, H, W)``.
        """
        tail = average(self.after.rule(self.after.max_nodes), self.after.shape)
        return label_moments(self.mixing, labels, before).through(tail)


def solve_mixing(state: FactorState, mixing: Mixing, tol: float, max_terms: int) -> Solution:
    """Mix a batch, the covariance of the field refined until two changes say that it is known.

    Args:
        state: The images of one whole batch, in order.
        mixing: MixUp, CutMix or a choice of them.
        tol: Relative error asked of the covariances.
        max_terms: Most terms of the field, where it is not exact.
    """
    shape: Shape = tuple(state.mean.shape[1:])  # type: ignore[assignment]
    field = mixing.field(shape, 1)
    if field.exact or len(state.mean) == 1:
        moved, nothing = mix(state, field), torch.zeros_like(state.loss)
        errors = Errors(nothing, moved.loss, moved.loss, moved.loss)
        return Solution(moved, errors, max(1, len(field.root)))
    found = _refined(lambda terms: mix(state, mixing.field(shape, terms)), tol, max_terms)
    return replace(found, errors=found.errors._replace(mean=torch.zeros_like(state.loss)))


def _refined(step: Callable[[int], FactorState], tol: float, most: int) -> Solution:
    """Double the number that ``step`` takes until two changes say that the moments are known."""
    count = _FIRST_TERMS
    now, earlier = step(count), None
    while True:
        count *= 2
        before, now = now, step(count)
        change = relative_change(before, now)
        if earlier is not None:
            pairs = zip(change, earlier, strict=True)
            errors = Errors(*(last + first / 4 for last, first in pairs))
            if float(errors.covariance.max()) <= tol or 2 * count > most:
                lost = Errors(torch.zeros_like(now.loss), now.loss, now.loss, now.loss)
                return Solution(now, errors + lost, count)
        earlier = change


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
