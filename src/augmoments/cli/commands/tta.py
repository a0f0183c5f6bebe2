"""``augmoments tta``: its options."""

from __future__ import annotations

from typing import Annotated

import typer

from augmoments.cli import options
from augmoments.cli.failures import reported


def tta(
    images: options.Images,
    policy: options.Policy,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            metavar="FILE|ridge",
            help="A torch.export program (.pt2) or TorchScript, or ridge for a linear classifier "
            "fitted to these images in closed form.",
        ),
    ],
    passes: Annotated[
        str, typer.Option(metavar="N[,N...]", help="Numbers of passes that are averaged.")
    ] = "1,2,4,8,16,32",
    until: Annotated[
        str | None,
        typer.Option(
            metavar="error|decision",
            help="Count the passes of each image until its prediction is right to --rel-error, or "
            "its class is decided.",
        ),
    ] = None,
    rel_error: options.RelError = 0.01,
    confidence: options.Confidence = 0.95,
    bound: options.Bound = "clt",
    average: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What is averaged: probabilities (the softmax of the outputs), or outputs as they "
            "are.",
            show_default="probabilities; outputs of ridge",
        ),
    ] = None,
    limit: options.Limit = 1000,
    top: Annotated[int, typer.Option(min=0, metavar="N", help="Most images that are listed.")] = 10,
    size: options.Square = None,
    tol: Annotated[float, typer.Option(metavar="X", help="Relative error of the average.")] = 0.01,
    seed: options.Seed = 0,
    max_nodes: options.MaxNodes = 4096,
    split: options.Split = "train",
    key: options.Key = None,
    label_key: options.LabelKey = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="Every image's prediction, as .csv or .json."
        ),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Test-time augmentation: its limit without noise, and how many passes come near it."""
    given = {**locals()}
    with reported():
        from augmoments.cli.tta import run

        run(given)
