"""Losses and their saliency maps: one forward and one backward pass."""

from __future__ import annotations

import torch
from torch import Tensor

from augmoments.errors import InputError, ModelError
from augmoments.losses.loss import Loss
from augmoments.losses.models import Model


def saliency_at(model: Model, loss: Loss, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Losses ``(N,)`` and their gradients ``(N, C, H, W)`` at ``images``, detached.

    Gradients of the model's parameters are neither computed nor touched.

    Raises:
        InputError: The loss does not give one value a sample.
        ModelError: The loss does not depend differentiably on the images, or not finitely.
    """
    with torch.enable_grad():
        point = images.detach().requires_grad_()
        values = loss.per_sample(model(point), targets)
        if values.shape != (len(images),):
            raise InputError(
                f"The loss {loss.name} must give one value a sample, shape ({len(images)},), it "
                f"gave {tuple(values.shape)}."
            )
        if not values.requires_grad:
            raise ModelError(
                "The model is not differentiable with respect to the images (was it exported or "
                "traced without gradients?), so it has no saliency map."
            )
        (slopes,) = torch.autograd.grad(values.sum(), point, materialize_grads=True)
    wrong = (~(slopes.flatten(1).isfinite().all(1) & values.detach().isfinite())).nonzero()
    if len(wrong):
        raise ModelError(
            f"The loss or its gradient is not finite at {len(wrong)} of {len(images)} mean images, "
            f"the first at index {int(wrong[0])}."
        )
    return values.detach(), slopes
