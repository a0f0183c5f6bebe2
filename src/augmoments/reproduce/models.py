"""Small networks, and their training with or without draws of an augmentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from augmoments.adapters import Policy, as_policy
from augmoments.checks import did_you_mean
from augmoments.errors import InputError
from augmoments.operators.base import Shape

Name = Literal["linear", "mlp", "cnn"]
NAMES: tuple[Name, ...] = ("linear", "mlp", "cnn")


def architecture(name: str, shape: Shape, classes: int, seed: int) -> nn.Module:
    """An untrained classifier without dropout or batch normalization, in evaluation mode.

    Args:
        name: ``"linear"``; ``"mlp"``, one hidden layer of 128; ``"cnn"``, two convolutions and a
            linear layer, five to forty thousand parameters for images of 8 to 32 pixels.
        shape: ``(C, H, W)`` of the images that it takes.
        classes: Number of outputs.
        seed: Of the initial weights; the global random state stays as it is.

    Raises:
        InputError: An unknown name.

    Example:
        >>> model = architecture("cnn", (1, 8, 8), 10, seed=0)
        >>> model(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """
    channels, height, width = shape
    pixels = channels * height * width
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if name == "linear":
            layers = [nn.Flatten(), nn.Linear(pixels, classes)]
        elif name == "mlp":
            layers = [nn.Flatten(), nn.Linear(pixels, 128), nn.ReLU(), nn.Linear(128, classes)]
        elif name == "cnn":
            first = 1 if min(height, width) <= 16 else 2
            features = nn.Sequential(
                nn.Conv2d(channels, 16, 3, stride=first, padding=1),
                nn.ReLU(),
                nn.Conv2d(16, 32, 3, stride=2, padding=1),
                nn.ReLU(),
                nn.Flatten(),
            )
            with torch.no_grad():
                width = features(torch.zeros(1, *shape)).shape[1]
            layers = [*features, nn.Linear(width, classes)]
        else:
            raise InputError(
                f"there is no architecture {name!r}{did_you_mean(name, NAMES)}: choose from "
                f"{', '.join(NAMES)}."
            )
    return nn.Sequential(*layers).eval()


def train(
    model: nn.Module,
    images: Float[Tensor, "N C H W"],
    labels: Int64[Tensor, "N"],
    *,
    epochs: int,
    batch: int = 50,
    lr: float = 2e-3,
    policy: Policy | None = None,
    generator: torch.Generator,
    after_epoch: Callable[[nn.Module, int], None] | None = None,
) -> nn.Module:
    """Train a classifier in place by Adam at a constant rate on the cross-entropy.

    Args:
        model: As :func:`architecture` gives it.
        images: Training images, before the augmentation.
        labels: Their classes.
        epochs: Passes through the images.
        batch: Images a step.
        lr: Learning rate.
        policy: Draws an augmentation of each image afresh in each step; None leaves them alone.
        generator: Of the order of the images and of the draws.
        after_epoch: Called as ``after_epoch(model, epoch)``, epochs counted from 1, with the model
            in evaluation mode.

    Returns:
        The model, in evaluation mode.

    Example:
        >>> images, labels = torch.eye(64)[:20].reshape(20, 1, 8, 8), torch.arange(20) % 2
        >>> model = architecture("linear", (1, 8, 8), 2, seed=0)
        >>> model = train(model, images, labels, epochs=200, generator=torch.Generator())
        >>> accuracy(model, images, labels)
        1.0
    """
    augmentation = None if policy is None else as_policy(policy)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for epoch in range(1, epochs + 1):
        model.train()
        for index in torch.randperm(len(images), generator=generator).split(batch):
            seen = images[index]
            if augmentation is not None:
                seen = augmentation(seen, generator)
            optimizer.zero_grad()
            functional.cross_entropy(model(seen), labels[index]).backward()
            optimizer.step()
        model.eval()
        if after_epoch is not None:
            after_epoch(model, epoch)
    return model.eval()


@torch.no_grad()
def accuracy(
    model: nn.Module, images: Float[Tensor, "N C H W"], labels: Int64[Tensor, "N"]
) -> float:
    """Share of the images that a classifier puts into their classes."""
    outputs = torch.cat([model(part) for part in images.split(1000)])
    return float((outputs.argmax(1) == labels).double().mean())
