"""The limit of many passes: the average, its largest class, and how far that is ahead."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from augmoments.averaging.outputs import PassLaw


class Limit(NamedTuple):
    """Of c images; the fields are those of :class:`AveragedPrediction`, in double precision."""

    mean: Tensor
    error: Tensor
    variance: Tensor
    prediction: Tensor
    runner_up: Tensor
    margin: Tensor
    margin_error: Tensor
    settled: Tensor


def limit(law: PassLaw) -> Limit:
    """From the law of one pass."""
    top, second = law.average.topk(2, 1).indices.unbind(1)
    gaps, slack = leads(law, top)
    at = second[:, None]
    return Limit(
        mean=law.average,
        error=law.error,
        variance=law.variance,
        prediction=top,
        runner_up=second,
        margin=gaps.gather(1, at)[:, 0],
        margin_error=slack.gather(1, at)[:, 0],
        settled=(gaps > slack).scatter(1, top[:, None], True).all(1),
    )


def leads(law: PassLaw, top: Tensor) -> tuple[Tensor, Tensor]:
    """How far the average of ``top`` ``(c,)`` is ahead of all, and error bounds, ``(c, K)``."""

    def lead(average: Tensor) -> Tensor:
        return average.gather(1, top[:, None]) - average

    floor = law.floor + law.floor.gather(1, top[:, None])
    return lead(law.average), law.spread(lambda part: lead(part.average)) + floor
