"""The steps of a policy that are taken image by image, evaluated at nodes for a whole dataset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.nodes import REPLICATES, NodeFamily
from augmoments.calculus.scatter import Scatter
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
        self, images: Tensor, targets: Tensor, weights: Tensor, block: int
    ) -> tuple[list[Scatter], Scatter]:
        """What images ``(n, C, H, W)`` and targets ``(n, K)`` of one block add, float64.

        Returns:
            The scatter of rows ``(T(x), y)`` of every variant, and that of ``(E[T(x)], y)``.
        """
        found, means = [], []
        for nodes in self.variants(block):
            moved = _Moved(self.policy, nodes, images, targets, weights)
            centre = torch.cat([self._first(images, nodes), targets[:1]], 1)[0]
            scatter = Scatter.about(centre, moved)
            scatter.scatter.diagonal()[: moved.size].add_(moved.noise)
            found.append(scatter)
            means.append(moved.mean)
        mean = torch.stack(means).mean(0) if self.replicated else means[0]
        rows = torch.cat([mean.flatten(1), targets], 1)
        return found, Scatter.of(rows, weights)

    def _first(self, images: Tensor, nodes: Nodes) -> Tensor:
        return self.policy.apply(images[None, :1], nodes.theta[:1]).flatten(2)[0]


class _Moved:
    """Rows of augmented images and targets, a few nodes at a time, summed up on the way."""

    def __init__(
        self, policy: Augmentation, nodes: Nodes, images: Tensor, targets: Tensor, weights: Tensor
    ) -> None:
        self.policy = policy
        self.nodes = nodes
        self.images = images
        self.targets = targets
        self.weights = weights
        self.mean = torch.zeros(())
        self.noise: Tensor | float = 0.0
        self.size = 0

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        at_once = max(1, _BYTES_AT_ONCE // (4 * self.images.nbytes))
        for theta, share in zip(*(part.split(at_once) for part in self.nodes), strict=True):
            columns, noise = self.policy.conditional(outer(self.images, len(theta)), theta)
            share = share.to(columns)
            term = torch.einsum("k,k...->...", share, columns)
            self.mean = term if self.size == 0 else self.mean + term
            self.size = columns[0, 0].numel()
            if noise is not None:
                flat = noise.flatten(2)
                self.noise = self.noise + torch.einsum("k,n,knd->d", share, self.weights, flat)
            rows = torch.cat([columns.flatten(2), self.targets.expand(len(theta), -1, -1)], 2)
            yield rows.flatten(0, 1), torch.outer(share, self.weights).flatten()
