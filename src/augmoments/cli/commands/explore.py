"""``augmoments explore``: its options."""

from __future__ import annotations

from typing import Annotated

import typer

from augmoments.cli import options
from augmoments.cli.failures import reported


def explore(
    images: Annotated[list[str] | None, options.images("embedded images alone")] = None,
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE.html", help="The page that is written.")
    ] = "explore.html",
    open_: Annotated[
        bool | None,
        typer.Option(
            "--open/--no-open",
            help="Show it in the browser.",
            show_default="--open on a terminal",
        ),
    ] = None,
    limit: options.Limit = 8,
    size: options.Square = None,
    split: options.Split = "train",
    key: options.Key = None,
    label_key: options.LabelKey = None,
    quiet: options.Quiet = False,
) -> None:
    """A page with sliders that computes exact moments in the browser, without a server.

    Give --images several times for several sources; sides have at most 48 pixels (--size).
    """
    given = {**locals()}
    with reported():
        from augmoments.cli.explore import run

        run(given)
