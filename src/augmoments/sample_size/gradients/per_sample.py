"""Gradients of the loss of single images with respect to a model's parameters."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from augmoments.calculus.integrate import Indexed
from augmoments.errors import ModelError
from augmoments.losses.judged import Judged


class PerSample(NamedTuple):
    """A function of augmented images that gives a vector for each, in named groups."""

    at: Indexed
    """``(n, C, H, W)`` and their places in the batch to ``(n, P)``."""
    sizes: dict[str, int]
    """Lengths of the groups, which follow each other."""


def losses(judged: Judged) -> PerSample:
    """The losses themselves, vectors of length 1."""

    def at(x: Tensor, index: Tensor) -> Tensor:
        return judged.loss.per_sample(judged.model(x), judged.targets[index.to(x.device)])[:, None]

    return PerSample(at, {"loss": 1})


def gradients(judged: Judged) -> PerSample:
    """Gradients with respect to all parameters that require one, a group a parameter tensor.

    The model is left as it is, ``.grad`` included; tied parameters count once.

    Raises:
        ModelError: Not a module with parameters to be trained, or one whose loss cannot be
            differentiated image by image (a model that was exported or compiled, say).
    """
    model = judged.model
    if not isinstance(model, nn.Module):
        raise ModelError(
            f"Gradients are with respect to the parameters of a torch module; a "
            f"{type(model).__name__} shows none. Give the module itself."
        )
    parameters = {n: p.detach() for n, p in model.named_parameters() if p.requires_grad}
    if not parameters:
        raise ModelError("The model has no parameters with requires_grad=True.")

    def single(chosen: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return judged.loss.per_sample(functional_call(model, chosen, (x[None],)), y[None])[0]

    each = vmap(grad(single), in_dims=(None, 0, 0))

    def at(x: Tensor, index: Tensor) -> Tensor:
        try:
            with sdpa_kernel(SDPBackend.MATH):  # other kernels of attention do not batch
                found = each(parameters, x.detach(), judged.targets[index.to(x.device)])
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise ModelError(
                "The loss cannot be differentiated image by image with respect to the parameters: "
                f"{str(error).splitlines()[0]}"
            ) from error
        return torch.cat([found[name].flatten(1) for name in parameters], 1)

    return PerSample(at, {name: p.numel() for name, p in parameters.items()})
