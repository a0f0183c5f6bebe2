"""Which box CutMix takes from the partner image, as torchvision draws it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import betainc

from augmoments.laws.base import check_positive
from augmoments.laws.boxes import BoxLaw
from augmoments.laws.crops import check_box
from augmoments.laws.joint import Array
from augmoments.laws.profiles import Whole

_ROUNDED_OFF = 2.0**-54  # the largest lambda for which 1 - lambda is 1; small alpha makes it likely


def cutmix_law(height: int, width: int, alpha: float = 1.0) -> BoxLaw:
    r"""The box of torchvision's ``CutMix``, after clipping at the border.

    With ``lambda ~ Beta(alpha, alpha)`` and ``r = sqrt(1 - lambda) / 2`` the half-sides are
    ``int(r H)`` and ``int(r W)``; their probabilities are differences of the Beta distribution
    function. The centre is a uniform pixel. The mixing weight of the labels is
    ``1 - area / (H W)``: see :meth:`BoxLaw.area_moment`.

    Args:
        height: Height of the images.
        width: Width of the images.
        alpha: Both parameters of the Beta law.

    Raises:
        LawError: An impossible argument.

    Example:
        >>> round(cutmix_law(32, 32).area_moment() / 32**2, 4)
        0.2993
    """
    image = check_box("cutmix_law", height, width, (0, 1), (1, 1))
    check_positive("cutmix_law", alpha=alpha)
    halves, p = _half_sides(image, alpha)
    (rows, down), (columns, right) = (
        _clipped(n, half) for n, half in zip(image, halves.T, strict=True)
    )
    table = np.zeros((len(rows), len(columns)))
    for k, weight in enumerate(p):
        table[np.ix_(down[k].codes, right[k].codes)] += weight * np.multiply.outer(
            down[k].weights, right[k].weights
        )
    i, j = np.nonzero(table)
    row, column = rows[i], columns[j]
    return BoxLaw(image, row[:, 0], column[:, 0], table[i, j], row[:, 1:], column[:, 1:])


class _Clips(NamedTuple):
    """The law of a clipped interval."""

    codes: Whole
    """Which intervals, as indices into a list."""
    weights: Array


def _half_sides(image: tuple[int, int], alpha: float) -> tuple[Whole, Array]:
    """Law of ``int(r side)`` for both sides of the image, before clipping.

    Returns:
        The pairs of half-sides ``(K, 2)`` and their probabilities ``(K,)``.
    """
    edges = [1 - (2 * np.arange(n + 1) / n) ** 2 for n in image]
    edges = np.unique(np.clip(np.concatenate([*edges, [_ROUNDED_OFF, 0.0, 1.0]]), 0.0, 1.0))
    weights = np.diff(betainc(alpha, alpha, edges))
    rate = np.sqrt(1 - (edges[:-1] + edges[1:]) / 2) / 2
    halves = np.column_stack([np.floor(rate * n) for n in image]).astype(int)
    real = weights > 1e-15  # edges that coincide up to rounding leave slivers between them
    halves, which = np.unique(halves[real], axis=0, return_inverse=True)
    return halves, np.bincount(which.reshape(-1), weights[real]).astype(float)


def _clipped(n: int, halves: Whole) -> tuple[Whole, list[_Clips]]:
    """Laws of ``[c - half, c + half)`` clipped to 0..n, the centre uniform on 0..n-1.

    Returns:
        The intervals ``(m, 3)`` as length, first start and number of starts, and for each of
        ``halves`` the law on them.
    """
    laws = [_clip(n, int(half)) for half in halves]
    spans, codes = np.unique(np.concatenate([s for s, _ in laws]), axis=0, return_inverse=True)
    parts = np.split(codes.reshape(-1), np.cumsum([len(s) for s, _ in laws])[:-1])
    return spans, [_Clips(part, weights) for part, (_, weights) in zip(parts, laws, strict=True)]


def _clip(n: int, half: int) -> tuple[Whole, Array]:
    """Intervals ``(m, 3)`` and weights ``(m,)``; those that touch no border are one block."""
    if half == 0:
        return np.array([[0, 0, 1]]), np.ones(1)
    centre = np.arange(n)
    first, last = np.maximum(centre - half, 0), np.minimum(centre + half, n)
    inner = int(np.sum((first > 0) & (last < n)))
    outer = (first == 0) | (last == n)
    spans = np.column_stack([last - first, first, np.ones(n, dtype=int)])[outer]
    weights = np.full(len(spans), 1 / n)
    if inner:
        spans = np.vstack([spans, [2 * half, 1, inner]])
        weights = np.append(weights, inner / n)
    return spans, weights
