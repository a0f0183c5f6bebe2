"""Which box CutMix takes from the partner image, as torchvision and kornia draw it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import betainc

from augmoments.errors import LawError
from augmoments.laws.base import check_positive
from augmoments.laws.boxes import BoxLaw
from augmoments.laws.cells import Range
from augmoments.laws.crops import check_box
from augmoments.laws.joint import Array
from augmoments.laws.profiles import Whole, anywhere


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
    halves, p = _cut(image, alpha, np.float64(0.5), zero=2.0**-54)
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


def kornia_cutmix_law(
    height: int, width: int, alpha: float = 1.0, cut_size: Range = (0.0, 1.0)
) -> BoxLaw:
    """The box of kornia's ``RandomCutMixV2`` for one image and one mix, where it is applied.

    With ``lambda ~ Beta(alpha, alpha)`` clamped to ``cut_size`` the sides are
    ``floor(sqrt(1 - lambda) H)`` and ``floor(sqrt(1 - lambda) W)``; the box lies anywhere within
    the image.

    Args:
        height: Height of the images.
        width: Width of the images.
        alpha: Both parameters of the Beta law, kornia's ``beta``.
        cut_size: Range to which lambda is clamped.

    Raises:
        LawError: An impossible argument.
    """
    image = check_box("kornia_cutmix_law", height, width, (0, 1), (1, 1))
    check_positive("kornia_cutmix_law", alpha=alpha)
    if np.shape(cut_size) != (2,) or not 0 <= cut_size[0] <= cut_size[1] <= 1 or cut_size[0] == 1:
        raise LawError(
            f"kornia_cutmix_law: cut_size is a range of lambda in [0, 1] that begins below 1, got "
            f"{cut_size!r}."
        )
    sides, p = _cut(image, alpha, np.float32(1), zero=2.0**-25, clamp=cut_size)
    h, w = sides.T
    return BoxLaw(image, h, w, p, anywhere(height, h), anywhere(width, w))


class _Clips(NamedTuple):
    """The law of a clipped interval."""

    codes: Whole
    """Which intervals, as indices into a list."""
    weights: Array


def _cut(
    image: tuple[int, int],
    alpha: float,
    share: np.float32 | np.float64,
    zero: float,
    clamp: Range = (0.0, 1.0),
) -> tuple[Whole, Array]:
    """Law of ``floor(share sqrt(1 - lambda) side)`` for both sides of the image.

    Args:
        image: Height and width.
        alpha: Parameter of the Beta law of lambda.
        share: The largest share of a side, in the precision in which the library computes.
        zero: The largest lambda for which ``1 - lambda`` is 1 in that precision; small ``alpha``
            makes it likely.
        clamp: Range to which lambda is clamped.

    Returns:
        The pairs of sides ``(K, 2)`` and their probabilities ``(K,)``.
    """
    edges = [1 - (np.arange(n + 1) / (float(share) * n)) ** 2 for n in image]
    edges = np.unique(np.clip(np.concatenate([*edges, [zero, *clamp, 0.0, 1.0]]), 0.0, 1.0))
    weights = np.diff(betainc(alpha, alpha, edges))
    lam = np.clip((edges[:-1] + edges[1:]) / 2, *clamp).astype(share.dtype)
    rate = share * np.sqrt(1 - lam)
    sides = np.column_stack([np.floor(rate * share.dtype.type(n)) for n in image]).astype(int)
    real = weights > 1e-15  # edges that coincide up to rounding leave slivers between them
    sides, which = np.unique(sides[real], axis=0, return_inverse=True)
    return sides, np.bincount(which.reshape(-1), weights[real]).astype(float)


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
