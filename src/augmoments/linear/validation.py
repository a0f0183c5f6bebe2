"""Images set aside, on which linear models of augmented images are judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.plan import shapes_along
from augmoments.errors import InputError, PolicyError
from augmoments.linear.inputs import as_images, as_targets, encode_labels
from augmoments.operators.base import Shape


@dataclass(frozen=True)
class Judged:
    """Images for training and others for validation, with targets that are numbers.

    Classes are one-hot.
    """

    images: Tensor
    targets: Tensor
    """``(N, K)``, float64."""
    rows: Tensor
    """Images for validation, ``(M, D)``, float64."""
    wanted: Tensor
    """Their targets, ``(M, K)``, float64."""
    classes: np.ndarray | None
    """The classes, sorted; ``None`` for real targets."""

    @classmethod
    def of(cls, images: Any, targets: Any, validation: tuple[Any, Any]) -> Judged:
        """Check what a user gave.

        Raises:
            InputError: Images or targets that are not what was meant, or of different shapes, or
                classes for validation that do not occur in training.
        """
        if not isinstance(validation, tuple | list) or len(validation) != 2:
            raise InputError("validation must be a pair (images, targets) that was set aside.")
        batch, other = as_images(images), as_images(validation[0])
        if batch.shape[1:] != other.shape[1:]:
            raise InputError(
                f"Images for validation have shape {tuple(other.shape[1:])}, those for training "
                f"{tuple(batch.shape[1:])}."
            )
        y, wanted = _real_or_none(targets, len(batch)), _real_or_none(validation[1], len(other))
        rows = other.double().flatten(1)
        if y is None and wanted is None:
            classes, index = encode_labels(targets, len(batch))
            y = nn.functional.one_hot(index, len(classes)).double()
            return cls(batch, y, rows, _one_hot(validation[1], len(other), classes), classes)
        if y is None or wanted is None or wanted.shape[1:] != y.shape[1:]:
            raise InputError(
                "Targets for training and validation must be of the same kind: classes (N,), or "
                "real numbers with the same columns."
            )
        return cls(batch, y, rows, wanted, None)

    def check(self, policy: Augmentation) -> None:
        """Refuse policies after which images are no longer like those for validation.

        Raises:
            PolicyError: It changes the images' shape, or all of them alike, or mixes them.
        """
        shape: Shape = tuple(self.images.shape[1:])  # type: ignore[assignment]
        out = policy.output_shape(shape)
        if out != shape:
            raise PolicyError(
                f"The policy turns images of shape {shape} into {out}, so that a model of them "
                "cannot judge the images for validation: take one that keeps the shape, such as "
                "RandomCrop with padding, or resize the images first."
            )
        for part, here in zip(policy.parts, shapes_along(policy.parts, shape), strict=True):
            if part.parameters(here):
                continue
            try:
                part.neutral(here)
            except PolicyError as error:
                raise PolicyError(
                    f"{part} is not random and changes all images alike, but not those for "
                    "validation: leave it out, or do it to all images beforehand."
                ) from error

    def squared_error(self, coef: Tensor, intercept: Tensor) -> Tensor:
        """Mean over the images for validation of the squared error, summed over targets."""
        gaps = self.rows @ coef.T + intercept - self.wanted
        return gaps.square().sum(1).mean()

    def score(self, coef: Tensor, intercept: Tensor) -> float:
        """Accuracy, or the coefficient of determination averaged over targets."""
        outputs = self.rows @ coef.T + intercept
        if self.classes is not None:
            return float((outputs.argmax(1) == self.wanted.argmax(1)).double().mean())
        spread = (self.wanted - self.wanted.mean(0)).square().sum(0)
        left = (outputs - self.wanted).square().sum(0)
        return float((1 - left / spread).mean())


def _real_or_none(targets: Any, n: int) -> Tensor | None:
    """Real targets ``(n, K)``; ``None`` for classes."""
    dtype = targets.dtype if isinstance(targets, Tensor) else np.asarray(targets).dtype
    real = dtype.is_floating_point if isinstance(dtype, torch.dtype) else dtype.kind == "f"
    return as_targets(targets, n).reshape(n, -1) if real else None


def _one_hot(labels: Any, n: int, classes: np.ndarray) -> Tensor:
    given = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if given.shape != (n,):
        raise InputError(f"labels of shape {given.shape} for {n} images, expected ({n},).")
    unknown = sorted(set(given.tolist()) - set(classes.tolist()))
    if unknown:
        raise InputError(f"Labels for validation that do not occur in training: {unknown[:5]}.")
    return torch.from_numpy((given[:, None] == classes).astype(float))
