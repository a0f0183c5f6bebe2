r"""The exact expectation of a one-parameter resampling, as a sparse matrix.

For each output pixel the source coordinates cross grid lines at known parameters. Between two
crossings the interpolation reads the same input pixels with weights that are analytic in the
parameter, so that Gauss-Legendre nodes on each piece give :math:`E[M(\theta)]` to machine
precision. The result depends on the image's size alone, not on the image.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from augmoments.laws import ContinuousLaw
from augmoments.operators.base import Pieces, Shape
from augmoments.operators.warp import Warp

_ORDER = 10
_PIECES_AT_ONCE = 200_000
_MOST_STEPS = 2048


class SpatialMean(NamedTuple):
    """``E[M]`` on one channel, shape ``(HW, HW)``, and ``E[m]``, the mean inside mask ``(HW,)``."""

    matrix: sp.csr_array
    mask: np.ndarray

    @classmethod
    def stack(cls, blocks: list[SpatialMean]) -> SpatialMean:
        """Join blocks of rows."""
        matrix = sp.csr_array(sp.vstack([block.matrix for block in blocks], format="csr"))
        return cls(matrix, np.concatenate([block.mask for block in blocks]))


def expected_warp(warp: Warp, law: ContinuousLaw, shape: Shape) -> SpatialMean:
    """Expectation of ``warp`` under ``law`` for images of ``shape``."""
    _, height, width = shape
    rows_at_once = max(1, _PIECES_AT_ONCE // (width * (height + width + len(law.knots))))
    return SpatialMean.stack(
        [
            _expected_rows(warp, law, shape, np.arange(top, min(top + rows_at_once, height)))
            for top in range(0, height, rows_at_once)
        ]
    )


def constant_pieces(warp: Warp, law: ContinuousLaw, shape: Shape) -> Pieces | None:
    """Where ``warp`` with nearest neighbours is constant, if the pieces are few."""
    if warp.resampling.interpolation != "nearest":
        return None
    y, x = _pixels(np.arange(shape[1]), shape[2])
    low, high = law.support
    crossings = warp.crossings(x, y, shape, low, high).parameter
    edges = np.unique(_within(crossings, low, high))
    if len(edges) > _MOST_STEPS:
        return None
    return Pieces(np.unique(np.concatenate([[low], edges, [high]])), 0)


def combined_warp(warp: Warp, points: np.ndarray, weights: np.ndarray, shape: Shape) -> SpatialMean:
    """The combination ``sum_k weights[k] T(points[k])`` for images of ``shape``."""
    _, height, width = shape
    y, x = _pixels(np.arange(height), width)
    count = height * width
    piece = np.repeat(np.arange(count), len(points))
    theta, weight = np.tile(points, count), np.tile(weights, count)
    return _accumulate(warp, shape, count, piece, x, y, theta, theta[:, None], weight[:, None])


def _expected_rows(warp: Warp, law: ContinuousLaw, shape: Shape, rows: np.ndarray) -> SpatialMean:
    y, x = _pixels(rows, shape[2])
    pixel, low, high = _split(warp, law, shape, x, y)
    middle = (low + high) / 2
    if warp.resampling.interpolation == "nearest":
        points, nodes = middle[:, None], law.mass(low, high)[:, None]
    else:
        points, nodes = law.quadrature(low, high, _ORDER)
    return _accumulate(warp, shape, len(x), pixel, x, y, middle, points, nodes)


def _pixels(rows: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.meshgrid(rows.astype(float), np.arange(width, dtype=float), indexing="ij")
    return y.ravel(), x.ravel()


def _accumulate(
    warp: Warp,
    shape: Shape,
    count: int,
    pixel: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    middle: np.ndarray,
    points: np.ndarray,
    nodes: np.ndarray,
) -> SpatialMean:
    """Sum interpolation weights over pieces.

    ``middle`` tells which pixels a piece reads, ``points`` and ``nodes`` ``(pieces, order)`` with
    which weights.
    """
    _, height, width = shape
    x, y = x[pixel], y[pixel]
    sx, sy = np.broadcast_arrays(*warp.source(x, y, middle, shape))
    if warp.resampling.interpolation == "nearest":
        taps = [(np.rint(sx), np.rint(sy), np.ones_like(nodes))]
    else:
        left, top = np.floor(sx), np.floor(sy)
        u, v = np.broadcast_arrays(*warp.source(x[:, None], y[:, None], points, shape))
        u, v = u - left[:, None], v - top[:, None]
        taps = [
            (left, top, (1 - u) * (1 - v)),
            (left + 1, top, u * (1 - v)),
            (left, top + 1, (1 - u) * v),
            (left + 1, top + 1, u * v),
        ]
    inside = [(c >= 0) & (c < width) & (r >= 0) & (r < height) for c, r, _ in taps]
    mask = sum(weight * ok[:, None] for (_, _, weight), ok in zip(taps, inside, strict=True))
    scale = nodes * mask if warp.resampling.masks_twice else nodes
    data, row, column = [], [], []
    for (c, r, weight), ok in zip(taps, inside, strict=True):
        data.append((scale * weight).sum(1)[ok])
        row.append(pixel[ok])
        column.append((r * width + c)[ok].astype(np.int64))
    entries = (np.concatenate(data), (np.concatenate(row), np.concatenate(column)))
    matrix = sp.coo_array(entries, shape=(count, height * width)).tocsr()
    matrix.eliminate_zeros()
    return SpatialMean(matrix, np.bincount(pixel, (nodes * mask).sum(1), minlength=count))


def _within(crossings: np.ndarray, low: float, high: float) -> np.ndarray:
    """Crossings inside the support.

    One at an end but for rounding is put there: a law that is singular at the end may have mass
    in between.
    """
    slack = 16 * np.finfo(float).eps * max(abs(low), abs(high))
    inside = np.clip(crossings, low, high)
    inside = np.where(inside - low <= slack, low, inside)
    return np.where(high - inside <= slack, high, inside)


def _split(
    warp: Warp, law: ContinuousLaw, shape: Shape, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut the law's support at each pixel's crossings: pixel, lower and upper end of a piece."""
    low, high = law.support
    knots = np.array([low, high])
    if warp.resampling.interpolation == "bilinear":
        cuts = warp.cuts(low, high)
        knots = np.union1d(law.knots, cuts[(low < cuts) & (cuts < high)])
    found = warp.crossings(x, y, shape, knots[0], knots[-1])
    pixel = np.concatenate([found.pixel, np.repeat(np.arange(len(x)), len(knots))])
    inner = _within(found.parameter, knots[0], knots[-1])
    cut = np.concatenate([inner, np.tile(knots, len(x))])
    order = np.lexsort((cut, pixel))
    pixel, cut = pixel[order], cut[order]
    piece = (pixel[1:] == pixel[:-1]) & (cut[1:] > cut[:-1])
    return pixel[:-1][piece], cut[:-1][piece], cut[1:][piece]
