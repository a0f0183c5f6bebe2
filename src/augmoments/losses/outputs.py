"""Mean and covariance of a model's output over an augmentation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from augmoments.adapters import Policy, as_policy
from augmoments.augmentations.base import Augmentation
from augmoments.calculus.integrate import integrate
from augmoments.calculus.moments import moments
from augmoments.checks import check_images
from augmoments.estimate import Method
from augmoments.losses.models import LinearMap, Model, check_model, linear_map, one_draw

_IMAGES_AT_ONCE = 8192


@dataclass(frozen=True)
class OutputMoments:
    """Mean and covariance of a model's output over the augmentation.

    Attributes:
        mean: ``(N, K)``.
        covariance: ``(N, K, K)``.
        error: Absolute error bound of ``mean``, ``(N, K)``.
        covariance_error: Absolute error bound of ``covariance``, ``(N, K, K)``.
        method: How they were obtained.
        nodes: Evaluations an image.
    """

    mean: Tensor
    covariance: Tensor
    error: Tensor
    covariance_error: Tensor
    method: Method
    nodes: int


def output_moments(
    model: Model,
    images: Float[Tensor, "N C H W"],
    policy: Policy,
    tol: float = 1e-2,
    *,
    seed: int = 0,
    max_nodes: int = 4096,
    value_range: tuple[float, float] | None = (0.0, 1.0),
) -> OutputMoments:
    r"""Mean and covariance of ``model(T(x))``.

    For a linear model (a flattening and one linear layer) :math:`W \mu + b` and
    :math:`W V W^\top` from the moments of the images; else by nodes, see :func:`expectation`.

    Args:
        model: Maps augmented images ``(N, C', H', W')`` to ``(N, K)``; in evaluation mode.
        images: ``(N, C, H, W)`` or ``(C, H, W)``.
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations.
        tol: Relative error asked for.
        seed: Seed of the scrambling.
        max_nodes: Most evaluations an image.
        value_range: What the images' values must lie in; ``None`` lifts the check.

    Raises:
        InputError: Images that are not what was meant.
        ModelError: The model is not a deterministic function of each image.
        PolicyError: The policy does not take images of this shape.

    Example:
        >>> import torch, augmoments as am
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3)).eval()
        >>> out = am.output_moments(model, torch.rand(2, 1, 4, 4), am.RandomHorizontalFlip())
        >>> out.covariance.shape, out.method
        (torch.Size([2, 3, 3]), 'exact')
    """
    batch = check_images(images, value_range=value_range)
    policy = as_policy(policy)
    drawn = one_draw(batch, policy)
    model = check_model(model, drawn)
    linear = linear_map(model, drawn)
    if linear is not None:
        return _linear_outputs(linear, batch, policy, tol, seed, max_nodes)
    with torch.no_grad():
        centre = torch.cat([model(part) for part in drawn.split(_IMAGES_AT_ONCE)])
        size = centre.shape[1]

        def products(x: Tensor, index: Tensor) -> Tensor:
            gap = model(x) - centre[index.to(centre.device)]
            return torch.cat([gap, (gap[:, :, None] * gap[:, None]).flatten(1)], 1)

        found = integrate(products, batch, policy, tol, seed, max_nodes)
    gap, second = found.value.split([size, size**2], 1)
    error, second_error = found.error.split([size, size**2], 1)
    covariance = second.unflatten(1, (size, size)) - gap[:, :, None] * gap[:, None]
    slack = 2 * gap.abs()[:, :, None] * error[:, None]
    return OutputMoments(
        mean=centre + gap,
        covariance=covariance,
        error=error,
        covariance_error=second_error.unflatten(1, (size, size)) + slack,
        method=found.method,
        nodes=found.nodes,
    )


def _linear_outputs(
    linear: LinearMap, images: Tensor, policy: Augmentation, tol: float, seed: int, max_nodes: int
) -> OutputMoments:
    parts = []
    norms = linear.weight.norm(dim=1)
    for chunk in images.split(256):
        m = moments(chunk, policy, tol, seed=seed, max_nodes=max_nodes, value_range=None)
        mean = m.mean.flatten(1) @ linear.weight.T + linear.bias
        spread = m.covariance.projected_root(linear.weight)
        size = m.mean.flatten(1).norm(dim=1)
        mean_error = (m.error.mean * size)[:, None] * norms
        covariance_error = (m.error.covariance * m.covariance.frobenius_norm())[:, None, None]
        covariance_error = covariance_error * torch.outer(norms, norms)
        parts.append((mean, spread.mT @ spread, mean_error, covariance_error, m))
    return OutputMoments(
        *(torch.cat(column) for column in list(zip(*parts, strict=True))[:4]),
        method=parts[0][4].method,
        nodes=max(part[4].nodes for part in parts),
    )
