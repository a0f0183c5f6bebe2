"""What a policy is made of, how its moments are found and what each step brings, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby


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
        body = [
            (*(row.step, row.parameter, row.law, row.route), "yes" if row.exact else "no", row.why)
            + (_numbers(row) if first else ("", "", ""))
            for row, first in self.numbered
        ]
        widths = [max(len(line[i]) for line in (head, *body)) for i in range(len(head))]
        lines = [
            "  ".join([*map(str.ljust, line[:6], widths), *map(str.rjust, line[6:], widths[6:])])
            for line in (head, tuple("-" * w for w in widths), *body)
        ]
        return "\n".join([*(line.rstrip() for line in lines), self.note])

    @property
    def numbered(self) -> tuple[tuple[Row, bool], ...]:
        """The rows, each with whether it is the first one of its step."""
        steps = [list(rows) for _, rows in groupby(self.rows, lambda row: row.position)]
        return tuple((row, row is rows[0]) for rows in steps for row in rows)

    @property
    def note(self) -> str:
        """What the numbers are, in a sentence."""
        return (
            "alone, beyond: share of the variance where only this step is random, and that goes "
            f"with it ({self.images}; to ± {self.error:.1%})"
        )


def percent(share: float | None) -> str:
    """A share in percent; a dash where there is none."""
    if share is None:
        return "-"
    return f"{share:.1%}" if abs(share) < 0.0995 else f"{share:.0%}"


def _numbers(row: Row) -> tuple[str, str, str]:
    evaluations = "-" if row.evaluations is None else f"{row.evaluations:,}"
    return percent(row.alone), percent(row.beyond), evaluations
