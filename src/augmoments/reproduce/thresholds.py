"""Where a deviation becomes too large."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def crossing(strengths: Sequence[float], off: Sequence[float], most: float) -> float | None:
    """The least strength at which a signed deviation is more than ``most`` in size.

    Between two strengths it is interpolated, linearly in the logarithm of the strength.

    Args:
        strengths: Ascending, positive.
        off: The deviation at each of them.
        most: What is allowed.

    Returns:
        0 if it is so from the first strength on, None if it is never so.

    Example:
        >>> crossing([1, 10, 100], [0.0, -0.05, -0.15], 0.1)
        31.62...
        >>> crossing([1, 10], [0.2, 0.3], 0.1), crossing([1, 10], [0.0, 0.1], 0.1)
        (0.0, None)
    """
    deviations = np.asarray(off, dtype=float)
    far = np.flatnonzero(np.abs(deviations) > most)
    if not len(far):
        return None
    first = int(far[0])
    if first == 0:
        return 0.0
    pair = slice(first - 1, first + 1)
    toward = deviations[pair] * np.sign(deviations[first])
    return float(np.exp(np.interp(most, toward, np.log(strengths[pair]))))
