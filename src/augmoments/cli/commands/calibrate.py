"""``augmoments calibrate``: its options."""

from __future__ import annotations

from typing import Annotated

import typer

from augmoments.cli import options
from augmoments.cli.failures import reported


def calibrate(
    cases: Annotated[int, typer.Option(min=1, metavar="N", help="Random cases.")] = 1000,
    seed: options.Seed = 0,
    case: Annotated[
        int | None,
        typer.Option(min=0, metavar="K", help="Show case K of the seed alone.", show_default=False),
    ] = None,
    require: Annotated[
        float,
        typer.Option(metavar="X", help="Share of the stated errors that must hold, else exit 1."),
    ] = 0.99,
    workers: Annotated[int, typer.Option(min=1, metavar="N", help="Processes.")] = 1,
    out: Annotated[
        str | None, typer.Option("--out", "-o", metavar="FILE.json", help="Every case.")
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Hold stated errors against the policies' own draws, on random images and policies."""
    with reported():
        from augmoments.cli.calibrate import one, run

        if case is None:
            run(cases, seed, require, workers, out, json, quiet)
        else:
            one(case, seed, json)
