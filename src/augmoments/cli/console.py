"""Where text goes: results to standard output, progress and messages to standard error."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text


def results() -> Console:
    """The console of results."""
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = 120
    return console


def messages(quiet: bool = False) -> Console:
    """The console of messages."""
    return Console(stderr=True, quiet=quiet, highlight=False)


class Stages:
    """A bar for every stage that is told of."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, int] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=total)  # type: ignore[assignment]
        self._progress.update(self._tasks[stage], completed=done, total=total)  # type: ignore[arg-type]


@contextmanager
def bars(quiet: bool) -> Iterator[Stages]:
    """Progress bars on standard error, gone when all is done; nothing where it is no terminal."""
    console = messages(quiet)
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    ) as progress:
        yield Stages(progress)


def say(console: Console, message: str) -> None:
    """A message as it is, on one line however long."""
    console.print(Text(message), soft_wrap=True)
