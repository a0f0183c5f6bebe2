"""What computes partitions, and this process as the simplest case."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar

R = TypeVar("R")
Call = tuple[int, tuple[Any, ...]]
"""A number, and the arguments of the call that it stands for."""


class Pool(Protocol):
    """Calls a function many times, and gives the results in the order in which they come."""

    def map(self, function: Callable[..., R], calls: Iterable[Call]) -> Iterator[tuple[int, R]]:
        """Results with the numbers of their calls; ``calls`` are taken when there is room."""
        ...


class LocalPool:
    """One call after the other, in this process."""

    def map(self, function: Callable[..., R], calls: Iterable[Call]) -> Iterator[tuple[int, R]]:
        return ((number, function(*arguments)) for number, arguments in calls)
