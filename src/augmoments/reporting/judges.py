"""The model that a subject is judged by: the user's, or a linear one fitted in closed form."""

from __future__ import annotations

from math import inf, prod

import torch
from torch import nn

from augmoments.adapters import Policy, as_policy
from augmoments.augmentations.base import Augmentation
from augmoments.calculus.plan import Plan
from augmoments.data import Dataset
from augmoments.errors import InputError
from augmoments.linear.ridge import AugmentedRidgeClassifier
from augmoments.operators.base import Shape
from augmoments.reporting.request import Judge, Subject
from augmoments.reporting.task import spread

ALPHA = 1e-3
_MOST_PIXELS = 1024
_MOST_VALUES_BY_NODES = 2**16
_MOST_VALUES_BY_SAMPLES = 2**14
_FEWEST = 10  # images a class
NO_MODEL = "no model was given."
NO_LABELS = "the images have no labels. Give the class of each image."


def with_model(dataset: Dataset, model: nn.Module, name: str, loss: str | None = None) -> Subject:
    """Images with a model of the user's own; its loss is the cross-entropy by default."""
    if dataset.labels is None:
        return Subject(dataset, None, NO_LABELS)
    return Subject(dataset, Judge(model, name, loss or "cross_entropy", dataset.labels))


def with_ridge(
    dataset: Dataset,
    policy: Policy,
    loss: str | None = None,
    seed: int = 0,
    most: int | None = None,
) -> Subject:
    """Images with a linear classifier, fitted in closed form on all their augmented versions.

    Its loss is the squared error by default, of which everything is known in closed form.

    Args:
        dataset: The images and their labels.
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations.
        loss: ``"cross_entropy"`` or ``"squared_error"``.
        seed: Seed of scrambled nodes.
        most: Fit to as many images at most, evenly spread; to all of them by default.

    Raises:
        InputError: There are no labels, or one class alone.
    """
    if dataset.labels is None:
        raise InputError(
            f"{dataset.name} has no labels, so no classifier can be fitted to it: give labels, or "
            "a model of your own."
        )
    fitted = AugmentedRidgeClassifier(policy, alpha=ALPHA, seed=seed)
    used = spread(len(dataset), most or len(dataset))
    fitted.fit(dataset.images[used], dataset.labels[used])
    name = (
        f"linear classifier, ridge with alpha = {ALPHA:g}, fitted in closed form on infinitely "
        f"many augmented versions of {len(used):,} images"
    )
    targets = torch.searchsorted(torch.as_tensor(fitted.classes_), dataset.labels)
    return Subject(dataset, Judge(fitted.to_module(), name, loss or "squared_error", targets))


def with_ridge_if_quick(
    dataset: Dataset, policy: Policy, loss: str | None = None, seed: int = 0
) -> Subject:
    """Images with a linear classifier where that takes seconds, else without and the reason."""
    policy = as_policy(policy)
    shape: Shape = tuple(dataset.images.shape[1:])  # type: ignore[assignment]
    plan = Plan.of(policy, shape, 0, 0, inf)
    most = len(dataset)
    if plan.nodes is not None:
        budget = _MOST_VALUES_BY_SAMPLES if plan.nodes.replicated else _MOST_VALUES_BY_NODES
        most = min(most, budget // prod(shape))
    reason = _why_not(dataset, policy, plan, most)
    if reason:
        return Subject(dataset, None, reason)
    return with_ridge(dataset, policy, loss, seed, most)


def _why_not(dataset: Dataset, policy: Augmentation, plan: Plan, most: int) -> str:
    if dataset.labels is None:
        return NO_LABELS
    classes = dataset.labels.unique()
    if len(classes) < 2:
        return "all images are of one class. Give images of two classes or more, or a model."
    shape = plan.shape
    pixels = max(prod(plan.middle), prod(policy.output_shape(shape)))
    if pixels > _MOST_PIXELS:
        return (
            f"images of {pixels:,} values are too large for a quick linear classifier; give a "
            "model (--model), or a smaller size."
        )
    used = dataset.labels[spread(len(dataset), most)]
    if most < min(len(dataset), _FEWEST * len(classes)) or len(used.unique()) < len(classes):
        return (
            "this policy has to be followed image by image, so that a linear classifier takes long "
            "to fit; ask for one by --model ridge, or give a model."
        )
    return ""
