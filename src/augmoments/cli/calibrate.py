"""``augmoments calibrate``."""

from __future__ import annotations

import json as json_format
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from augmoments.cli.console import bars, messages, results, say
from augmoments.cli.failures import Exit
from augmoments.errors import OutputError
from augmoments.testing.calibration import Calibration, Share, calibrate
from augmoments.testing.calibration.run import examined

_SHOWN = 5


def run(
    cases: int,
    seed: int,
    require: float,
    workers: int,
    out: str | None,
    json: bool,
    quiet: bool,
) -> None:
    """Print how often each stated error holds; exit code 1 if it is not often enough."""
    path = None if out is None else _writable(Path(out))
    with bars(quiet) as tell:
        found = calibrate(
            cases,
            seed=seed,
            require=require,
            workers=workers,
            progress=lambda done, total: tell("cases", done, total),
        )
    if path is not None:
        path.write_text(as_json(found.plain()) + "\n", encoding="utf-8")
        say(messages(quiet), f"wrote {path}")
    console = results()
    if json:
        console.out(as_json(summary(found)))
    else:
        console.print(_shown(found))
    if not found.met:
        raise typer.Exit(int(Exit.CHECK_FAILED))


def one(case: int, seed: int, json: bool) -> None:
    """Print one case."""
    record = examined(case, seed)
    console = results()
    if json:
        console.out(as_json(record))
        return
    for name, value in record.items():
        if name != "quantities":
            console.print(Text(f"{name}: {value}"), soft_wrap=True)
    table = _table(("", "stated", "true", "reference", ""))
    for name, verdict in record["quantities"].items():
        numbers = (f"{verdict[key]:.2e}" for key in ("stated", "true", "reference"))
        table.add_row(name, *numbers, verdict["state"])
    console.print(table)


def summary(found: Calibration) -> dict[str, Any]:
    """Shares over all cases and family by family."""
    return {
        "seed": found.seed,
        "cases": len(found.records),
        "refused": len(found.refused),
        "require": found.require,
        "met": found.met,
        "quantities": _plain(found.shares),
        "families": {name: _plain(shares) for name, shares in found.families.items()},
    }


def as_json(found: Any) -> str:
    """JSON without numbers that it does not know."""
    return json_format.dumps(_finite(found), ensure_ascii=False, separators=(",", ":"))


def _plain(shares: Mapping[str, Share]) -> dict[str, Any]:
    return {name: {**vars(share), "share": share.share} for name, share in shares.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _shown(found: Calibration) -> Group:
    table = _table(
        ("stated error of", "cases", "held", "failed", "share", "undecided", "stated/true")
    )
    for name, share in found.shares.items():
        table.add_row(name, *_cells(share))
    families = _table(("failed, by family", *found.shares))
    for name, shares in found.families.items():
        families.add_row(name, *(f"{s.failed}/{s.held + s.failed}" for s in shares.values()))
    parts = [table, Text(), families]
    worst = {name: share.failures[:_SHOWN] for name, share in found.shares.items()}
    lines = [f"  {name}: {', '.join(map(str, cases))}" for name, cases in worst.items() if cases]
    if lines:
        again = f"augmoments calibrate --seed {found.seed} --case K"
        parts += [Text(), Text("\n".join([f"Worst cases ({again} shows one):", *lines]))]
    if found.refused:
        parts.append(Text(f"{len(found.refused)} cases without an answer.", style="dim"))
    return Group(*parts)


def _cells(share: Share) -> list[str]:
    ratio = f"{share.ratio:.1f}" if share.ratio < 1e4 else f"{share.ratio:.0e}"
    counts = (share.cases, share.held, share.failed)
    told = f"{share.share:.1%}" if share.held + share.failed else "-"
    return [*map(str, counts), told, str(share.undecided), ratio]


def _table(columns: tuple[str, ...]) -> Table:
    table = Table(header_style="dim", pad_edge=False, box=None)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    return table


def _writable(path: Path) -> Path:
    """The file, made empty now rather than after minutes of work.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror}; say another --out."
        ) from error
    return path
