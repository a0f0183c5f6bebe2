"""``augmoments need``: its options."""

from __future__ import annotations

from typing import Annotated

import typer

from augmoments.cli import options
from augmoments.cli.failures import reported


def need(
    images: options.Images,
    policy: options.Policy,
    of: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[,NAME...]",
            help="mean, covariance, loss, gradient, parameters, prediction.",
            show_default="all",
        ),
    ] = None,
    rel_error: options.RelError = 0.01,
    confidence: options.Confidence = 0.95,
    bound: options.Bound = "clt",
    simultaneous: Annotated[
        bool, typer.Option("--simultaneous", help="Be that sure of all images at once.")
    ] = False,
    model: options.Model = None,
    loss: options.Loss = None,
    loss_range: Annotated[
        str | None,
        typer.Option(metavar="LOW,HIGH", help="Of bernstein: what the loss lies between."),
    ] = None,
    alpha: Annotated[
        float, typer.Option(metavar="X", help="Of parameters: the penalty of ridge.")
    ] = 1e-3,
    until: Annotated[
        str,
        typer.Option(
            metavar="error|decision",
            help="Of predictions: right to --rel-error, or the class decided.",
        ),
    ] = "error",
    views: Annotated[
        int | None,
        typer.Option(min=1, metavar="K", help="Of loss and gradient: what up to K views bring."),
    ] = None,
    limit: options.Limit = 64,
    size: options.Square = None,
    tol: options.Tol = 0.01,
    seed: options.Seed = 0,
    max_nodes: options.MaxNodes = 4096,
    split: options.Split = "train",
    key: options.Key = None,
    label_key: options.LabelKey = None,
    out: Annotated[
        str | None, typer.Option("--out", "-o", metavar="FILE.csv", help="A line for every image.")
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """How many samples until mean, covariance, loss, ... are right, and what drawing them costs."""
    given = {**locals()}
    with reported():
        from augmoments.cli.need import run

        run(given)
