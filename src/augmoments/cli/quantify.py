"""``augmoments quantify``: from options to a table and a report."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer
from torch import nn

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.color import ColorJitter
from augmoments.augmentations.compose import Compose
from augmoments.augmentations.geometric import RandomRotation, RandomTranslation, RandomZoom
from augmoments.cli.console import Stages, bars, messages, results, say
from augmoments.cli.failures import Exit
from augmoments.cli.tables import tables
from augmoments.config import (
    QuantifyConfig,
    load_policy,
    load_quantify_config,
    policy_from,
    quantify_config_from,
)
from augmoments.data import Dataset, load
from augmoments.errors import ConfigError
from augmoments.models import load_model
from augmoments.reporting import Options, Request, Results, Subject, to_json, writable_folder, write
from augmoments.reporting import quantify as measure
from augmoments.reporting.judges import NO_MODEL, with_model, with_ridge, with_ridge_if_quick

PHOTO, PHOTO_SIZE = "photo:cat", 48
DEFAULT_POLICY = Compose(
    [
        RandomRotation(15, interpolation="bilinear"),
        RandomZoom((0.9, 1.1)),
        RandomTranslation(x=(-1, 1), y=(-1, 1)),
        ColorJitter(brightness=0.2, clamp=False),
    ]
)


def run(options: dict[str, Any], config_file: Path | None) -> None:
    """Quantify, print and write."""
    config = _configuration(options, config_file)
    policy = _policy(config)
    model = None if config.model in (None, "ridge", "none") else load_model(config.model)
    with writable_folder(config.out) as folder, bars(config.quiet) as tell:
        request = Request(
            subjects=_subjects(config, policy, model, tell),
            policy=policy,
            options=Options(
                tol=config.tol,
                seed=config.seed,
                rel_error=config.rel_error,
                confidence=config.confidence,
                max_nodes=config.max_nodes,
                limit=config.limit,
            ),
            command=_command(),
            config=config.model_dump(mode="json", by_alias=True),
        )
        found = measure(request, tell)
        tell("report", 0, 1)
        written = write(found, folder)
    stdout, stderr = results(), messages(config.quiet)
    if config.json_:
        stdout.out(to_json(found))
    else:
        for part in tables(found):
            stdout.print(part)
            stdout.print()
    for warning in found.warnings:
        say(stderr, f"warning: {warning}")
    paths = f"report   {written.html}\nresults  {written.json}\nimages   {written.csv}"
    say(stderr if config.json_ else stdout, paths)
    if config.strict and not _converged(found):
        say(stderr, "augmoments: the tolerance was not reached, and --strict asks for it.")
        raise typer.Exit(int(Exit.CHECK_FAILED))


def _converged(found: Results) -> bool:
    return all(subject.converged for subject in found.subjects)


def _configuration(options: dict[str, Any], config_file: Path | None) -> QuantifyConfig:
    given = dict(options)
    if "size" in given:
        given["size"] = _size(given["size"])
    if config_file is None:
        return quantify_config_from(given)
    base = load_quantify_config(config_file).model_dump(by_alias=True, exclude_unset=True)
    return quantify_config_from({**base, **given})


def _size(text: str) -> int | list[int]:
    sides = text.lower().replace(",", "x").split("x")
    if not 1 <= len(sides) <= 2 or not all(side.strip().isdecimal() for side in sides):
        raise ConfigError(f"--size {text}: expected pixels, N or HxW, as in 64 or 48x64.")
    numbers = [int(side) for side in sides]
    return numbers[0] if len(numbers) == 1 else numbers


def _policy(config: QuantifyConfig) -> Augmentation:
    if config.policy is None:
        return DEFAULT_POLICY
    if isinstance(config.policy, str):
        return load_policy(config.policy)
    return policy_from(config.policy)


def _subjects(
    config: QuantifyConfig, policy: Augmentation, model: nn.Module | None, tell: Stages
) -> tuple[Subject, ...]:
    source = config.images or "digits"
    tell(f"reading {source}", 0, 1)
    dataset = load(
        source,
        size=config.size,
        strict=config.strict,
        split=config.split,
        key=config.key,
        label_key=config.label_key,
        progress=lambda done, total: tell(f"reading {source}", done, total),
    )
    tell(f"reading {source}", 1, 1)
    main = _judged(config, policy, model, replace(dataset, name=dataset.name or source), tell)
    if config.images is not None:
        return (main,)
    return (main, Subject(load(PHOTO, size=PHOTO_SIZE), None, "a photo has no labels."))


def _judged(
    config: QuantifyConfig,
    policy: Augmentation,
    model: nn.Module | None,
    dataset: Dataset,
    tell: Stages,
) -> Subject:
    choice = config.model
    if choice == "none":
        return Subject(dataset, None, NO_MODEL)
    if model is not None:
        return with_model(dataset, model, str(choice), config.loss)
    tell("fitting a linear classifier", 0, 1)
    fit = with_ridge if choice == "ridge" else with_ridge_if_quick
    subject = fit(dataset, policy, config.loss, config.seed)
    tell("fitting a linear classifier", 1, 1)
    return subject


def _command() -> str:
    return shlex.join(["augmoments", *sys.argv[1:]])
