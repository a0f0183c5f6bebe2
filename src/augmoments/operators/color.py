r"""Colour: blends :math:`f x + (1 - f) r(x)` with a reference :math:`r`, and fixed mixtures.

Gray is torchvision's, ``.2989 R + .587 G + .114 B``, whose weights sum to 0.9999.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from augmoments.errors import PolicyError
from augmoments.operators.base import Neutral, Operator, Pieces, Shape
from augmoments.operators.flip import per_group

GRAY = (0.2989, 0.587, 0.114)


def gray(images: Tensor) -> Tensor:
    """Gray level, shape ``(..., 1, H, W)``; images of one channel are their own."""
    if images.shape[-3] == 1:
        return images
    red, green, blue = images.split(1, -3)
    return (GRAY[0] * red).add(green, alpha=GRAY[1]).add(blue, alpha=GRAY[2])


def check_channels(name: str, shape: Shape) -> None:
    """Refuse images that have no gray level."""
    if shape[0] not in (1, 3):
        raise PolicyError(f"{name} takes images of 1 or 3 channels, these have {shape[0]}.")


@dataclass(frozen=True)
class Blend(Operator):
    r"""``f x + (1 - f) r(x)``, by request clamped to [0, 1], as torchvision does."""

    mirrors = True
    clamp: bool = False

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return (Neutral(1.0),)

    @property
    def affine(self) -> bool:
        return not self.clamp

    @abstractmethod
    def reference(self, images: Tensor) -> Tensor:
        """The image at ``f = 0``, linear in ``images`` and of a shape that broadcasts to theirs."""

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        factor = per_group(theta, images)
        blended = factor * images + (1 - factor) * self.reference(images)
        return blended.clamp(0, 1) if self.clamp else blended

    def linear(self, images: Tensor, theta: Tensor) -> Tensor:
        return self(images, theta)

    def pieces(self, low: float, high: float) -> Pieces | None:
        return None if self.clamp else Pieces(np.array([low, high]), 1)


@dataclass(frozen=True)
class Brightness(Blend):
    """Blend with black."""

    acts_on = "channels"
    monomial = True

    @property
    def parameter(self) -> str:
        return "brightness factor"

    def reference(self, images: Tensor) -> Tensor:
        return images.new_zeros(())

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        scaled = per_group(theta, images) * images
        return scaled.clamp(0, 1) if self.clamp else scaled


@dataclass(frozen=True)
class Contrast(Blend):
    """Blend with the mean of the image's gray levels."""

    acts_on = "everything"

    @property
    def parameter(self) -> str:
        return "contrast factor"

    def reference(self, images: Tensor) -> Tensor:
        return gray(images).mean((-3, -2, -1), keepdim=True)

    def check_shape(self, shape: Shape) -> None:
        check_channels("Contrast", shape)


@dataclass(frozen=True)
class Saturation(Blend):
    """Blend with gray; images of one channel stay as they are."""

    acts_on = "channels"

    @property
    def parameter(self) -> str:
        return "saturation factor"

    def reference(self, images: Tensor) -> Tensor:
        return gray(images)

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        return images if images.shape[-3] == 1 else super().__call__(images, theta)

    def check_shape(self, shape: Shape) -> None:
        check_channels("Saturation", shape)


@dataclass(frozen=True)
class Grayscale(Operator):
    """Gray in every channel where ``theta`` is 1."""

    acts_on = "channels"
    mirrors = True

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return (Neutral(0.0, "coin"),)

    @property
    def parameter(self) -> str:
        return "gray"

    @property
    def affine(self) -> bool:
        return True

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        chosen = (per_group(theta, images) > 0.5).to(images)
        return chosen * gray(images) + (1 - chosen) * images

    def linear(self, images: Tensor, theta: Tensor) -> Tensor:
        return self(images, theta)

    def check_shape(self, shape: Shape) -> None:
        check_channels("Grayscale", shape)


@dataclass(frozen=True)
class Standardisation(Operator):
    """``(x - mean) / std`` a channel; takes no parameter."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    acts_on = "channels"
    monomial = True
    mirrors = True

    @property
    def parameter(self) -> str:
        return "none"

    @property
    def affine(self) -> bool:
        return True

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        mean, std = (
            torch.tensor(values, dtype=images.dtype, device=images.device).reshape(-1, 1, 1)
            for values in (self.mean, self.std)
        )
        return (images - mean) / std

    def check_shape(self, shape: Shape) -> None:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, shape[0]):
                raise PolicyError(
                    f"Normalize has {len(values)} values in {name}, the images {shape[0]} channels."
                )
