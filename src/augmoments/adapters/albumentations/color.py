"""Brightness, contrast, saturation, hue and gray, with OpenCV's gray level."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import torch
from torch import Tensor

from augmoments.adapters.albumentations.parameters import Drawn, uniform
from augmoments.adapters.unsupported import unsupported
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.elementary import Step
from augmoments.laws import Discrete
from augmoments.operators.base import Neutral, Operator, Shape
from augmoments.operators.choose import Action, choose
from augmoments.operators.color import Blend, Brightness, Standardisation, check_channels
from augmoments.operators.flip import per_group
from augmoments.operators.hue import Hue

GRAY = (0.299, 0.587, 0.114)
_ORDERS = tuple(permutations(range(4)))


def gray(images: Tensor) -> Tensor:
    """OpenCV's gray level, shape ``(..., 1, H, W)``; images of one channel are their own."""
    if images.shape[-3] == 1:
        return images
    weights = torch.tensor(GRAY, dtype=images.dtype, device=images.device)
    return torch.einsum("...chw,c->...hw", images, weights).unsqueeze(-3)


@dataclass(frozen=True)
class Contrast(Blend):
    """Blend with the mean of the image's gray levels, clamped."""

    clamp: bool = True
    acts_on = "everything"

    @property
    def parameter(self) -> str:
        return "contrast factor"

    def reference(self, images: Tensor) -> Tensor:
        return gray(images).mean((-3, -2, -1), keepdim=True)


@dataclass(frozen=True)
class Saturation(Blend):
    """Blend with gray, clamped; images of one channel stay as they are."""

    clamp: bool = True
    acts_on = "channels"

    @property
    def parameter(self) -> str:
        return "saturation factor"

    def reference(self, images: Tensor) -> Tensor:
        return gray(images)


_JITTERS = (Brightness(clamp=True), Contrast(), Saturation(), Hue())


@dataclass(frozen=True)
class Jitter(Operator):
    """Brightness, contrast, saturation and hue, all in one of 24 orders, each clamped to [0, 1].

    The parameters are the order, the three factors and the hue shift in turns.
    """

    acts_on = "everything"
    mirrors = True

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return (Neutral(0.0, "label"), *map(Neutral, (1.0, 1.0, 1.0, 0.0)))

    @property
    def parameter(self) -> str:
        return "order, factors of brightness, contrast and saturation, hue shift in turns"

    @property
    def affine(self) -> bool:
        return False

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        def run(order: tuple[int, ...]) -> Action:
            def act(part: Tensor, rows: Tensor) -> Tensor:
                own = theta[rows.to(theta.device)]
                for step in order:
                    part = _JITTERS[step](part, own[:, 1 + step, None])
                return part

            return act

        return choose(images, theta[:, 0], [run(order) for order in _ORDERS])

    def check_shape(self, shape: Shape) -> None:
        check_channels("ColorJitter", shape)


@dataclass(frozen=True)
class BrightnessContrast(Operator):
    """``a x + b``, clamped to [0, 1] unless the numbers are reduced to a safe range.

    The parameters are ``a`` and ``b``; with ``by_mean`` the image's mean multiplies ``b``.
    """

    by_mean: bool
    acts_on = "everything"
    mirrors = True

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return (Neutral(1.0), Neutral(0.0))

    @property
    def parameter(self) -> str:
        return "contrast factor, brightness shift"

    @property
    def affine(self) -> bool:
        return False

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        shift = per_group(theta, images, 1)
        if self.by_mean:
            shift = shift * images.mean((-3, -2, -1), keepdim=True)
        return (per_group(theta, images) * images + shift).clamp(0, 1)


@dataclass(frozen=True)
class SafeBrightnessContrast(Operator):
    """``a x + b`` with ``b`` clamped to [0, 1] and ``a`` to at most ``1 - b``, so affine."""

    acts_on = "channels"
    mirrors = True

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return (Neutral(1.0), Neutral(0.0))

    @property
    def parameter(self) -> str:
        return "contrast factor, brightness shift"

    @property
    def affine(self) -> bool:
        return True

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        factor, shift = per_group(theta, images), per_group(theta, images, 1).clamp(0, 1)
        return torch.minimum(factor, 1 - shift) * images + shift


@dataclass(frozen=True)
class Gray(Operator):
    """One gray level in every channel; takes no parameter."""

    method: str = "weighted_average"
    acts_on = "channels"
    mirrors = True

    @property
    def parameter(self) -> str:
        return "none"

    @property
    def affine(self) -> bool:
        return self.method in ("weighted_average", "average")

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        if images.shape[-3] == 1:
            return images
        if self.method == "weighted_average":
            level = gray(images)
        elif self.method == "average":
            level = images.mean(-3, keepdim=True)
        else:
            level = images.amax(-3, keepdim=True)
            if self.method == "desaturation":
                level = (level + images.amin(-3, keepdim=True)) / 2
        return level.expand_as(images)

    def check_shape(self, shape: Shape) -> None:
        check_channels("ToGray", shape)


def jitter(transform: Any) -> Augmentation:
    """ColorJitter: all four, in random order."""
    factors = (transform.brightness, transform.contrast, transform.saturation, transform.hue)
    laws = (Discrete(range(len(_ORDERS))), *(uniform(ends) for ends in factors))
    return Drawn(Jitter(), laws, "ColorJitter")


def brightness_contrast(transform: Any) -> Augmentation:
    """RandomBrightnessContrast: a factor and a shift."""
    low, high = transform.contrast_limit
    laws = uniform((1.0 + low, 1.0 + high)), uniform(transform.brightness_limit)
    if transform.ensure_safe_range:
        if low <= -1 or not transform.brightness_by_max:
            raise unsupported(
                transform,
                "ensure_safe_range=True with brightness_by_max=False or negative factors",
                "use brightness_by_max=True and contrast_limit above -1",
            )
        return Drawn(SafeBrightnessContrast(), laws, "RandomBrightnessContrast")
    by_mean = not transform.brightness_by_max
    return Drawn(BrightnessContrast(by_mean), laws, "RandomBrightnessContrast")


def to_gray(transform: Any) -> Augmentation:
    """ToGray: a fixed mixture of the channels, in all three."""
    known = ("weighted_average", "average", "max", "desaturation")
    if transform.method not in known:
        raise unsupported(
            transform, f"method={transform.method!r} is not known", f"use one of {', '.join(known)}"
        )
    if transform.num_output_channels != 3:
        raise unsupported(
            transform,
            f"num_output_channels={transform.num_output_channels} changes the images' shape",
            "use num_output_channels=3",
        )
    return Step(Gray(transform.method), None, "ToGray")


def normalize(transform: Any) -> Augmentation:
    """Normalize: fixed numbers for each channel, multiplied by ``max_pixel_value``."""
    if transform.normalization != "standard":
        raise unsupported(
            transform,
            f"normalization={transform.normalization!r} is not known",
            'use normalization="standard"',
        )
    mean = tuple(float(v) for v in transform.mean_np.reshape(-1))
    std = tuple(float(v) for v in (1 / transform.denominator.astype(float)).reshape(-1))
    return Step(Standardisation(mean, std), None, "Normalize")
