"""Draws that sampled means, covariances, losses and gradients need, predicted and observed."""

from __future__ import annotations

from statistics import median
from typing import Any

from augmoments.reproduce.context import Context
from augmoments.reproduce.experiment import Experiment, Findings
from augmoments.reproduce.experiments.convergence.figure import draw
from augmoments.reproduce.experiments.convergence.image_draws import classifier, needed, observed
from augmoments.reproduce.experiments.convergence.network_cases import Effort, networks
from augmoments.reproduce.experiments.convergence.network_draws import ERRORS
from augmoments.reproduce.experiments.convergence.report import (
    MANY,
    QUANTITIES,
    differs,
    measured,
)
from augmoments.reproduce.families import FAMILIES

_COUNTS = (2, 5, 20, 100, 400)
_QUICK = Effort(images=6, augmentations=2, epochs=20, nodes=256, largest=100)
_FULL = Effort(images=8, augmentations=3, epochs=20, nodes=512, largest=1000)


def _run(context: Context) -> Findings:
    train, repetitions = (300, 20) if context.quick else (1000, 40)
    effort = _QUICK if context.quick else _FULL
    names = context.sources()
    numbers: dict[str, Any] = {"needed": [], "networks": [], "observed": []}
    for first, name in enumerate(names):
        context.tell(f"draws needed on {name}", first, len(names))
        data = context.labelled(name, train)
        model = classifier(data)
        for one in FAMILIES:
            row = {"images": name, "augmentation": one.name, "label": one.labels[1]}
            numbers["needed"].append(row | needed(data, effort.images, one, model, context.seed))
            if first == 0:
                generator = context.generator(len(numbers["observed"]))
                policy = one.medium(data.images.shape[-1])
                found = observed(data, policy, _COUNTS, repetitions, generator)
                numbers["observed"].append({**row, **found})
        for number, (row, case) in enumerate(networks(data, effort, context)):
            about = case.draws.about()
            numbers["networks"].append(row | about)
            if first == 0 and row["augmentation"] == "translation" and row["model"] == "cnn":
                generator = context.generator(1000 + number)
                found = case.observed(_COUNTS[:-1], repetitions, generator)
                numbers["observed"].append({**row, **found})
    context.tell("draws needed", len(names), len(names))
    numbers["verdict"] = verdict([*numbers["needed"], *numbers["networks"]])
    return Findings(numbers, draw(numbers), measured(numbers), differs(numbers))


def verdict(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """For every quantity and error: median and range of the draws, and how many are many.

    Cases are undecided where the error bound of their draws reaches across ``MANY``.
    """
    found = {}
    for of in QUANTITIES:
        for place, error in enumerate(ERRORS):
            chosen = [row for row in rows if of in row["draws"]]
            draws = [row["draws"][of][place] for row in chosen]
            off = [row.get("error_of_draws", {}).get(of, 0.0) for row in chosen]
            many = sum(n >= MANY for n in draws)
            found[f"{of} to {error:.0%}"] = {
                "median": median(draws),
                "smallest": min(draws),
                "largest": max(draws),
                "tens_of_thousands": many,
                "undecided": sum(abs(n - MANY) < e * n for n, e in zip(draws, off, strict=True)),
                "cases": len(draws),
                "holds": 2 * many >= len(draws),
            }
    return found


EXPERIMENT = Experiment(
    name="convergence",
    title="How many draws means, covariances, losses and gradients need",
    claim="Common augmentations require tens of thousands of samples for the loss at hand to be "
    "correctly estimated and for training to converge; the paper says the same of the information "
    "that the policy encodes, mean and covariance (abstract and section 2).",
    run=_run,
)
