"""What ``augmoments need`` found, as tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from rich.table import Table
from rich.text import Text
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.cli.need_costs import Costs, duration
from augmoments.errors import AugmomentsError
from augmoments.reporting.request import Subject
from augmoments.reporting.words import count, percent, size
from augmoments.sample_size import SampleSize

NUMBERS = (1, 10, 100, 1000, 10000)
_VAGUE = 0.5


@dataclass(frozen=True)
class Answer:
    """Draws needed for one quantity."""

    of: str
    size: SampleSize
    seconds: float
    """What the answer took."""
    images: int
    """How many images it is about."""

    @property
    def together(self) -> bool:
        """Whether it is one number of copies, for what all images determine."""
        return len(self.size.n) < self.images


@dataclass(frozen=True)
class Refusal:
    """A quantity without an answer, and why."""

    of: str
    error: AugmomentsError


@dataclass(frozen=True)
class Need:
    """Everything that was found."""

    command: str
    options: dict[str, Any]
    policy: Augmentation
    subject: Subject
    used: Tensor
    costs: Costs
    answers: tuple[Answer, ...]
    refusals: tuple[Refusal, ...]

    @property
    def warnings(self) -> list[str]:
        """Sentences about what is not as it should be."""
        found = []
        for answer in self.answers:
            doubtful = int((~getattr(answer.size, "reliable", torch.ones(1).bool())).sum())
            if doubtful:
                found.append(
                    f"{answer.of}: for {doubtful} of {answer.images} images the average of so few "
                    "draws is not normal yet; take --bound chebyshev, or bernstein."
                )
            early = getattr(answer.size, "valid_from", 1)
            if (
                min(float(part.n.min()) for part in (answer.size, *answer.size.parts.values()))
                < early
            ):
                found.append(
                    f"{answer.of}: numbers below {early:,} are rough, for fewer copies are beyond "
                    "the first order that they rest on."
                )
            vague = int((answer.size.error > _VAGUE).sum())
            if vague:
                found.append(
                    f"{answer.of}: {vague} of {len(answer.size.n)} numbers may be off by more than "
                    f"{percent(_VAGUE)}; allow more evaluations (--max-nodes)."
                )
        return found


def tables(need: Need) -> Iterator[Table | Text]:
    """Draws and what they cost, the error after so many draws, and what has no answer."""
    dataset, used = need.subject.dataset, len(need.used)
    shape: Any = tuple(dataset.images.shape[1:])
    yield Text(
        f"{dataset.name}: {used:,} of {len(dataset):,} images of {size(shape)}", style="bold"
    )
    yield _needed(need)
    yield Text(_costs(need), style="dim")
    yield Text()
    yield _errors(need)
    note = "Root mean square, relative; median over the images. ~: too few for the law behind it."
    yield Text(note, style="dim")
    for answer in need.answers:
        views = answer.size.views
        if views is not None:
            yield Text(f"\n{views.summary()}\n{views.table()}")
    for refusal in need.refusals:
        yield Text(f"{refusal.of}: no answer: {refusal.error}", style="yellow")


def _needed(need: Need) -> Table:
    everything = f"all {len(need.subject.dataset):,}"
    grid = Table(header_style="dim", pad_edge=False, box=None)
    grid.add_column("draws for", no_wrap=True)
    for name in ("median", "range"):
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("method")
    for name in ("error", "an image", everything, "found in"):
        grid.add_column(name, justify="right", no_wrap=True)
    for answer in need.answers:
        for place, (name, found) in enumerate(_rows(answer)):
            took = "" if place else duration(answer.seconds)
            grid.add_row(name, *_cells(need, answer, found), took)
    return grid


def _rows(answer: Answer) -> Iterator[tuple[str, SampleSize]]:
    """What is asked for, and what it is made of as far as that are a few words."""
    found = answer.size
    sure = f", {100 * found.confidence:.4g}%" if found.confidence else ""
    decided = getattr(found, "until", None) == "decision"
    fitted = f", {answer.images:,} images" if answer.together else ""
    right = "decided" if decided else f"to {percent(found.rel_error)}"
    yield f"{answer.of} {right}{sure}{fitted}", found
    whole = getattr(found, "whole", None)
    if whole is not None:
        yield f"  of all {answer.images:,} images", whole
    elif answer.together:
        others = {name: part for name, part in found.parts.items() if part.first != found.first}
        yield from ((f"  {name}", part) for name, part in others.items())


def _cells(need: Need, answer: Answer, found: SampleSize) -> tuple[str, ...]:
    n, everything = found.n, len(need.subject.dataset)
    low, high = count(float(n.min())), count(float(n.max()))
    cost = need.costs.of(answer.of)
    total = duration(float(n.mean()) * cost * everything)
    return (
        count(float(n.median())),
        "" if low == high else f"{low} – {high}",
        found.method,
        f"{float(found.error.max()):.1e}",
        duration(float(n.median()) * cost),
        total if len(n) == len(need.used) or answer.images == everything else "",
    )


def _costs(need: Need) -> str:
    costs = need.costs
    parts = [f"{duration(costs.draw)} a draw"]
    if costs.forward is not None:
        parts.append(f"{duration(costs.forward)} a pass through the model")
    if costs.backward is not None:
        parts.append(f"{duration(costs.backward)} a gradient")
    return (
        f"What drawing takes: {', '.join(parts)} (one image of {costs.batch} at a time, "
        f"{costs.threads} {'thread' if costs.threads == 1 else 'threads'}); found in: what this "
        "answer took, with the exact limits. Error: of the numbers, relative, the largest."
    )


def _errors(need: Need) -> Table:
    grid = Table(header_style="dim", pad_edge=False, box=None)
    grid.add_column("error after draws of an image")
    for n in NUMBERS:
        grid.add_column(f"{n:,}", justify="right")
    for answer in need.answers:
        grid.add_row(answer.of, *(_error(answer.size, n) for n in NUMBERS))
    return grid


def _error(found: SampleSize, n: int) -> str:
    error = predicted(found, n)
    if error is None:
        return "–"
    rough = "~" if n < getattr(found, "valid_from", 1) else ""
    return rough + percent(float(error.median()))


def predicted(found: SampleSize, n: int) -> Tensor | None:
    """Error after n draws; ``None`` where so few have none."""
    return None if n < 2 and found.of == "covariance" else found.predicted_error(n)
