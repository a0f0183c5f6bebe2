"""Make the page "Do the stated errors hold?" from what a calibration left.

augmoments calibrate --cases 1000 --out OUT.json
python docs/calibration.py OUT.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from augmoments.testing.calibration import Calibration, Share

DOCS = Path(__file__).parent
KEPT = DOCS / "_static" / "calibration" / "calibration.json"
"""The cases that the page tells of."""
_DIGITS = 4


def take(out: Path) -> None:
    """Keep the cases of a run, with as many digits as anybody reads."""
    found = json.loads(out.read_text(encoding="utf-8"))
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_short(found), ensure_ascii=False, separators=(",", ":"))
    KEPT.write_text(text.replace('{"case"', '\n{"case"') + "\n", encoding="utf-8")


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _short(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_short(inner) for inner in value]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


def kept() -> Calibration:
    """The calibration that was kept."""
    return Calibration.from_plain(json.loads(KEPT.read_text(encoding="utf-8")))


def page() -> str:
    """The page, from the calibration that was kept."""
    found = kept()
    parts = {
        "{answer}": answer(found),
        "{table}": table(found.shares),
        "{families}": families(found),
        "{failures}": failures(found),
        "{{": "{",
        "}}": "}",
    }
    text = (DOCS / "calibration.head.txt").read_text(encoding="utf-8")
    for mark, part in parts.items():
        text = text.replace(mark, part)
    return text


def answer(found: Calibration) -> str:
    """The result in two sentences."""
    least = min(found.shares.items(), key=lambda item: item[1].share)
    missed = [name for name, share in found.shares.items() if share.share < found.require]
    end = (
        f"Every quantity reaches the {found.require:.0%} that are asked for."
        if found.met
        else f"Below the {found.require:.0%} that are asked for: {', '.join(missed)}."
    )
    return (
        f"{len(found.records):,} cases of seed {found.seed}, {len(found.refused)} of them without "
        f"an answer. The lowest share is that of the {least[0]}, {least[1].share:.1%}. {end}"
    )


def table(shares: Mapping[str, Share]) -> str:
    """A row for each quantity."""
    lines = [
        "| stated error of | cases | held | failed | share held | undecided | stated / true |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, s in shares.items():
        ratio = f"{s.ratio:.1f}" if s.ratio < float("inf") else "∞"
        cells = (name, s.cases, s.held, s.failed, f"{s.share:.1%}", s.undecided, ratio)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def families(found: Calibration) -> str:
    """A row for each family, a column for each quantity."""
    lines = [
        "| family | " + " | ".join(found.shares) + " |",
        "| --- |" + " --- |" * len(found.shares),
    ]
    for name, shares in found.families.items():
        cells = (f"{s.failed} of {s.held + s.failed}" for s in shares.values())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def failures(found: Calibration) -> str:
    """Each case that failed in something."""
    lines = []
    for record in found.records:
        missed = [
            f"{name} {q['true']:.1e} (stated {q['stated']:.1e})"
            for name, q in record["quantities"].items()
            if q["state"] == "failed"
        ]
        if missed:
            shape = " × ".join(map(str, record["shape"]))
            lines.append(
                f"- case {record['case']}, {record['family']}, {record['image']} of {shape}, "
                f"{record['dtype']}, {record['method']}: {', '.join(missed)}"
            )
    return "\n".join(lines) if lines else "None."


if __name__ == "__main__":
    if len(sys.argv) > 1:
        take(Path(sys.argv[1]))
    (DOCS / "calibration.md").write_text(page(), encoding="utf-8")
