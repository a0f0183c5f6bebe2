"""``augmoments fit``: from a source of any size to a classifier and the moments that it is from."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from time import perf_counter
from typing import Any

import typer

from augmoments.calculus.dataset.ridge import RidgePath
from augmoments.cli.console import Stages, bars, messages, results, say
from augmoments.cli.failures import Exit
from augmoments.cli.fit_judge import Judge
from augmoments.cli.fit_results import Fit, tables, write
from augmoments.cluster.accumulate import PARTITION, accumulate_on
from augmoments.cluster.pool import Pool
from augmoments.cluster.workers import pool
from augmoments.config import load_policy
from augmoments.data import Skipped, Stream, stream
from augmoments.errors import ConfigError, OutputError
from augmoments.reporting import writable_folder


@dataclass(frozen=True)
class FitOptions:
    """What ``augmoments fit`` is asked for; each field is an option of the command."""

    images: str
    policy: str
    alpha: str = "1e-3"
    validation: str | None = None
    out: str = "augmoments-fit"
    workers: int | None = None
    scheduler: str | None = None
    checkpoint: str | None = None
    partition_size: int = PARTITION
    size: int | None = None
    tol: float = 1e-3
    seed: int = 0
    nodes: int = 256
    max_nodes: int = 4096
    split: str = "train"
    key: str | None = None
    label_key: str | None = None
    validation_split: str = "test"
    validation_key: str | None = None
    validation_label_key: str | None = None
    strict: bool = False
    json: bool = False
    quiet: bool = False


def run(given: dict[str, Any]) -> None:
    """Fit, print and write."""
    options = FitOptions(**given)
    start = perf_counter()
    alphas = _alphas(options)
    policy = load_policy(options.policy)
    with writable_folder(options.out) as folder, bars(options.quiet) as tell:
        judge = Judge.of(policy, *_sources(options, tell))
        if len(alphas) > 1 and judge.why_not:
            raise ConfigError(f"--alpha {options.alpha}: give one alpha, for {judge.why_not}")
        _check_room(folder, judge.training)
        with pool(options.workers, options.scheduler) as used:
            fit = _fit(used, options, policy, judge, alphas, tell)
        files = write(fit, folder, perf_counter() - start)
    stdout, stderr = results(), messages(options.quiet)
    if options.json:
        stdout.out(files["results"].read_text(encoding="utf-8").rstrip())
    else:
        for part in tables(fit):
            stdout.print(part)
    for warning in fit.warnings:
        say(stderr, f"warning: {warning}")
    listed = "\n".join(f"{name:8} {path}" for name, path in files.items())
    say(stderr if options.json else stdout, listed)
    if options.strict and not fit.converged:
        say(stderr, "augmoments: the tolerance was not reached, and --strict asks for it.")
        raise typer.Exit(int(Exit.CHECK_FAILED))


def _fit(
    used: Pool,
    options: FitOptions,
    policy: Any,
    judge: Judge,
    alphas: Sequence[float],
    tell: Stages,
) -> Fit:
    skipped: list[Skipped] = []
    data = accumulate_on(
        used,
        judge.training,
        policy,
        partition_size=options.partition_size,
        checkpoint=options.checkpoint,
        progress=lambda done, total: tell("accumulating", done, total),
        skipped=skipped.append,
        tol=options.tol,
        seed=options.seed,
        nodes=options.nodes,
        max_nodes=options.max_nodes,
    )
    tell("solving", 0, 1)
    moments = data.moments()
    solutions = RidgePath(moments).solutions(alphas)
    tell("solving", 1, 1)
    return Fit(
        command=shlex.join(["augmoments", *sys.argv[1:]]),
        options=vars(options),
        policy=policy,
        data=data,
        moments=moments,
        judge=judge,
        skipped=tuple(skipped),
        alphas=tuple(alphas),
        judged=judge.judge(used, solutions, options.partition_size, tell),
    )


def _sources(options: FitOptions, tell: Stages) -> tuple[Stream, Stream | None]:
    """The images to fit, and those to validate with."""
    tell("opening", 0, 1)
    common: dict[str, Any] = {"size": options.size, "strict": options.strict}
    training = stream(
        options.images,
        split=options.split,  # type: ignore[arg-type]
        key=options.key,
        label_key=options.label_key,
        **common,
    )
    if options.validation is None:
        return training, None
    validation = stream(
        options.validation,
        split=options.validation_split,  # type: ignore[arg-type]
        key=options.validation_key,
        label_key=options.validation_label_key,
        **common,
    )
    return training, validation


def _alphas(options: FitOptions) -> list[float]:
    """The strengths of the penalty, each of them once and in order."""
    try:
        found = sorted({float(part) for part in options.alpha.split(",")})
    except ValueError as error:
        raise ConfigError(
            f"--alpha {options.alpha}: expected a number, or several as in 1e-4,1e-3,1e-2."
        ) from error
    if not all(0 <= alpha < float("inf") for alpha in found):
        raise ConfigError(f"--alpha {options.alpha}: expected finite numbers of at least 0.")
    if len(found) > 1 and options.validation is None:
        raise ConfigError(
            f"--alpha {options.alpha}: to choose one of several, give --validation SOURCE."
        )
    return found


def _check_room(folder: Path, training: Stream) -> None:
    """Refuse a disk on which the moments have no room."""
    needed = 8 * (prod(training.shape) + len(training.classes)) ** 2
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OutputError(
            f"{folder} has {free / 2**20:.0f} MB left, the moments take {needed / 2**20:.0f}: make "
            "room, or say another folder by --out."
        )
