"""``augmoments explain``: its options."""

from __future__ import annotations

from typing import Annotated

import typer

from augmoments.cli import options
from augmoments.cli.failures import reported


def explain(
    policy: options.Policy,
    shape: Annotated[
        str | None,
        typer.Option("--shape", metavar="C,H,W", help="Shape of the images, as in 3,32,32."),
    ] = None,
    images: Annotated[str | None, options.images("random ones of --shape")] = None,
    size: options.Square = None,
    tol: Annotated[float, typer.Option(metavar="X", help="Error of the shares.")] = 0.03,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Steps of a policy, their laws, how their moments are found, and what each step brings."""
    with reported():
        from augmoments.cli.explain import run

        run(policy, shape, images, size, json, {"tol": tol, "seed": seed})
