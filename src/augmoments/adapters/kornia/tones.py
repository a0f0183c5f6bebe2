"""Brightness, contrast, saturation and hue as kornia computes them, clamped to [0, 1]."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from augmoments.errors import PolicyError
from augmoments.operators.base import Domain, Operator, Shape
from augmoments.operators.choose import choose
from augmoments.operators.flip import per_group

GRAY = (0.299, 0.587, 0.114)
_TINY = 1e-8  # what kornia adds to the value before it divides by it


def gray_level(images: Tensor, weights: tuple[float, ...] = GRAY) -> Tensor:
    """A weighted sum of the channels, ``(..., 1, H, W)``."""
    shares = torch.tensor(weights, dtype=images.dtype, device=images.device)
    return torch.einsum("...chw,c->...hw", images, shares).unsqueeze(-3)


def check_colour(name: str, shape: Shape, allowed: tuple[int, ...]) -> None:
    """Refuse images with another number of channels."""
    if shape[0] not in allowed:
        channels = " or ".join(str(n) for n in allowed)
        raise PolicyError(f"{name} takes images of {channels} channels, these have {shape[0]}.")


@dataclass(frozen=True)
class Tone(Operator):
    """A change of tone by one factor; images are clamped to [0, 1] before and after if asked."""

    clamp: bool = True
    acts_on: Domain = "channels"
    mirrors = True

    @property
    def affine(self) -> bool:
        return not self.clamp

    @abstractmethod
    def change(self, images: Tensor, factor: Tensor) -> Tensor:
        """What happens to clamped ``images``, with the factor in shape ``(B, 1, 1, 1, 1)``."""

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        if not self.clamp:
            return self.change(images, per_group(theta, images))
        return self.change(images.clamp(0, 1), per_group(theta, images)).clamp(0, 1)
