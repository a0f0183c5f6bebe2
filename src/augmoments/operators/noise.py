r"""Gaussian noise on every value, clipped or not.

Clipped to [0, 1], a value is a Gaussian that is rectified at both ends, whose moments are
elementary in :math:`\Phi` and :math:`\varphi`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from augmoments.errors import LawError
from augmoments.operators.base import Neutral
from augmoments.operators.flip import per_group
from augmoments.operators.seeded import Noisy, seeded

_FAR = 40.0
"""Beyond this many standard deviations there is nothing in float64."""
_WIDE = 8.0
"""Above this standard deviation the closed forms lose digits and a quadrature needs few nodes."""


@dataclass(frozen=True)
class Noise(Noisy):
    r"""``x + mean + sigma eps``, with independent standard normal ``eps``, by request clipped.

    The parameter is the seed, followed by the standard deviation if ``sigma`` is ``None``.

    Attributes:
        mean: What is added on average.
        sigma: Standard deviation, or ``None`` if it is the second number of ``theta``.
        clip: Whether the result is clipped to [0, 1].

    Raises:
        LawError: A negative standard deviation.

    Reference:
        ``torchvision.transforms.v2.functional.gaussian_noise``.
    """

    mean: float = 0.0
    sigma: float | None = 0.1
    clip: bool = True
    acts_on = "channels"
    monomial = True

    def __post_init__(self) -> None:
        if self.sigma is not None and not (math.isfinite(self.sigma) and self.sigma >= 0):
            raise LawError(f"Noise: sigma must be finite and not negative, got {self.sigma!r}.")

    @property
    def neutral(self) -> tuple[Neutral, ...] | None:
        if self.mean or self.sigma:
            return None
        return (Neutral(0.0, "label"), *((Neutral(0.0),) if self.sigma is None else ()))

    @property
    def parameter(self) -> str:
        return "seed" if self.sigma is not None else "seed, standard deviation"

    @property
    def affine(self) -> bool:
        return not self.clip

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        noise = seeded("normal", theta[:, 0], images.shape[-3:])[:, None].to(images)
        out = images + (self.mean + noise * self._sigma(images, theta))
        return out.clamp(0, 1) if self.clip else out

    def linear(self, images: Tensor, theta: Tensor) -> Tensor:
        return images

    def conditional_mean(self, images: Tensor, theta: Tensor) -> Tensor:
        if not self.clip:
            return images + self.mean
        return self._rectified(images, theta).mean.to(images.dtype)

    def conditional_variance(self, images: Tensor, theta: Tensor) -> Tensor:
        if not self.clip:
            return self._sigma(images, theta).square().expand_as(images)
        return self._rectified(images, theta).variance.to(images.dtype)

    def _sigma(self, images: Tensor, theta: Tensor) -> Tensor:
        """Standard deviations, shaped to broadcast against ``images``."""
        if self.sigma is None:
            return per_group(theta, images, 1)
        return images.new_full((), self.sigma)

    def _rectified(self, images: Tensor, theta: Tensor) -> Moments:
        wide = images.double()
        return rectified(wide + self.mean, self._sigma(wide, theta))


class Moments(NamedTuple):
    """Mean and variance of numbers."""

    mean: Tensor
    variance: Tensor


def rectified(mean: Tensor, sigma: Tensor) -> Moments:
    r"""Moments of a Gaussian that is clipped to [0, 1], in float64.

    With ``mean + sigma K`` the clipped number, ``K`` is a standard normal number clipped to
    :math:`[l, u] = [-\mu, 1 - \mu] / \sigma`, and with :math:`r` the point of that interval next to
    0 both moments of :math:`K - r` are integrals of :math:`\Phi` on either side of ``r``; no large
    numbers cancel, however far outside the mean is.

    Args:
        mean: Means before clipping, any shape.
        sigma: Standard deviations, not negative, of a shape that broadcasts.
    """
    unit = sigma.clamp_min(torch.finfo(torch.float64).tiny)
    low = (-mean / unit).clamp(-_FAR, _FAR)
    high = ((1 - mean) / unit).clamp(-_FAR, _FAR)
    middle = torch.zeros_like(low).clamp(low, high)
    above, below = _side(-middle, -high), _side(middle, low)
    first = above.mean - below.mean
    second = above.variance + below.variance
    found = Moments(mean.clamp(0, 1) + sigma * first, (sigma**2 * (second - first**2)).clamp_min(0))
    if not (sigma > _WIDE).any():
        return found
    rough = _rough(mean, unit)
    pairs = zip(rough, found, strict=True)
    return Moments(*(torch.where(sigma > _WIDE, wide, exact) for wide, exact in pairs))


def _side(end: Tensor, start: Tensor) -> Moments:
    r"""The integrals of :math:`\Phi(z)` and :math:`2 (e - z) \Phi(z)` from ``start`` to ``end``."""
    (first, second), (far_first, far_second) = _antiderivatives(end), _antiderivatives(start)
    return Moments(first - far_first, 2 * (second - far_second) - 2 * (end - start) * far_first)


def _antiderivatives(z: Tensor) -> tuple[Tensor, Tensor]:
    r"""The first and second antiderivatives of :math:`\Phi` that vanish at minus infinity."""
    phi = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    first = z * torch.special.ndtr(z) + phi
    return first, (z * first + torch.special.ndtr(z)) / 2


def _rough(mean: Tensor, sigma: Tensor) -> Moments:
    r""":math:`\int P(Y > t) dt` and :math:`\int 2 t P(Y > t) dt` where the integrands are flat."""
    nodes, weights = np.polynomial.legendre.leggauss(6)
    first, second = torch.zeros_like(mean), torch.zeros_like(mean)
    for t, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        share = weight * torch.special.ndtr((mean - t) / sigma)
        first, second = first + share, second + 2 * t * share
    return Moments(first, (second - first**2).clamp_min(0))
