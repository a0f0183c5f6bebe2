"""Options that several commands share, each declared once."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def images(default: str | bool = True) -> Any:
    """Images; ``default`` says what is taken where they may be left out."""
    return typer.Option(
        "--images",
        "-i",
        metavar="SOURCE",
        help="A folder, FILE.npz, a Zarr group, mnist:DIR, digits, lfw or photo:NAME.",
        show_default=default,
    )


def policy(default: str | bool = True) -> Any:
    """A policy; ``default`` says what is taken where it may be left out."""
    return typer.Option(
        "--policy", "-p", metavar="FILE", help="A policy, YAML or JSON.", show_default=default
    )


Images = Annotated[str, images()]
Policy = Annotated[str, policy()]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="FILE|ridge|none",
        help="A torch.export program (.pt2) or TorchScript.",
        show_default="a linear classifier fitted in closed form, where there are labels",
    ),
]
Loss = Annotated[
    str | None,
    typer.Option(
        "--loss",
        metavar="NAME",
        help="cross_entropy or squared_error.",
        show_default="cross_entropy; squared_error of ridge",
    ),
]

Square = Annotated[
    int | None, typer.Option("--size", min=1, metavar="N", help="Resize: central square of N x N.")
]
Limit = Annotated[
    int, typer.Option("--limit", min=1, metavar="N", help="Most images, evenly spread.")
]
Split = Annotated[str, typer.Option("--split", metavar="NAME", help="Of mnist:DIR: train or test.")]
Key = Annotated[
    str | None, typer.Option("--key", metavar="NAME", help="Of arrays: the one of images.")
]
LabelKey = Annotated[
    str | None, typer.Option("--label-key", metavar="NAME", help="Of arrays: the one of labels.")
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Stop at a file that cannot be read (3), and fail where the tolerance is not "
        "reached (1).",
    ),
]

RelError = Annotated[
    float, typer.Option("--rel-error", metavar="X", help="Relative error that the draws are for.")
]
Confidence = Annotated[
    float,
    typer.Option("--confidence", metavar="X", help="Of scalars and predictions: how sure to be."),
]
Bound = Annotated[
    str,
    typer.Option(
        "--bound",
        metavar="NAME",
        help="Of scalars and predictions: clt, chebyshev or bernstein.",
    ),
]

Tol = Annotated[float, typer.Option("--tol", metavar="X", help="Relative error of the moments.")]
Seed = Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Seed of all randomness.")]
MaxNodes = Annotated[
    int,
    typer.Option("--max-nodes", min=16, metavar="N", help="Most evaluations an image and stage."),
]

OutFolder = Annotated[
    str, typer.Option("--out", "-o", metavar="DIR", help="Folder of what is written.")
]
Json = Annotated[bool, typer.Option("--json", help="Print results as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no messages.")]
