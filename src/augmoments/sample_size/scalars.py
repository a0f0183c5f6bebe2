"""Draws for the loss of every image."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from numbers import Real

import torch
from torch import Tensor

from augmoments.calculus.integrate import integrate
from augmoments.calculus.nodes import NodeFamily
from augmoments.errors import InputError, ModelError
from augmoments.estimate import Estimate, rounding
from augmoments.losses.judged import Judged
from augmoments.operators.base import outer
from augmoments.sample_size.bounds import draws_needed, normal_from
from augmoments.sample_size.images import over
from augmoments.sample_size.question import Question
from augmoments.sample_size.result import SampleSize

_IMAGES_AT_ONCE = 256
_VALUES_AT_ONCE = 2**24


@dataclass(frozen=True)
class LossSampleSize(SampleSize):
    """Draws for the loss of every image, and whether their confidence can be relied on.

    Attributes:
        reliable: Always for ``"chebyshev"`` and ``"bernstein"``; for ``"clt"`` where n draws are
            enough for their average to be normal, or for Chebyshev's inequality, ``(N,)``.
        skewness: Of the loss of one draw, ``(N,)``, for ``"clt"``; else ``None``.
    """

    reliable: Tensor = field(kw_only=True)
    skewness: Tensor | None = field(kw_only=True)

    def summary(self) -> str:
        """One sentence, and another one where a confidence cannot be relied on."""
        doubtful = int((~self.reliable).sum())
        if not doubtful:
            return super().summary()
        return (
            f"{super().summary()}. For {doubtful} of {len(self.n)} images the average of so few "
            'draws is not normal yet: take bound="chebyshev", or "bernstein".'
        )


def loss(question: Question) -> LossSampleSize:
    r"""The error :math:`t = e\,|E\ell|` and the variance of the loss, in one of the bounds."""
    question.need("loss", "model", "loss", "targets")
    images, policy, bound = question.images, question.policy, question.bound
    judged = Judged.of(question.model, question.loss, images, question.targets, policy)
    tol = max(question.tol, 1e-2)
    found = judged.integrate(images, policy, tol, question.seed, question.max_nodes)
    value, variance = found.value.double(), found.variance.double()
    _check_finite(value, variance)
    span = _span(question, judged, found) if bound == "bernstein" else None
    skewness = _skewness(question, judged, value, variance) if bound == "clt" else None
    allowed = question.rel_error * value.abs()
    n = draws_needed(bound, variance, allowed, question.risk, span)
    error = 2 * over(found.error.double(), value.abs())
    error += over(found.variance_error.double(), variance)
    if span is not None and question.loss_range is not None:
        error += over(found.error.double(), span)
    return LossSampleSize(
        n,
        "loss",
        question.rel_error,
        question.confidence,
        bound,
        found.method,
        error,
        first=over(variance, value.square()),
        second=torch.zeros_like(value),
        reliable=_reliable(n, variance, allowed, question.risk, skewness),
        skewness=skewness,
    )


def _check_finite(value: Tensor, variance: Tensor) -> None:
    wrong = (~(value.isfinite() & variance.isfinite())).nonzero().flatten()
    if len(wrong):
        raise ModelError(
            f"The loss of {len(wrong)} of {len(value)} images is not finite over the augmentation, "
            f"the first is image {int(wrong[0])}: no number of draws finds it."
        )


def _skewness(question: Question, judged: Judged, value: Tensor, variance: Tensor) -> Tensor:
    """Of the loss of one draw, ``(N,)``, to a tenth; 0 where it varies by rounding alone."""
    noise = rounding(question.images.dtype) * value.abs()
    scale = torch.where(variance > noise.square(), variance, 0.0).sqrt()

    def cubed(x: Tensor, index: Tensor) -> Tensor:
        where = index.to(x.device)
        gap = judged.loss.per_sample(judged.model(x), judged.targets[where]).double() - value[where]
        return torch.where(scale[where] > 0, gap / scale[where], 0.0) ** 3

    return integrate(
        cubed, question.images, question.policy, 0.1, question.seed, question.max_nodes
    ).value


def _reliable(
    n: Tensor, variance: Tensor, allowed: Tensor, risk: float, skewness: Tensor | None
) -> Tensor:
    if skewness is None:
        return torch.ones_like(n, dtype=torch.bool)
    return (n >= normal_from(skewness, risk)) | (
        n >= draws_needed("chebyshev", variance, allowed, risk)
    )


def _span(question: Question, judged: Judged, found: Estimate) -> Tensor:
    """How far the loss of an augmented image can be from its mean, ``(N,)``."""
    value = found.value.double()
    if question.loss_range is None:
        return _enumerated_span(question, judged, value)
    low, high = _checked_range(question.loss_range)
    slack = found.error + 1e-6 * value.abs()
    if not bool(((low <= value + slack) & (value - slack <= high)).all()):
        raise InputError(
            f"loss_range={question.loss_range} does not hold all expected losses: they go from "
            f"{float(value.min()):.4g} to {float(value.max()):.4g}."
        )
    span = torch.maximum(high - value, value - low)
    most = (high - value + slack) * (value - low + slack)
    if bool((found.variance - found.variance_error > most * (1 + 1e-6)).any()):
        raise InputError(
            f"loss_range={question.loss_range} does not hold all losses: some vary more than "
            "values between these can. Give a wider range."
        )
    return span


def _checked_range(given: object) -> tuple[float, float]:
    match given:
        case (Real() as low, Real() as high) if isfinite(low) and isfinite(high):
            return float(low), float(high)
    raise InputError(f"loss_range must be two finite numbers, got {given!r}.")


def _enumerated_span(question: Question, judged: Judged, value: Tensor) -> Tensor:
    images, policy = question.images, question.policy
    family = NodeFamily(policy, tuple(images.shape[1:]), question.seed, question.max_nodes)  # type: ignore[arg-type]
    if family.method != "exact":
        raise InputError(
            'bound="bernstein" needs to know how large the loss can become: give '
            'loss_range=(smallest, largest), or take "chebyshev". (Where the outcomes of a policy '
            "can be enumerated, it is found.)"
        )
    nodes = family.nodes(0)
    atoms = nodes.theta[nodes.weights > 0]
    span = torch.zeros_like(value)
    for index in torch.arange(len(images)).split(_IMAGES_AT_ONCE):
        some, targets = images[index], judged.targets[index]
        for theta in atoms.split(max(1, _VALUES_AT_ONCE // some.numel())):
            moved = policy.apply(outer(some, len(theta)), theta).flatten(0, 1)
            repeated = targets.repeat(len(theta), *[1] * (targets.ndim - 1))
            losses = judged.loss.per_sample(judged.model(moved), repeated).double()
            gaps = (losses.unflatten(0, (len(theta), len(some))) - value[index]).abs()
            span[index] = torch.maximum(span[index], gaps.amax(0))
    return span
