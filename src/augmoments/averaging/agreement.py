"""How often the average of a few passes has the class of the limit, and the right one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from augmoments.averaging.outputs import PassLaw
from augmoments.averaging.resampling import contenders, winners
from augmoments.calculus.nodes import QUANTILE

_DRAWS = 2048
_UNSEEN = 4 / _DRAWS  # what no draw meets may still be that likely
_NORMAL_QUANTILE = 2.81  # exceeded once in 200 times


class Shares(NamedTuple):
    """Probabilities after several numbers of passes.

    The last axis is that of ``passes``; the one before has the agreement with the limit and, where
    there are targets, being right.
    """

    value: Tensor
    """``(c, 2, P)``."""
    others: Tensor
    """What replicates say, or fewer nodes, ``(A, c, 2, P)``; A = 0 where there are none."""
    variance: Tensor
    """Of the drawing, ``(c, 2, P)``."""

    def bound(self, resolution: float = 0.0) -> Tensor:
        """Absolute error bound of ``value``."""
        count = len(self.others)
        drawing = _NORMAL_QUANTILE * self.variance.sqrt()
        if count > 1:
            spread = QUANTILE * self.others.std(0) / count**0.5
            return torch.maximum(spread, drawing) + resolution
        return drawing + (self.others - self.value).abs().sum(0) + resolution

    def over_images(self) -> Shares:
        """Means over the images, as of one."""
        value, others = self.value.mean(0, keepdim=True), self.others.mean(1, keepdim=True)
        return Shares(value, others, self.variance.mean(0, keepdim=True) / len(self.value))


def shares(
    law: PassLaw, top: Tensor, targets: Tensor | None, passes: Sequence[int], seed: int
) -> Shares:
    """Agreement with the classes ``top`` and with ``targets``, both ``(c,)``, of every image."""
    sources = law.parts if law.replicates > 1 else []
    if law.before is not None:
        sources = [(law.before.values, law.before.weights)]
    wanted = torch.stack([top, top if targets is None else targets], 1)
    value = (wanted == top[:, None]).double()[..., None].repeat(1, 1, len(passes))
    others = value.repeat(len(sources), 1, 1, 1)
    variance = torch.zeros_like(value)
    for place in range(len(law)):
        kept = contenders(law.values[:, place], int(top[place]))
        if len(kept) == 1:
            continue
        rng = np.random.default_rng([seed, int(law.index[place])])
        own = (wanted[place][:, None] == kept).double()
        found, drawn = winners(law.values[:, place, kept], law.weights, passes, _DRAWS, rng)
        value[place] = own @ found.T
        variance[place] = (value[place] * (1 - value[place]) + _UNSEEN) * drawn / _DRAWS
        for at, (values, weights) in enumerate(sources):
            least = max(1, _DRAWS // len(sources))
            other, _ = winners(values[:, place, kept], weights, passes, least, rng)
            others[at, place] = own @ other.T
    return Shares(value, others, variance)
