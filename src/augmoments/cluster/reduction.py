"""A sum along a tree that is fixed beforehand, in whatever order its terms arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, order=True)
class Node:
    """A node of the tree: the leaves from ``index * 2**level`` on, ``2**level`` of them at most."""

    level: int
    index: int

    @property
    def parent(self) -> Node:
        return Node(self.level + 1, self.index // 2)

    @property
    def sibling(self) -> Node:
        return Node(self.level, self.index ^ 1)

    def leaves(self, count: int) -> range:
        """The leaves below it, of ``count`` that there are.

        >>> Node(1, 2).leaves(5)
        range(4, 5)
        """
        width = 2**self.level
        return range(min(self.index * width, count), min((self.index + 1) * width, count))


class Reduction(Generic[T]):
    """Merges values in pairs, ``(2 i, 2 i + 1)`` on each level, as soon as both are there.

    What the result is made of, and in which order, depends on the number of leaves alone. If the
    leaves arrive in order, about ``log2(count)`` values are kept.

    Args:
        count: The number of leaves.
        merge: Takes the left and the right value, and gives their sum.

    Example:
        >>> reduction = Reduction(3, lambda left, right: f"({left}{right})")
        >>> for leaf in (2, 0, 1):
        ...     _ = reduction.add(Node(0, leaf), "abc"[leaf])
        >>> reduction.result
        '((ab)c)'
    """

    def __init__(self, count: int, merge: Callable[[T, T], T]) -> None:
        self.count = count
        self.root = Node((count - 1).bit_length(), 0)
        self.waiting: dict[Node, T] = {}
        self._merge = merge

    def add(self, node: Node, value: T) -> tuple[Node, list[Node]]:
        """Put a value at a node.

        Returns:
            The node where it stays, merged with others as far as can be, and those others.
        """
        taken = []
        while node != self.root:
            sibling = node.sibling
            if sibling.leaves(self.count):
                if sibling not in self.waiting:
                    break
                other = self.waiting.pop(sibling)
                taken.append(sibling)
                left, right = (value, other) if node < sibling else (other, value)
                value = self._merge(left, right)
            node = node.parent
        self.waiting[node] = value
        return node, taken

    @property
    def result(self) -> T:
        """The sum of all leaves."""
        return self.waiting[self.root]

    def missing(self) -> Iterator[int]:
        """The leaves that are still to come, in order."""
        there = {leaf for node in self.waiting for leaf in node.leaves(self.count)}
        return (leaf for leaf in range(self.count) if leaf not in there)
