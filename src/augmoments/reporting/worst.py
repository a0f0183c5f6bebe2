"""The images that a policy is hardest on."""

from __future__ import annotations

from dataclasses import dataclass

from augmoments.reporting.columns import Rows, rows
from augmoments.reporting.pictures import most
from augmoments.reporting.results import SubjectResult

_COUNT = 6


@dataclass(frozen=True)
class Worst:
    """An image with the numbers that put it here."""

    image: int
    label: str
    numbers: dict[str, float]


def demanding(subject: SubjectResult) -> list[Worst]:
    """Those that need the most draws for their mean."""
    return _first(rows(subject), "draws")


def lossy(subject: SubjectResult) -> list[Worst]:
    """Those of the largest expected loss; none without a model."""
    return _first(rows(subject), "expected_loss") if subject.loss is not None else []


def _first(found: Rows, by: str) -> list[Worst]:
    values = [-1.0 if value is None else value for value in found.numbers[by]]
    return [
        Worst(
            found.images[i],
            found.labels[i] if found.labels is not None else "",
            {name: v for name, column in found.numbers.items() if (v := column[i]) is not None},
        )
        for i in most(values, _COUNT)
        if found.numbers[by][i] is not None
    ]
