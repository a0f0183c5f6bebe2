"""``augmoments need``: how many samples, of which quantity, and what drawing them would cost."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from augmoments.augmentations.base import Augmentation
from augmoments.checks import did_you_mean
from augmoments.cli.console import Stages, bars, messages, results, say
from augmoments.cli.need_ask import QUANTITIES, Inquiry
from augmoments.cli.need_costs import costs
from augmoments.cli.need_files import to_json, write_csv
from augmoments.cli.need_results import Answer, Need, Refusal, tables
from augmoments.config import load_policy
from augmoments.data import Dataset, load
from augmoments.errors import AugmomentsError, ConfigError
from augmoments.models import load_model
from augmoments.reporting import prepare_folder
from augmoments.reporting.judges import NO_MODEL, with_model, with_ridge, with_ridge_if_quick
from augmoments.reporting.request import Subject
from augmoments.reporting.task import spread


@dataclass(frozen=True)
class NeedOptions:
    """What ``augmoments need`` is asked; each field is an option of the command."""

    images: str
    policy: str
    of: str | None = None
    rel_error: float = 0.01
    confidence: float = 0.95
    bound: str = "clt"
    simultaneous: bool = False
    model: str | None = None
    loss: str | None = None
    loss_range: str | None = None
    alpha: float = 1e-3
    until: str = "error"
    views: int | None = None
    limit: int = 64
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
    """Ask for each quantity, measure what a draw costs, print and write."""
    options = NeedOptions(**given)
    asked = _quantities(options.of)
    policy = load_policy(options.policy)
    if options.out is not None:
        prepare_folder(Path(options.out).parent)
    model = None if options.model in (None, "ridge", "none") else load_model(options.model)
    with bars(options.quiet) as tell:
        dataset = _dataset(options, tell)
        subject = _subject(options, policy, model, dataset, tell)
        found = _answers(options, asked, policy, model, subject, tell)
    if options.out is not None:
        write_csv(found, Path(options.out))
    stdout, stderr = results(), messages(options.quiet)
    if options.json:
        stdout.out(to_json(found))
    else:
        for part in tables(found):
            stdout.print(part)
    for sentence in found.warnings:
        say(stderr, f"warning: {sentence}")
    if options.out is not None:
        say(stderr if options.json else stdout, f"every image  {options.out}")


def _quantities(text: str | None) -> tuple[str, ...]:
    if text is None:
        return QUANTITIES
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for name in names:
        if name not in QUANTITIES:
            raise ConfigError(
                f"--of {text}: {name!r} is none of {', '.join(QUANTITIES)}"
                f"{did_you_mean(name, QUANTITIES)}."
            )
    return names


def _dataset(options: NeedOptions, tell: Stages) -> Dataset:
    stage = f"reading {options.images}"
    tell(stage, 0, 1)
    dataset = load(
        options.images,
        size=options.size,
        split=options.split,  # type: ignore[arg-type]
        key=options.key,
        label_key=options.label_key,
        progress=lambda done, total: tell(stage, done, total),
    )
    tell(stage, 1, 1)
    return replace(dataset, name=dataset.name or options.images)


def _subject(
    options: NeedOptions,
    policy: Augmentation,
    model: nn.Module | None,
    dataset: Dataset,
    tell: Stages,
) -> Subject:
    """The images with the model that they are judged by, as in ``augmoments quantify``."""
    if options.model == "none":
        return Subject(dataset, None, NO_MODEL)
    if model is not None:
        return with_model(dataset, model, str(options.model), options.loss)
    tell("fitting a linear classifier", 0, 1)
    fit = with_ridge if options.model == "ridge" else with_ridge_if_quick
    subject = fit(dataset, policy, options.loss, options.seed)
    tell("fitting a linear classifier", 1, 1)
    return subject


def _answers(
    options: NeedOptions,
    asked: tuple[str, ...],
    policy: Augmentation,
    model: nn.Module | None,
    subject: Subject,
    tell: Stages,
) -> Need:
    judge, used = subject.judge, spread(len(subject.dataset), options.limit)
    inquiry = Inquiry(
        policy, subject, model or (judge and judge.model), used, _common(options), _own(options)
    )
    answers = []
    for of in asked:
        tell(f"draws needed: {of}", 0, 1)
        try:
            answers.append(Answer(of, *inquiry.answer(of), inquiry.images_of(of)))
        except AugmomentsError as error:
            answers.append(Refusal(of, error))
        tell(f"draws needed: {of}", 1, 1)
    if all(isinstance(answer, Refusal) for answer in answers):
        raise answers[0].error
    tell("what a draw costs", 0, 1)
    return Need(
        command=shlex.join(["augmoments", *sys.argv[1:]]),
        options=vars(options),
        policy=policy,
        subject=subject,
        used=used,
        costs=costs(policy, subject.dataset.images[used], inquiry.model, judge),
        answers=tuple(answer for answer in answers if isinstance(answer, Answer)),
        refusals=tuple(answer for answer in answers if isinstance(answer, Refusal)),
    )


def _common(options: NeedOptions) -> dict[str, Any]:
    names = ("rel_error", "confidence", "bound", "simultaneous", "tol", "seed", "max_nodes")
    return {name: getattr(options, name) for name in names}


def _own(options: NeedOptions) -> dict[str, dict[str, Any]]:
    views = {} if options.views is None else {"views": options.views}
    return {
        "loss": {"loss_range": _range(options.loss_range), **views},
        "gradient": views,
        "parameters": {"alpha": options.alpha},
        "prediction": {"until": options.until},
    }


def _range(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(f"--loss-range {text}: expected two numbers, as in 0,2.5.") from error
    return low, high
