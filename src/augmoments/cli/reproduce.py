"""``augmoments reproduce``."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from augmoments.cli.console import bars, messages, results, say
from augmoments.cli.failures import Exit
from augmoments.reporting import prepare_folder
from augmoments.reporting.environment import versions
from augmoments.reproduce import NAMES, named
from augmoments.reproduce.context import Context
from augmoments.reproduce.runner import Outcome
from augmoments.reproduce.runner import run as run_one
from augmoments.reproduce.sources import missing
from augmoments.reproduce.writing import to_json, write_page


def run(
    names: list[str],
    data: str | None,
    out: str,
    *,
    quick: bool,
    seed: int,
    force: bool,
    json: bool,
    quiet: bool,
) -> None:
    """Run experiments, join what they found to a page, and print the findings."""
    chosen = named(names)
    context = Context(None if data is None else Path(data), quick, seed)
    absent = () if context.data is None else missing(context.data)
    folder = prepare_folder(out)
    console = messages(quiet)
    if absent:
        say(console, f"warning: {data} has no {', '.join(absent)}: left out.")
    if context.data is not None and quick:
        say(console, "warning: --quick takes embedded images; --data is not used.")
    outcomes = []
    try:
        for place, name in enumerate(chosen, 1):
            with bars(quiet) as tell:
                tell(name, 0, 1)
                outcomes.append(run_one(name, replace(context, tell=tell), folder, force))
            say(console, f"[{place}/{len(chosen)}] {name}: {_state(outcomes[-1])}")
    finally:
        write_page(folder, NAMES)
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    if json:
        results().out(to_json(_plain(outcomes)))
    else:
        _show(outcomes, folder)
    if failed:
        raise typer.Exit(int(Exit.CHECK_FAILED))


def _state(outcome: Outcome) -> str:
    if outcome.record is None:
        return f"failed: {outcome.error} (AUGMOMENTS_DEBUG=1 shows where)"
    if outcome.state == "kept":
        return "there already, with the same data and settings (--force runs it again)"
    return f"{outcome.record['seconds']:,.0f} s"


def _show(outcomes: list[Outcome], folder: Path) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("experiment", no_wrap=True)
    table.add_column("finding")
    table.add_column("folder", overflow="fold")
    for outcome in outcomes:
        if outcome.record is None:
            told = Text(f"failed: {outcome.error}", style="red")
        else:
            told = Text(first_sentence(outcome.record["measured"]))
        table.add_row(Text(outcome.name), told, Text(str(outcome.folder)))
    console = results()
    console.print(table)
    say(console, f"all of it: {folder / 'README.md'}")


def first_sentence(markdown: str) -> str:
    """The first sentence, without marks of emphasis.

    >>> first_sentence("At **1%** it takes 2.5 draws, i.e. more. That is all.")
    'At 1% it takes 2.5 draws, i.e. more.'
    """
    plain = re.sub(r"[*`]", "", " ".join(markdown.split()))
    return re.split(r"(?<=[.!?])\s+(?=[A-Z])", plain, maxsplit=1)[0]


def _plain(outcomes: list[Outcome]) -> dict[str, Any]:
    return {
        "experiments": [
            {"state": outcome.state, "folder": str(outcome.folder), **outcome.record}
            for outcome in outcomes
            if outcome.record is not None
        ],
        "failed": {outcome.name: outcome.error for outcome in outcomes if outcome.error},
        "versions": versions(),
    }
