"""What a row of the table is: a piece of work, what was asked of it and what was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

FINE = 1e-3


class Skipped(Exception):  # noqa: N818 - no error
    """The row cannot be measured here; says why."""


@dataclass(frozen=True)
class Target:
    """What a figure is to be: at most ``limit``, or at least."""

    figure: str
    limit: float
    at_least: bool = False


@dataclass(frozen=True)
class Least:
    """What one image cannot be had without.

    Attributes:
        seconds: What it took.
        operations: Operations in single precision; one in double precision counts twice.
        moved: Bytes read and written.
        how: The arithmetic.
    """

    seconds: float
    operations: float
    moved: float
    how: str


@dataclass(frozen=True)
class Found:
    """What was measured.

    Attributes:
        setting: What the work was done with: the smallest that is accurate enough.
        figures: Figures by name; ``"draws"`` (or ``"passes"``) is the cost by sampling's measure.
        true_error: Relative error against a much finer reference.
        stated_error: The bound that came with the answer.
        draw_seconds: Seconds of one draw by library.
        sampled: Numbers of draws, their errors, and how many are as accurate as ours.
        growth: Cost in draws an image along an axis.
        least: What bounds it.
    """

    setting: dict[str, Any]
    figures: dict[str, float]
    true_error: float
    stated_error: float
    draw_seconds: dict[str, float]
    sampled: dict[str, Any]
    growth: dict[str, list[tuple[float, float]]]
    least: Least


@dataclass(frozen=True)
class Row:
    """A row: its title, what is asked, and how it is measured.

    Attributes:
        title: What is computed.
        accuracy: What the answer has to be right to.
        targets: What is asked of the figures.
        measure: Everything that is timed and compared; takes whether to be quick.
        work: The computation alone with a setting, for the peak of memory.
    """

    title: str
    accuracy: str
    targets: Sequence[Target]
    measure: Callable[[bool], Found]
    work: Callable[[Any], object]


def smallest(
    settings: Sequence[Any], solve: Callable[[Any], Any], error: Callable[[Any], float], goal: float
) -> tuple[Any, Any, float]:
    """The first setting whose answer is right to ``goal``, else the last; answer and error."""
    found: Any = None
    for setting in settings:
        answer = solve(setting)
        found = setting, answer, error(answer)
        if found[2] <= goal:
            break
    return found


def sampling(
    draws: Tensor, counts: Sequence[int], error: Callable[[Tensor], float], goal: float
) -> dict[str, Any]:
    """Errors of averages over ``counts`` draws, and by the law n^-1/2 how many reach ``goal``.

    Root mean squares over disjoint groups of ``draws``, at most eight for each count.
    """
    errors = []
    for count in counts:
        groups = [draws[i : i + count] for i in range(0, len(draws) - count + 1, count)][:8]
        errors.append((sum(error(group) ** 2 for group in groups) / len(groups)) ** 0.5)
    return extrapolated(counts, errors, goal)


def extrapolated(counts: Sequence[int], errors: Sequence[float], goal: float) -> dict[str, Any]:
    """How many draws reach ``goal`` if errors fall as n^-1/2.

    Of answers that are better than :data:`FINE`, as exact ones are, no more than that is asked of
    sampling.
    """
    goal = max(goal, FINE)
    scaled = [e * n**0.5 for n, e in zip(counts, errors, strict=True)]
    constant = sum(scaled) / len(scaled)
    return {
        "counts": list(counts),
        "errors": list(errors),
        "law": [constant / n**0.5 for n in counts],
        "goal": goal,
        "needed": (constant / goal) ** 2,
    }


def distance(found: Tensor, truth: Tensor) -> float:
    """The largest relative error of a batch, in Euclidean or Frobenius norm."""
    gaps = (found.double() - truth.double()).flatten(1).norm(dim=1)
    return float((gaps / truth.double().flatten(1).norm(dim=1)).max())
