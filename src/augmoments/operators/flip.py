"""Mirror images, a permutation of the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from augmoments.operators.base import Neutral, Operator


@dataclass(frozen=True)
class Flip(Operator):
    """Mirror left and right (``axis="x"``) or up and down (``"y"``) where ``theta`` is 1."""

    axis: Literal["x", "y"]
    acts_on = "space"
    mirrors = True
    monomial = True

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return (Neutral(0.0, "coin"),)

    @property
    def parameter(self) -> str:
        return "mirrored"

    @property
    def affine(self) -> bool:
        return True

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        flipped = images.flip(-1 if self.axis == "x" else -2)
        return torch.where(per_group(theta, images) > 0.5, flipped, images)

    def linear(self, images: Tensor, theta: Tensor) -> Tensor:
        return self(images, theta)


def per_group(theta: Tensor, images: Tensor, column: int = 0) -> Tensor:
    """One parameter, shaped to broadcast against ``images`` ``(B, n, C, H, W)``."""
    return theta[:, column].to(images).reshape(-1, 1, 1, 1, 1)
