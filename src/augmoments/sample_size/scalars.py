"""Draws for the loss of every image."""

from __future__ import annotations

import torch
from torch import Tensor

from augmoments.calculus.nodes import NodeFamily
from augmoments.errors import InputError
from augmoments.losses.judged import Judged
from augmoments.operators.base import outer
from augmoments.sample_size.bounds import draws_needed
from augmoments.sample_size.images import over
from augmoments.sample_size.question import Question
from augmoments.sample_size.result import SampleSize

_VALUES_AT_ONCE = 2**24


def loss(question: Question) -> SampleSize:
    r"""The error :math:`t = e\,|E\ell|` and the variance of the loss, in one of the bounds."""
    question.need("loss", "model", "loss", "targets")
    images, policy = question.images, question.policy
    judged = Judged.of(question.model, question.loss, images, question.targets, policy)
    tol = max(question.tol, 1e-2)
    found = judged.integrate(images, policy, tol, question.seed, question.max_nodes)
    value, variance = found.value.double(), found.variance.double()
    span = _span(question, judged, value) if question.bound == "bernstein" else None
    first = over(variance, value.square())
    error = 2 * over(found.error.double(), value.abs())
    error += over(found.variance_error.double(), variance)
    allowed = question.rel_error * value.abs()
    return SampleSize(
        draws_needed(question.bound, variance, allowed, question.risk, span),
        "loss",
        question.rel_error,
        question.confidence,
        question.bound,
        found.method,
        error,
        first,
        torch.zeros_like(first),
    )


def _span(question: Question, judged: Judged, value: Tensor) -> Tensor:
    """How far the loss of an augmented image can be from its mean, ``(N,)``."""
    if question.loss_range is None:
        return _enumerated_span(question, judged, value)
    low, high = question.loss_range
    if not bool(((low <= value) & (value <= high)).all()):
        raise InputError(
            f"loss_range={question.loss_range} does not hold all expected losses: they go from "
            f"{float(value.min()):.4g} to {float(value.max()):.4g}."
        )
    return torch.maximum(high - value, value - low)


def _enumerated_span(question: Question, judged: Judged, value: Tensor) -> Tensor:
    images, policy = question.images, question.policy
    family = NodeFamily(policy, tuple(images.shape[1:]), question.seed, question.max_nodes)  # type: ignore[arg-type]
    if family.method != "exact":
        raise InputError(
            'bound="bernstein" needs to know how large the loss can become: give '
            'loss_range=(smallest, largest), or take "chebyshev". (Where the outcomes of a policy '
            "can be enumerated, it is found.)"
        )
    span = torch.zeros_like(value)
    each = max(1, _VALUES_AT_ONCE // images.numel())
    with torch.no_grad():
        for theta in family.nodes(0).theta.split(each):
            moved = policy.apply(outer(images, len(theta)), theta).flatten(0, 1)
            targets = judged.targets.repeat(len(theta), *[1] * (judged.targets.ndim - 1))
            losses = judged.loss.per_sample(judged.model(moved), targets).double()
            gaps = (losses.unflatten(0, (len(theta), len(images))) - value).abs()
            span = torch.maximum(span, gaps.amax(0))
    return span
