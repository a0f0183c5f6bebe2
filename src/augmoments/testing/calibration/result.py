"""What a calibration found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Any

from augmoments.testing.calibration.verdicts import QUANTITIES

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Share:
    """How often a stated error holds.

    Attributes:
        cases: Cases that have the quantity.
        held: Whose true error is below the stated one.
        failed: Whose true error is above it.
        undecided: In which the reference's own error is too large to tell.
        ratio: Median of stated over true error among those decided; infinite where most are right
            to the last digit.
        failures: Numbers of the cases that failed, the worst first.
    """

    cases: int
    held: int
    failed: int
    undecided: int
    ratio: float
    failures: tuple[int, ...]

    @property
    def share(self) -> float:
        """Of those decided, the share that held; 1 if there are none."""
        return self.held / max(self.held + self.failed, 1) if self.failed else 1.0

    @classmethod
    def of(cls, records: Iterable[Record], name: str) -> Share:
        """Of one quantity."""
        rows = [
            (record["case"], record["quantities"][name])
            for record in records
            if record["quantities"].get(name, {"state": "nothing"})["state"] != "nothing"
        ]
        states = [row["state"] for _, row in rows]
        told = [row for _, row in rows if row["state"] != "undecided"]
        ratios = [_ratio(row["stated"], row["true"]) for row in told]
        failed = [(case, row) for case, row in rows if row["state"] == "failed"]
        failed.sort(key=lambda pair: _ratio(pair[1]["stated"], pair[1]["true"]))
        return cls(
            len(rows),
            *(states.count(state) for state in ("held", "failed", "undecided")),
            ratio=median(ratios) if ratios else float("inf"),
            failures=tuple(case for case, _ in failed),
        )


def _ratio(stated: float | None, true: float | None) -> float:
    """Stated over true error; JSON has ``None`` for what is not finite."""
    return stated / true if stated is not None and true else float("inf")


@dataclass(frozen=True)
class Calibration:
    """What a calibration found.

    Attributes:
        seed: Of the run.
        require: Share that was asked for.
        records: What was found in each case, as plain values.
    """

    seed: int
    require: float
    records: tuple[Record, ...]

    @cached_property
    def shares(self) -> dict[str, Share]:
        """Every quantity, over all cases."""
        return {name: Share.of(self.records, name) for name in QUANTITIES}

    @cached_property
    def families(self) -> dict[str, dict[str, Share]]:
        """The same, family by family of policies."""
        names = dict.fromkeys(r["family"] for r in self.records if "family" in r)
        grouped = {n: [r for r in self.records if r.get("family") == n] for n in names}
        return {
            name: {quantity: Share.of(records, quantity) for quantity in QUANTITIES}
            for name, records in sorted(grouped.items())
        }

    @property
    def refused(self) -> tuple[Record, ...]:
        """Cases without an answer, each with the reason."""
        return tuple(record for record in self.records if "refused" in record)

    @property
    def met(self) -> bool:
        """Whether every quantity reaches the share that was asked for."""
        return all(share.share >= self.require for share in self.shares.values())

    def plain(self) -> dict[str, Any]:
        """All of it as plain values for JSON."""
        return {"seed": self.seed, "require": self.require, "records": list(self.records)}

    @classmethod
    def from_plain(cls, found: Mapping[str, Any]) -> Calibration:
        """The inverse of :meth:`plain`."""
        return cls(found["seed"], found["require"], tuple(found["records"]))
