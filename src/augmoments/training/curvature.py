r"""Derivatives of outputs along directions, and of losses twice along directions of outputs."""

from __future__ import annotations

import warnings
from contextlib import suppress
from functools import cache
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from augmoments.errors import ModelError
from augmoments.losses.loss import Loss
from augmoments.losses.models import Model
from augmoments.training.models import full_precision, outputs_of

Mode = Literal["forward", "reverse"]


class Directional(NamedTuple):
    """Outputs, and their derivatives along directions."""

    outputs: Tensor
    """``(N, K)``."""
    slopes: Tensor
    """:math:`J d_r`, ``(r, N, K)``."""
    mode: Mode
    """How they were differentiated."""


def directional(
    model: Model, point: Tensor, directions: Tensor, mode: Mode = "forward"
) -> Directional:
    """Derivatives of a model at ``point`` ``(N, ...)`` along ``directions`` ``(r, N, ...)``.

    In forward mode, all directions side by side; where an operation of the model has no forward
    mode, by differentiating twice in reverse. Both are differentiable in the parameters.

    Raises:
        ModelError: Outputs that are not ``(N, K)``, or an operation that has neither derivative.
    """
    with sdpa_kernel(SDPBackend.MATH):  # attention that can be differentiated both ways
        try:
            if mode == "forward":
                with suppress(NotImplementedError, RuntimeError):
                    return _forward(model, point, directions)
            return _reverse(model, point, directions)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise ModelError(
                f"The model cannot be differentiated along directions of its images: {reason} "
                "Use ExpectedLoss, which takes any model."
            ) from error


def _forward(model: Model, point: Tensor, directions: Tensor) -> Directional:
    def along(direction: Tensor) -> Any:
        return torch.func.jvp(lambda x: outputs_of(model, x), (point,), (direction,))

    _load_forward_mode()
    only_slopes: Any = (None, 0)
    each = torch.func.vmap(along, out_dims=only_slopes, randomness="same")
    outputs, slopes = each(directions)
    return Directional(outputs, slopes, "forward")


@cache
def _load_forward_mode() -> None:
    """Let torch load its decompositions, which uses what torch itself calls deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.func.jvp(torch.sin, (torch.zeros(()),), (torch.zeros(()),))


def _reverse(model: Model, point: Tensor, directions: Tensor) -> Directional:
    r"""J^T u is linear in u, so its derivative in u along d is J d."""
    wanted = torch.is_grad_enabled()
    with torch.enable_grad():
        start = point.detach().requires_grad_()
        outputs = outputs_of(model, start)
        u = torch.zeros_like(outputs, requires_grad=True)
        (pulled,) = torch.autograd.grad(outputs, start, u, create_graph=True)
        slopes = torch.stack(
            [torch.autograd.grad(pulled, u, d, create_graph=True)[0] for d in directions]
        )
    if not wanted:
        outputs, slopes = outputs.detach(), slopes.detach()
    return Directional(outputs, slopes, "reverse")


def curvature(loss: Loss, outputs: Tensor, targets: Tensor, directions: Tensor) -> Tensor:
    r"""Second derivatives :math:`d^\top H_\ell\, d` of a loss in its outputs.

    Args:
        loss: One value a sample.
        outputs: ``(N, K)``.
        targets: One a sample.
        directions: ``(r, N, K)``.

    Returns:
        ``(r, N)``. The Hessians are never formed.
    """

    def total(z: Tensor) -> Tensor:
        return loss.per_sample(z, targets).sum()

    with full_precision(outputs):
        pull = torch.func.vjp(torch.func.grad(total), outputs)[1]
        products = torch.func.vmap(lambda d: pull(d)[0])(directions)
    return (products * directions).sum(-1)
