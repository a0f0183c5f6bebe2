"""By how many pixels torchvision translates."""

from __future__ import annotations

from numbers import Integral

import numpy as np

from augmoments.checks import check_probability
from augmoments.errors import LawError
from augmoments.laws.discrete import Discrete


def torchvision_shift_law(size: int, fraction: float) -> Discrete:
    """The shift of torchvision's ``RandomAffine`` along an axis, in pixels.

    It is ``round(U(-a, a))`` with ``a = fraction * size``: whole pixels, each with the length of
    the part of ``[-a, a]`` that rounds to it, divided by ``2 a``.

    Args:
        size: The image's side along the axis.
        fraction: ``translate``, the greatest shift as a share of that side.

    Raises:
        LawError: The side is no whole number from 1, or the fraction not in [0, 1].

    Example:
        >>> print(torchvision_shift_law(10, 0.1))
        0.25 at -1, 0.5 at 0, 0.25 at 1
    """
    if not (isinstance(size, Integral) and size >= 1):
        raise LawError(f"torchvision_shift_law: size is a whole number from 1, got {size!r}.")
    most = check_probability(fraction, "fraction") * size
    if most == 0:
        return Discrete([0])
    shifts = np.arange(-np.ceil(most), np.ceil(most) + 1)
    lengths = np.minimum(shifts + 0.5, most) - np.maximum(shifts - 0.5, -most)
    possible = lengths > 0
    return Discrete(shifts[possible].tolist(), (lengths[possible] / (2 * most)).tolist())
