"""Where first and second order fail: expansions of the loss against the loss itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import augmoments as am
from augmoments.losses.loss import as_loss
from augmoments.operators.base import Shape
from augmoments.reproduce.context import Context
from augmoments.reproduce.experiment import Experiment, Findings
from augmoments.reproduce.experiments.taylor.report import (
    LINEAR,
    UNTRAINED,
    WITH,
    WITHOUT,
    differs,
    draw,
    measured,
)
from augmoments.reproduce.models import accuracy, architecture, train
from augmoments.reproduce.thresholds import crossing

MOST = 0.1
LOSS = "cross_entropy"


@dataclass(frozen=True)
class Family:
    """An augmentation of growing strength."""

    name: str
    unit: str
    policy: Callable[[float], am.Augmentation]
    strengths: tuple[float, ...]
    trained: float
    """The strength that networks are trained with."""


def families(side: int, quick: bool) -> tuple[Family, ...]:
    """Rotation, translation along both axes, and brightness as torchvision has it."""
    wide = side > 16

    def translation(reach: float) -> am.Augmentation:
        return am.RandomTranslation(x=am.Uniform(-reach, reach), y=am.Uniform(-reach, reach))

    def rotation(degrees: float) -> am.Augmentation:
        return am.RandomRotation(degrees, interpolation="bilinear")

    pixels = (0.25, 0.5, 1, 2, 4) if wide else (0.125, 0.25, 0.5, 1, 2)
    degrees = (5, 10, 15, 30, 60) if quick else (2, 5, 10, 15, 30, 60)
    return (
        Family("rotation", "degrees", rotation, degrees, 15),
        Family("translation", "pixels", translation, pixels, 2 if wide else 1),
        Family("brightness", "of the value", am.ColorJitter, (0.05, 0.1, 0.2, 0.4, 0.9), 0.4),
    )


def orders(
    model: nn.Module, images: Tensor, labels: Tensor, policy: am.Augmentation, given: am.Moments
) -> dict[str, Any]:
    """Expected loss, its variance and what stands for them, means over the images.

    ``off`` are relative errors of the means, ``off_image`` medians of those of the images, in size.
    """
    found = am.expected_loss(model, LOSS, images, labels, policy, max_nodes=256, given=given)
    outputs = am.output_moments(model, images, policy, max_nodes=256)
    loss = as_loss(LOSS)
    curved = loss.gradient_and_hessian(outputs.mean, labels)[1]
    mean = given.mean.detach().requires_grad_()
    (slope,) = torch.autograd.grad(loss.per_sample(model(mean), labels).sum(), mean)
    with torch.no_grad():
        losses = {
            "unaugmented": loss.per_sample(model(images), labels),
            "at_mean": found.at_mean,
            "second_order": found.at_mean + found.regularizer,
            "logits": loss.per_sample(outputs.mean, labels)
            + (curved * outputs.covariance).sum((1, 2)) / 2,
        }
    linearized = (slope * (given.covariance @ slope)).flatten(1).sum(1)
    pairs = {name: (value, found.value) for name, value in losses.items()}
    pairs["variance"] = (linearized, found.variance)
    return {
        "true": float(found.value.mean()),
        "error": float(found.error.mean()),
        "true_variance": float(found.variance.mean()),
        **{name: float(value.mean()) for name, (value, _) in pairs.items()},
        "off": {name: float(v.mean() / t.mean()) - 1 for name, (v, t) in pairs.items()},
        "off_image": {
            name: float(((v - t).abs() / t.clamp_min(1e-30)).median())
            for name, (v, t) in pairs.items()
        },
    }


def follow(models: dict[str, nn.Module], images: Tensor, labels: Tensor, family: Family) -> Any:
    """All orders of all networks against the strength, and where they go wrong."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in models}
    for strength in family.strengths:
        policy = family.policy(strength)
        given = am.moments(images, policy, tol=5e-3)
        for name, model in models.items():
            rows[name].append(orders(model, images, labels, policy, given))
    networks = {}
    for name, row in rows.items():
        columns: dict[str, Any] = {
            key: [one[key] for one in row] for key in row[0] if not key.startswith("off")
        }
        for kind in ("off", "off_image"):
            columns[kind] = {key: [one[kind][key] for one in row] for key in row[0][kind]}
        for kind, into in (("off", "wrong_from"), ("off_image", "wrong_from_image")):
            columns[into] = {
                key: crossing(family.strengths, off, MOST) for key, off in columns[kind].items()
            }
        networks[name] = columns
    return {
        "family": family.name,
        "unit": family.unit,
        "trained": family.trained,
        "strengths": list(family.strengths),
        "networks": networks,
    }


def run(context: Context) -> Findings:
    """Train, measure, draw and tell."""
    source = context.sources()[0]
    data = context.labelled(source, 5000)
    images, labels = data.images, data.labels
    assert labels is not None
    shape: Shape = tuple(images.shape[1:])  # type: ignore[assignment]
    count = 16 if context.quick else 64
    todo = families(shape[-1], context.quick)

    def trained(name: str, policy: am.Augmentation | None = None) -> nn.Module:
        model = architecture(name, shape, 10, context.seed)
        options: Any = {"policy": policy, "generator": context.generator(1)}
        train(model, images, labels, epochs=8, **options)
        return model.requires_grad_(False)

    context.tell("training", 0, len(todo) + 1)
    shared = {
        UNTRAINED: architecture("cnn", shape, 10, context.seed).requires_grad_(False),
        WITHOUT: trained("cnn"),
        LINEAR: trained("linear"),
    }
    found, scores = [], {name: accuracy(model, images, labels) for name, model in shared.items()}
    for place, family in enumerate(todo):
        context.tell(family.name, place + 1, len(todo) + 1)
        models = shared | {WITH: trained("cnn", family.policy(family.trained))}
        found.append(follow(models, images[:count], labels[:count], family))
    numbers = {
        "source": source,
        "images": count,
        "most": MOST,
        "training_accuracy": scores,
        "families": found,
    }
    return Findings(numbers, draw(numbers), measured(numbers), differs(numbers))


EXPERIMENT = Experiment(
    name="taylor",
    title="Where first- and second-order accounts of the loss fail",
    claim=(
        "The explicit regularizer is exact for a linear model with squared error (section 3); for "
        "other models and losses mean and covariance of the augmented image account for the loss "
        "as far as its expansion around the mean image does."
    ),
    run=run,
)
