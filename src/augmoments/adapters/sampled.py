"""A step of another library that is sampled, because it is not understood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from augmoments.augmentations.elementary import Elementary
from augmoments.errors import PolicyError
from augmoments.laws.joint import Seed
from augmoments.operators.base import Operator, Shape

Draw = Callable[[Any, Tensor, int], Tensor]
"""Applies a step to images ``(n, C, H, W)``, all alike, with its randomness seeded."""


@dataclass(frozen=True)
class Calling(Operator):
    """Call ``step`` by ``draw``, with ``theta`` as the seed."""

    step: Any
    draw: Draw
    acts_on = "everything"

    @property
    def parameter(self) -> str:
        return "its own randomness"

    @property
    def affine(self) -> bool:
        return False

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        seeds = theta[:, 0].long().tolist()
        pairs = zip(images, seeds, strict=True)
        found = [self.draw(self.step, group, seed) for group, seed in pairs]
        sizes = {tuple(group.shape[1:]) for group in found}
        if len(sizes) > 1:
            raise PolicyError(
                f"{type(self.step).__qualname__} gives images of {len(sizes)} shapes, such as "
                f"{sorted(sizes)[:2]}; all draws must give one shape: add a Resize to the step."
            )
        return torch.stack(found)

    def output_shape(self, shape: Shape) -> Shape:
        try:
            found = self.draw(self.step, torch.full((1, *shape), 0.5), 0)
        except Exception as error:
            name = type(self.step).__qualname__
            raise PolicyError(f"{name} does not take images of shape {shape}: {error}") from error
        return tuple(found.shape[1:])  # type: ignore[return-value]


@dataclass(frozen=True)
class Sampled(Elementary):
    """A step of another library, sampled: what it touches is a Monte Carlo estimate."""

    calling: Calling

    @property
    def operator(self) -> Operator:
        return self.calling

    @property
    def law(self) -> Seed:
        return Seed()

    @property
    def family(self) -> str:
        return type(self.calling.step).__name__
