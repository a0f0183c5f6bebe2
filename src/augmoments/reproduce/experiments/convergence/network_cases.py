"""Trained networks, with the images and augmentations for which their draws are counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from augmoments.augmentations.base import Augmentation
from augmoments.data.dataset import Dataset
from augmoments.reproduce.context import Context
from augmoments.reproduce.experiments.convergence import network_draws
from augmoments.reproduce.experiments.convergence.image_draws import spread
from augmoments.reproduce.families import family
from augmoments.reproduce.models import accuracy, architecture, train

NETWORKS = ("mlp", "cnn")
_AUGMENTATIONS = ("translation", "crop and resize", "brightness & contrast")


class Effort(NamedTuple):
    """How much is spent on networks.

    Attributes:
        images: Images that are looked at.
        augmentations: How many, from the first.
        epochs: Of training.
        nodes: Most evaluations an image.
        largest: Values of an image up to which there is a perceptron.
    """

    images: int
    augmentations: int
    epochs: int
    nodes: int
    largest: int


class Case(NamedTuple):
    """A trained network, images of its training, and an augmentation of them."""

    model: nn.Module
    images: Tensor
    labels: Tensor
    policy: Augmentation
    draws: network_draws.Draws

    def observed(
        self, counts: tuple[int, ...], repetitions: int, generator: torch.Generator
    ) -> dict[str, Any]:
        """Relative errors of sampled losses and gradients, and the predicted ones.

        The single image is the one with the median of the draws for its loss.
        """
        place = int(self.draws.loss.first.argsort()[len(self.images) // 2])
        found = network_draws.sampled(
            self.model,
            self.images,
            self.labels,
            place,
            self.policy,
            counts,
            repetitions,
            generator,
        )
        return {
            "counts": list(counts),
            "repetitions": repetitions,
            "predicted": self.draws.predicted(place, counts),
            "observed": {of: spread(errors) for of, errors in found.items()},
        }


def networks(
    data: Dataset, effort: Effort, context: Context
) -> Iterator[tuple[dict[str, Any], Case]]:
    """Small networks trained without and with each augmentation, on the first training images."""
    assert data.labels is not None
    images, labels = data.images[: effort.images], data.labels[: effort.images]
    for name in NETWORKS if data.images[0].numel() <= effort.largest else NETWORKS[1:]:
        plain = _trained(name, data, effort, None, context)
        for one in map(family, _AUGMENTATIONS[: effort.augmentations]):
            policy = one.medium(images.shape[-1])
            augmented = _trained(name, data, effort, policy, context)
            for training, model in (("plain", plain), ("augmented", augmented)):
                row = {
                    "images": data.name,
                    "augmentation": one.name,
                    "label": one.labels[1],
                    "model": name,
                    "training": training,
                    "epochs": effort.epochs,
                    "accuracy": accuracy(model, data.images, data.labels),
                    "count": len(images),
                }
                found = network_draws.needed(
                    model, images, labels, policy, context.seed, effort.nodes
                )
                yield row, Case(model, images, labels, policy, found)


def _trained(
    name: str, data: Dataset, effort: Effort, policy: Augmentation | None, context: Context
) -> nn.Module:
    assert data.labels is not None
    channels, height, width = data.images.shape[1:]
    classes = int(data.labels.max()) + 1
    model = architecture(name, (channels, height, width), classes, context.seed)
    generator = context.generator()
    return train(
        model,
        data.images,
        data.labels,
        epochs=effort.epochs,
        policy=policy,
        generator=generator,
    )
