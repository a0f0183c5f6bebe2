r"""Passes of test-time augmentation until an averaged prediction is right, or decided."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from augmoments.averaging.classifier import check_classifier
from augmoments.averaging.limit import limit
from augmoments.averaging.outputs import PassLaw, pass_laws
from augmoments.estimate import Method
from augmoments.sample_size.images import over
from augmoments.sample_size.predictions.passes import until_decided, until_error
from augmoments.sample_size.question import Question, check_choice
from augmoments.sample_size.result import SampleSize

Until = Literal["error", "decision"]
_UNTIL = ("error", "decision")


@dataclass(frozen=True)
class PredictionSampleSize(SampleSize):
    """Passes of test-time augmentation that each image needs.

    Attributes:
        until: ``"error"`` or ``"decision"``.
        prediction: Class with the largest average in the limit, ``(N,)``.
        settled: Whether it is ahead by more than the integration error, ``(N,)``; where it is not,
            no number of passes is known to decide, and n is infinite for ``"decision"``.
    """

    until: Until = field(kw_only=True)
    prediction: Tensor = field(kw_only=True)
    settled: Tensor = field(kw_only=True)

    def summary(self) -> str:
        """A sentence or two: median and range of the passes an image."""
        if self.until == "error":
            return super().summary()
        finite = self.n[self.n.isfinite()]
        open_ = len(self.n) - len(finite)
        found = f"prediction decided with {self.confidence:.0%} confidence: "
        if len(finite):
            middle, low, high = (float(v) for v in (finite.median(), finite.min(), finite.max()))
            found += (
                f"{middle:,.0f} passes an image (median of {len(finite)}; {low:,.0f} to "
                f"{high:,.0f}; {self.method})"
            )
        tied = "have no class ahead beyond the integration error, so that no number is known"
        return found + (f"{'; ' if len(finite) else ''}{open_} {tied}" if open_ else "")


class _Answer(NamedTuple):
    places: Tensor
    n: Tensor
    first: Tensor
    error: Tensor
    prediction: Tensor
    settled: Tensor


def prediction(question: Question) -> PredictionSampleSize:
    """See :func:`augmoments.samples_needed`."""
    question.need("prediction", "model")
    check_choice("until", question.until, _UNTIL)
    images, policy = question.images, question.policy
    model, _ = check_classifier(question.model, images, policy, question.average)
    options: Any = {
        "tol": max(question.tol, 1e-2),
        "risk": question.risk if question.until == "decision" else 0.0,
        "seed": question.seed,
        "max_nodes": question.max_nodes,
    }
    answers, methods = [], set[Method]()
    for law in pass_laws(model, images, policy, question.average, **options):
        answers.append(_answer(question, law))
        methods.add(law.method)
    order = torch.cat([answer.places for answer in answers]).argsort()
    _, n, first, error, top, settled = (
        torch.cat(column)[order].to(images.device) for column in zip(*answers, strict=True)
    )
    return PredictionSampleSize(
        n,
        "prediction",
        question.rel_error,
        question.confidence,
        question.bound,
        methods.pop(),
        error,
        first,
        torch.zeros_like(first),
        until=question.until,
        prediction=top,
        settled=settled,
    )


def _answer(question: Question, law: PassLaw) -> _Answer:
    found = limit(law)
    at = found.prediction[:, None]
    own = law.values.gather(2, at.expand(len(law.values), -1, -1))[..., 0].double()
    value, slack = (of.gather(1, at)[:, 0] for of in (law.average, law.error))
    variance = law.variance.gather(1, at)[:, 0]
    first = over(variance, value.square())
    if question.until == "error":
        n = until_error(question, law, own, value, variance)
        n = torch.where(value.abs() > slack, n, torch.inf)
        off = law.spread(lambda part: part.variance).gather(1, at)[:, 0]
        error = 2 * over(slack, value.abs()) + over(off, variance)
    else:
        n, error = until_decided(question, law, found.prediction)
        n = torch.where(found.settled, n, torch.inf)
    error = torch.where(n.isfinite() & (n > 1), error, 0.0)
    return _Answer(law.index, n, first, error, found.prediction, found.settled)
