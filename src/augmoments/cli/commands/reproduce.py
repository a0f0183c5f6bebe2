"""``augmoments reproduce``: its options."""

from __future__ import annotations

from typing import Annotated

import typer

from augmoments.cli import options
from augmoments.cli.failures import reported


def reproduce(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="expected-images, tangent-directions, convergence, linear-regression, "
            "saliency-alignment, tangent-prop, alignment-over-training, taylor, "
            "policies-compared, or all.",
            show_default="all",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            "-d",
            metavar="DIR",
            help="Folder with mnist/, fashion-mnist/ and cifar10/.",
            show_default="embedded images",
        ),
    ] = None,
    out: options.OutFolder = "augmoments-reproduction",
    quick: Annotated[
        bool, typer.Option("--quick", help="Seconds on small embedded images, not minutes.")
    ] = False,
    seed: options.Seed = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Run again what is there already.")
    ] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """The paper's experiments: for each a figure, the numbers, and what holds of the claim.

    A run that was stopped goes on where it was.
    """
    settings = {"quick": quick, "seed": seed, "force": force, "json": json, "quiet": quiet}
    with reported():
        from augmoments.cli.reproduce import run

        run(names or [], data, out, **settings)
