"""What a policy is made of, how its moments are found and what each step brings, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from augmoments import fragments


@dataclass(frozen=True)
class Row:
    """One random number of a policy (or a step without any)."""

    step: str
    """The augmentation."""
    parameter: str
    """What is random in it."""
    law: str
    """How it is drawn."""
    route: str
    """``"atoms"``, ``"expansion"``, ``"gauss"``, ``"cubature"``, ``"monte-carlo"`` or
    ``"joint nodes"``."""
    exact: bool
    """Whether mean and covariance are exact."""
    why: str
    """The reason, in a few words."""
    position: int = 0
    """Which step of the policy the row belongs to; what follows is about that step as a whole."""
    alone: float | None = None
    """Share of the variance where no other step is random; ``None`` if that policy is none."""
    beyond: float | None = None
    """Share of the variance that goes with the step; ``None`` if the others do not work alone."""
    evaluations: int | None = None
    """How often an image goes through the step."""


@dataclass(frozen=True)
class Explanation:
    """The rows of a policy in the order in which its steps act; ``str()`` lays them out."""

    rows: tuple[Row, ...]
    images: str = ""
    """What the shares and evaluations are about."""
    error: float = 0.0
    """Largest error bound of the shares."""

    def __str__(self) -> str:
        head = ("step", "parameter", "law", "route", "exact", "why", "alone", "beyond", "evals")
        widths = [max(len(line[i]) for line in (head, *self.cells)) for i in range(len(head))]
        lines = [
            "  ".join([*map(str.ljust, line[:6], widths), *map(str.rjust, line[6:], widths[6:])])
            for line in (head, tuple("-" * w for w in widths), *self.cells)
        ]
        return "\n".join([*(line.rstrip() for line in lines), *self.note.splitlines()])

    def _repr_html_(self) -> str:
        head = ("step", "parameter", "law", "route", "exact", "why", "alone", "beyond", "evals")
        return fragments.table("", head, self.cells, self.note.replace("\n", " "))

    @property
    def cells(self) -> tuple[tuple[str, ...], ...]:
        """The rows as text; what is about a step stands in the first row of the step."""
        found = []
        for _, rows in groupby(self.rows, lambda row: row.position):
            for place, row in enumerate(rows):
                exact = "yes" if row.exact else "no"
                texts = (row.step, row.parameter, row.law, row.route, exact, row.why)
                found.append((*texts, *(_numbers(row) if place == 0 else ("", "", ""))))
        return tuple(found)

    @property
    def note(self) -> str:
        """What the numbers are about."""
        return (
            "alone: share of the variance where only this step is random; beyond: share that goes "
            f"with the step\nwithin ±{_percent(self.error)}, for {self.images}; "
            "evals: fewest evaluations of an image"
        )


def _numbers(row: Row) -> tuple[str, str, str]:
    evaluations = "-" if row.evaluations is None else f"{row.evaluations:,}"
    return _percent(row.alone), _percent(row.beyond), evaluations


def _percent(share: float | None) -> str:
    if share is None:
        return "-"
    return f"{share:.1%}" if 0 < abs(share) < 0.0995 else f"{share:.0%}"
