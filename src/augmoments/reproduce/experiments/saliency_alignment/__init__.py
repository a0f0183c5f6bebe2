"""Loss variance against saliency alignment, for trained and untrained models."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from torch import Tensor, nn

import augmoments as am
from augmoments.augmentations.base import Augmentation
from augmoments.data.dataset import Dataset
from augmoments.reproduce.context import Context
from augmoments.reproduce.experiment import Experiment, Findings
from augmoments.reproduce.experiments.saliency_alignment.factors import (
    Factors,
    changes,
    correlations,
    shares,
)
from augmoments.reproduce.experiments.saliency_alignment.figure import draw
from augmoments.reproduce.experiments.saliency_alignment.report import (
    SHOWN,
    differs,
    measured,
    summary,
)
from augmoments.reproduce.models import NAMES, accuracy, architecture, train

WEAK = ("rotation ±3°", "translation ±1.8 %")
_TOLERANCE = 0.05
_WORST = 0.25
"""Images whose variance is known no better than this, relatively, are left out."""


def policies(width: int) -> dict[str, Augmentation]:
    """What is put to the test on images of ``width`` pixels, weak ones first."""
    weak, usual = width / 56, width / 14
    return {
        "rotation ±3°": am.RandomRotation(3, interpolation="bilinear"),
        "translation ±1.8 %": am.RandomTranslation(x=(-weak, weak), y=(-weak, weak)),
        "rotation ±15°": am.RandomRotation(15, interpolation="bilinear"),
        "translation ±7 %": am.RandomTranslation(x=(-usual, usual), y=(-usual, usual)),
        "zoom × brightness": am.Compose([am.RandomZoom((0.85, 1.15)), am.ColorJitter(0.3)]),
    }


def measure(
    context: Context, source: str, *, count: int, probed: int, epochs: int
) -> list[dict[str, Any]]:
    """Every policy, architecture and training on one dataset, a dict for each.

    Args:
        context: Data, seed and progress.
        source: A labelled dataset.
        count: Most training images.
        probed: How many of them are looked at.
        epochs: Passes through the training images.
    """
    data, test = context.labelled(source, count), context.labelled(source, split="test")
    images = data.images[:probed].double()
    chosen = policies(images.shape[-1])
    plain = {name: _network(name, data, context.seed) for name in NAMES}
    for model in plain.values():
        _fit(model, data, epochs, context, None)
    found, total = [], len(chosen) * len(NAMES)
    for title, policy in chosen.items():
        moments = am.moments(images, policy, _TOLERANCE)
        for name in NAMES:
            context.tell(f"saliency on {source}, {title}", len(found) // 3, total)
            untrained, augmented = (_network(name, data, context.seed) for _ in range(2))
            _fit(augmented, data, epochs, context, policy)
            models = {"untrained": untrained, "plain": plain[name], "augmented": augmented}
            known = {k: _factors(m, images, data, policy, moments) for k, m in models.items()}
            for training, factors in known.items():
                kept = factors.where(factors.sound())
                case = {
                    "source": source,
                    "policy": title,
                    "weak": title in WEAK,
                    "model": name,
                    "training": training,
                    "accuracy": _accuracy(models[training], test),
                    "images": len(kept.variance),
                    "rank_correlations": correlations(kept),
                    "shares": shares(kept),
                    "excess": float(kept.excess.median()),
                    "nonlinearity": float(kept.nonlinearity.median()),
                    "relative_deviation": float(kept.relative.median()),
                    "change_from_plain": changes(known["plain"], factors),
                }
                if (title, name) == SHOWN:
                    case["points"] = _points(kept)
                found.append(case)
    return found


def _network(name: str, data: Dataset, seed: int) -> nn.Module:
    assert data.labels is not None
    channels, height, width = data.images.shape[1:]
    classes = int(data.labels.max()) + 1
    return architecture(name, (channels, height, width), classes, seed)


def _fit(
    model: nn.Module, data: Dataset, epochs: int, context: Context, policy: Augmentation | None
) -> None:
    assert data.labels is not None
    generator = context.generator(1)
    train(model, data.images, data.labels, epochs=epochs, policy=policy, generator=generator)


def _accuracy(model: nn.Module, test: Dataset) -> float:
    assert test.labels is not None
    return accuracy(model, test.images, test.labels)


def _factors(
    model: nn.Module, images: Tensor, data: Dataset, policy: Augmentation, moments: am.Moments
) -> Factors:
    """In double precision: losses of well-trained models are tiny."""
    assert data.labels is not None
    exact, labels = deepcopy(model).double(), data.labels[: len(images)]
    found = am.sensitivity(
        exact, "cross_entropy", images, labels, policy, k=1, tol=_TOLERANCE, given=moments
    )
    return Factors.of(found).masked(found.variance_error <= _WORST * found.variance)


def _points(found: Factors) -> dict[str, list[float]]:
    return {
        name: getattr(found, name).tolist()
        for name in ("variance", "alignment", "size", "linearized")
    }


def run(context: Context) -> Findings:
    """Measure, sum up, draw, tell."""
    if context.quick:
        sources, effort = ("digits",), {"count": 400, "probed": 32, "epochs": 10}
    else:
        sources, effort = context.sources(), {"count": 2000, "probed": 32, "epochs": 6}
    cases = [case for source in sources for case in measure(context, source, **effort)]
    numbers: dict[str, Any] = {"sources": list(sources), **effort, "cases": cases}
    numbers["summary"] = summary(cases)
    return Findings(numbers, draw(numbers), measured(numbers), differs(numbers))


EXPERIMENT = Experiment(
    name="saliency-alignment",
    title="Loss variance against saliency alignment",
    claim=(
        "For a training loss to be stable under the draws of an augmentation, the saliency map "
        "(the gradient of the loss with respect to the image) must align with the smallest "
        "eigenvectors of the covariance V of the augmented image (section 4)."
    ),
    run=run,
)
