"""What is computed of one partition, and how two of them are merged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.dataset import DatasetMoments
from augmoments.data import Skipped, Stream

_BYTES_AT_ONCE = 2**26


@dataclass(frozen=True)
class Partial:
    """The moments of some partitions, None if no image of them could be read; and skipped files."""

    moments: DatasetMoments | None
    skipped: tuple[Skipped, ...]


def accumulate_part(
    part: Stream, first: int, policy: Augmentation, options: dict[str, Any]
) -> Partial:
    """Read a partition and add it up.

    Args:
        part: Its images.
        first: Number of the first of them among all.
        policy: The policy.
        options: Those of :class:`~augmoments.DatasetMoments`.
    """
    moments = DatasetMoments(policy, first=first, **options)
    skipped: list[Skipped] = []
    for start, stop in pieces(part):
        batch = part.read(start, stop)
        skipped.extend(batch.skipped)
        if len(batch.images):
            moments.update(batch.images, batch.targets)
    return Partial(moments if moments.count else None, tuple(skipped))


def merge(left: Partial, right: Partial) -> Partial:
    """The sum of two, of which the left one is used up."""
    skipped = left.skipped + right.skipped
    if left.moments is None or right.moments is None:
        return Partial(left.moments or right.moments, skipped)
    return Partial(left.moments.merge(right.moments), skipped)


def pieces(stream: Stream) -> Iterator[tuple[int, int]]:
    """Ranges small enough to be read at once."""
    size = max(1, _BYTES_AT_ONCE // (4 * prod(stream.shape)))
    return ranges(stream.count, size)


def ranges(count: int, size: int) -> Iterator[tuple[int, int]]:
    """Ranges of ``size``, of which the last one may be shorter.

    >>> list(ranges(5, 2))
    [(0, 2), (2, 4), (4, 5)]
    """
    return ((start, min(start + size, count)) for start in range(0, count, size))
