"""Losses, one value a sample."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from augmoments.checks import check_targets, did_you_mean
from augmoments.errors import InputError, InputTypeError

Sampled = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Loss:
    """A loss as a function of outputs ``(n, K)`` and targets ``(n, ...)`` to values ``(n,)``."""

    name: str
    per_sample: Sampled
    squared: bool = False
    """Whether it is the sum of squared differences."""
    classes: bool = False
    """Whether integer targets are classes."""

    def check_targets(self, targets: Tensor, n: int, outputs: int) -> Tensor:
        """Targets that fit ``n`` outputs of length ``outputs``.

        Classes become one-hot where the loss is a squared error.
        """
        targets = check_targets(targets, n, outputs if self._takes_classes(targets) else None)
        if self.squared:
            if not targets.is_floating_point():
                targets = F.one_hot(targets, outputs).to(torch.get_default_dtype())
            targets = targets.reshape(n, -1)
            if targets.shape[1] != outputs:
                raise InputError(
                    f"The model has {outputs} outputs, the targets {targets.shape[1]} columns."
                )
        return targets

    def _takes_classes(self, targets: object) -> bool:
        whole = isinstance(targets, Tensor) and not targets.is_floating_point()
        return whole and (self.squared or self.classes)

    def gradient_and_hessian(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Derivatives with respect to the outputs: ``(n, K)`` and ``(n, K, K)``."""

        def single(z: Tensor, y: Tensor) -> Tensor:
            return self.per_sample(z[None], y[None])[0]

        derivative = torch.func.grad(single)
        hessian = torch.func.vmap(torch.func.jacrev(derivative))(outputs, targets)
        return torch.func.vmap(derivative)(outputs, targets), hessian


def as_loss(loss: str | nn.Module | Sampled) -> Loss:
    """Read a name, a PyTorch loss, or a function that gives one value a sample.

    Names: ``"cross_entropy"`` and ``"squared_error"``, the sum of squared differences. PyTorch's
    losses are taken without their reduction over the samples; a mean over outputs stays a mean.

    Raises:
        InputError: An unknown name.
        InputTypeError: None of these.
    """
    if isinstance(loss, str):
        if loss not in _NAMED:
            raise InputError(f"Unknown loss {loss!r}.{did_you_mean(loss, _NAMED)}")
        return _NAMED[loss]
    if loss is F.cross_entropy:
        return _NAMED["cross_entropy"]
    if isinstance(loss, nn.Module) and hasattr(loss, "reduction"):
        return _from_module(loss)
    if loss in _FUNCTIONS:
        function: Callable[..., Tensor] = partial(loss, reduction="none")
        per_sample = partial(_reduced, function, "mean")
        return Loss(str(loss.__name__), per_sample, classes=loss is F.nll_loss)
    if callable(loss):
        return Loss(getattr(loss, "__name__", type(loss).__name__), loss)
    raise InputTypeError(
        f'loss must be "cross_entropy", "squared_error", a PyTorch loss or a function of outputs '
        f"and targets that gives one value a sample, got {type(loss).__name__}."
    )


def _from_module(loss: nn.Module) -> Loss:
    module = copy.deepcopy(loss)
    reduction = str(module.reduction)
    setattr(module, "reduction", "none")  # noqa: B010 - torch types attributes as tensors
    classes = isinstance(loss, nn.CrossEntropyLoss | nn.NLLLoss | nn.MultiMarginLoss)
    return Loss(type(loss).__name__, partial(_reduced, module, reduction), classes=classes)


def _reduced(
    loss: Callable[..., Tensor], reduction: str, outputs: Tensor, targets: Tensor
) -> Tensor:
    """The values of an unreduced loss, reduced over outputs alone."""
    values = loss(outputs, targets)
    flat = values.flatten(1) if values.ndim > 1 else values[:, None]
    return flat.sum(1) if reduction == "sum" else flat.mean(1)


def _squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square().sum(1)


def _cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(outputs, targets, reduction="none")


_FUNCTIONS = (F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.nll_loss, F.huber_loss)
_NAMED = {
    "cross_entropy": Loss("cross_entropy", _cross_entropy, classes=True),
    "squared_error": Loss("squared_error", _squared_error, squared=True),
}
