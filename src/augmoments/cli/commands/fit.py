"""``augmoments fit``: its options."""

from __future__ import annotations

from typing import Annotated

import typer

from augmoments.cli import options
from augmoments.cli.failures import reported


def fit(
    images: Annotated[
        str,
        typer.Option(
            "--images",
            "-i",
            metavar="SOURCE",
            help="With labels: a folder, FILE.npz, a Zarr group, mnist:DIR, digits or lfw.",
        ),
    ],
    policy: options.Policy,
    alpha: Annotated[
        str,
        typer.Option(
            metavar="A[,A...]",
            help="Strength of the penalty; of several, that of the best validation is taken.",
        ),
    ] = "1e-3",
    validation: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="Images to measure the accuracy on.")
    ] = None,
    out: options.OutFolder = "augmoments-fit",
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Processes of Dask.", show_default="this process alone"
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Of a Dask scheduler, as in tcp://127.0.0.1:8786."),
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Keeps finished partitions; the same command resumes from it."
        ),
    ] = None,
    partition_size: Annotated[
        int, typer.Option(min=1, metavar="N", help="Images a partition.")
    ] = 8192,
    size: options.Square = None,
    tol: Annotated[
        float, typer.Option(metavar="X", help="Relative error of the covariance.")
    ] = 1e-3,
    seed: options.Seed = 0,
    nodes: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Evaluations an image, for steps that are not affine."
        ),
    ] = 256,
    max_nodes: Annotated[
        int, typer.Option(min=16, metavar="N", help="Most nodes of an affine step.")
    ] = 4096,
    split: options.Split = "train",
    key: options.Key = None,
    label_key: options.LabelKey = None,
    validation_split: Annotated[
        str, typer.Option(metavar="NAME", help="As --split, of the validation.")
    ] = "test",
    validation_key: Annotated[
        str | None, typer.Option(metavar="NAME", help="As --key, of the validation.")
    ] = None,
    validation_label_key: Annotated[
        str | None, typer.Option(metavar="NAME", help="As --label-key, of the validation.")
    ] = None,
    strict: options.Strict = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """A linear classifier from infinitely many augmented samples, in closed form, at any size."""
    given = {**locals()}
    with reported():
        from augmoments.cli.fit import run

        run(given)
