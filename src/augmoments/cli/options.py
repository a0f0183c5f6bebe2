"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Images = Annotated[
    str,
    typer.Option(
        "--images",
        "-i",
        metavar="SOURCE",
        help="A folder, FILE.npz, a Zarr group, mnist:DIR, digits, lfw or photo:NAME.",
    ),
]
PolicyFile = Annotated[
    str, typer.Option("--policy", "-p", metavar="FILE", help="A policy, YAML or JSON.")
]
ModelFile = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="FILE|ridge|none",
        help="A torch.export program (.pt2) or TorchScript. [default: a linear classifier fitted "
        "in closed form, where there are labels]",
    ),
]
Loss = Annotated[str | None, typer.Option("--loss", help="cross_entropy or squared_error.")]
Square = Annotated[
    int | None, typer.Option("--size", min=1, metavar="N", help="Resize: central square of N x N.")
]
Split = Annotated[str, typer.Option(help="Of mnist:DIR: train or test.")]
Key = Annotated[str | None, typer.Option(help="Of arrays: the one of images.")]
LabelKey = Annotated[str | None, typer.Option(help="Of arrays: the one of labels.")]
RelError = Annotated[float, typer.Option(help="Relative error that the draws are for.")]
Confidence = Annotated[float, typer.Option(help="Of scalars: how sure to be.")]
Bound = Annotated[str, typer.Option(help="Of scalars: clt, chebyshev or bernstein.")]
Tol = Annotated[float, typer.Option(help="Relative error of the moments behind it.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of all randomness.")]
MaxNodes = Annotated[int, typer.Option(help="Most evaluations an image and stage.")]
