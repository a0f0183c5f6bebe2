"""Gaussian noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.elementary import Elementary
from augmoments.augmentations.explanation import Row
from augmoments.augmentations.parameters import Parameter
from augmoments.errors import LawError
from augmoments.laws import ContinuousLaw, Discrete, Law, LawLike, as_law
from augmoments.laws.base import check_number
from augmoments.laws.joint import Seed
from augmoments.laws.scaled import rescaled_law
from augmoments.operators.base import Operator, Shape
from augmoments.operators.noise import Noise
from augmoments.rules import QuadraticRule, Rule


@dataclass(frozen=True)
class GaussianNoise(Elementary):
    r"""Add ``mean + sigma eps`` to every value, with independent standard normal ``eps``.

    Without clipping, mean and covariance are those of the image plus :math:`E[\sigma^2] I`. Clipped
    to [0, 1], a value is a Gaussian rectified at both ends, whose moments have a closed form. So
    the noise itself is exact either way, as long as every step after it is affine.

    Args:
        mean: What is added on average.
        sigma: Standard deviation: a number, a range or a law, drawn once an image.
        clip: Whether the result is clipped to [0, 1].

    Raises:
        LawError: A negative standard deviation can occur.

    Example:
        >>> import torch, augmoments as am
        >>> am.moments(torch.zeros(1, 1, 1, 2), am.GaussianNoise(sigma=0.5)).mean
        tensor([[[[0.1952, 0.1952]]]])

    Reference:
        ``torchvision.transforms.v2.GaussianNoise``.
    """

    mean: float = 0.0
    sigma: LawLike = 0.1
    clip: bool = True

    def __post_init__(self) -> None:
        check_number("GaussianNoise: mean", self.mean)
        if self.strength.support[0] < 0:
            raise LawError(
                f"GaussianNoise: sigma must not be negative, it reaches down to "
                f"{self.strength.support[0]:g}."
            )

    @property
    def strength(self) -> Law:
        """The law of the standard deviation."""
        return as_law(self.sigma, "sigma")

    @property
    def operator(self) -> Noise:
        return Noise(float(self.mean), None, self.clip)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        return Parameter(Seed()), Parameter(self.strength)

    @property
    def law(self) -> Seed:
        return Seed()

    @property
    def mirrors(self) -> bool:
        return True

    def _scaled(self, strength: float) -> Augmentation:
        return replace(
            self, mean=strength * float(self.mean), sigma=rescaled_law(self.strength, 0.0, strength)
        )

    def jointly(self, shape: Shape) -> bool:
        return self.clip

    def smoothed(self) -> Augmentation:
        return _Averaged(self)

    def rule(self, shape: Shape, n: int) -> Rule:
        if self.clip:
            return super().rule(shape, n)
        nothing = torch.zeros(1, 1, dtype=torch.float64)
        variance = _square(self.strength).reshape(1, 1, 1)
        weights = torch.ones(1, dtype=torch.float64)
        return QuadraticRule(_Average(self.operator), nothing, weights, noise=variance)

    def rows(self, shape: Shape) -> tuple[Row, ...]:
        why = "closed form of the clipped Gaussian" if self.clip else "adds to the diagonal"
        constant = isinstance(self.strength, Discrete)
        route = "atoms" if constant or not self.clip else "cubature"
        exact = constant or not self.clip
        return (
            Row("GaussianNoise", "noise on every value", str(self.strength), route, exact, why),
        )


@dataclass(frozen=True)
class _Average(Operator):
    """What noise makes of an image on average; the parameter is the standard deviation."""

    noise: Noise
    acts_on = "channels"
    mirrors = True
    monomial = True

    @property
    def parameter(self) -> str:
        return "standard deviation"

    @property
    def affine(self) -> bool:
        return self.noise.affine

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        return self.noise.conditional_mean(images, seedless(theta))

    def linear(self, images: Tensor, theta: Tensor) -> Tensor:
        return images


@dataclass(frozen=True)
class _Averaged(Elementary):
    """The noise left to :meth:`conditional`."""

    owner: GaussianNoise

    @property
    def operator(self) -> Operator:
        return _Average(self.owner.operator)

    @property
    def law(self) -> Law:
        return self.owner.strength

    def conditional(self, images: Tensor, theta: Tensor) -> tuple[Tensor, Tensor | None]:
        noise, full = self.owner.operator, seedless(theta)
        return noise.conditional_mean(images, full), noise.conditional_variance(images, full)


def seedless(theta: Tensor) -> Tensor:
    """Parameters without a seed, with 0 in its place in the first column."""
    return torch.cat([theta.new_zeros(len(theta), 1), theta], 1)


def _square(law: Law) -> Tensor:
    """``E[theta ** 2]``, with the gradients of the law."""
    if not isinstance(law, ContinuousLaw) or not law.differentiable:
        return torch.tensor(law.expect(2), dtype=torch.float64)
    edges = law.knots
    points, weights = (
        torch.from_numpy(v.ravel()) for v in law.quadrature(edges[:-1], edges[1:], law.order(6))
    )
    return (weights * law.attach(points).square()).sum()
