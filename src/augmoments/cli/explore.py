"""``augmoments explore``: from images to a page, and to the browser."""

from __future__ import annotations

import sys
import webbrowser
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from augmoments.cli.console import bars, messages, results, say
from augmoments.cli.reading import read
from augmoments.cli.usage import SPLITS, check_choice, writable
from augmoments.reporting.explorer import explore


@dataclass(frozen=True)
class ExploreOptions:
    """What ``augmoments explore`` is asked; each field is an option of the command."""

    images: list[str] | None
    out: str
    open_: bool | None
    limit: int
    size: int | None
    split: str
    key: str | None
    label_key: str | None
    quiet: bool


def run(given: dict[str, Any]) -> None:
    """Read, write, say where, and open."""
    options = ExploreOptions(**given)
    check_choice(options, "split", SPLITS)
    with writable(options.out):
        with bars(options.quiet) as tell:
            sources = [replace(options, images=source) for source in options.images or ()]
            datasets = [read(source, tell) for source in sources]
        path = explore(Path(options.out), datasets, options.limit)
    stderr = messages(options.quiet)
    for dataset in datasets:
        for skipped in dataset.skipped:
            say(stderr, f"warning: {skipped.path} was skipped: {skipped.reason}")
    say(results(), f"explorer  {path}")
    wanted = sys.stdout.isatty() if options.open_ is None else options.open_
    if wanted and not webbrowser.open(path.resolve().as_uri()):
        say(stderr, f"there is no browser to open: open {path} by hand.")
