"""Operators on the values of pixels: inversion, thresholds, histograms, and sharpening.

All compute what torchvision computes for images of floating point, whose brightest value is 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from augmoments.operators.base import Neutral, Operator, Shape
from augmoments.operators.color import check_channels
from augmoments.operators.flip import per_group


@dataclass(frozen=True)
class Invert(Operator):
    """``1 - x``; takes no parameter."""

    acts_on = "channels"
    mirrors = True

    @property
    def parameter(self) -> str:
        return "none"

    @property
    def affine(self) -> bool:
        return True

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        return 1 - images

    def linear(self, images: Tensor, theta: Tensor) -> Tensor:
        return -images


@dataclass(frozen=True)
class Solarize(Operator):
    """``1 - x`` where ``x`` is at least the threshold ``theta``, else ``x``."""

    acts_on = "channels"
    mirrors = True

    @property
    def parameter(self) -> str:
        return "threshold"

    @property
    def smooth(self) -> bool:
        return False

    @property
    def affine(self) -> bool:
        return False

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        return torch.where(images >= per_group(theta, images), 1 - images, images)


@dataclass(frozen=True)
class Posterize(Operator):
    """Round down to the ``L`` levels ``0, 1/L, ..., (L - 1)/L``, ``L = 2 ** theta``."""

    acts_on = "channels"
    mirrors = True

    @property
    def parameter(self) -> str:
        return "bits"

    @property
    def smooth(self) -> bool:
        return False

    @property
    def affine(self) -> bool:
        return False

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        levels = torch.ldexp(torch.ones_like(theta[:, :1]), theta[:, :1].round().to(torch.int32))
        levels = per_group(levels, images)
        return (images * levels).floor().clamp_min(0).minimum(levels - 1) / levels


@dataclass(frozen=True)
class Autocontrast(Operator):
    """Stretch the range of every channel to [0, 1]; constant channels are only clamped."""

    acts_on = "space"
    mirrors = True

    @property
    def parameter(self) -> str:
        return "none"

    @property
    def affine(self) -> bool:
        return False

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        low, high = images.amin((-2, -1), keepdim=True), images.amax((-2, -1), keepdim=True)
        constant = low == high
        low = torch.where(constant, 0, low)
        return ((images - low) / torch.where(constant, 1, high - low)).clamp(0, 1)

    def check_shape(self, shape: Shape) -> None:
        check_channels("Autocontrast", shape)


@dataclass(frozen=True)
class Equalize(Operator):
    r"""Equalize the histogram of every channel, on 256 levels.

    With :math:`n_k` the pixels below level ``k`` and ``s`` one 255th (rounded down) of the pixels
    below the brightest level that occurs, level ``k`` becomes
    :math:`\min(\lfloor (n_k + \lfloor s/2 \rfloor) / s \rfloor, 255)`; channels with ``s = 0`` are
    only rounded to the levels.
    """

    acts_on = "space"
    mirrors = True

    @property
    def parameter(self) -> str:
        return "none"

    @property
    def affine(self) -> bool:
        return False

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        levels = _levels(images).flatten(-2)
        counts = levels.new_zeros((*levels.shape[:-1], 256))
        counts.scatter_add_(-1, levels, torch.ones_like(levels))
        below = counts.cumsum(-1) - counts
        step = below.gather(-1, levels.amax(-1, keepdim=True)) // 255
        table = ((below + step // 2) // step.clamp_min(1)).clamp_max(255)
        equalized = torch.where(step > 0, table.gather(-1, levels), levels)
        return equalized.view(images.shape).to(images.dtype) * (1 / 255)


@dataclass(frozen=True)
class Sharpness(Operator):
    r"""``f x + (1 - f) s(x)``, clamped to [0, 1], with ``s`` a smoothing and ``f = theta``.

    ``s`` averages the 3 x 3 neighbourhood with weight 5 on the centre and 1 elsewhere; it leaves
    the outermost pixels as they are. Images of less than three rows or columns stay unchanged.
    """

    acts_on = "space"
    mirrors = True

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return (Neutral(1.0),)

    @property
    def parameter(self) -> str:
        return "sharpness factor"

    @property
    def affine(self) -> bool:
        return False

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        if min(height, width) <= 2:
            return images
        inner = images[..., 1:-1, 1:-1]
        change = (1 - per_group(theta, images)) * (_smooth(images) - inner)
        return (images + F.pad(change, (1, 1, 1, 1))).clamp(0, 1)

    def check_shape(self, shape: Shape) -> None:
        check_channels("Sharpness", shape)


def _levels(images: Tensor) -> Tensor:
    """The 256 levels that torchvision gives values in [0, 1], as whole numbers."""
    return (images * (256 - 1e-3)).to(torch.uint8).long()


def _smooth(images: Tensor) -> Tensor:
    """Weighted means of the 3 x 3 neighbourhoods that lie inside the image."""
    kernel = torch.full((1, 1, 3, 3), 1 / 13, dtype=images.dtype, device=images.device)
    kernel[..., 1, 1] = 5 / 13
    flat = F.conv2d(images.reshape(-1, 1, *images.shape[-2:]), kernel)
    return flat.reshape(*images.shape[:-2], *flat.shape[-2:])
