"""The steps of a policy that are taken image by image, evaluated at nodes for a whole dataset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.dataset.scatter import Scatter
from augmoments.calculus.nodes import REPLICATES, NodeFamily
from augmoments.errors import InputError
from augmoments.estimate import Method
from augmoments.operators.base import Shape, outer

BLOCK = 16
"""How many images in a row have the same nodes, where these are scrambled."""
_FEWEST = 128
_BYTES_AT_ONCE = 128 * 2**20


class Nodes(NamedTuple):
    """Draws ``(K, P)`` with weights ``(K,)`` that sum to 1."""

    theta: Tensor
    weights: Tensor


@dataclass(frozen=True)
class Head:
    """A policy with nodes for every image.

    Each of its *variants* estimates the same moments: one if they are exact; independent replicates
    whose average is the estimate; or a chain of three, the later ones with half of the nodes.
    Replicates are scrambled anew for every :data:`BLOCK` images, so that their errors average out.
    """

    policy: Augmentation
    shape: Shape
    seed: int
    nodes: int
    level: int
    method: Method

    @classmethod
    def of(cls, policy: Augmentation, shape: Shape, seed: int, nodes: int) -> Head:
        """``nodes`` evaluations of an image of ``shape``, or as many as there are outcomes.

        Raises:
            InputError: ``nodes`` is below 128 and the outcomes are more.
        """
        family = NodeFamily(policy, shape, seed, nodes)
        level = 0
        if family.method != "exact" and nodes < _FEWEST:
            raise InputError(f"nodes must be at least {_FEWEST}, got {nodes!r}.")
        if family.replicated:
            level = (nodes // _FEWEST).bit_length() - 1
        elif family.method == "cubature":
            level = 2
            while len(family.nodes(level + 1)) <= nodes:
                level += 1
        return cls(policy, shape, seed, nodes, level, family.method)

    @property
    def replicated(self) -> bool:
        """Whether the variants are replicates."""
        return self.method in ("quasi-monte-carlo", "monte-carlo")

    @property
    def copies(self) -> int:
        """How many variants there are."""
        return REPLICATES if self.replicated else 3 if self.method == "cubature" else 1

    def variants(self, block: int) -> list[Nodes]:
        """The nodes of each variant, for the images of one block."""
        seed = self.seed
        if self.replicated:
            seed = int(np.random.SeedSequence([self.seed, block]).generate_state(1)[0])
        family = NodeFamily(self.policy, self.shape, seed, self.nodes)
        if self.replicated:
            found = family.nodes(self.level)
            pairs = zip(found.theta.chunk(REPLICATES), found.weights.chunk(REPLICATES), strict=True)
            return [Nodes(theta, REPLICATES * weights) for theta, weights in pairs]
        chain = [family.nodes(self.level - step) for step in range(self.copies)]
        return [Nodes(found.theta, found.weights) for found in chain]

    def scatter(
        self, images: Tensor, targets: Tensor, weights: Tensor, start: int
    ) -> tuple[list[Scatter], Scatter]:
        """What images ``(n, C, H, W)`` and targets ``(n, K)`` add, float64.

        Args:
            images: In the order of the dataset.
            targets: One an image.
            weights: How often each image counts, ``(n,)``.
            start: How many images there were before.

        Returns:
            The scatter of rows ``(T(x), y)`` of every variant, and that of ``(E[T(x)], y)``.
        """
        blocks = self._blocks(images, targets, weights, start)
        first, _ = self.policy.conditional(images[None, :1], blocks[0].variants[0].theta[:1])
        centre = torch.cat([first.flatten(), targets[0]])
        found, means = [], []
        for variant in range(self.copies):
            moved = _Moved(self.policy, blocks, variant)
            scatter = Scatter.about(centre, moved)
            scatter.scatter.diagonal()[: first.numel()].add_(moved.noise)
            found.append(scatter)
            means.append(torch.cat(moved.means))
        mean = torch.stack(means).mean(0) if self.replicated else means[0]
        rows = torch.cat([mean.flatten(1), targets], 1)
        return found, Scatter.of(rows, weights)

    def _blocks(self, images: Tensor, targets: Tensor, weights: Tensor, start: int) -> list[_Block]:
        """Cut a batch where the nodes change."""
        size = BLOCK if self.replicated else len(images)
        sizes = [min(len(images), size - start % size)]
        while sum(sizes) < len(images):
            sizes.append(min(len(images) - sum(sizes), size))
        places = [(start + sum(sizes[:i])) // size for i in range(len(sizes))]
        parts = zip(*(part.split(sizes) for part in (images, targets, weights)), strict=True)
        return [
            _Block(x, y, w, self.variants(place))
            for (x, y, w), place in zip(parts, places, strict=True)
        ]


class _Block(NamedTuple):
    """Images that have the same nodes."""

    images: Tensor
    targets: Tensor
    weights: Tensor
    variants: list[Nodes]


class _Moved:
    """Rows of augmented images and targets, a few nodes at a time, summed up on the way."""

    def __init__(self, policy: Augmentation, blocks: list[_Block], variant: int) -> None:
        self.policy = policy
        self.blocks = blocks
        self.variant = variant
        self.means: list[Tensor] = []
        self.noise: Tensor | float = 0.0

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for block in self.blocks:
            yield from self._rows(block)

    def _rows(self, block: _Block) -> Iterator[tuple[Tensor, Tensor]]:
        images, targets, weights, variants = block
        at_once = max(1, _BYTES_AT_ONCE // (4 * images.nbytes))
        nodes, total = variants[self.variant], None
        for theta, share in zip(*(part.split(at_once) for part in nodes), strict=True):
            columns, noise = self.policy.conditional(outer(images, len(theta)), theta)
            share = share.to(columns)
            mean = torch.einsum("k,k...->...", share, columns)
            total = mean if total is None else total + mean
            if noise is not None:
                flat = noise.flatten(2)
                self.noise = self.noise + torch.einsum("k,n,knd->d", share, weights, flat)
            rows = torch.cat([columns.flatten(2), targets.expand(len(theta), -1, -1)], 2)
            yield rows.flatten(0, 1), torch.outer(share, weights).flatten()
        assert total is not None
        self.means.append(total)
