"""Commands and their options; what they do is imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from augmoments.cli import options
from augmoments.cli.failures import reported

app = typer.Typer(
    name="augmoments",
    help="The exact calculus of data augmentation: what augmented images look like on average, how "
    "they vary, and what follows for loss and sampling.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool | None, typer.Option("--json", help="Print results as JSON.")]
Quiet = Annotated[bool | None, typer.Option("--quiet", "-q", help="No progress, no messages.")]


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(installed("augmoments"))
        raise typer.Exit


@app.command()
def quantify(
    images: Annotated[
        str | None,
        typer.Option(
            "--images",
            "-i",
            metavar="SOURCE",
            help="A folder, FILE.npz, mnist:DIR, digits, lfw or photo:NAME. "
            "[default: embedded digits and a photo]",
        ),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            "--policy",
            "-p",
            metavar="FILE",
            help="YAML or JSON. [default: rotation, translation, zoom, brightness]",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="FILE|ridge|none",
            help="A torch.export program (.pt2) or TorchScript. [default: a linear classifier "
            "fitted in closed form, where there are labels]",
        ),
    ] = None,
    loss: Annotated[
        str | None, typer.Option("--loss", help="cross_entropy or squared_error.")
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Folder of the report. [default: augmoments-report]"
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="N|HxW", help="Resize: central square of N x N, or stretch to H x W."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Most images that are quantified. [default: 64]")
    ] = None,
    tol: Annotated[
        float | None, typer.Option(help="Relative error of the moments. [default: 0.01]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all randomness. [default: 0]")] = None,
    rel_error: Annotated[
        float | None, typer.Option(help="Error that the draws needed are for. [default: 0.01]")
    ] = None,
    confidence: Annotated[
        float | None, typer.Option(help="Confidence for the loss. [default: 0.95]")
    ] = None,
    max_nodes: Annotated[
        int | None, typer.Option(help="Most evaluations an image and stage. [default: 4096]")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Of mnist:DIR: train or test. [default: train]")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Of FILE.npz: the array of images.")] = None,
    label_key: Annotated[str | None, typer.Option(help="Of FILE.npz: the array of labels.")] = None,
    strict: Annotated[
        bool | None,
        typer.Option(
            "--strict",
            help="Stop at a file that cannot be read (3), and fail where the tolerance is not "
            "reached (1).",
        ),
    ] = None,
    json: Json = None,
    quiet: Quiet = None,
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
    options: dict[str, Any] = {
        "images": images,
        "policy": policy,
        "model": model,
        "loss": loss,
        "out": out,
        "size": size,
        "limit": limit,
        "tol": tol,
        "seed": seed,
        "rel_error": rel_error,
        "confidence": confidence,
        "max_nodes": max_nodes,
        "split": split,
        "key": key,
        "label_key": label_key,
        "strict": strict,
        "json": json,
        "quiet": quiet,
    }
    with reported():
        from augmoments.cli.quantify import run

        run({name: value for name, value in options.items() if value is not None}, config)


@app.command()
def explain(
    policy: Annotated[str, typer.Option("--policy", "-p", metavar="FILE", help="YAML or JSON.")],
    shape: Annotated[
        str | None,
        typer.Option("--shape", metavar="C,H,W", help="Shape of the images, as in 3,32,32."),
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(
            "--images",
            "-i",
            metavar="SOURCE",
            help="As of quantify: the images that the shares are about. [default: random ones]",
        ),
    ] = None,
    size: Annotated[
        int | None, typer.Option(metavar="N", help="Resize: central square of N x N.")
    ] = None,
    tol: Annotated[float, typer.Option(help="Error of the shares.")] = 0.03,
    seed: Annotated[int, typer.Option(help="Seed of all randomness.")] = 0,
    json: Json = None,
) -> None:
    """Steps of a policy, their laws, how their moments are found, and what each step brings."""
    with reported():
        from augmoments.cli.explain import run

        run(policy, shape, images, size, bool(json), {"tol": tol, "seed": seed})


@app.command()
def compare(
    a: Annotated[str, typer.Option("--a", metavar="FILE", help="A policy, YAML or JSON.")],
    b: Annotated[
        str, typer.Option("--b", metavar="FILE", help="The policy that it is compared with.")
    ],
    images: Annotated[
        str, typer.Option("--images", "-i", metavar="SOURCE", help="As of quantify.")
    ] = "digits",
    size: Annotated[
        int | None, typer.Option(metavar="N", help="Resize: central square of N x N.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most images that are compared.")] = 16,
    k: Annotated[int, typer.Option("-k", help="Leading eigenvectors that are compared.")] = 4,
    tol: Annotated[float, typer.Option(help="Relative error of the moments.")] = 1e-3,
    seed: Annotated[int, typer.Option(help="Seed of all randomness.")] = 0,
    max_nodes: Annotated[int, typer.Option(help="Most evaluations an image and stage.")] = 4096,
    json: Json = None,
    quiet: Quiet = None,
) -> None:
    """How far apart two policies are: means, covariances, eigenspaces, Wasserstein distance."""
    numerics = {"k": k, "tol": tol, "seed": seed, "max_nodes": max_nodes}
    with reported():
        from augmoments.cli.compare import run

        run(a, b, images, size, limit, bool(json), bool(quiet), numerics)


@app.command()
def need(
    images: options.Images,
    policy: options.PolicyFile,
    of: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[,NAME...]",
            help="mean, covariance, loss, gradient, parameters, prediction. [default: all]",
        ),
    ] = None,
    rel_error: options.RelError = 0.01,
    confidence: options.Confidence = 0.95,
    bound: options.Bound = "clt",
    simultaneous: Annotated[
        bool, typer.Option("--simultaneous", help="Be that sure of all images at once.")
    ] = False,
    model: options.ModelFile = None,
    loss: options.Loss = None,
    loss_range: Annotated[
        str | None,
        typer.Option(metavar="LOW,HIGH", help="Of bernstein: what the loss lies between."),
    ] = None,
    alpha: Annotated[float, typer.Option(help="Of parameters: the penalty of ridge.")] = 1e-3,
    until: Annotated[
        str, typer.Option(help="Of predictions: error, or decision for the class to be settled.")
    ] = "error",
    views: Annotated[
        int | None,
        typer.Option(min=1, metavar="K", help="Of loss and gradient: what up to K views bring."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most images that are asked about.")] = 64,
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
    json: Json = None,
    quiet: Quiet = None,
) -> None:
    """How many samples until mean, covariance, loss, ... are right, and what drawing them costs."""
    given = {**locals(), "json": bool(json), "quiet": bool(quiet)}
    with reported():
        from augmoments.cli.need import run

        run(given)


@app.command()
def tta(
    images: options.Images,
    policy: options.PolicyFile,
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
    confidence: Annotated[float, typer.Option(help="How sure to be of an image.")] = 0.95,
    bound: Annotated[str, typer.Option(help="Of --until: clt, chebyshev or bernstein.")] = "clt",
    average: Annotated[
        str | None,
        typer.Option(
            metavar="probabilities|outputs",
            help="What is averaged: the softmax of the outputs, or these as they are. "
            "[default: probabilities; outputs of ridge]",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most images, evenly spread.")] = 1000,
    top: Annotated[int, typer.Option(min=0, help="Most images that are listed.")] = 10,
    size: options.Square = None,
    tol: Annotated[float, typer.Option(help="Relative error of the average.")] = 0.01,
    seed: options.Seed = 0,
    max_nodes: options.MaxNodes = 4096,
    split: options.Split = "train",
    key: options.Key = None,
    label_key: options.LabelKey = None,
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", metavar="FILE.csv|FILE.json", help="Every image's prediction."),
    ] = None,
    json: Json = None,
    quiet: Quiet = None,
) -> None:
    """Test-time augmentation: its limit without noise, and how many passes come near it."""
    given = {**locals(), "json": bool(json), "quiet": bool(quiet)}
    with reported():
        from augmoments.cli.tta import run

        run(given)


@app.command()
def fit(
    images: Annotated[
        str,
        typer.Option(
            "--images",
            "-i",
            metavar="SOURCE",
            help="Labelled images: a folder, FILE.npz, a Zarr group, mnist:DIR, digits or lfw.",
        ),
    ],
    policy: Annotated[str, typer.Option("--policy", "-p", metavar="FILE", help="YAML or JSON.")],
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
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="DIR", help="Folder of what is written.")
    ] = "augmoments-fit",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes of Dask. [default: this process alone]")
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
    partition_size: Annotated[int, typer.Option(min=1, help="Images a partition.")] = 8192,
    size: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Resize: central square of N x N.")
    ] = None,
    tol: Annotated[float, typer.Option(help="Relative error of the covariance.")] = 1e-3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all randomness.")] = 0,
    nodes: Annotated[
        int, typer.Option(min=1, help="Evaluations an image, for steps that are not affine.")
    ] = 256,
    max_nodes: Annotated[int, typer.Option(min=16, help="Most nodes of an affine step.")] = 4096,
    split: Annotated[str, typer.Option(help="Of mnist:DIR: train or test.")] = "train",
    key: Annotated[str | None, typer.Option(help="Of arrays: the one of images.")] = None,
    label_key: Annotated[str | None, typer.Option(help="Of arrays: the one of labels.")] = None,
    validation_split: Annotated[str, typer.Option(help="As --split, of the validation.")] = "test",
    validation_key: Annotated[str | None, typer.Option(help="As --key, of the validation.")] = None,
    validation_label_key: Annotated[
        str | None, typer.Option(help="As --label-key, of the validation.")
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Stop at a file that cannot be read (3), and fail where the tolerance is not "
            "reached (1).",
        ),
    ] = False,
    json: Json = None,
    quiet: Quiet = None,
) -> None:
    """A linear classifier from infinitely many augmented samples, in closed form, at any size."""
    given = {**locals(), "json": bool(json), "quiet": bool(quiet)}
    with reported():
        from augmoments.cli.fit import run

        run(given)


@app.command()
def reproduce(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME...|all]", help="Experiments. [default: all]"),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            "-d",
            metavar="DIR",
            help="Folder with mnist/, fashion-mnist/ and cifar10/. [default: embedded images]",
        ),
    ] = None,
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="DIR", help="Folder of what is written.")
    ] = "augmoments-reproduction",
    quick: Annotated[
        bool, typer.Option("--quick", help="Seconds on small embedded images, not minutes.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all randomness.")] = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Run again what is there already.")
    ] = False,
    json: Json = None,
    quiet: Quiet = None,
) -> None:
    """The paper's experiments: for each a figure, the numbers, and what holds of the claim.

    A run that was stopped goes on where it was.
    """
    with reported():
        from augmoments.cli.reproduce import run

        run(
            names or [],
            data,
            out,
            quick=quick,
            seed=seed,
            force=force,
            json=bool(json),
            quiet=bool(quiet),
        )


@app.command()
def doctor(json: Json = None) -> None:
    """Versions, cores, memory, optional packages, and a check against a known answer."""
    with reported():
        from augmoments.cli.doctor import run

        run(bool(json))


def main() -> None:
    """Entry point of the command."""
    app()
