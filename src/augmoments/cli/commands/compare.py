"""``augmoments compare``: its options."""

from __future__ import annotations

from typing import Annotated

import typer

from augmoments.cli import options
from augmoments.cli.failures import reported


def compare(
    a: Annotated[str, typer.Option("--a", metavar="FILE", help="A policy, YAML or JSON.")],
    b: Annotated[
        str, typer.Option("--b", metavar="FILE", help="The policy that it is compared with.")
    ],
    images: options.Images = "digits",
    size: options.Square = None,
    limit: options.Limit = 16,
    k: Annotated[
        int, typer.Option("-k", metavar="N", help="Leading eigenvectors that are compared.")
    ] = 4,
    tol: options.Tol = 1e-3,
    seed: options.Seed = 0,
    max_nodes: options.MaxNodes = 4096,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """How far apart two policies are: means, covariances, eigenspaces, Wasserstein distance."""
    numerics = {"k": k, "tol": tol, "seed": seed, "max_nodes": max_nodes}
    with reported():
        from augmoments.cli.compare import run

        run(a, b, images, size, limit, json, quiet, numerics)
