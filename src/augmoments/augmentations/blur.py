"""Gaussian blur."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.crops import pair
from augmoments.augmentations.elementary import Elementary, Step
from augmoments.errors import LawError
from augmoments.laws import ContinuousLaw, Law, LawLike, as_law
from augmoments.laws.scaled import rescaled_law
from augmoments.operators.averages import expected_blur
from augmoments.operators.base import Shape
from augmoments.operators.blur import Blur
from augmoments.operators.kronecker import KroneckerSum

_expected_blur = lru_cache(maxsize=8)(expected_blur)


@dataclass(frozen=True)
class GaussianBlur(Elementary):
    r"""Convolve with a Gaussian kernel of random width, as torchvision does.

    The kernel is :math:`e^{-n^2 / 2 \sigma^2}` on ``kernel_size`` taps, normalised, along both axes
    with one :math:`\sigma`; the image is reflected at its ends. The mean is exact, the covariance
    comes from nodes in :math:`\sigma`.

    Args:
        kernel_size: Number of taps, odd; or one along x and one along y.
        sigma: Law of the standard deviation in pixels, a range, or a number.

    Raises:
        InputError: A kernel size that is even or not positive.
        LawError: A sigma of zero or less can occur.
        PolicyError: Images that are too small for the kernel.

    Example:
        >>> import torch, augmoments as am
        >>> am.GaussianBlur(3, sigma=1.0)(torch.eye(3)[None])[0, 1]
        tensor([0.3715, 0.3544, 0.3715])

    Reference:
        ``torchvision.transforms.v2.GaussianBlur``.
    """

    kernel_size: int | SequenceOf[int]
    sigma: LawLike = (0.1, 2.0)

    def __post_init__(self) -> None:
        if self.law.support[0] <= 0:
            raise LawError(
                f"GaussianBlur: sigma must be positive, it reaches down to {self.law.support[0]:g}."
            )
        _ = self.operator

    @property
    def operator(self) -> Blur:
        return Blur(pair("GaussianBlur", "kernel_size", self.kernel_size))

    @property
    def law(self) -> Law:
        value: Any = self.sigma
        return as_law(value, "sigma")

    def _scaled(self, strength: float) -> Augmentation:
        law = rescaled_law(self.law, 0.0, strength)
        if strength == 0:
            return Step(self.operator, law, "GaussianBlur")
        return replace(self, sigma=law)

    def expectation(self, shape: Shape) -> Callable[[], KroneckerSum] | None:
        law = self.law
        if not isinstance(law, ContinuousLaw) or law.differentiable:
            return None
        return lambda: _expected_blur(self.operator, law, shape)
