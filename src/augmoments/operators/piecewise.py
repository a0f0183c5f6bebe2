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
from augmoments.operators.base import Shape
from augmoments.operators.warp import Warp

_ORDER = 10
_PIECES_AT_ONCE = 200_000


class SpatialMean(NamedTuple):
    """``E[M]`` on one channel, shape ``(HW, HW)``, and ``E[m]``, the mean inside mask ``(HW,)``."""

    matrix: sp.csr_array
    mask: np.ndarray


def expected_warp(warp: Warp, law: ContinuousLaw, shape: Shape) -> SpatialMean:
    """Expectation of ``warp`` under ``law`` for images of ``shape``."""
    _, height, width = shape
    rows_at_once = max(1, _PIECES_AT_ONCE // (width * (height + width + len(law.knots))))
    blocks = [
        _block(warp, law, shape, np.arange(top, min(top + rows_at_once, height)))
        for top in range(0, height, rows_at_once)
    ]
    matrix = sp.vstack([block.matrix for block in blocks], format="csr")
    return SpatialMean(sp.csr_array(matrix), np.concatenate([block.mask for block in blocks]))


def _block(warp: Warp, law: ContinuousLaw, shape: Shape, rows: np.ndarray) -> SpatialMean:
    _, height, width = shape
    y, x = (grid.ravel().astype(float) for grid in np.meshgrid(rows, np.arange(width), indexing="ij"))
    pixel, low, high = _split(warp, law, shape, x, y)
    x, y = x[pixel], y[pixel]
    middle = (low + high) / 2
    nearest = warp.resampling.interpolation == "nearest"
    sx, sy = np.broadcast_arrays(*warp.source(x, y, middle, shape))
    if nearest:
        left, top = np.rint(sx), np.rint(sy)
        nodes = law.cdf(high)[:, None] - law.cdf(low)[:, None]
        taps = [(left, top, np.ones_like(nodes))]
    else:
        left, top = np.floor(sx), np.floor(sy)
        points, nodes = law.quadrature(low, high, _ORDER)
        u, v = np.broadcast_arrays(*warp.source(x[:, None], y[:, None], points, shape))
        u, v = u - left[:, None], v - top[:, None]
        taps = [
            (left, top, (1 - u) * (1 - v)),
            (left + 1, top, u * (1 - v)),
            (left, top + 1, (1 - u) * v),
            (left + 1, top + 1, u * v),
        ]
    inside = [(0 <= c) & (c < width) & (0 <= r) & (r < height) for c, r, _ in taps]
    mask = sum(weight * ok[:, None] for (_, _, weight), ok in zip(taps, inside, strict=True))
    scale = nodes * mask if warp.resampling.masks_twice else nodes
    data, row, column = [], [], []
    for (c, r, weight), ok in zip(taps, inside, strict=True):
        data.append((scale * weight).sum(1)[ok])
        row.append(pixel[ok])
        column.append((r * width + c)[ok].astype(np.int64))
    count = len(rows) * width
    matrix = sp.coo_array(
        (np.concatenate(data), (np.concatenate(row), np.concatenate(column))),
        shape=(count, height * width),
    ).tocsr()
    matrix.eliminate_zeros()
    return SpatialMean(matrix, np.bincount(pixel, (nodes * mask).sum(1), minlength=count))


def _split(
    warp: Warp, law: ContinuousLaw, shape: Shape, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut the law's support at each pixel's crossings: pixel, lower and upper end of a piece."""
    low, high = law.support
    cuts = warp.cuts(low, high)
    knots = np.union1d(law.knots, cuts[(low < cuts) & (cuts < high)])
    found = warp.crossings(x, y, shape, knots[0], knots[-1])
    pixel = np.concatenate([found.pixel, np.repeat(np.arange(len(x)), len(knots))])
    cut = np.concatenate([np.clip(found.parameter, knots[0], knots[-1]), np.tile(knots, len(x))])
    order = np.lexsort((cut, pixel))
    pixel, cut = pixel[order], cut[order]
    piece = (pixel[1:] == pixel[:-1]) & (cut[1:] > cut[:-1])
    return pixel[:-1][piece], cut[:-1][piece], cut[1:][piece]
