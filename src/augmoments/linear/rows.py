"""Augmented images at the nodes of a policy, as rows of a design matrix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.nodes import JointNodes, NodeFamily
from augmoments.checks import available_memory
from augmoments.errors import InputError
from augmoments.operators.base import Shape, outer

_VALUES_AT_ONCE = 2**22
_SCRAMBLINGS = 32
_MOST_MEMORY = 4 * 2**30


@dataclass(frozen=True)
class Block:
    """Some images at some nodes."""

    rows: Tensor
    """Augmented images ``(B, D)``, float64."""
    index: Tensor
    """Which image each row is, ``(B,)``."""
    shares: Tensor
    """Weight of each row's node, ``(B,)``: those of one replicate sum to 1 for each image."""
    replicate: int


class AugmentedRows:
    """Every image at every node, kept where memory allows it and else computed in each pass.

    Args:
        images: ``(N, C, H, W)``.
        policy: An augmentation that takes each image by itself.
        nodes: Several of one size; image n takes the n-th, in turn. Errors of nodes that were
            scrambled independently average out over the images.
        memory: Bytes that the rows may take; they are kept in float64 if that fits, else in the
            images' own dtype if that does.
    """

    def __init__(
        self, images: Tensor, policy: Augmentation, nodes: Sequence[JointNodes], memory: float
    ) -> None:
        shape: Shape = tuple(images.shape[1:])  # type: ignore[assignment]
        self.count = len(images)
        self.nodes = len(nodes[0])
        self.replicates = nodes[0].replicates
        self.size = prod(policy.output_shape(shape))
        self._images, self._policy, self._memory = images, policy, memory
        self._nodes = nodes

    def __iter__(self) -> Iterator[Block]:
        kept = self._kept
        return (_as_double(block) for block in (self._blocks() if kept is None else kept))

    @cached_property
    def _kept(self) -> list[Block] | None:
        values = self.count * self.nodes * self.size
        if 8 * values <= self._memory:
            return [_as_double(block) for block in self._blocks()]
        fits = self._images.element_size() * values <= self._memory
        return list(self._blocks()) if fits else None

    def _blocks(self) -> Iterator[Block]:
        """One replicate after the other, in blocks that are not much smaller than need be."""
        for replicate in range(self.replicates):
            waiting: list[Block] = []
            for block in self._pieces(replicate):
                waiting.append(block)
                if sum(part.rows.numel() for part in waiting) >= _VALUES_AT_ONCE // 2:
                    yield _joined(waiting)
                    waiting = []
            if waiting:
                yield _joined(waiting)

    def _pieces(self, replicate: int) -> Iterator[Block]:
        """Images that share their nodes, as many as fit at a time."""
        widest = max(self.size, prod(self._images.shape[1:]))
        for kind, nodes in enumerate(self._nodes):
            theta = nodes.theta.chunk(self.replicates)[replicate]
            weights = (nodes.weights * self.replicates).chunk(self.replicates)[replicate]
            images = torch.arange(kind, self.count, len(self._nodes), device=self._images.device)
            for index in images.split(max(1, _VALUES_AT_ONCE // widest)):
                split = max(1, _VALUES_AT_ONCE // (widest * len(index)))
                for some, shares in zip(theta.split(split), weights.split(split), strict=True):
                    moved = self._policy.apply(outer(self._images[index], len(some)), some)
                    yield Block(
                        moved.flatten(2).flatten(0, 1),
                        index.repeat(len(some)),
                        shares.to(index.device).repeat_interleave(len(index)),
                        replicate,
                    )


def _joined(parts: list[Block]) -> Block:
    if len(parts) == 1:
        return parts[0]
    rows, index, shares = (
        torch.cat([getattr(part, name) for part in parts]) for name in ("rows", "index", "shares")
    )
    return Block(rows, index, shares, parts[0].replicate)


def _as_double(block: Block) -> Block:
    return block if block.rows.dtype == torch.float64 else replace(block, rows=block.rows.double())


def node_levels(
    policy: Augmentation, shape: Shape, seed: int, wanted: int, count: int
) -> list[list[JointNodes]]:
    """About ``wanted`` nodes for each of ``count`` images, as :class:`AugmentedRows` takes them.

    A grid comes with two coarser ones that tell its error. Sobol points are scrambled anew for
    each of the first images, and again from there on in turn.
    """
    family = NodeFamily(policy, shape, seed)
    if family.method == "exact":
        return [[family.nodes(0)]]
    level = 0 if family.replicated else 2
    while len(family.nodes(level + 1)) <= wanted:
        level += 1
    if not family.replicated:
        return [[family.nodes(each)] for each in (level, level - 1, level - 2)]
    seeds = (seed * _SCRAMBLINGS + kind for kind in range(min(count, _SCRAMBLINGS)))
    return [[NodeFamily(policy, shape, each).nodes(level) for each in seeds]]


def allowed(max_memory: float | None) -> float:
    """Bytes that augmented images may take, where the user names none too.

    Raises:
        InputError: Not a positive number.
    """
    if max_memory is None:
        return min(_MOST_MEMORY, (available_memory() or 2 * _MOST_MEMORY) / 2)
    if not max_memory > 0:
        raise InputError(f"max_memory must be a positive number of bytes, got {max_memory!r}.")
    return float(max_memory)
