"""Draws that sampled means, covariances and losses need, predicted and observed."""

from __future__ import annotations

from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.moments import Moments, moments
from augmoments.data.dataset import Dataset
from augmoments.linear.ridge import AugmentedRidgeClassifier
from augmoments.losses.expected_loss import expected_loss
from augmoments.losses.models import Model
from augmoments.reproduce.context import Context
from augmoments.reproduce.experiment import Experiment, Findings
from augmoments.reproduce.experiments.convergence_report import (
    MANY,
    QUANTITIES,
    differs,
    draw,
    measured,
)
from augmoments.reproduce.families import FAMILIES, Family, family
from augmoments.sample_size import samples_needed

ERRORS = (0.1, 0.05, 0.01)
_NODES = 1024
_VALUES = 20_000  # of all images of a dataset together
_COUNTS = (2, 5, 20, 100, 400)
_ALPHA = 1e-3


def _run(context: Context) -> Findings:
    most, train, repetitions = (8, 300, 20) if context.quick else (24, 1000, 40)
    numbers: dict[str, Any] = {"needed": [], "observed": []}
    steps = len(context.sources()) * len(FAMILIES)
    for first, name in enumerate(context.sources()):
        data = context.labelled(name, train)
        model = classifier(data)
        images = max(4, min(most, _VALUES // data.images[0].numel()))
        for one in FAMILIES:
            context.tell("draws needed", len(numbers["needed"]), steps)
            row = {"images": name, "augmentation": one.name, "label": one.labels[1]}
            numbers["needed"].append(row | needed(data, images, one, model, context.seed))
            if first == 0:
                generator = context.generator(len(numbers["observed"]))
                policy = one.medium(data.images.shape[-1])
                found = observed(data, policy, model, _COUNTS, repetitions, generator)
                numbers["observed"].append({**row, **found})
    context.tell("draws needed", steps, steps)
    numbers["verdict"] = verdict(numbers["needed"])
    return Findings(numbers, draw(numbers), measured(numbers), differs(numbers))


def classifier(data: Dataset) -> Model:
    """A ridge classifier fitted to infinitely many translated images, as a module."""
    policy = family("translation").medium(data.images.shape[-1])
    ridge = AugmentedRidgeClassifier(policy, alpha=_ALPHA)
    return ridge.fit(data.images, data.labels).to_module()


def needed(data: Dataset, count: int, one: Family, model: Model, seed: int) -> dict[str, Any]:
    """Draws an image for root-mean-square errors of ``ERRORS``: medians over the first images.

    The training loss is the mean over these images, where the errors of images average out.
    """
    images, targets = data.images[:count], one_hot(data)[:count]
    policy = one.medium(images.shape[-1])
    options: Any = {"seed": seed, "max_nodes": _NODES}
    m = moments(images, policy, 1e-2, **options)
    draws: dict[str, list[float]] = {name: [] for name in QUANTITIES}
    loss = expected_loss(model, "squared_error", images, targets, policy, 2e-2, given=m, **options)
    value, variance = loss.value.double(), loss.variance.double()
    for error in ERRORS:
        for of in ("mean", "covariance"):
            size = samples_needed(images, policy, of, error, given=m, tol=1e-2, **options)
            draws[of].append(float(size.n.median()))
        draws["loss"].append(_whole(float((variance / value.square()).median()), error))
        together = float(variance.sum() / value.sum().square())
        draws["training loss"].append(_whole(together, error))
    return {"count": len(images), "method": m.method, "draws": draws}


def _whole(relative_variance: float, error: float) -> float:
    return float(max(1, -(-relative_variance // error**2)))


def one_hot(data: Dataset) -> Tensor:
    """Targets of the ridge classifier, ``(N, K)``."""
    assert data.labels is not None
    _, index = data.labels.unique(return_inverse=True)
    return functional.one_hot(index).float()


def observed(
    data: Dataset,
    policy: Augmentation,
    model: Model,
    counts: tuple[int, ...],
    repetitions: int,
    generator: torch.Generator,
) -> dict[str, Any]:
    """Relative errors of the first image's sampled mean, covariance and loss, and the predicted.

    All counts of a repetition are prefixes of the same draws.
    """
    image, target = data.images[:1], one_hot(data)[:1]
    m = moments(image, policy, 1e-3, max_nodes=_NODES)
    loss = expected_loss(model, "squared_error", image, target, policy, 1e-2)
    errors: dict[str, list[list[float]]] = {name: [] for name in ("mean", "covariance", "loss")}
    for _ in range(repetitions):
        drawn = policy(image.expand(counts[-1], *image.shape[1:]), generator=generator)
        with torch.no_grad():
            losses = (model(drawn) - target).square().sum(1)
        for of, found in _errors(drawn.flatten(1), losses, m, float(loss.value), counts).items():
            errors[of].append(found)
    size = {
        of: samples_needed(image, policy, of, 0.01, given=m, max_nodes=_NODES)
        for of in ("mean", "covariance")
    }
    relative = float(loss.variance / loss.value.square())
    predicted = {of: [float(s.predicted_error(n)) for n in counts] for of, s in size.items()}
    predicted["loss"] = [(relative / n) ** 0.5 for n in counts]
    return {
        "counts": list(counts),
        "repetitions": repetitions,
        "predicted": predicted,
        "observed": {of: _spread(torch.tensor(found)) for of, found in errors.items()},
    }


def _errors(
    rows: Tensor, losses: Tensor, m: Moments, expected: float, counts: tuple[int, ...]
) -> dict[str, list[float]]:
    mean, dense = m.mean.flatten(), m.covariance.dense()[0]
    norm = dense.norm()
    found: dict[str, list[float]] = {"mean": [], "covariance": [], "loss": []}
    for n in counts:
        part = rows[:n]
        found["mean"].append(float((part.mean(0) - mean).norm() / mean.norm()))
        found["covariance"].append(float((part.mT.cov() - dense).norm() / norm))
        found["loss"].append(abs(float(losses[:n].mean()) / expected - 1))
    return found


def _spread(errors: Tensor) -> dict[str, list[float]]:
    """Root mean square and the 10 and 90% quantiles over the repetitions."""
    low, high = errors.quantile(torch.tensor([0.1, 0.9]), dim=0)
    return {
        "rms": errors.square().mean(0).sqrt().tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
    }


def verdict(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """For every quantity and error: median and range of the draws, and how many are many."""
    found = {}
    for of in QUANTITIES:
        for place, error in enumerate(ERRORS):
            draws = [row["draws"][of][place] for row in rows]
            many = sum(n >= MANY for n in draws)
            found[f"{of} to {error:.0%}"] = {
                "median": median(draws),
                "smallest": min(draws),
                "largest": max(draws),
                "tens_of_thousands": many,
                "cases": len(draws),
                "holds": 2 * many >= len(draws),
            }
    return found


EXPERIMENT = Experiment(
    name="convergence",
    title="How many draws a mean, a covariance and a loss need",
    claim="Common augmentations require tens of thousands of samples for the loss at hand to be "
    "correctly estimated and for training to converge; the paper says the same of the information "
    "that the policy encodes, mean and covariance (abstract and section 2).",
    run=_run,
)
