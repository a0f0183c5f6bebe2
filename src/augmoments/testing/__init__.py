r"""The conformance kit: what every augmentation has to satisfy, yours included.

Each check is a plain function that raises ``AssertionError`` and says which numbers, of which
pixel, disagree. :func:`conformance` runs all of them on one policy. :func:`calibrate` holds the
errors that the library states against references, on many random policies and images.

An augmentation of one's own is an operator and the law of its parameter:

    >>> from dataclasses import dataclass
    >>> import torch, augmoments as am
    >>> from augmoments.augmentations.elementary import Elementary
    >>> from augmoments.operators.base import Operator
    >>> from augmoments.testing import conformance
    >>> class Wrap(Operator):
    ...     "Move the image by whole pixels to the right, around the edge."
    ...
    ...     acts_on, affine, parameter = "space", True, "shift"
    ...
    ...     def __call__(self, images, theta):
    ...         moved = [x.roll(int(t), -1) for x, t in zip(images, theta[:, 0])]
    ...         return torch.stack(moved)
    >>> @dataclass(frozen=True)
    ... class RandomWrap(Elementary):
    ...     most: int
    ...     operator = Wrap()
    ...
    ...     @property
    ...     def law(self):
    ...         return am.Discrete(range(self.most + 1))
    >>> scores = conformance(RandomWrap(2), shape=(1, 4, 5), draws=500)
    >>> bool(scores.trace.abs().max() < LARGEST_SCORE)
    True
"""

from __future__ import annotations

from torch import Tensor

from augmoments.adapters import Policy, as_policy
from augmoments.calculus.expected_operator import expected_operator, has_exact_mean
from augmoments.calculus.moments import moments
from augmoments.operators.base import Shape
from augmoments.testing.actions import check_action, check_linearity, check_pieces
from augmoments.testing.calibration import Calibration, calibrate
from augmoments.testing.common import random_images, shape_of
from augmoments.testing.covariances import check_covariance
from augmoments.testing.operators import check_adjoint, check_operator_matrix
from augmoments.testing.routes import check_routes
from augmoments.testing.samples import (
    LARGEST_PIXEL_SCORE,
    LARGEST_SCORE,
    SampleScores,
    check_samples,
)

__all__ = [
    "LARGEST_PIXEL_SCORE",
    "LARGEST_SCORE",
    "Calibration",
    "SampleScores",
    "calibrate",
    "check_action",
    "check_adjoint",
    "check_covariance",
    "check_linearity",
    "check_operator_matrix",
    "check_pieces",
    "check_routes",
    "check_samples",
    "conformance",
    "random_images",
]


def conformance(
    policy: Policy,
    shape: Shape = (3, 6, 5),
    *,
    images: Tensor | None = None,
    draws: int = 4000,
    seed: int = 0,
    tol: float = 1e-3,
) -> SampleScores:
    """Run every check of this module on a policy.

    Args:
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations.
        shape: ``(C, H, W)`` of the images to try it on; small, as dense matrices are formed.
        images: Images ``(N, C, H, W)`` to use instead of random ones of ``shape``.
        draws: Random draws for :func:`check_samples`.
        seed: Seed of all that is random here.
        tol: Tolerance of the moments.

    Returns:
        The scores of :func:`check_samples`.

    Raises:
        AssertionError: A check failed.
        InputTypeError: ``policy`` is no policy.
        PolicyError: The policy does not take images of this shape.

    Example:
        >>> import augmoments as am
        >>> scores = conformance(am.RandomShear(x=(-20, 30)), shape=(1, 4, 5), draws=1000)
        >>> scores.trace.shape
        torch.Size([2])
    """
    policy = as_policy(policy)
    images = random_images(shape, seed) if images is None else images
    shape = shape_of(images)
    policy.output_shape(shape)
    check_action(policy, images, seed=seed)
    check_pieces(policy, images, seed=seed)
    if policy.affine:
        check_linearity(policy, images, seed=seed)
        if has_exact_mean(policy.rule(shape, 1)):
            operator = expected_operator(policy, shape)
            check_adjoint(operator, seed=seed)
            check_operator_matrix(operator, seed=seed)
    check_routes(policy, images, tol=tol, seed=seed)
    check_covariance(moments(images, policy, tol, seed=seed).covariance, seed=seed)
    return check_samples(policy, images, draws=draws, seed=seed, tol=tol)
