"""A model, a loss and targets that fit each other: one number for every image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.integrate import Progress, integrate
from augmoments.calculus.nodes import NodeFamily
from augmoments.errors import InputError
from augmoments.estimate import Estimate
from augmoments.losses.loss import Loss, as_loss
from augmoments.losses.models import Model, check_model, linear_map, one_draw
from augmoments.operators.base import Shape


@dataclass(frozen=True)
class Judged:
    """The loss of a model as a function of the images alone."""

    model: Model
    loss: Loss
    targets: Tensor
    """One for each image, as the loss takes them."""
    quadratic: bool
    """Whether the loss is a quadratic function of the image."""

    @classmethod
    def of(
        cls, model: Any, loss: Any, images: Tensor, targets: Any, policy: Augmentation
    ) -> Judged:
        """Check a model, a loss and targets against augmented images ``(N, C, H, W)``.

        Raises:
            InputError: Targets or a loss that are not what was meant.
            ModelError: The model is not a deterministic function of each image.
            PolicyError: The policy does not take these images.
        """
        probe = one_draw(images[:2], policy)
        checked = check_model(model, probe)
        sampled = as_loss(loss)
        with torch.no_grad():
            outputs = checked(probe)
            fitting = sampled.check_targets(targets, len(images), outputs.shape[1])
            fitting = fitting.to(images.device)
            _check_values(sampled, outputs, fitting[: len(probe)])
        quadratic = sampled.squared and linear_map(checked, probe) is not None
        return cls(checked, sampled, fitting, quadratic)

    def integrate(
        self,
        images: Tensor,
        policy: Augmentation,
        tol: float,
        seed: int,
        max_nodes: int,
        progress: Progress | None = None,
    ) -> Estimate:
        """Expectation and variance of the loss of each image, without approximation."""

        def at(x: Tensor, index: Tensor) -> Tensor:
            return self.loss.per_sample(self.model(x), self.targets[index.to(x.device)])

        with torch.no_grad():
            found = integrate(at, images, policy, tol, seed, max_nodes, progress)
        if self.quadratic and NodeFamily(policy, _shape(images), seed, max_nodes).polynomial:
            return replace(found, method="exact")
        return found


def _check_values(loss: Loss, outputs: Tensor, targets: Tensor) -> None:
    """Refuse a loss that does not give one real number a sample."""
    try:
        values: Any = loss.per_sample(outputs, targets)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise InputError(
            f"The loss {loss.name} failed on outputs {tuple(outputs.shape)} and targets "
            f"{tuple(targets.shape)} of dtype {targets.dtype}: {str(error).splitlines()[0]}"
        ) from error
    if not isinstance(values, Tensor) or values.shape != outputs.shape[:1]:
        found = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise InputError(
            f"The loss {loss.name} must give one value a sample, shape ({len(outputs)},), it gave "
            f"{found}: leave out its mean or sum over the samples, and sum or average over outputs."
        )
    if not values.is_floating_point():
        raise InputError(f"The loss {loss.name} gives {values.dtype}: use .float().")
    alone = loss.per_sample(outputs[:1], targets[:1])
    if not torch.allclose(values[:1], alone, rtol=1e-2, atol=1e-5, equal_nan=True):
        raise InputError(
            f"The loss {loss.name} of a sample depends on the others of its batch: its expectation "
            "is not one of each image."
        )


def _shape(images: Tensor) -> Shape:
    return tuple(images.shape[1:])  # type: ignore[return-value]
