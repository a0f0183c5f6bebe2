"""GaussNoise: normal noise whose standard deviation is itself random."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from augmoments.adapters.albumentations.parameters import is_constant, uniform
from augmoments.adapters.unsupported import unsupported
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.elementary import Elementary
from augmoments.augmentations.explanation import Row
from augmoments.augmentations.parameters import Parameter
from augmoments.laws import Law
from augmoments.laws.joint import JointLaw, Seed
from augmoments.laws.scaled import rescaled_law
from augmoments.operators.base import Neutral, Shape
from augmoments.operators.flip import per_group
from augmoments.operators.noise import Moments, rectified
from augmoments.operators.seeded import Noisy, seeded


@dataclass(frozen=True)
class Noise(Noisy):
    """Add normal noise and clamp to [0, 1]; the parameters are its sigma, its mean and a seed.

    albumentations seeds OpenCV's generator with 16 bits, for which the first number that it draws,
    at the first row, column and channel, is below 1.1e-4: that value gets the mean alone.
    """

    shared: bool
    """Whether all channels get the same noise."""
    acts_on = "everything"

    @property
    def parameter(self) -> str:
        return "standard deviation, mean, seed"

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return Neutral(0.0), Neutral(0.0), Neutral(0.0, "label")

    @property
    def affine(self) -> bool:
        return False

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        size = (1 if self.shared else images.shape[-3], *images.shape[-2:])
        noise = (seeded("normal", theta[:, 2], size) * _noisy(size))[:, None].to(images)
        return (images + per_group(theta, images) * noise + per_group(theta, images, 1)).clamp(0, 1)

    def conditional_mean(self, images: Tensor, theta: Tensor) -> Tensor:
        return self._rectified(images, theta).mean.to(images.dtype)

    def conditional_variance(self, images: Tensor, theta: Tensor) -> Tensor:
        return self._rectified(images, theta).variance.to(images.dtype)

    def _rectified(self, images: Tensor, theta: Tensor) -> Moments:
        wide = images.double()
        sigma = per_group(theta, wide) * _noisy(tuple(wide.shape[-3:])).to(wide)
        return rectified(wide + per_group(theta, wide, 1), sigma)


def _noisy(size: tuple[int, ...]) -> Tensor:
    """One where there is noise, zero at the first value."""
    found = torch.ones(size, dtype=torch.float64)
    found[0, 0, 0] = 0.0
    return found


@dataclass(frozen=True)
class NoiseStep(Elementary):
    """Noise with uniform sigma and mean; ``smooth`` leaves the noise to :meth:`conditional`."""

    noise: Noise
    sigma: Law
    mean: Law
    smooth: bool = False

    @property
    def operator(self) -> Noise:
        return self.noise

    @property
    def family(self) -> str:
        return "GaussNoise"

    @property
    def law(self) -> JointLaw:
        return Seed()

    def _scaled(self, strength: float) -> Augmentation:
        sigma, mean = (rescaled_law(law, 0.0, strength) for law in (self.sigma, self.mean))
        return replace(self, sigma=sigma, mean=mean)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        drawn = Parameter(self.sigma), Parameter(self.mean)
        return drawn if self.smooth else (*drawn, Parameter(self.law))

    def rows(self, shape: Shape) -> tuple[Row, ...]:
        if self.noise.shared:
            return super().rows(shape)
        law = f"normal, sigma {self.sigma}"
        why = "closed form of the clipped Gaussian"
        exact = is_constant(self.sigma) and is_constant(self.mean)
        route = "atoms" if exact else "cubature"
        return (Row(self.family, "noise on every value", law, route, exact, why),)

    def smoothed(self) -> Augmentation:
        return self if self.noise.shared else replace(self, smooth=True)

    def conditional(self, images: Tensor, theta: Tensor) -> tuple[Tensor, Tensor | None]:
        if not self.smooth:
            return super().conditional(images, theta)
        mean = self.noise.conditional_mean(images, theta)
        return mean, self.noise.conditional_variance(images, theta)


def gaussian(transform: Any) -> Augmentation:
    """GaussNoise: drawn for every value, or for every pixel."""
    if transform.noise_scale_factor != 1:
        raise unsupported(
            transform,
            f"noise_scale_factor={transform.noise_scale_factor:g} is not known",
            "use noise_scale_factor=1",
        )
    shared = not transform.per_channel
    return NoiseStep(Noise(shared), uniform(transform.std_range), uniform(transform.mean_range))
