"""``augmoments tta``: accuracy of a few passes against the limit, and who needs more of them."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from torch import Tensor, nn

from augmoments.augmentations.base import Augmentation
from augmoments.averaging import tta
from augmoments.averaging.averaged import MOST_PASSES
from augmoments.averaging.classifier import Average
from augmoments.cli.console import Stages, bars, messages, results, say
from augmoments.cli.reading import read
from augmoments.cli.tta_files import suffix, to_json, write
from augmoments.cli.tta_results import Found, tables
from augmoments.cli.usage import SPLITS, check_choice, check_fractions, writable
from augmoments.config import load_policy
from augmoments.data import Dataset
from augmoments.errors import ConfigError
from augmoments.models import load_model
from augmoments.reporting.judges import with_ridge
from augmoments.reporting.task import spread
from augmoments.sample_size import SampleSize, samples_needed
from augmoments.sample_size.predictions.answer import Until
from augmoments.sample_size.result import Bound


@dataclass(frozen=True)
class TtaOptions:
    """What ``augmoments tta`` is asked; each field is an option of the command."""

    images: str
    policy: str
    model: str
    passes: str = "1,2,4,8,16,32"
    until: str | None = None
    rel_error: float = 0.01
    confidence: float = 0.95
    bound: str = "clt"
    average: str | None = None
    limit: int = 1000
    top: int = 10
    size: int | None = None
    tol: float = 1e-2
    seed: int = 0
    max_nodes: int = 4096
    split: str = "train"
    key: str | None = None
    label_key: str | None = None
    out: str | None = None
    json: bool = False
    quiet: bool = False


def run(given: dict[str, Any]) -> None:
    """Average, count, print and write."""
    options = TtaOptions(**given)
    passes = _passes(options.passes)
    _check(options)
    policy = load_policy(options.policy)
    with writable(options.out):
        model = None if options.model == "ridge" else load_model(options.model)
        with bars(options.quiet) as tell:
            dataset = read(options, tell)
            found = _found(options, policy, model, passes, dataset, tell)
        if options.out is not None:
            write(found, Path(options.out))
    _tell(options, found)


def _tell(options: TtaOptions, found: Found) -> None:
    stdout, stderr = results(), messages(options.quiet)
    if options.json:
        stdout.out(to_json(found))
    else:
        for part in tables(found, options.top):
            stdout.print(part)
    for sentence in found.warnings:
        say(stderr, f"warning: {sentence}")
    if options.out is not None:
        say(stderr if options.json else stdout, f"every image  {options.out}")


def _check(options: TtaOptions) -> None:
    """Refuse values that nothing takes, whatever is asked for."""
    check_fractions(options, "rel_error", "confidence", "tol")
    check_choice(options, "until", get_args(Until))
    check_choice(options, "bound", get_args(Bound))
    check_choice(options, "average", get_args(Average))
    check_choice(options, "split", SPLITS)
    if options.out is not None:
        suffix(Path(options.out))


def _passes(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 0 < int(part) <= MOST_PASSES for part in parts):
        raise ConfigError(
            f"--passes {text}: expected whole numbers from 1 on, as in 1,2,4,8, and to "
            f"{MOST_PASSES:,}; beyond them is the limit."
        )
    return tuple(int(part) for part in parts)


def _found(
    options: TtaOptions,
    policy: Augmentation,
    model: nn.Module | None,
    passes: tuple[int, ...],
    dataset: Dataset,
    tell: Stages,
) -> Found:
    targets: Tensor | None = dataset.labels
    average, name = options.average or "probabilities", options.model
    if model is None:
        if options.average == "probabilities":
            raise ConfigError(
                "--average probabilities: a linear classifier by squared error has scores, no "
                "probabilities. Take --average outputs, or a model."
            )
        tell("fitting a linear classifier", 0, 1)
        judge = with_ridge(dataset, policy, seed=options.seed).judge
        tell("fitting a linear classifier", 1, 1)
        assert judge is not None
        model, targets, average, name = judge.model, judge.targets, "outputs", judge.name
    used = spread(len(dataset), options.limit)
    images = dataset.images[used]
    common: Any = {
        name: getattr(options, name) for name in ("confidence", "tol", "seed", "max_nodes")
    } | {"average": average}
    labels = None if targets is None else targets[used]
    prediction = tta(
        *(model, images, policy, labels),
        passes=passes,
        progress=lambda done, total: tell("averaging over the augmentation", done, total),
        **common,
    )
    needed: SampleSize | None = None
    if options.until is not None:
        tell("passes needed", 0, 1)
        asked: Any = {name: getattr(options, name) for name in ("until", "rel_error", "bound")}
        needed = samples_needed(images, policy, "prediction", model=model, **asked, **common)
        tell("passes needed", 1, 1)
    return Found(
        command=shlex.join(["augmoments", *sys.argv[1:]]),
        options={**vars(options), "average": average},
        policy=policy,
        dataset=dataset,
        model=name,
        used=used,
        prediction=prediction,
        needed=needed,
    )
