"""How models and losses are called in training, in whatever precision the caller chose."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from augmoments.errors import InputError, InputTypeError, ModelError
from augmoments.losses.loss import Loss
from augmoments.losses.models import Model

_BATCH_NORMS = (nn.modules.batchnorm._BatchNorm,)


def full_precision(images: Tensor) -> torch.autocast:
    """A context in which images are augmented as they are, whatever autocast the model is in."""
    return torch.autocast(images.device.type, enabled=False)


def like(moved: Tensor, images: Tensor) -> Tensor:
    """``moved`` in the memory format of ``images``."""
    last = torch.channels_last
    if images.is_contiguous(memory_format=last) and not images.is_contiguous():
        return moved.contiguous(memory_format=last)
    return moved


def outputs_of(model: Model, images: Tensor) -> Tensor:
    """Outputs ``(N, K)`` of a model, in single precision at least.

    Raises:
        InputTypeError: Not callable.
        ModelError: Outputs of another shape.
    """
    if not callable(model):
        kind = type(model).__name__
        raise InputTypeError(f"model must be callable, such as a torch module, got {kind}.")
    outputs: Any = model(images)
    if not isinstance(outputs, Tensor) or outputs.ndim != 2 or len(outputs) != len(images):
        found = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ModelError(
            f"The model must map {len(images)} images to outputs of shape ({len(images)}, K), it "
            f"gave {found}."
        )
    return outputs.float() if outputs.dtype in (torch.float16, torch.bfloat16) else outputs


def losses_of(loss: Loss, outputs: Tensor, targets: Tensor) -> Tensor:
    """One value a sample, ``(N,)``.

    Raises:
        InputError: The loss gives something else.
    """
    with full_precision(outputs):
        values: Any = loss.per_sample(outputs, targets)
    if not isinstance(values, Tensor) or values.shape != (len(outputs),):
        found = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise InputError(
            f"The loss {loss.name} must give one value a sample, shape ({len(outputs)},), it gave "
            f"{found}: leave out its mean or sum over the samples."
        )
    return values


def refuse_batch_norm(model: Model, owner: str) -> None:
    """Refuse models whose output for one image depends on the others of the batch.

    Raises:
        ModelError: Batch normalisation in training mode; the message names the layers.
    """
    if not isinstance(model, nn.Module):
        return
    active = [
        name or "the model"
        for name, module in model.named_modules()
        if module.training and isinstance(module, _BATCH_NORMS)
    ]
    if active:
        more = " and others" if len(active) > 3 else ""
        raise ModelError(
            f"{owner}: {', '.join(active[:3])}{more} normalise by the batch in training mode, so "
            "an output has no derivative in one image alone. Call .eval() on these layers after "
            "model.train() to use their running statistics, or GroupNorm in their place, or "
            "ExpectedLoss, which takes any model."
        )
