"""Operators on the values of pixels, with kornia's arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from augmoments.adapters.kornia.tones import GRAY, check_colour, gray_level
from augmoments.errors import PolicyError
from augmoments.operators.base import Neutral, Operator, Shape
from augmoments.operators.flip import per_group
from augmoments.operators.pointwise import Sharpness


@dataclass(frozen=True)
class Clamp(Operator):
    """Clamp to [0, 1]; takes no parameter."""

    acts_on = "channels"
    mirrors = True

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return ()

    @property
    def parameter(self) -> str:
        return "none"

    @property
    def affine(self) -> bool:
        return False

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        return images.clamp(0, 1)


@dataclass(frozen=True)
class Grayscale(Operator):
    """A weighted sum of the channels in every channel; by default .299, .587, .114 for three.

    For other numbers of channels the default is their mean.
    """

    weights: tuple[float, ...] | None
    acts_on = "channels"
    mirrors = True

    @property
    def parameter(self) -> str:
        return "none"

    @property
    def affine(self) -> bool:
        return True

    def check_shape(self, shape: Shape) -> None:
        if self.weights is not None:
            check_colour("RandomGrayscale with these rgb_weights", shape, (len(self.weights),))

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        channels = images.shape[-3]
        default = GRAY if channels == 3 else (1 / channels,) * channels
        return gray_level(images, self.weights or default).expand_as(images)

    def linear(self, images: Tensor, theta: Tensor) -> Tensor:
        return self(images, theta)


@dataclass(frozen=True)
class Gamma(Operator):
    """``gain x^gamma``, clamped to [0, 1] before and after."""

    acts_on = "channels"
    mirrors = True

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return (Neutral(1.0), Neutral(1.0))

    @property
    def parameter(self) -> str:
        return "gamma, gain"

    @property
    def affine(self) -> bool:
        return False

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        gamma, gain = per_group(theta, images), per_group(theta, images, 1)
        return (gain * images.clamp(0, 1).pow(gamma)).clamp(0, 1)


@dataclass(frozen=True)
class Invert(Operator):
    """``top - x``, ``top`` one number or one a channel; takes no parameter."""

    top: tuple[float, ...]
    acts_on = "channels"
    mirrors = True

    @property
    def parameter(self) -> str:
        return "none"

    @property
    def affine(self) -> bool:
        return True

    def check_shape(self, shape: Shape) -> None:
        if len(self.top) > 1:
            check_colour("RandomInvert with this max_val", shape, (len(self.top),))

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        top = torch.tensor(self.top, dtype=images.dtype, device=images.device)
        return top.reshape(-1, 1, 1) - images

    def linear(self, images: Tensor, theta: Tensor) -> Tensor:
        return -images


@dataclass(frozen=True)
class Solarize(Operator):
    """Add ``theta[1]``, clamp, then ``1 - x`` for values from the threshold ``theta[0]`` on."""

    acts_on = "channels"
    mirrors = True

    @property
    def parameter(self) -> str:
        return "threshold, addition"

    @property
    def affine(self) -> bool:
        return False

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        moved = (images.clamp(0, 1) + per_group(theta, images, 1)).clamp(0, 1)
        return torch.where(moved < per_group(theta, images), moved, 1 - moved)


@dataclass(frozen=True)
class Posterize(Operator):
    """Keep the first ``theta`` bits of the 8 of ``255 x``, all of ``x`` for ``theta = 8``.

    Cut to whole numbers twice, before and after a division and a multiplication by 255, whose
    rounding errors may cost a level.
    """

    acts_on = "channels"
    mirrors = True

    @property
    def parameter(self) -> str:
        return "bits"

    @property
    def affine(self) -> bool:
        return False

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        images = images.clamp(0, 1)
        bits = per_group(theta, images).round()
        step = 2 ** (8 - bits)
        cut = (images * 255).floor() / step / 255
        kept = (cut * 255).floor() * step / 255
        return torch.where(bits == 8, images, torch.where(bits == 0, 0.0, kept))


@dataclass(frozen=True)
class Equalize(Operator):
    r"""Equalize the histogram of every channel on the levels ``k = floor(255 x)``.

    With :math:`n_k` the pixels below level ``k`` and ``s`` one 255th (rounded down) of the pixels
    below the brightest level that occurs, level ``k`` becomes
    :math:`\min(\lfloor (n_k + \lfloor s/2 \rfloor) / s \rfloor, 255) / 255`, and channels
    with ``s = 0`` stay as they are.
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
        images = images.clamp(0, 1)
        levels = (images * 255).long().flatten(-2)
        counts = levels.new_zeros((*levels.shape[:-1], 256))
        counts.scatter_add_(-1, levels, torch.ones_like(levels))
        below = counts.cumsum(-1) - counts
        step = below.gather(-1, levels.amax(-1, keepdim=True)) // 255
        table = ((below + step // 2) // step.clamp_min(1)).clamp_max(255)
        changed = table.gather(-1, levels).view(images.shape).to(images.dtype) / 255
        return torch.where(step[..., None] == 0, images, changed)


@dataclass(frozen=True)
class AutoContrast(Operator):
    """``(x - min) / (max - min + 1e-6)`` in every channel, maybe clamped to [0, 1]."""

    clamp: bool
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
        stretched = (images - low) / (high - low + 1e-6)
        return stretched.clamp(0, 1) if self.clamp else stretched


@dataclass(frozen=True)
class ClampedSharpness(Sharpness):
    """The sharpening of torchvision, of images that are clamped to [0, 1] first."""

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        return super().__call__(images.clamp(0, 1), theta)

    def check_shape(self, shape: Shape) -> None:
        if min(shape[1:]) < 3:
            raise PolicyError(
                f"RandomSharpness takes images of at least 3 x 3 pixels, these have {shape[1]} x "
                f"{shape[2]}."
            )


@dataclass(frozen=True)
class ColourShift(Operator):
    """Add one number to each of three channels, clamped to [0, 1] before and after."""

    acts_on = "channels"
    mirrors = True

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return (Neutral(0.0),) * 3

    @property
    def parameter(self) -> str:
        return "shifts of red, green and blue"

    @property
    def affine(self) -> bool:
        return False

    def check_shape(self, shape: Shape) -> None:
        check_colour("RandomRGBShift", shape, (3,))

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        shift = theta.to(images).reshape(len(theta), 1, 3, 1, 1)
        return (images.clamp(0, 1) + shift).clamp(0, 1)
