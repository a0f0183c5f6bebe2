"""Channels that are shuffled, dropped or shifted."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, permutations
from math import comb
from typing import Any

import numpy as np
import torch
from torch import Tensor

from augmoments.adapters.albumentations.parameters import Drawn, uniform
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.elementary import Elementary
from augmoments.errors import PolicyError
from augmoments.laws.joint import JointLaw, Table
from augmoments.operators.base import Neutral, Operator, Shape

_MOST_SHUFFLED = 6


@dataclass(frozen=True)
class Shuffle(Operator):
    """Put channel ``theta[c]`` in the place of channel ``c``."""

    acts_on = "channels"
    mirrors = True

    @property
    def parameter(self) -> str:
        return "order of the channels"

    @property
    def affine(self) -> bool:
        return True

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        index = theta.round().long().to(images.device)[:, None, :, None, None]
        return images.gather(2, index.expand_as(images))


@dataclass(frozen=True)
class Keep(Operator):
    """Keep channel ``c`` where ``theta[c]`` is 1, and fill it where it is 0."""

    fill: float
    acts_on = "channels"
    mirrors = True

    @property
    def parameter(self) -> str:
        return "which channels are kept"

    @property
    def affine(self) -> bool:
        return True

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        kept = theta.to(images)[:, None, :, None, None] > 0.5
        return torch.where(kept, images, self.fill)


@dataclass(frozen=True)
class Shift(Operator):
    """``x + theta[c]`` in channel ``c``, clamped to [0, 1]; takes one number or one a channel."""

    channels: int | None = None
    acts_on = "channels"
    mirrors = True

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return (Neutral(0.0),) * (self.channels or 1)

    @property
    def parameter(self) -> str:
        return "shift of each channel"

    @property
    def affine(self) -> bool:
        return False

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        return (images + theta.to(images)[:, None, :, None, None]).clamp(0, 1)

    def check_shape(self, shape: Shape) -> None:
        if self.channels not in (None, shape[0]):
            raise PolicyError(f"RGBShift takes {self.channels} channels, not {shape[0]}.")


@dataclass(frozen=True)
class ShuffleStep(Elementary):
    """The channels in a random order."""

    @property
    def operator(self) -> Operator:
        return Shuffle()

    @property
    def family(self) -> str:
        return "ChannelShuffle"

    def output_shape(self, shape: Shape) -> Shape:
        if shape[0] > _MOST_SHUFFLED:
            raise PolicyError(
                f"ChannelShuffle takes up to {_MOST_SHUFFLED} channels, these have {shape[0]}."
            )
        return shape

    def law_for(self, shape: Shape) -> JointLaw:
        orders = np.array(list(permutations(range(shape[0]))), dtype=float)
        return Table(orders, np.full(len(orders), 1 / len(orders)))


@dataclass(frozen=True)
class DropStep(Elementary):
    """Some channels are filled: a uniform number of them, then a uniform choice."""

    counts: tuple[int, int]
    fill: float

    @property
    def operator(self) -> Operator:
        return Keep(self.fill)

    @property
    def family(self) -> str:
        return "ChannelDropout"

    def output_shape(self, shape: Shape) -> Shape:
        if self.counts[1] >= shape[0]:
            raise PolicyError(
                f"ChannelDropout drops up to {self.counts[1]} channels, the images have {shape[0]}."
            )
        return shape

    def law_for(self, shape: Shape) -> JointLaw:
        low, high = self.counts
        rows, weights = [], []
        for count in range(low, high + 1):
            for dropped in combinations(range(shape[0]), count):
                rows.append([float(channel not in dropped) for channel in range(shape[0])])
                weights.append(1 / (high - low + 1) / comb(shape[0], count))
        return Table(np.array(rows), np.array(weights))


def shuffle(transform: Any) -> Augmentation:
    """ChannelShuffle: all orders alike."""
    return ShuffleStep()


def drop(transform: Any) -> Augmentation:
    """ChannelDropout: some channels, never all."""
    low, high = transform.channel_drop_range
    return DropStep((int(low), int(high)), float(transform.fill))


def shift(transform: Any) -> Augmentation:
    """RGBShift: a uniform shift of each channel."""
    laws = tuple(uniform(ends) for ends in transform.noise_params["ranges"])
    return Drawn(Shift(len(laws)), laws, "RGBShift")
