"""What is asked of a model, and the linear ones among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from augmoments.augmentations.base import Augmentation
from augmoments.errors import InputTypeError, ModelError
from augmoments.operators.base import Shape

Model = Callable[[Tensor], Tensor]
_BATCH_NORM = nn.modules.batchnorm._BatchNorm
_STOCHASTIC = (nn.modules.dropout._DropoutNd, _BATCH_NORM)
_SAME = 1e-2  # of the largest output: what rounding may do in batches of other sizes


class LinearMap(NamedTuple):
    """``x -> weight vec(x) + bias``."""

    weight: Tensor
    """(K, D)."""
    bias: Tensor
    """(K,)."""


def one_draw(images: Tensor, policy: Augmentation) -> Tensor:
    """Images as a model meets them: after one draw of the policy, the same for all of them.

    Raises:
        PolicyError: The policy does not take images of this shape, or not each by itself.
    """
    shape: Shape = tuple(images.shape[1:])  # type: ignore[assignment]
    policy.output_shape(shape)
    policy.outcomes(shape)  # known for those only that take each image by itself
    theta = policy.draw(shape, 1, torch.Generator().manual_seed(0))
    with torch.no_grad():
        return policy.apply(images[None], theta)[0]


def check_model(model: Any, images: Tensor) -> Model:
    """Check that a model maps augmented images to outputs ``(N, K)``, one function of each.

    Nothing is changed: neither the model's mode nor the global random state.

    Raises:
        InputTypeError: Not callable.
        ModelError: A module that is random or depends on the batch in training mode is in
            training mode, two calls differ, the output for an image changes with the others of
            its batch, or it is not ``(N, K)``.
    """
    if not callable(model):
        kind = type(model).__name__
        raise InputTypeError(f"model must be callable, such as a torch module, got {kind}.")
    if isinstance(model, nn.Module):
        active = [
            f"{name or 'the model'} ({type(module).__name__})"
            for name, module in model.named_modules()
            if module.training and isinstance(module, _STOCHASTIC)
        ]
        if active:
            raise ModelError(
                f"The model is in training mode with {', '.join(active[:5])}"
                f"{' and others' if len(active) > 5 else ''}: its output is not a function of the "
                "image. Call model.eval() first."
            )
        unkept = [
            f"{name or 'the model'} ({type(module).__name__})"
            for name, module in model.named_modules()
            if isinstance(module, _BATCH_NORM) and module.running_mean is None
        ]
        if unkept:
            raise ModelError(
                f"The model normalizes by the statistics of the batch, in evaluation mode too, in "
                f"{', '.join(unkept[:5])}{' and others' if len(unkept) > 5 else ''}: its output is "
                "not a function of the image. Train it with track_running_stats=True."
            )
    probe = images[:2]
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        try:
            first: Any = model(probe)
            second: Any = model(probe)
            other: Any = model(torch.cat([probe[:1], probe[-1:] / 2]))
        except (RuntimeError, ValueError, TypeError) as error:
            raise ModelError(
                f"The model failed on augmented images of shape {tuple(probe.shape)} and dtype "
                f"{probe.dtype}: {str(error).splitlines()[0]}"
            ) from error
    if not isinstance(first, Tensor) or first.ndim != 2 or len(first) != len(probe):
        shape = tuple(first.shape) if isinstance(first, Tensor) else type(first).__name__
        raise ModelError(
            f"The model must map {len(probe)} images to outputs of shape ({len(probe)}, K), "
            f"it gave {shape}."
        )
    if not first.isfinite().all():
        raise ModelError("The model's outputs are not finite for the first augmented images.")
    if not torch.equal(first, second):
        raise ModelError(
            "Two calls of the model on the same images differ: it is random. Fix its seed or turn "
            "off what is random in it."
        )
    own, among_others = first[0].float(), other[0].float()
    if (among_others - own).abs().max() > _SAME * own.abs().max():
        raise ModelError(
            "The model's output for an image changes with the other images of its batch: it is not "
            "a function of the image. Turn off what looks at the batch, such as normalization by "
            "its statistics."
        )
    return cast(Model, model)


def linear_map(model: Model, images: Tensor) -> LinearMap | None:
    """The weights of a model that is a flattening and one linear layer, else ``None``."""
    if not isinstance(model, nn.Module):
        return None
    layers = [m for m in model.modules() if not isinstance(m, nn.Sequential | nn.Identity)]
    match layers:
        case [nn.Flatten(start_dim=1, end_dim=-1), nn.Linear() as layer]:
            weight, bias = layer.weight.to(images), layer.bias
            zeros = weight.new_zeros(len(weight))
            return LinearMap(weight, zeros if bias is None else bias.to(images))
    return None


def jacobian(model: Model, images: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs ``(N, K)`` and their Jacobian ``(N, K, C, H, W)`` at ``images``, detached.

    Raises:
        ModelError: The outputs do not depend differentiably on the images.
    """
    with torch.enable_grad():
        point = images.detach().requires_grad_()
        outputs = model(point)
        if not outputs.requires_grad:
            raise ModelError(
                "The model is not differentiable with respect to the images (was it exported or "
                "traced without gradients?), so it has no Jacobian."
            )
        rows = [
            torch.autograd.grad(column.sum(), point, retain_graph=True, materialize_grads=True)[0]
            for column in outputs.unbind(1)
        ]
    return outputs.detach(), torch.stack(rows, 1)
