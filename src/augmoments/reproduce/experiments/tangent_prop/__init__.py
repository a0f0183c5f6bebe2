"""TangentProp against the explicit regularizer, from tiny to realistic strengths."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import augmoments as am
from augmoments.operators.base import Shape
from augmoments.reproduce.context import Context
from augmoments.reproduce.experiment import Experiment, Findings
from augmoments.reproduce.experiments.tangent_prop.report import differs, draw, measured
from augmoments.reproduce.models import NAMES, accuracy, architecture, train
from augmoments.reproduce.thresholds import crossing

DIFFERENT = 0.1
BLURS = (0.0, 0.5, 1.0)  # pixels
_STEP = 1e-4  # of the unit, for one-sided derivatives
_LEAST = 2e-3  # distance from the limit that counts for the rate
_STRAIGHT = 0.98  # correlation of the logarithms
_SMALL = 0.05  # of the strongest: what counts for the rate
Build = Callable[[Any], am.Augmentation]


@dataclass(frozen=True)
class Family:
    """An augmentation of growing strength: one number uniform in ±strength, or several."""

    name: str
    unit: str
    build: Build
    """From a strength, or (with one number) from its law about its neutral value."""
    strengths: tuple[float, ...]
    neutral: float | None = 0.0
    """Of the one number; ``None`` where there are several."""
    tol: float = 1e-3

    def policy(self, strength: float) -> am.Augmentation:
        """The augmentation at a strength."""
        if self.neutral is None:
            return self.build(strength)
        return self.build(am.Uniform(self.neutral - strength, self.neutral + strength))


def _several(reach: float, strength: float) -> am.Augmentation:
    shift = am.Uniform(-reach * strength, reach * strength)
    return am.Compose(
        [
            am.RandomRotation(15 * strength, interpolation="bilinear"),
            am.RandomTranslation(x=shift, y=shift),
        ]
    )


def families(side: int, quick: bool) -> tuple[Family, ...]:
    """Three warps of one number, one change of colour, and rotation with translation."""
    reach = 2 if side > 16 else 1
    rotation = partial(am.RandomRotation, interpolation="bilinear")
    bright = partial(am.ColorJitter, clamp=False)
    degrees = (0.1, 0.5, 2, 7, 15, 30) if quick else (0.03, 0.1, 0.3, 1, 3, 7, 15, 30)
    pixels = (0.03, 0.1, 0.3, 0.5, 1, 2, 4)
    zooms = (0.01, 0.1, 0.4) if quick else (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.4)
    found = (
        Family("rotation", "degrees", rotation, degrees),
        Family("translation along x", "pixels", lambda law: am.RandomTranslation(x=law), pixels),
        Family("zoom", "of the size", am.RandomZoom, zooms, neutral=1.0),
        Family("brightness", "of the value", bright, (0.01, 0.03, 0.1, 0.3, 1), neutral=1.0),
        Family(
            f"rotation and translation (1: 15°, {reach} px)",
            "of the full strength",
            partial(_several, reach),
            (0.03, 0.1, 0.3, 1) if quick else (0.01, 0.03, 0.1, 0.3, 0.6, 1),
            neutral=None,
            tol=1e-2,
        ),
    )
    return found


@dataclass(frozen=True)
class Setting:
    """Images, and the networks that see them."""

    images: Tensor
    labels: Tensor
    models: Mapping[str, nn.Module] = field(default_factory=dict)


def penalties(setting: Setting, policy: am.Augmentation, tol: float) -> dict[str, dict[str, float]]:
    """Both penalties and the variance of the outputs that they stand for, mean over the images.

    With the squared error all three are traces of covariances of outputs, whatever the target.
    """
    x, y = setting.images, setting.labels
    known = am.moments(x, policy, tol)
    tangents = am.TangentProp(policy, loss="squared_error", check_every=0)
    found = {}
    for name, model in setting.models.items():
        expected = am.expected_loss(
            model, "squared_error", x, y, policy, tol=0.1, max_nodes=128, given=known
        )
        outputs = am.output_moments(model, x, policy, tol=1e-2, max_nodes=512)
        with torch.no_grad():
            found[name] = {
                "tangent": float(tangents(model, x, y)),
                "explicit": float(expected.regularizer.mean()),
                "true": _mean_trace(outputs.covariance),
                "true_error": _mean_trace(outputs.covariance_error),
            }
    return found


def _mean_trace(matrices: Tensor) -> float:
    return float(matrices.diagonal(dim1=1, dim2=2).sum(1).mean())


def limit(setting: Setting, family: Family) -> dict[str, float]:
    r"""What explicit over TangentProp tends to as the strength goes to zero.

    With one number t uniform in ±s, :math:`T(x) = x + t a + |t| b + O(t^2)`, where b is not zero if
    the action has a kink at the neutral draw, so that the ratio is :math:`1 + \frac{Var|t|}{Var t}
    \|J b\|^2 / \|J a\|^2` with 1/4 for the ratio of the variances.
    """
    x, neutral = setting.images, family.neutral
    assert neutral is not None
    ahead, behind = (
        family.build(am.Discrete([neutral + step]))(x, generator=torch.Generator())
        for step in (_STEP, -_STEP)
    )
    odd, even = (ahead - behind) / (2 * _STEP), (ahead + behind - 2 * x) / (2 * _STEP)
    found = {}
    for name, model in setting.models.items():
        squares = [
            float(torch.func.jvp(model, (x,), (along,))[1].detach().square().sum())
            for along in (even, odd)
        ]
        found[name] = 1 + squares[0] / squares[1] / 4
    return found


def follow(setting: Setting, family: Family) -> dict[str, Any]:
    """Both penalties of all networks against the strength, and where they part."""
    rows = [penalties(setting, family.policy(s), family.tol) for s in family.strengths]
    limits = limit(setting, family) if family.neutral is not None else {}
    models = {}
    for name in setting.models:
        columns = {key: [row[name][key] for row in rows] for key in rows[0][name]}
        ratio = np.divide(columns["explicit"], columns["tangent"])
        models[name] = columns | {
            "ratio": ratio.tolist(),
            "limit": limits.get(name),
            "rate": _rate(family.strengths, ratio, limits.get(name)),
            "different_from": crossing(family.strengths, (ratio - 1).tolist(), DIFFERENT),
        }
    return {
        "family": family.name,
        "unit": family.unit,
        "strengths": list(family.strengths),
        "models": models,
    }


def _rate(strengths: tuple[float, ...], ratio: np.ndarray, end: float | None) -> float | None:
    """Exponent with which the distance from the limit falls, where it can be told."""
    if end is None:
        return None
    off, s = np.abs(ratio - end), np.array(strengths)
    used = (off > _LEAST) & (s <= _SMALL * s[-1])
    if used.sum() < 3 or len(set(np.sign(ratio - end)[used])) > 1:
        return None
    x, y = np.log(s[used]), np.log(off[used])
    straight = np.corrcoef(x, y)[0, 1] > _STRAIGHT
    return float(np.polyfit(x, y, 1)[0]) if straight else None


def blurred(setting: Setting, family: Family) -> list[dict[str, Any]]:
    """The limits for images that are smooth, so that interpolation has less of a kink."""
    found = []
    for sigma in BLURS:
        images = setting.images
        if sigma:
            blur = am.GaussianBlur(2 * ceil(3 * sigma) + 1, (sigma, sigma))
            images = blur(images, generator=torch.Generator())
        smooth = Setting(images, setting.labels, setting.models)
        found.append({"sigma": sigma, "limits": limit(smooth, family)})
    return found


def nearer(found: list[dict[str, Any]]) -> list[int]:
    """How often the explicit regularizer is nearer to the truth, of how often the two differ."""
    won = [
        abs(row["explicit"][i] - row["true"][i]) < abs(row["tangent"][i] - row["true"][i])
        for family in found
        for row in family["models"].values()
        for i, ratio in enumerate(row["ratio"])
        if abs(ratio - 1) >= DIFFERENT
    ]
    return [sum(won), len(won)]


def run(context: Context) -> Findings:
    """Train, measure, draw and tell."""
    source = context.sources()[0]
    data = context.labelled(source, 5000)
    images, labels = data.images, data.labels
    assert labels is not None
    shape: Shape = tuple(images.shape[1:])  # type: ignore[assignment]
    models, scores = {}, {}
    for place, name in enumerate(NAMES):
        context.tell(f"training {name}", place, len(NAMES))
        model = architecture(name, shape, 10, context.seed)
        train(model, images, labels, epochs=5, generator=context.generator(place))
        scores[name] = accuracy(model, images, labels)
        models[name] = model.double().requires_grad_(False)
    count = 16 if context.quick else 48
    setting = Setting(images[:count].double(), labels[:count], models)
    todo = families(images.shape[-1], context.quick)
    found = []
    for place, family in enumerate(todo):
        context.tell(family.name, place, len(todo))
        found.append(follow(setting, family))
    numbers = {
        "source": source,
        "different": DIFFERENT,
        "images": count,
        "training_accuracy": scores,
        "families": found,
        "blurred": blurred(setting, todo[0]),
        "explicit_nearer": nearer(found),
    }
    return Findings(numbers, draw(numbers), measured(numbers), differs(numbers))


EXPERIMENT = Experiment(
    name="tangent-prop",
    title="TangentProp and the explicit regularizer",
    claim=(
        "TangentProp is a special case of the explicit regularizer of an augmentation: the "
        "eigenvectors of the covariance are the tangent directions of the data manifold, its "
        "eigenvalues their weights (section 3)."
    ),
    run=run,
)
