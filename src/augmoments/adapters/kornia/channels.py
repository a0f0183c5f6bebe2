"""Channels that are shuffled or blanked."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, permutations
from math import comb, factorial
from typing import Any

import torch
from torch import Tensor

from augmoments.adapters.kornia.steps import Drawing, name_of, sometimes
from augmoments.augmentations.base import Augmentation
from augmoments.errors import PolicyError
from augmoments.laws import Discrete
from augmoments.operators.base import Operator, Shape

_MOST = 5040


class _Picking(Operator):
    """A choice among outcomes that are counted; ``theta`` is the number of one."""

    acts_on = "channels"
    mirrors = True

    @property
    def parameter(self) -> str:
        return "outcome"

    @property
    def affine(self) -> bool:
        return True


@dataclass(frozen=True)
class Shuffle(_Picking):
    """Permute the channels; permutations are in lexicographic order."""

    def count(self, channels: int) -> int:
        """How many outcomes there are."""
        return factorial(channels)

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        channels = images.shape[-3]
        table = torch.tensor(list(permutations(range(channels))), device=images.device)
        chosen = table[theta[:, 0].round().long().to(images.device)]
        return images.gather(2, chosen[:, None, :, None, None].expand_as(images))

    def linear(self, images: Tensor, theta: Tensor) -> Tensor:
        return self(images, theta)


@dataclass(frozen=True)
class Drop(_Picking):
    """Replace ``number`` of the channels by ``value``; sets of them are in lexicographic order."""

    number: int
    value: float

    def count(self, channels: int) -> int:
        """How many outcomes there are."""
        return comb(channels, self.number)

    def check_shape(self, shape: Shape) -> None:
        if shape[0] < self.number:
            raise PolicyError(
                f"RandomChannelDropout blanks {self.number} channels, the images have {shape[0]}."
            )

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        channels = images.shape[-3]
        table = torch.tensor(list(combinations(range(channels), self.number)), device=images.device)
        chosen = table[theta[:, 0].round().long().to(images.device)]
        dropped = torch.zeros(len(chosen), channels, dtype=torch.bool, device=images.device)
        return torch.where(
            dropped.scatter_(1, chosen, True)[:, None, :, None, None], self.value, images
        )


@dataclass(frozen=True)
class Equally:
    """All outcomes for images of so many channels are equally likely."""

    operator: Shuffle | Drop

    def __call__(self, shape: Shape) -> Discrete:
        self.operator.check_shape(shape)
        count = self.operator.count(shape[0])
        if count > _MOST:
            raise PolicyError(
                f"{shape[0]} channels have {count} outcomes; at most {_MOST} are taken."
            )
        return Discrete(range(count))


def random_channel_shuffle(module: Any) -> Augmentation:
    """``RandomChannelShuffle``."""
    return _picking(module, Shuffle())


def random_channel_dropout(module: Any) -> Augmentation:
    """``RandomChannelDropout``."""
    return _picking(module, Drop(int(module.num_drop_channels), float(module.fill_value)))


def _picking(module: Any, operator: Shuffle | Drop) -> Augmentation:
    return sometimes(module, Drawing(operator, Equally(operator), name_of(module)))


CONVERTERS = {
    "RandomChannelDropout": random_channel_dropout,
    "RandomChannelShuffle": random_channel_shuffle,
}
