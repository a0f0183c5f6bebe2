"""Erasing a box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from augmoments.errors import PolicyError
from augmoments.operators.base import Shape
from augmoments.operators.fields import box_masks
from augmoments.operators.seeded import Noisy, seeded


@dataclass(frozen=True)
class Erase(Noisy):
    """Put ``value`` into the box of ``theta``: first row, first column, height and width.

    A box without height or width erases nothing.

    Attributes:
        value: A number, one a channel, or ``"random"`` for standard normal noise, whose seed is the
            fifth number of ``theta``. The noise is not clipped.

    Reference:
        ``torchvision.transforms.v2.functional.erase``.
    """

    value: float | tuple[float, ...] | Literal["random"] = 0.0
    acts_on = "space"
    monomial = True

    @property
    def parameter(self) -> str:
        seed = ", seed" if self.value == "random" else ""
        return f"top, left, height and width of the box, pixels{seed}"

    @property
    def affine(self) -> bool:
        return True

    def check_shape(self, shape: Shape) -> None:
        if isinstance(self.value, tuple) and len(self.value) not in (1, shape[0]):
            raise PolicyError(
                f"Erase has {len(self.value)} values but the images {shape[0]} channels."
            )

    def fill_like(self, images: Tensor) -> Tensor:
        value = torch.tensor(0.0 if self.value == "random" else self.value, dtype=torch.float64)
        return value.to(images).reshape(-1, 1, 1).expand(images.shape[-3], 1, 1)

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        if self.value == "random":
            noise = seeded("normal", theta[:, 4], images.shape[-3:])[:, None].to(images)
            return torch.where(_inside(images, theta), noise, images)
        return self.conditional_mean(images, theta)

    def linear(self, images: Tensor, theta: Tensor) -> Tensor:
        return torch.where(_inside(images, theta), 0.0, images)

    def conditional_mean(self, images: Tensor, theta: Tensor) -> Tensor:
        return torch.where(_inside(images, theta), self.fill_like(images), images)

    def conditional_variance(self, images: Tensor, theta: Tensor) -> Tensor:
        if self.value != "random":
            return torch.zeros_like(images)
        return _inside(images, theta).to(images.dtype).expand_as(images)


def _inside(images: Tensor, theta: Tensor) -> Tensor:
    """Which pixels the boxes cover, ``(B, 1, 1, H, W)``."""
    return box_masks(theta[:, :4].to(images.device), *images.shape[-2:])[:, None, None]
