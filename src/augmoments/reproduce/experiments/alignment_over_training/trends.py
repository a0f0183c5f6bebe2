"""Curves of trainings over seeds, and whether what differs between them is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from math import log, sqrt
from statistics import fmean, stdev
from typing import Any, NamedTuple

from scipy.stats import t as student

LEVEL = 0.05
"""Of the two-sided test."""
LOGARITHMIC = ("gain", "pooled_gain", "loss", "linearized_variance")
"""What is compared by quotients, so that means are geometric."""


class Run(NamedTuple):
    """A training: a value before it and after each epoch, of each quantity, and its outcome."""

    curves: dict[str, list[float]]
    accuracy: float


class Trend(NamedTuple):
    """A mean over seeds.

    Attributes:
        mean: The mean.
        error: Its standard error.
        sign: -1 or 1 where the mean differs from 0 at the 5 % level of Student's two-sided test,
            0 where it does not.
    """

    mean: float
    error: float
    sign: int


def trend(differences: Sequence[float]) -> Trend:
    """Mean of paired differences, one for each seed, two at least.

    >>> trend([1.0, 1.2, 0.8])
    Trend(mean=1.0, error=0.115..., sign=1)
    >>> trend([1.0, -1.2, 0.8]).sign
    0
    """
    mean, error = fmean(differences), stdev(differences) / sqrt(len(differences))
    sure = abs(mean) > error * float(student.isf(LEVEL / 2, len(differences) - 1))
    return Trend(mean, error, ((mean > 0) - (mean < 0)) if sure else 0)


def compared(plain: list[Run], augmented: list[Run], turning: str) -> dict[str, Any]:
    """Two ways of training with the same seeds, one run for each seed.

    Args:
        plain: Runs of the one.
        augmented: Runs of the other.
        turning: The quantity whose mean curve says which epoch was the turn: where it is largest.

    Returns:
        ``"accuracy"``; ``"curves"``, mean and standard error over the seeds; ``"turn"``, the epoch;
        ``"over_training"`` and ``"from_turn"``, the last value against the first and against that
        at the turn; ``"effect"``, the last value of ``augmented`` against that of ``plain``.
        Differences of logarithms where a quantity is compared by quotients.
    """
    both = {"plain": plain, "augmented": augmented}
    names = list(plain[0].curves)
    curves = {
        key: {name: _curve([run.curves[name] for run in runs]) for name in names}
        for key, runs in both.items()
    }
    means = {key: curves[key][turning]["mean"] for key in both}
    turns = {key: mean.index(max(mean)) for key, mean in means.items()}
    return {
        "accuracy": {key: fmean(run.accuracy for run in runs) for key, runs in both.items()},
        "curves": curves,
        "turn": turns,
        "over_training": {
            key: {name: _against(name, runs, -1, runs, 0) for name in names}
            for key, runs in both.items()
        },
        "from_turn": {
            key: {name: _against(name, runs, -1, runs, turns[key]) for name in names}
            for key, runs in both.items()
        },
        "effect": {name: _against(name, augmented, -1, plain, -1) for name in names},
    }


def _curve(values: list[list[float]]) -> dict[str, list[float]]:
    found = [trend(step) for step in zip(*values, strict=True)]
    return {"mean": [one.mean for one in found], "error": [one.error for one in found]}


def _against(
    name: str, runs: list[Run], after: int, others: list[Run], before: int
) -> dict[str, Any]:
    """Values of ``runs`` at one epoch against those of ``others`` at one."""
    last, first = (
        [log(value) if name in LOGARITHMIC else value for value in values]
        for values in (
            [run.curves[name][after] for run in runs],
            [run.curves[name][before] for run in others],
        )
    )
    return trend([a - b for a, b in zip(last, first, strict=True)])._asdict()
