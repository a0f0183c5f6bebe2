"""Alignment and spatial frequencies of the saliency over training."""

from __future__ import annotations

from copy import deepcopy
from itertools import product
from math import prod
from typing import Any

from torch import nn

import augmoments as am
from augmoments.alignment import AlignmentMonitor
from augmoments.augmentations.base import Augmentation
from augmoments.data.dataset import Dataset
from augmoments.reproduce.context import Context
from augmoments.reproduce.experiment import Experiment, Findings
from augmoments.reproduce.experiments.alignment_over_training.figure import draw
from augmoments.reproduce.experiments.alignment_over_training.report import (
    differs,
    measured,
    summary,
)
from augmoments.reproduce.experiments.alignment_over_training.trends import Run, compared
from augmoments.reproduce.models import accuracy, architecture, train

MODELS = ("mlp", "cnn")
_TOLERANCE = 0.05
_DIRECTIONS = 64
_HELD = 0.99
"""Share of tr V that the leading directions carry; the others are called the smallest."""


def policies(width: int) -> dict[str, Augmentation]:
    """What training is done with on images of ``width`` pixels."""
    shift = width / 14
    return {
        "rotation ±15°": am.RandomRotation(15, interpolation="bilinear"),
        "translation ±7 %": am.RandomTranslation(x=(-shift, shift), y=(-shift, shift)),
    }


def measure(
    context: Context, source: str, *, count: int, probed: int, epochs: int, seeds: int
) -> list[dict[str, Any]]:
    """Every policy and architecture on one dataset, a dict for each.

    Args:
        context: Data, seed and progress.
        source: A labelled dataset.
        count: Most training images.
        probed: How many of them are looked at.
        epochs: Passes through the training images.
        seeds: Independent trainings.
    """
    data, test = context.labelled(source, count), context.labelled(source, split="test")
    chosen = policies(data.images.shape[-1])
    probes = {title: Probe(data, probed, policy) for title, policy in chosen.items()}
    runs: dict[tuple[str, str, str], list[Run]] = {}
    for seed, name in product(range(seeds), MODELS):
        what = f"saliency over training on {source}, {name}"
        for number, (title, policy) in enumerate({"": None, **chosen}.items()):
            context.tell(what, seed * (len(chosen) + 1) + number, seeds * (len(chosen) + 1))
            followed = list(probes) if policy is None else [title]
            monitors = {key: probes[key].monitor() for key in followed}
            hits = _train(name, data, test, epochs, context, seed, policy, monitors)
            training = "plain" if policy is None else "augmented"
            for key, monitor in monitors.items():
                curves = probes[key].curves(monitor)
                runs.setdefault((name, key, training), []).append(Run(curves, hits))
    return [
        {"source": source, "model": name, "policy": title}
        | probe.about()
        | compared(runs[name, title, "plain"], runs[name, title, "augmented"], "gain")
        for name, (title, probe) in product(MODELS, probes.items())
    ]


def _train(
    name: str,
    data: Dataset,
    test: Dataset,
    epochs: int,
    context: Context,
    seed: int,
    policy: Augmentation | None,
    monitors: dict[str, AlignmentMonitor],
) -> float:
    """Train with the monitors watching, in double precision, and give the test accuracy."""
    assert data.labels is not None
    assert test.labels is not None
    channels, height, width = data.images.shape[1:]
    classes = int(data.labels.max()) + 1
    model = architecture(name, (channels, height, width), classes, 100 * context.seed + seed)

    def watch(model: nn.Module, epoch: int) -> None:
        exact = deepcopy(model).double()
        for monitor in monitors.values():
            monitor.record(exact, epoch)

    watch(model, 0)
    train(
        model,
        data.images,
        data.labels,
        epochs=epochs,
        policy=policy,
        generator=context.generator(seed),
        after_epoch=watch,
    )
    return accuracy(model, test.images, test.labels)


class Probe:
    """Training images whose saliency is followed, and the directions of one policy there."""

    def __init__(self, data: Dataset, count: int, policy: Augmentation) -> None:
        assert data.labels is not None
        self._images, self._labels = data.images[:count].double(), data.labels[:count]
        self._policy = policy
        self._moments = am.moments(self._images, policy, _TOLERANCE)
        covariance, self._size = self._moments.covariance, prod(self._moments.mean.shape[1:])
        self._k = min(_DIRECTIONS, self._size)
        held = covariance.eigh(self._k).values.cumsum(1) / covariance.trace()[:, None]
        self._leading = min(int((held.mean(0) < _HELD).sum()) + 1, self._k)

    def monitor(self) -> AlignmentMonitor:
        """A new one of these images."""
        return AlignmentMonitor(
            "cross_entropy",
            self._images,
            self._labels,
            self._policy,
            self._k,
            given=self._moments,
        )

    def about(self) -> dict[str, Any]:
        """How many directions carry 99 % of the variance, and the share of others at random."""
        directions = {"directions": self._leading, "pixels": self._size}
        return directions | {"smallest_at_random": 1 - self._leading / self._size}

    def curves(self, monitor: AlignmentMonitor) -> dict[str, list[float]]:
        """What is compared of the records of a training."""
        records = monitor.history
        return {
            "gain": [record.ratio / record.isotropic for record in records],
            "pooled_gain": [record.pooled_ratio / record.pooled_isotropic for record in records],
            "leading": [sum(record.alignment[: self._leading]) for record in records],
            "smallest": [1 - sum(record.alignment[: self._leading]) for record in records],
            "mean_frequency": [record.mean_frequency for record in records],
            "high": [record.high for record in records],
            "loss": [record.loss for record in records],
            "linearized_variance": [record.linearized_variance for record in records],
        }


def run(context: Context) -> Findings:
    """Measure, sum up, draw, tell."""
    if context.quick:
        sources = ("digits",)
        effort = {"count": 400, "probed": 24, "epochs": 6, "seeds": 4}
    else:
        sources = context.sources()
        effort = {"count": 2000, "probed": 32, "epochs": 10, "seeds": 5}
    cases = [case for source in sources for case in measure(context, source, **effort)]
    numbers: dict[str, Any] = {"sources": list(sources), **effort, "cases": cases}
    numbers["summary"] = summary(cases)
    return Findings(numbers, draw(numbers), measured(numbers), differs(numbers))


EXPERIMENT = Experiment(
    name="alignment-over-training",
    title="Alignment over training, with and without augmentation: edges to textures?",
    claim=(
        "Training with an augmentation needs saliency maps that align with the smallest "
        "eigenvectors of the covariance V of the augmented image; the paper suggests this as a "
        "possible reason why models shift their focus from edges to textures (section 4)."
    ),
    run=run,
)
