"""GaussianBlur, Blur, MedianBlur and MotionBlur, with OpenCV's borders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from augmoments.adapters.albumentations.parameters import Drawn, integers, uniform
from augmoments.adapters.albumentations.values import levels
from augmoments.adapters.albumentations.windows import REFLECT_101, REPLICATE, source
from augmoments.adapters.unsupported import unsupported
from augmoments.augmentations.base import Augmentation
from augmoments.laws import Discrete, Law
from augmoments.operators.base import Operator, Shape
from augmoments.operators.choose import Action, choose
from augmoments.operators.interpolation import Taps
from augmoments.operators.separable import Separable

_SHARPEST = 1e-9
"""Smallest sigma; the kernel is a single tap long before."""


@dataclass(frozen=True)
class Gaussian(Separable):
    r"""Convolve rows and columns with :math:`e^{-n^2 / 2 \sigma^2}`, normalised.

    The parameter is :math:`\sigma`, followed by the number of taps unless ``taps`` says it; one is
    added to make it odd, and 0 stands for :math:`2 \lfloor 3.5 \sigma \rfloor + 1`. The image is
    mirrored at its outermost pixels.
    """

    taps: int | None = None
    mirrors = True

    @property
    def parameter(self) -> str:
        return "sigma, pixels" if self.taps is not None else "sigma, pixels, and number of taps"

    def matrices(self, theta: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
        sigma = theta[:, 0].double().clamp_min(_SHARPEST)
        taps = torch.full_like(sigma, self.taps) if self.taps is not None else theta[:, 1]
        radius = torch.where(taps == 0, (sigma * 3.5).floor(), (taps / 2).floor())
        reach = int(radius.max())
        distance = torch.arange(-reach, reach + 1, device=theta.device)
        weight = (-0.5 * (distance / sigma[:, None]) ** 2).exp()
        weight = weight.where(distance.abs() <= radius[:, None], 0.0)
        return _both(distance, weight / weight.sum(1, keepdim=True), shape)


@dataclass(frozen=True)
class Box(Separable):
    """Average over a square of ``theta`` pixels a side, an odd number."""

    mirrors = True

    @property
    def parameter(self) -> str:
        return "side of the square, pixels"

    def matrices(self, theta: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
        side = theta[:, 0].round()
        reach = int(side.max()) // 2
        distance = torch.arange(-reach, reach + 1, device=theta.device)
        weight = (distance.abs() <= side[:, None] // 2) / side[:, None]
        return _both(distance, weight, shape)


def _both(distance: Tensor, weight: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
    """The same convolution along rows and columns."""
    return _convolutions(distance, weight, shape[1]), _convolutions(distance, weight, shape[2])


def _convolutions(distance: Tensor, weight: Tensor, size: int) -> Tensor:
    """Matrices ``(B, size, size)`` of kernels with ``weight`` ``(B, K)`` at each ``distance``."""
    position = torch.arange(size, device=weight.device)[:, None] + distance
    index = source(position, size, REFLECT_101)
    every = (len(weight), *index.shape)
    return Taps(index.expand(every), weight[:, None].expand(every)).matrices(size)


@dataclass(frozen=True)
class Median(Operator):
    """Median over a square of ``theta`` pixels a side, of values rounded to 256 levels."""

    acts_on = "space"
    mirrors = True

    @property
    def parameter(self) -> str:
        return "side of the square, pixels"

    @property
    def affine(self) -> bool:
        return False

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        sides = theta[:, 0].round().long()
        known = sides.unique().tolist()

        def run(side: int) -> Action:
            def act(part: Tensor, rows: Tensor) -> Tensor:
                wide = _extend(levels(part), side // 2, REPLICATE)
                windows = wide.unfold(-2, side, 1).unfold(-2, side, 1).flatten(-2)
                return windows.median(-1).values.to(part.dtype) / 255

            return act

        index = torch.searchsorted(torch.tensor(known), sides.cpu())
        return choose(images, index, [run(side) for side in known])


@dataclass(frozen=True)
class Motion(Operator):
    r"""Average along a line of pixels within a square.

    The parameters are the side of the square, the line's angle in degrees, its direction, and its
    shifts along x and y. The line runs through ``k`` points with
    :math:`t \in [-r (1 - \max(d, 0)), r (1 + \min(d, 0))]` for a square of side ``k = 2 r + 1``,
    rounded to pixels; shifts are in units of ``r / 2``.
    """

    acts_on = "space"

    @property
    def parameter(self) -> str:
        return "side, angle in degrees, direction, shifts"

    @property
    def affine(self) -> bool:
        return True

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        sides = theta[:, 0].round().long()
        known = sides.unique().tolist()

        def run(side: int) -> Action:
            def act(part: Tensor, rows: Tensor) -> Tensor:
                kernels = _line(side, theta[rows.to(theta.device), 1:].double())
                return _correlate(part, kernels.to(part))

            return act

        index = torch.searchsorted(torch.tensor(known), sides.cpu())
        return choose(images, index, [run(side) for side in known])


def _line(side: int, theta: Tensor) -> Tensor:
    """Kernels ``(B, side, side)`` of angles, directions and shifts ``(B, 4)``."""
    angle, direction, shift_x, shift_y = theta.unbind(1)
    radius = side // 2
    start, stop = -radius * (1 - direction.clamp_min(0)), radius * (1 + direction.clamp_max(0))
    share = torch.arange(side, device=theta.device) / (side - 1)
    t = start[:, None] + (stop - start)[:, None] * share
    radians = angle[:, None] * (torch.pi / 180)
    half = radius / 2
    x = (radius + radians.cos() * t + shift_x[:, None] * half).round().clamp(0, side - 1)
    y = (radius + radians.sin() * t + shift_y[:, None] * half).round().clamp(0, side - 1)
    kernels = torch.zeros(len(theta), side * side, dtype=torch.float64, device=theta.device)
    kernels.scatter_(1, (y * side + x).long(), 1.0)
    return (kernels / kernels.sum(1, keepdim=True)).reshape(-1, side, side)


def _correlate(images: Tensor, kernels: Tensor) -> Tensor:
    """Correlate ``images[i]`` with ``kernels[i]`` ``(k, k)``."""
    groups, n, channels, height, width = images.shape
    wide = _extend(images, kernels.shape[-1] // 2, REFLECT_101)
    planes = wide.reshape(groups, n * channels, *wide.shape[-2:]).transpose(0, 1)
    out = F.conv2d(planes, kernels[:, None], groups=groups)
    return out.transpose(0, 1).reshape(groups, n, channels, height, width)


def _extend(images: Tensor, by: int, border: int) -> Tensor:
    """Add ``by`` pixels at every side."""
    for axis in (-2, -1):
        size = images.shape[axis]
        position = torch.arange(-by, size + by, device=images.device)
        images = images.index_select(axis, source(position, size, border))
    return images


def gaussian(transform: Any) -> Augmentation:
    """GaussianBlur: a uniform sigma, whose taps follow it unless ``blur_limit`` says otherwise."""
    if transform.sigma_limit[1] <= 0:
        raise unsupported(transform, "sigma_limit=0 divides by zero", "use a positive sigma_limit")
    low, high = (int(taps) for taps in transform.blur_limit)
    sigma = uniform(transform.sigma_limit)
    if low == high:
        return Drawn(Gaussian(low), (sigma,), "GaussianBlur")
    return Drawn(Gaussian(), (sigma, integers(low, high)), "GaussianBlur")


def box(transform: Any) -> Augmentation:
    """Blur: a uniform odd side."""
    return Drawn(Box(), (_odd(transform),), "Blur")


def median(transform: Any) -> Augmentation:
    """MedianBlur: a uniform odd side."""
    return Drawn(Median(), (_odd(transform),), "MedianBlur")


def motion(transform: Any) -> Augmentation:
    """MotionBlur: a line at a uniform angle, with uniform direction and shifts."""
    shift = uniform((-1, 1) if transform.allow_shifted else (0, 0))
    angle, direction = uniform(transform.angle_range), uniform(transform.direction_range)
    return Drawn(Motion(), (_odd(transform), angle, direction, shift, shift), "MotionBlur")


def _odd(transform: Any) -> Law:
    low, high = (max(3, int(side) // 2 * 2 + 1) for side in transform.blur_limit)
    return Discrete(range(low, max(low, high) + 1, 2))
