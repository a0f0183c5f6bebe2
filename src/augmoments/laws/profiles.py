"""Random intervals along one axis of an image, and which pixels they cover."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from augmoments.laws.joint import Array

Whole = NDArray[np.integer[Any]]


class Profile(NamedTuple):
    """Intervals ``[start, start + length)``, the start uniform on consecutive whole numbers."""

    length: Whole
    """(m,), whole numbers."""
    first: Whole
    """(m,), the first start."""
    starts: Whole
    """(m,), how many starts there are."""

    def covered(self, n: int) -> Array:
        """Probabilities ``(m, n)`` that each interval covers the pixels 0..n-1."""
        pixel = np.arange(n)
        return self._share(pixel, pixel)

    def both_covered(self, n: int) -> Array:
        """Probabilities ``(m, n, n)`` that each interval covers two pixels."""
        pixel = np.arange(n)
        return self._share(np.minimum.outer(pixel, pixel), np.maximum.outer(pixel, pixel))

    def _share(self, low: Whole, high: Whole) -> Array:
        """The share of the starts in ``(high - length, low]``, for every interval."""
        length, first, starts = (np.expand_dims(x, tuple(range(1, low.ndim + 1))) for x in self)
        hits = np.minimum(low, first + starts - 1) - np.maximum(high - length + 1, first) + 1
        return np.maximum(hits, 0) / starts


def anywhere(n: int, lengths: Whole) -> Whole:
    """First start and number of starts ``(K, 2)`` of intervals anywhere within 0..n-1."""
    return np.column_stack([np.zeros_like(lengths), n - lengths + 1])
