"""Changes of single values: inversion, thresholds, levels and powers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from augmoments.adapters.albumentations.parameters import Drawn, integers, uniform
from augmoments.adapters.unsupported import unsupported
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.elementary import Step
from augmoments.errors import PolicyError
from augmoments.operators.base import Neutral, Operator, Shape
from augmoments.operators.color import check_channels
from augmoments.operators.flip import per_group
from augmoments.operators.pointwise import Invert, Solarize


@dataclass(frozen=True)
class Posterize(Operator):
    """Round to 256 levels, then keep the ``theta`` highest bits, one number or one a channel."""

    channels: int | None = None
    acts_on = "channels"
    mirrors = True

    @property
    def parameter(self) -> str:
        return "bits"

    @property
    def affine(self) -> bool:
        return False

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        step = (2 ** (8 - theta.round())).to(images)[:, None, :, None, None]
        return (levels(images).to(images) / step).floor() * step / 255

    def check_shape(self, shape: Shape) -> None:
        if self.channels not in (None, shape[0]):
            raise PolicyError(
                f"Posterize has bits for {self.channels} channels, the images have {shape[0]}."
            )


def levels(images: Tensor) -> Tensor:
    """The level of 0 to 255 that albumentations gives to values in [0, 1]; ties go to even."""
    return (images.float() * 255).round().clamp(0, 255)


@dataclass(frozen=True)
class Equalize(Operator):
    r"""Equalize the histogram of every channel on 256 levels, as OpenCV does.

    With ``n_k`` pixels up to level ``k``, ``n_0`` at the darkest one that occurs and ``N`` in all,
    level ``k`` becomes ``255 (n_k - n_0) / (N - n_0)``, rounded in single precision; a channel of
    one level stays.
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
        found = levels(images).long().flatten(-2)
        counts = torch.zeros(*found.shape[:-1], 256, dtype=torch.long, device=images.device)
        counts.scatter_add_(-1, found, torch.ones_like(found))
        up_to, total = counts.cumsum(-1), found.shape[-1]
        first = up_to.gather(-1, found.amin(-1, keepdim=True))
        rest = (total - first).clamp_min(1).float()
        scale = torch.full_like(rest, 255) / rest
        table = ((up_to - first).clamp_min(0).float() * scale).round().clamp(0, 255)
        equalized = torch.where(first == total, found, table.gather(-1, found))
        return equalized.view(images.shape).to(images.dtype) / 255

    def check_shape(self, shape: Shape) -> None:
        check_channels("Equalize", shape)


@dataclass(frozen=True)
class Power(Operator):
    """``x ** theta``."""

    acts_on = "channels"
    mirrors = True

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return (Neutral(1.0),)

    @property
    def parameter(self) -> str:
        return "exponent"

    @property
    def affine(self) -> bool:
        return False

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        return images ** per_group(theta, images)


def invert(transform: Any) -> Augmentation:
    """InvertImg: ``1 - x``."""
    return Step(Invert(), None, "InvertImg")


def solarize(transform: Any) -> Augmentation:
    """Solarize: a uniform threshold."""
    return Drawn(Solarize(), (uniform(transform.threshold_range),), "Solarize")


def posterize(transform: Any) -> Augmentation:
    """Posterize: a uniform number of bits, alike for all channels or not."""
    given = transform.num_bits
    if isinstance(given, list):
        laws = tuple(integers(*ends) for ends in given)
        return Drawn(Posterize(len(laws)), laws, "Posterize")
    return Drawn(Posterize(), (integers(*given),), "Posterize")


def equalize(transform: Any) -> Augmentation:
    """Equalize: every channel by itself."""
    if transform.mask is not None:
        raise unsupported(transform, "a mask is not known", "use mask=None")
    if transform.mode != "cv":
        raise unsupported(transform, f"mode={transform.mode!r} is not known", 'use mode="cv"')
    if not transform.by_channels:
        raise unsupported(transform, "by_channels=False is not known", "use by_channels=True")
    return Step(Equalize(), None, "Equalize")


def gamma(transform: Any) -> Augmentation:
    """RandomGamma: a uniform exponent, given in percent."""
    low, high = transform.gamma_limit
    return Drawn(Power(), (uniform((low / 100, high / 100)),), "RandomGamma")
