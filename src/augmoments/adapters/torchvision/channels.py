"""Other numbers and other orders of channels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from math import factorial

import numpy as np
from torch import Tensor

from augmoments.augmentations.elementary import Elementary, Fixed
from augmoments.errors import PolicyError
from augmoments.laws.joint import Table
from augmoments.operators.base import Operator, Shape
from augmoments.operators.color import check_channels, gray

_MOST_CHANNELS = 6


class _FixedChannels(Operator):
    """A linear map of the channels that takes no parameter."""

    acts_on = "everything"
    mirrors = True

    @property
    def parameter(self) -> str:
        return "none"

    @property
    def affine(self) -> bool:
        return True


@dataclass(frozen=True)
class GrayLevel(_FixedChannels):
    """The gray level, in ``channels`` channels alike."""

    channels: int

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        return gray(images).expand(-1, -1, self.channels, -1, -1)

    def output_shape(self, shape: Shape) -> Shape:
        return (self.channels, *shape[1:])

    def check_shape(self, shape: Shape) -> None:
        check_channels("Grayscale", shape)


@dataclass(frozen=True)
class ThreeChannels(_FixedChannels):
    """Images of one channel three times; those of three or more stay."""

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        return images.expand(-1, -1, 3, -1, -1) if images.shape[2] == 1 else images

    def output_shape(self, shape: Shape) -> Shape:
        return (max(shape[0], 3), *shape[1:])

    def check_shape(self, shape: Shape) -> None:
        if shape[0] == 2:
            raise PolicyError("RGB takes images of 1, 3 or more channels, these have 2.")


@dataclass(frozen=True)
class ChannelOrder(Operator):
    """Output channel ``c`` is input channel ``theta[c]``."""

    acts_on = "channels"
    mirrors = True
    monomial = True

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
class Grayscale(Fixed):
    """Replace the image by its gray level, not random."""

    num_output_channels: int = 1

    @property
    def operator(self) -> Operator:
        return GrayLevel(self.num_output_channels)


@dataclass(frozen=True)
class RGB(Fixed):
    """Give images of one channel three, not random."""

    @property
    def operator(self) -> Operator:
        return ThreeChannels()


@dataclass(frozen=True)
class RandomChannelPermutation(Elementary):
    """Put the channels in a uniformly random order: a finite law, exact."""

    @property
    def operator(self) -> Operator:
        return ChannelOrder()

    def law_for(self, shape: Shape) -> Table:
        if shape[0] > _MOST_CHANNELS:
            raise PolicyError(
                f"RandomChannelPermutation: {shape[0]} channels have {factorial(shape[0]):,} "
                f"orders; at most {_MOST_CHANNELS} channels are taken."
            )
        return _orders(shape[0])

    def output_shape(self, shape: Shape) -> Shape:
        self.law_for(shape)
        return shape


@lru_cache(maxsize=_MOST_CHANNELS)
def _orders(channels: int) -> Table:
    points = np.array(list(permutations(range(channels))), dtype=float)
    return Table(points, np.full(len(points), 1 / len(points)))
