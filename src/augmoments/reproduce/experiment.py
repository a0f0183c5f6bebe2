"""What an experiment is: a claim of the paper, what is done about it, and what comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from augmoments.reproduce.context import Context

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Findings:
    """What an experiment found.

    Attributes:
        numbers: Everything that the figure shows and the text says, ready for JSON: dicts with
            text keys, lists, finite numbers, text, booleans and None. Nothing that depends on the
            time it took.
        figure: What is drawn of them.
        measured: What was measured, in a paragraph of Markdown; every figure in it comes from
            ``numbers``.
        differs: Where it differs from the claim and why, in a paragraph; says so where it agrees.
    """

    numbers: dict[str, Any]
    figure: Figure
    measured: str
    differs: str


@dataclass(frozen=True)
class Experiment:
    """One quantitative claim of the paper, and how it is put to the test.

    Attributes:
        name: As the command line takes it, in lower case with hyphens.
        title: A line.
        claim: What the paper says, with the section, in a sentence or two.
        run: Does it.
    """

    name: str
    title: str
    claim: str
    run: Callable[[Context], Findings]
