r"""Copies of all images for the parameters of ridge regression."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from augmoments.calculus.dataset import AugmentedMoments, DatasetMoments
from augmoments.calculus.nodes import QUANTILE
from augmoments.checks import check_images
from augmoments.errors import InputError
from augmoments.estimate import weakest
from augmoments.options import check_penalty
from augmoments.sample_size.images import over
from augmoments.sample_size.parameters.copies import Copies
from augmoments.sample_size.parameters.ridge import NORMS, Ridge, Sums
from augmoments.sample_size.question import Question
from augmoments.sample_size.result import SampleSize

_LEAST_TOL = 5e-2
_SAMPLE = 64
_FLUCTUATIONS = 45


@dataclass(frozen=True, kw_only=True)
class RidgeSampleSize(SampleSize):
    r"""Copies n of every image until ridge regression is as if it had seen all augmentations.

    ``n`` ``(1,)`` is for the weights, :math:`\|W_n - W\|_F / \|W\|_F`; ``parts`` has
    ``"weights"``, ``"predictions"``, the error of predictions on augmented images about their
    mean, :math:`\|W_n - W\|_\Sigma / \|W\|_\Sigma` with the covariance :math:`\Sigma` of augmented
    images and :math:`\|W\|_\Sigma^2 = \mathrm{tr}\,W \Sigma W^\top`, and ``"intercept"``.

    Attributes:
        valid_from: Copies from which on the law, which is first order in 1/n, holds to about 10%.
            It takes a second moment from n copies that is right in most directions: its relative
            fluctuation, mean square over all directions, is :math:`\varphi / n`. Where one of
            weight :math:`1 + \delta` decides alone, the squared error :math:`E[\delta^2 / (1 +
            \delta)^2] \approx E\delta^2 (1 + 9 E\delta^2)` is 20% more than its first order
            at :math:`E\delta^2 = 1 / 45`, so ``valid_from`` is :math:`45 \varphi`; many small
            fluctuations do less. An estimate, from up to 64 of the images; so is the part of
            ``error`` that comes from the moments, where these are not exact.

    Example:
        >>> import augmoments as am
        >>> images, labels = am.data.digits()
        >>> policy = am.RandomTranslation(x=(-1, 1), y=(-1, 1))
        >>> size = am.samples_needed(
        ...     images[:200], policy, of="parameters", targets=labels[:200], rel_error=0.05
        ... )
        >>> print(size.summary())
        parameters to 0.05: copies of every image: 1,107 for the weights, 115 for the predictions...
        >>> round(float(size.parts["predictions"].predicted_error(20)), 2)
        0.12
        >>> size.first_order_ok
        True
    """

    valid_from: int

    @property
    def first_order_ok(self) -> bool:
        """Whether the law holds at ``n``, for the weights."""
        return bool((self.n >= self.valid_from).all())

    def summary(self) -> str:
        """Copies for the weights, the predictions and the intercept."""
        named = [f"{float(part.n):,.0f} for the {name}" for name, part in self.parts.items()]
        least = min(float(part.n) for part in self.parts.values())
        early = f"; below {self.valid_from:,} copies the law may be off by more than 10%"
        return (
            f"{self.of} to {self.rel_error:.3g}: copies of every image: {', '.join(named)} "
            f"({self.method})" + (early if least < self.valid_from else "")
        )


def parameters(question: Question) -> RidgeSampleSize:
    """By first order in 1/n; see :func:`augmoments.samples_needed` for the law."""
    question.need("parameters", "targets")
    alpha, images = check_penalty(question.alpha), question.images
    try:
        check_images(images)
    except InputError as error:
        raise InputError(
            'of="parameters" takes images in [0, 1], whatever value_range is: leave them unscaled '
            "and put Normalize at the end of the policy."
        ) from error
    targets = coded_targets(question.targets, len(images)).to(images.device)
    data = DatasetMoments(
        question.policy, tol=question.tol, seed=question.seed, max_nodes=question.max_nodes
    )
    moments = data.update(images, targets).moments()
    ridge = Ridge.of(moments, alpha)
    copies = Copies(images, targets, question.policy, question.seed, question.max_nodes)
    sums, spread = _refined(copies, ridge, max(question.tol, _LEAST_TOL))
    first = over(sums.variance(), len(images) ** 2 * ridge.scales).cpu()
    few = copies[torch.linspace(0, len(images) - 1, min(_SAMPLE, len(images))).long()]
    error = over(spread, sums.variance()).cpu() + _moments_error(moments, ridge, few)
    error = torch.where(first.isfinite(), error, 0.0)
    fluctuation = few.fluctuation(ridge, 0) * len(few.images) / len(images)
    n = (first / question.rel_error**2).ceil().clamp_min(1)
    method = weakest(moments.method, copies.span(0, 0).method)
    shared: Any = {
        "of": "parameters",
        "rel_error": question.rel_error,
        "confidence": None,
        "bound": None,
        "method": method,
    }
    sizes = [
        SampleSize(n=count, error=off, first=a, second=torch.zeros_like(a), **shared)
        for count, off, a in zip(n.split(1), error.split(1), first.split(1), strict=True)
    ]
    return RidgeSampleSize(
        n=sizes[0].n,
        error=sizes[0].error,
        first=sizes[0].first,
        second=sizes[0].second,
        parts=dict(zip(NORMS, sizes, strict=True)),
        valid_from=max(1, ceil(_FLUCTUATIONS * fluctuation)),
        **shared,
    )


def coded_targets(given: Any, n: int) -> Tensor:
    """Classes ``(n,)`` as 1 for an image's class and 0 else, real targets as ``(n, K)``.

    A list is one of classes.
    """
    from augmoments.linear.inputs import as_targets, encode_labels  # brings scikit-learn

    if isinstance(given, Tensor):
        real = given.is_floating_point() or given.is_complex()
    else:
        real = getattr(given, "dtype", np.dtype(object)).kind in "fc"
    if real:
        return as_targets(given, n).reshape(n, -1)
    classes, index = encode_labels(given, n)
    return one_hot(index, len(classes)).double()


def _refined(copies: Copies, ridge: Ridge, tol: float) -> tuple[Sums, Tensor]:
    """The sums, and the absolute error of their variance by the nodes.

    Nodes are doubled until it is small for weights and predictions; an intercept near zero may be
    far off relative to itself.
    """
    chain: list[Tensor] = []
    while True:
        level = len(chain)
        sums, span = copies.sums(ridge, level), copies.span(0, level)
        chain.append(sums.variance())
        floor = ridge.rounding * chain[-1]
        if span.method == "exact":
            return sums, floor
        if span.replicates > 1:
            error = _jackknife(sums, span.replicates)
        elif len(chain) > 2:
            error = (chain[-1] - chain[-2]).abs() + (chain[-2] - chain[-3]).abs() / 4
        else:
            continue
        small = bool((error <= tol * chain[-1])[:2].all())
        if small or 2 * len(span) > copies.max_nodes:
            return sums, error + floor


def _jackknife(sums: Sums, count: int) -> Tensor:
    parts = torch.stack([sums.without(replicate).variance() for replicate in range(count)])
    return QUANTILE * ((count - 1) / count * (parts - parts.mean(0)).square().sum(0)).sqrt()


def _moments_error(moments: AugmentedMoments, ridge: Ridge, few: Copies) -> float:
    """Relative error bound by that of the moments, from what other estimates of them give."""
    base = few.coefficients(ridge, 0)
    return moments.bound(lambda part: over(few.coefficients(Ridge.of(part, ridge.alpha), 0), base))
