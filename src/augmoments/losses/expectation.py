r"""Expectation and variance of any function of augmented images."""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from augmoments.adapters import Policy
from augmoments.calculus.integrate import Progress, integrate
from augmoments.checks import check_images
from augmoments.errors import InputTypeError
from augmoments.estimate import Estimate


def expectation(
    fn: Callable[[Tensor], Tensor],
    images: Float[Tensor, "N C H W"],
    policy: Policy,
    tol: float = 1e-2,
    *,
    seed: int = 0,
    max_nodes: int = 4096,
    value_range: tuple[float, float] | None = (0.0, 1.0),
    progress: Progress | None = None,
) -> Estimate:
    r"""Expectation :math:`E[f(T(x))]` and variance of any function of the augmented image.

    Finite laws are enumerated (exact); policies with one continuous parameter go by a grid of
    nodes; others by scrambled Sobol points in eight independent replicates. Nodes are doubled
    until the error is below ``tol`` times the larger of the value and its standard deviation.

    Args:
        fn: Maps augmented images ``(n, C', H', W')`` to values ``(n, ...)``, each image by itself.
        images: ``(N, C, H, W)`` or ``(C, H, W)``.
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations.
        tol: Relative error asked for.
        seed: Seed of the scrambling.
        max_nodes: Most evaluations an image.
        value_range: What the images' values must lie in; ``None`` lifts the check.
        progress: Called with the number of images done and the number of all.

    Returns:
        :class:`Estimate` with ``value``, ``variance``, their errors, ``method`` and ``nodes``.

    Raises:
        InputError: Images that are not what was meant, or a ``tol`` outside (0, 1).
        PolicyError: The policy does not take images of this shape.

    Example:
        >>> import torch, augmoments as am
        >>> image = torch.tensor([[[[0.0, 1.0]]]])
        >>> left = am.expectation(lambda x: x[:, 0, 0, 0], image, am.RandomHorizontalFlip())
        >>> left.value, left.variance, left.method
        (tensor([0.5000]), tensor([0.2500]), 'exact')
    """
    batch = check_images(images, value_range=value_range)
    if not callable(fn):
        raise InputTypeError(f"fn must be callable, got {type(fn).__name__}.")
    return integrate(lambda x, _: fn(x), batch, policy, tol, seed, max_nodes, progress)
