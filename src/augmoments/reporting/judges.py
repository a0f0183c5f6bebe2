"""The model that a subject is judged by: the user's, or a linear one fitted in closed form."""

from __future__ import annotations

from math import inf, prod

import torch
from torch import Tensor, nn

from augmoments.adapters import Policy, as_policy
from augmoments.augmentations.base import Augmentation
from augmoments.calculus.plan import Plan
from augmoments.data import Dataset
from augmoments.errors import InputError
from augmoments.linear.ridge import AugmentedRidgeClassifier
from augmoments.operators.base import Shape
from augmoments.reporting.request import Judge, Subject

ALPHA = 1e-3
_MOST_PIXELS = 1024
_MOST_IMAGES_BY_NODES = 2000
NO_MODEL = "no model was given."
NO_LABELS = "the images have no labels."


def with_model(dataset: Dataset, model: nn.Module, name: str, loss: str | None = None) -> Subject:
    """Images with a model of the user's own; its loss is the cross-entropy by default."""
    if dataset.labels is None:
        return Subject(dataset, None, NO_LABELS)
    return Subject(dataset, Judge(model, name, loss or "cross_entropy", dataset.labels))


def with_ridge(dataset: Dataset, policy: Policy, loss: str | None = None, seed: int = 0) -> Subject:
    """Images with a linear classifier, fitted in closed form on all their augmented versions.

    Its loss is the squared error by default, of which everything is known in closed form.

    Raises:
        InputError: There are no labels, or one class alone.
    """
    if dataset.labels is None:
        raise InputError(f"{dataset.name} has no labels, so no classifier can be fitted to it.")
    fitted = AugmentedRidgeClassifier(policy, alpha=ALPHA, seed=seed)
    fitted.fit(dataset.images, dataset.labels)
    name = (
        f"linear classifier, ridge with alpha = {ALPHA:g}, fitted in closed form on infinitely "
        f"many augmented versions of {len(dataset):,} images"
    )
    targets = torch.searchsorted(torch.as_tensor(fitted.classes_), dataset.labels)
    return Subject(dataset, Judge(fitted.to_module(), name, loss or "squared_error", targets))


def with_ridge_if_quick(
    dataset: Dataset, policy: Policy, loss: str | None = None, seed: int = 0
) -> Subject:
    """Images with a linear classifier where that takes seconds, else without and the reason."""
    reason = _why_not(dataset, as_policy(policy))
    return Subject(dataset, None, reason) if reason else with_ridge(dataset, policy, loss, seed)


def _why_not(dataset: Dataset, policy: Augmentation) -> str:
    if dataset.labels is None:
        return NO_LABELS
    if len(_classes(dataset.labels)) < 2:
        return "all images are of one class."
    shape: Shape = tuple(dataset.images.shape[1:])  # type: ignore[assignment]
    plan = Plan.of(policy, shape, 0, 0, inf)
    pixels = max(prod(plan.middle), prod(policy.output_shape(shape)))
    if pixels > _MOST_PIXELS:
        return (
            f"images of {pixels:,} values are too large for a quick linear classifier; give a "
            "model (--model), or a smaller size."
        )
    many = max(len(dataset), len(dataset) * prod(shape) / _MOST_PIXELS) > _MOST_IMAGES_BY_NODES
    if plan.head and many:
        return (
            "the policy has steps that no operator describes on average, so a linear classifier "
            "would have to be fitted image by image; ask for it by --model ridge, or give a model."
        )
    return ""


def _classes(labels: Tensor) -> Tensor:
    return labels.unique()
