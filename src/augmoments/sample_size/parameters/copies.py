"""Augmented copies of a whole dataset, as far as ridge regression goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add

import numpy as np
import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.nodes import NodeFamily
from augmoments.operators.base import Shape
from augmoments.sample_size.images import over
from augmoments.sample_size.parameters.ridge import Ridge, Rows, Sums, fluctuation
from augmoments.sample_size.parameters.spans import Span

_BLOCK = 64
_BYTES_AT_ONCE = 256 * 2**20


@dataclass(frozen=True)
class Copies:
    """Augmented images with targets, at nodes that are scrambled anew for every few images."""

    images: Tensor
    targets: Tensor
    policy: Augmentation
    seed: int
    max_nodes: int

    @property
    def shape(self) -> Shape:
        """``(C, H, W)``."""
        return tuple(self.images.shape[1:])  # type: ignore[return-value]

    @cached_property
    def family(self) -> NodeFamily:
        """The nodes of the first images, or of all where they are not scrambled."""
        return NodeFamily(self.policy, self.shape, self.seed, self.max_nodes)

    def span(self, block: int, level: int) -> Span:
        """The nodes of the images of one block."""
        family = self.family
        if family.replicated and block:
            seed = int(np.random.SeedSequence([self.seed, block]).generate_state(1)[0])
            family = NodeFamily(self.policy, self.shape, seed, self.max_nodes)
        return Span.of(family, level)

    def __getitem__(self, index: Tensor) -> Copies:
        chosen = (self.images[index], self.targets[index])
        return Copies(*chosen, self.policy, self.seed, self.max_nodes)

    def rows(self, ridge: Ridge, level: int) -> Iterator[tuple[Rows, Span]]:
        """Rows at the nodes of ``level``, a few images at a time."""
        for block, index in enumerate(torch.arange(len(self.images)).split(_BLOCK)):
            span = self.span(block, level)
            needed = 4 * ridge.mean.nbytes * len(span.points)
            for part in index.split(max(1, _BYTES_AT_ONCE // needed)):
                images, targets = self.images[part], self.targets[part]
                yield Rows.of(ridge, self.policy, images, targets, span), span

    def sums(self, ridge: Ridge, level: int) -> Sums:
        """The sums over all images."""
        found = (Sums.of(rows, span, ridge.alpha) for rows, span in self.rows(ridge, level))
        return reduce(add, found)

    def coefficients(self, ridge: Ridge, level: int) -> Tensor:
        """Squared relative errors after one copy of every image, ``(3,)``."""
        variance = self.sums(ridge, level).variance()
        return over(variance, len(self.images) ** 2 * ridge.scales)

    def fluctuation(self, ridge: Ridge, level: int) -> float:
        r"""How far the second moment from one copy of every image is off.

        :math:`E\|C_\alpha^{-1/2} (C_1 - C) C_\alpha^{-1/2}\|_F^2` over the effective number of
        dimensions: the mean square over all directions.
        """
        total = sum(float(fluctuation(rows, span)) for rows, span in self.rows(ridge, level))
        return total / len(self.images) ** 2 / ridge.dimension if ridge.dimension > 0 else 0.0
