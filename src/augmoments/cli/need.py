"""``augmoments need``: how many samples, of which quantity, and what drawing them would cost."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from augmoments.augmentations.base import Augmentation
from augmoments.cli.console import Stages, bars, messages, results, say
from augmoments.cli.need_ask import Inquiry
from augmoments.cli.need_costs import costs
from augmoments.cli.need_files import to_json, write_csv
from augmoments.cli.need_options import NeedOptions, check, common, own, quantities
from augmoments.cli.need_results import Answer, Need, Refusal, tables
from augmoments.cli.reading import read
from augmoments.cli.usage import writable
from augmoments.config import load_policy
from augmoments.data import Dataset
from augmoments.errors import AugmomentsError
from augmoments.models import load_model
from augmoments.reporting.judges import NO_MODEL, with_model, with_ridge, with_ridge_if_quick
from augmoments.reporting.request import Subject
from augmoments.reporting.task import spread

_BY_LOSS = ("loss", "gradient")


def run(given: dict[str, Any]) -> None:
    """Ask for each quantity, measure what a draw costs, print and write."""
    options = NeedOptions(**given)
    asked = quantities(options.of)
    check(options)
    policy = load_policy(options.policy)
    with writable(options.out):
        model = None if options.model in (None, "ridge", "none") else load_model(options.model)
        with bars(options.quiet) as tell:
            dataset = read(options, tell)
            subject = _subject(options, policy, model, dataset, tell)
            found = _answers(options, asked, policy, model, subject, tell)
        if options.out is not None:
            write_csv(found, Path(options.out))
    _tell(options, found)


def _tell(options: NeedOptions, found: Need) -> None:
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
        policy, subject, model or (judge and judge.model), used, common(options), own(options)
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
    answered = {answer.of for answer in answers if isinstance(answer, Answer)}
    judged = not answered.isdisjoint(_BY_LOSS)
    return Need(
        command=shlex.join(["augmoments", *sys.argv[1:]]),
        options=vars(options),
        policy=policy,
        subject=subject,
        used=used,
        costs=costs(
            policy,
            subject.dataset.images[used],
            inquiry.model if judged or "prediction" in answered else None,
            replace(judge, targets=judge.targets[used]) if judge and judged else None,
        ),
        answers=tuple(answer for answer in answers if isinstance(answer, Answer)),
        refusals=tuple(answer for answer in answers if isinstance(answer, Refusal)),
    )
