"""The table of all images as compact data, which a script of the page shows piece by piece."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import isfinite
from statistics import median

from markupsafe import Markup

from augmoments.reporting.columns import TITLES, Rows, rows
from augmoments.reporting.pictures import most
from augmoments.reporting.results import SubjectResult

_MOST_ROWS = 20_000
_DIGITS = 4
_NOTHING = 1e-6


@dataclass(frozen=True)
class Column:
    """A column of numbers with its median and range."""

    title: str
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class PageTable:
    """What the page needs for the table of a subject.

    Attributes:
        data: JSON that cannot end the element it stands in.
        columns: The columns of numbers.
        count: Images that were quantified.
        shown: Those in the table: of too many, the ones that need the most draws.
        labelled: Whether there is a column of labels.
    """

    data: Markup
    columns: list[Column]
    count: int
    shown: int
    labelled: bool

    @classmethod
    def of(cls, subject: SubjectResult) -> PageTable:
        """The table of all images that were quantified."""
        found = rows(subject)
        names = [name for name in TITLES if name in found.numbers]
        draws = [value or 0.0 for value in found.numbers["draws"]]
        keep = sorted(most(draws, _MOST_ROWS))
        data = {
            "images": [found.images[i] for i in keep],
            "labels": found.labels and [found.labels[i] for i in keep],
            "columns": [[_short(_number(found, name, i)) for i in keep] for name in names],
            "thumbnails": list(subject.thumbnails),
        }
        text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        columns = [_column(TITLES[name], found.numbers[name]) for name in names]
        return cls(
            data=Markup(text.replace("<", "\\u003c")),
            columns=columns,
            count=len(found.images),
            shown=len(keep),
            labelled=found.labels is not None,
        )


def _number(found: Rows, name: str, place: int) -> float | None:
    """A number; 0 for a term of the loss that is nothing beside the loss."""
    value = found.numbers[name][place]
    if name not in ("regularizer", "residual") or value is None:
        return value
    return 0.0 if abs(value) < _NOTHING * abs(found.numbers["expected_loss"][place] or 0) else value


def _column(title: str, values: list[float | None]) -> Column:
    known = [value for value in values if value is not None]
    return Column(title, median(known), min(known), max(known))


def _short(value: float | None) -> float | str | None:
    """A few digits; infinite numbers, which JSON has not, as text."""
    if value is None or value != value:
        return None
    if not isfinite(value):
        return "∞"
    rounded = float(f"{value:.{_DIGITS}g}")
    return int(rounded) if rounded.is_integer() else rounded
