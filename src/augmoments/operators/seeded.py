"""Actions that draw random numbers of their own, from a seed among their parameters."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from augmoments.operators.base import Operator


class Noisy(Operator):
    """An operator whose own random numbers are independent from pixel to pixel.

    Its moments given all other parameters have a closed form, pixel by pixel.
    """

    @abstractmethod
    def conditional_mean(self, images: Tensor, theta: Tensor) -> Tensor:
        """Average over the seed; same shapes as a call, the column of the seed is not read."""

    @abstractmethod
    def conditional_variance(self, images: Tensor, theta: Tensor) -> Tensor:
        """Variance of every value over the seed; values are independent of each other."""


def seeded(law: Literal["normal", "uniform"], seeds: Tensor, size: Sequence[int]) -> Tensor:
    """Random numbers ``(B, *size)`` in float64 on the CPU, each group's from its own seed."""
    draw = torch.randn if law == "normal" else torch.rand
    generator = torch.Generator()
    return torch.stack(
        [
            draw(*size, generator=generator.manual_seed(int(seed)), dtype=torch.float64)
            for seed in seeds.tolist()
        ]
    )
