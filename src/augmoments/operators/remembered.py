"""Results that are kept for the next call, in a bounded amount of memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """A function whose latest results are kept, up to a number of bytes.

    The result that was asked for least recently goes first; one that is larger than all the room
    is not kept. Threads may share it: two that miss at once both compute.

    Args:
        function: What to compute, from arguments that can be hashed.
        nbytes: Memory that a result takes.
        room: Bytes that all results together may take.

    Example:
        >>> squares = Remembered(lambda n: [n * n], nbytes=lambda result: 8, room=16)
        >>> squares(3) is squares(3)
        True
        >>> squares(1), squares(2), squares.nbytes
        ([1], [4], 16)
    """

    def __init__(self, function: Callable[..., T], nbytes: Callable[[T], int], room: int) -> None:
        self._function = function
        self._size = nbytes
        self._room = room
        self._kept: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._lock = Lock()

    def __call__(self, *key: Hashable) -> T:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
        result = self._function(*key)
        size = self._size(result)
        with self._lock:
            if size <= self._room:
                self._kept[key] = result, size
                self._kept.move_to_end(key)
            while self._used > self._room:
                self._kept.popitem(last=False)
        return result

    @property
    def nbytes(self) -> int:
        """Memory that the kept results take."""
        with self._lock:
            return self._used

    @property
    def _used(self) -> int:
        return sum(size for _, size in self._kept.values())

    def cache_clear(self) -> None:
        """Forget all results."""
        with self._lock:
            self._kept.clear()
