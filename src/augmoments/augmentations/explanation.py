"""What a policy is made of and how its moments are found, as a table."""

from __future__ import annotations

from dataclasses import dataclass


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
    """``"atoms"``, ``"expansion"``, ``"gauss"``, ``"cubature"`` or ``"joint nodes"``."""
    exact: bool
    """Whether mean and covariance are exact."""
    why: str
    """The reason, in a few words."""


@dataclass(frozen=True)
class Explanation:
    """The rows of a policy in the order in which its steps act; ``str()`` lays them out."""

    rows: tuple[Row, ...]

    def __str__(self) -> str:
        head = ("step", "parameter", "law", "route", "exact", "why")
        body = [
            (r.step, r.parameter, r.law, r.route, "yes" if r.exact else "no", r.why)
            for r in self.rows
        ]
        widths = [max(len(line[i]) for line in (head, *body)) for i in range(len(head))]
        lines = [
            "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True))
            for line in (head, tuple("-" * w for w in widths), *body)
        ]
        return "\n".join(line.rstrip() for line in lines)
