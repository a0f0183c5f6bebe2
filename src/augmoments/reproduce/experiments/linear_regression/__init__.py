"""Ridge regression on sampled copies against its closed form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

import augmoments as am
from augmoments.data.dataset import Dataset
from augmoments.reproduce.context import Context
from augmoments.reproduce.experiment import Experiment, Findings
from augmoments.reproduce.experiments.linear_regression.report import differs, draw, measured

ALPHA = 1e-3
GOAL = 0.01
Array = np.ndarray


@dataclass(frozen=True)
class Case:
    """A dataset, a policy, and how often it is sampled."""

    name: str
    train: Dataset
    test: Dataset
    policy: am.Augmentation
    copies: tuple[int, ...]
    repeats: int
    tol: float = 1e-3


def cases(context: Context) -> Iterator[Case]:
    """Translation of each dataset, and rotation of fewer images of the first."""
    names = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}
    found = {name: label for name, label in names.items() if name in context.sources()}
    found = found or {"digits": "digits"}
    embedded = "digits" in found
    reach, count, turned = (1, None, 600) if embedded else (2, 5000, 1000)
    copies = (1, 2, 5, 10, 20) if context.quick else (1, 2, 5, 10, 20, 50)
    shift = am.Uniform(-reach, reach)
    for source, label in found.items():
        train, test = context.labelled(source, count), context.labelled(source, None, "test")
        policy = am.RandomTranslation(x=shift, y=shift)
        yield Case(f"{label}, translation ±{reach} px", train, test, policy, copies, 3)
    source, label = next(iter(found.items()))
    train, test = context.labelled(source, turned), context.labelled(source, None, "test")
    policy = am.RandomRotation(15, interpolation="bilinear")
    yield Case(f"{label}, rotation ±15°", train, test, policy, copies, 3, tol=1e-2)


def measure(case: Case, generator: torch.Generator) -> dict[str, Any]:
    """Errors of weights, predictions and loss after each number of copies; fractions."""
    images = case.train.images.double()
    targets = _targets(case.train)
    data = am.DatasetMoments(case.policy).update(images, targets)
    covariance = data.moments().covariance.numpy()
    solution = data.solve(ALPHA)
    best = np.column_stack([solution.coef.numpy(), solution.intercept.numpy()])
    plain = am.AugmentedRidgeClassifier(case.policy.scaled(0), ALPHA).fit(images, case.train.labels)
    sampled = [
        sampled_ridge(images, targets, case.policy, case.copies, generator)
        for _ in range(case.repeats)
    ]
    objective = _objectives([best, *sampled[0]], case)
    gaps = [[model - best for model in models] for models in sampled]
    predicted = am.samples_needed(
        images, case.policy, of="parameters", rel_error=GOAL, targets=targets, alpha=ALPHA
    )
    norms = {"weights": np.eye(len(covariance)), "predictions": covariance}
    errors = {}
    for part, matrix in norms.items():
        squares = [[_square(gap[:, :-1], matrix) for gap in row] for row in gaps]
        observed = np.sqrt(np.mean(squares, 0) / _square(best[:, :-1], matrix))
        size = predicted.parts[part]
        errors[part] = {
            "observed": observed.tolist(),
            "predicted": [float(size.predicted_error(n)) for n in case.copies],
            "copies_for_goal": float(size.n),
            "copies_for_goal_from_observed": case.copies[-1] * float(observed[-1] / GOAL) ** 2,
        }
    mean = data.moments().mean.flatten().numpy()
    return {
        "case": case.name,
        "images": len(images),
        "copies": list(case.copies),
        **errors,
        "loss": {
            "optimum": float(objective[0]),
            "excess": (objective[1:] - objective[0]).tolist(),
            "excess_from_weights": [_excess(gap, mean, covariance) for gap in gaps[0]],
        },
        "accuracy": {
            "sampled": [
                float(np.mean([_accuracy(models[i], case.test) for models in sampled]))
                for i in range(len(case.copies))
            ],
            "closed_form": _accuracy(best, case.test),
            "no_augmentation": float(plain.score(case.test.images, case.test.labels)),
        },
    }


def sampled_ridge(
    images: Tensor,
    targets: Tensor,
    policy: am.Augmentation,
    copies: tuple[int, ...],
    generator: torch.Generator,
) -> list[Array]:
    """Weights and intercepts ``(K, D + 1)`` after each number of copies drawn, in NumPy alone."""
    y = targets.numpy()
    size, found = images[0].numel() + 1, []
    gram, cross = np.zeros((size, size)), np.zeros((size, y.shape[1]))
    penalty = ALPHA * np.diag([1.0] * (size - 1) + [0.0])
    for n in range(1, copies[-1] + 1):
        drawn = policy(images, generator=generator).flatten(1).numpy()
        rows = np.column_stack([drawn, np.ones(len(drawn))])
        gram += rows.T @ rows
        cross += rows.T @ y
        if n in copies:
            found.append(np.linalg.solve(gram / (n * len(y)) + penalty, cross / (n * len(y))).T)
    return found


def _targets(data: Dataset) -> Tensor:
    assert data.labels is not None
    return one_hot(data.labels, 10).double()


def _objectives(models: list[Array], case: Case) -> Array:
    """Expected squared error and penalty of each model, exactly and image by image."""
    stacked = torch.from_numpy(np.concatenate(models))
    linear = nn.Linear(stacked.shape[1] - 1, len(stacked), dtype=torch.float64)
    linear.weight.data, linear.bias.data = stacked[:, :-1], stacked[:, -1]
    model = nn.Sequential(nn.Flatten(), linear).requires_grad_(False)
    outputs = am.output_moments(model, case.train.images.double(), case.policy, case.tol)
    wrong = outputs.mean - _targets(case.train).repeat(1, len(models))
    spread = outputs.covariance.diagonal(dim1=1, dim2=2)
    losses = (wrong.square() + spread).mean(0).reshape(len(models), -1).sum(1)
    penalties = [ALPHA * np.square(model[:, :-1]).sum() for model in models]
    return losses.numpy() + np.array(penalties)


def _excess(gap: Array, mean: Array, covariance: Array) -> float:
    """How far weights and intercepts are from the optimum, in the norm of the objective."""
    ridge = covariance + ALPHA * np.eye(len(covariance))
    return _square(gap[:, :-1], ridge) + float(np.square(gap @ np.append(mean, 1.0)).sum())


def _square(rows: Array, matrix: Array) -> float:
    return float(np.sum((rows @ matrix) * rows))


def _accuracy(model: Array, data: Dataset) -> float:
    outputs = data.images.flatten(1).double().numpy() @ model[:, :-1].T + model[:, -1]
    assert data.labels is not None
    return float(np.mean(outputs.argmax(1) == data.labels.numpy()))


def run(context: Context) -> Findings:
    """Measure, draw and tell."""
    found, todo = [], list(cases(context))
    for place, case in enumerate(todo):
        context.tell(case.name, place, len(todo))
        found.append(measure(case, context.generator(place)))
    numbers = {"alpha": ALPHA, "goal": GOAL, "cases": found}
    return Findings(numbers, draw(numbers), measured(numbers), differs(numbers))


EXPERIMENT = Experiment(
    name="linear-regression",
    title="Sampled training of a linear model against its closed form",
    claim=(
        "For a linear model and squared error the expected loss is the loss at the mean image "
        "plus an explicit regularizer, so that training on it gives the parameters of infinitely "
        "many augmented samples, which sampled training approaches slowly (section 3)."
    ),
    run=run,
)
