"""Draws that means and covariances need, and losses of a linear model; predicted and observed."""

from __future__ import annotations

from itertools import product
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
from augmoments.reproduce.experiments.convergence.network_draws import ERRORS, draws
from augmoments.reproduce.families import Family, family
from augmoments.sample_size import samples_needed
from augmoments.sample_size.result import Quantity

_NODES = 1024
_ALPHA = 1e-3


def classifier(data: Dataset) -> Model:
    """A ridge classifier fitted to infinitely many translated images, as a module."""
    policy = family("translation").medium(data.images.shape[-1])
    ridge = AugmentedRidgeClassifier(policy, alpha=_ALPHA)
    return ridge.fit(data.images, data.labels).to_module()


def needed(data: Dataset, count: int, one: Family, model: Model, seed: int) -> dict[str, Any]:
    """Draws an image for root-mean-square errors of ``ERRORS``: medians over the first images.

    ``"linear loss"`` is the squared error of ``model``; ``"mean linear loss"`` that of all these
    images, where the errors of images average out.
    """
    images, targets = data.images[:count], one_hot(data)[:count]
    policy = one.medium(images.shape[-1])
    options: Any = {"seed": seed, "max_nodes": _NODES}
    m = moments(images, policy, 1e-2, **options)
    loss = expected_loss(model, "squared_error", images, targets, policy, 2e-2, given=m, **options)
    value, variance = loss.value.double(), loss.variance.double()
    relative = {
        "linear loss": (variance / value.square()).quantile(0.5),
        "mean linear loss": variance.sum() / value.sum().square(),
    }
    image: dict[Quantity, list[float]] = {"mean": [], "covariance": []}
    for of, error in product(image, ERRORS):
        size = samples_needed(images, policy, of, error, given=m, tol=1e-2, **options)
        image[of].append(float(size.n.quantile(0.5)))
    losses = {of: [draws(v, error) for error in ERRORS] for of, v in relative.items()}
    return {"count": len(images), "method": m.method, "draws": image | losses}


def one_hot(data: Dataset) -> Tensor:
    """Targets of the ridge classifier, ``(N, K)``."""
    assert data.labels is not None
    _, index = data.labels.unique(return_inverse=True)
    return functional.one_hot(index).float()


def observed(
    data: Dataset,
    policy: Augmentation,
    counts: tuple[int, ...],
    repetitions: int,
    generator: torch.Generator,
) -> dict[str, Any]:
    """Relative errors of the first image's sampled mean and covariance, and the predicted ones.

    All counts of a repetition are prefixes of the same draws.
    """
    image = data.images[:1]
    m = moments(image, policy, 1e-3, max_nodes=_NODES)
    errors: dict[Quantity, list[list[float]]] = {"mean": [], "covariance": []}
    for _ in range(repetitions):
        drawn = policy(image.expand(counts[-1], *image.shape[1:]), generator=generator)
        for of, found in zip(errors, _errors(drawn.flatten(1), m, counts), strict=True):
            errors[of].append(found)
    sizes = {
        of: samples_needed(image, policy, of, 0.01, given=m, max_nodes=_NODES) for of in errors
    }
    return {
        "counts": list(counts),
        "repetitions": repetitions,
        "predicted": {of: [float(s.predicted_error(n)) for n in counts] for of, s in sizes.items()},
        "observed": {of: spread(torch.tensor(found)) for of, found in errors.items()},
    }


def _errors(rows: Tensor, m: Moments, counts: tuple[int, ...]) -> tuple[list[float], list[float]]:
    """Of the mean and of the covariance."""
    mean, dense = m.mean.flatten(), m.covariance.dense()[0]
    means = [float((rows[:n].mean(0) - mean).norm() / mean.norm()) for n in counts]
    return means, [float((rows[:n].mT.cov() - dense).norm() / dense.norm()) for n in counts]


def spread(errors: Tensor) -> dict[str, list[float]]:
    """Root mean square and the 10 and 90% quantiles over the repetitions."""
    low, high = errors.quantile(torch.tensor([0.1, 0.9]).to(errors), dim=0)
    return {
        "rms": errors.square().mean(0).sqrt().tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
    }
