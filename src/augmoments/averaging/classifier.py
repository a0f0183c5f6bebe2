"""What test-time augmentation asks of a model, and what the model says without augmentation."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.sequence import Chain
from augmoments.calculus.plan import shapes_along
from augmoments.checks import did_you_mean
from augmoments.errors import InputError, PolicyError
from augmoments.losses.models import Model, check_model, one_draw
from augmoments.operators.base import Shape

Average = Literal["probabilities", "outputs"]
_AVERAGES = ("probabilities", "outputs")
_IMAGES_AT_ONCE = 1024


def check_classifier(
    model: Any, images: Tensor, policy: Augmentation, average: Average
) -> tuple[Model, int]:
    """A model that maps augmented images to at least two outputs, and their number.

    Raises:
        InputError: An unknown ``average``, or a single output.
        ModelError: The model is not a deterministic function of each image.
        PolicyError: The policy does not take images of this shape, or mixes those of a batch.
    """
    if average not in _AVERAGES:
        hint = did_you_mean(str(average), _AVERAGES)
        raise InputError(f"average={average!r} is none of {_AVERAGES}.{hint}")
    probe = one_draw(images[:2], policy)
    model = check_model(model, probe)
    with torch.no_grad():
        outputs = model(probe).shape[1]
    if outputs < 2:
        raise InputError(
            "The model has a single output: a class needs one output each. Give two, such as "
            "(-z, z) for a score z."
        )
    return model, outputs


def without_augmentation(
    model: Model, images: Tensor, policy: Augmentation, average: Average
) -> Tensor | None:
    """Outputs ``(N, K)`` where the random steps are left out and the others stay.

    ``None`` where these do not give images of the shape that the model takes.
    """
    shape: Shape = tuple(images.shape[1:])  # type: ignore[assignment]
    pairs = zip(policy.parts, shapes_along(policy.parts, shape), strict=True)
    fixed = Chain(tuple(part for part, here in pairs if not part.parameters(here)))
    try:
        if fixed.output_shape(shape) != policy.output_shape(shape):
            return None
    except PolicyError:
        return None
    theta = torch.zeros(1, 0, dtype=torch.float64)
    outputs = []
    with torch.no_grad():
        for some in images.split(_IMAGES_AT_ONCE):
            plain = fixed.apply(some[None], theta)[0] if fixed.steps else some
            outputs.append(model(plain))
    return scaled(torch.cat(outputs), average)


def scaled(outputs: Tensor, average: Average) -> Tensor:
    """What is averaged."""
    return outputs.softmax(1) if average == "probabilities" else outputs
