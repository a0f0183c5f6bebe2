"""``augmoments quantify``: its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from augmoments.cli import options
from augmoments.cli.failures import reported


def quantify(
    context: typer.Context,
    images: Annotated[str | None, options.images("embedded digits and a photo")] = None,
    policy: Annotated[str | None, options.policy("rotation, translation, zoom, brightness")] = None,
    model: options.Model = None,
    loss: options.Loss = None,
    out: options.OutFolder = "augmoments-report",
    size: Annotated[
        str | None,
        typer.Option(metavar="N|HxW", help="Resize: central square of N x N, or stretch to H x W."),
    ] = None,
    limit: Annotated[
        int,
        typer.Option(
            "--limit",
            min=1,
            metavar="N",
            help="Most images, evenly spread; beyond 64, all but a few without covariances.",
        ),
    ] = 64,
    tol: options.Tol = 0.01,
    seed: options.Seed = 0,
    rel_error: options.RelError = 0.01,
    confidence: options.Confidence = 0.95,
    max_nodes: options.MaxNodes = 4096,
    split: options.Split = "train",
    key: options.Key = None,
    label_key: options.LabelKey = None,
    strict: options.Strict = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", metavar="FILE", help="All of these in YAML or JSON; options win."
        ),
    ] = None,
) -> None:
    """Mean, covariance, draws needed, expected loss: a table, report.html and results.json.

    Without arguments it runs on embedded data.
    """
    given = {**locals()}
    with reported():
        from augmoments.cli.quantify import run

        run({name: given[name] for name in _named(context) - {"config"}}, config)


def _named(context: typer.Context) -> set[str]:
    """Names of the options that were given, which win over those of ``--config``."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}
