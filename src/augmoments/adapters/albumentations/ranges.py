"""Steps whose values leave [0, 1], and steps that clip to it or need it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from augmoments.adapters.albumentations.sampling import CUBIC

_UNIT_RANGE_ONLY = {
    "ColorJitter",
    "GaussianBlur",
    "MotionBlur",
    "RandomBrightnessContrast",
    "RandomGamma",
    "Solarize",
    "ToGray",
}
"""Transforms that are read as if their clipping did nothing, as it does in [0, 1]."""


def out_of_range(transform: Any) -> dict[int, str]:
    """Steps that need values in [0, 1] and may get others: their ids, and what comes before."""
    left, found = None, {}
    for leaf in _in_order(transform):
        name = type(leaf).__name__
        if left is not None and name in _UNIT_RANGE_ONLY:
            found[id(leaf)] = left
        if _leaves_range(leaf):
            left = name
    return found


def children(transform: Any) -> list[Any]:
    """The transforms inside of a composition."""
    inside = getattr(transform, "transforms", None)
    return list(inside) if hasattr(transform, "set_mask_interpolation") and inside else []


def _in_order(transform: Any) -> Iterator[Any]:
    """All transforms that are no compositions, twice where they may come in any order."""
    inside = children(transform)
    if not inside:
        yield transform
    for _ in range(2 if type(transform).__name__ == "RandomOrder" else 1):
        for child in inside:
            yield from _in_order(child)


def _leaves_range(leaf: Any) -> bool:
    if type(leaf).__name__ == "Normalize" or getattr(leaf, "interpolation", None) == CUBIC:
        return True
    fill = getattr(leaf, "fill", 0.0)
    if isinstance(fill, str) or fill is None:
        return False
    return any(not 0 <= v <= 1 for v in (fill if isinstance(fill, tuple | list) else (fill,)))
