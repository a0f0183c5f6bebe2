r"""The exact expectation of a one-parameter resampling, as a sparse matrix.

For each output pixel the source coordinates cross grid lines at known parameters. Between two
crossings the interpolation reads the same input pixels with weights that are analytic in the
parameter, so that Gauss-Legendre nodes on each piece give :math:`E[M(\theta)]` to machine
precision. The result depends on the image's size alone, not on the image.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from augmoments.laws import ContinuousLaw
from augmoments.operators.base import Pieces, Shape
from augmoments.operators.sparse import torch_csr
from augmoments.operators.warp import Warp

_ORDER = 10
_PIECES_AT_ONCE = 1 << 16
_MOST_STEPS = 2048


@dataclass(frozen=True, eq=False)
class SpatialMean:
    """``E[M]`` on one channel, shape ``(HW, HW)``, and ``E[m]``, the mean inside mask ``(HW,)``."""

    matrix: sp.csr_array
    mask: np.ndarray
    _tensors: dict[tuple[torch.dtype, torch.device, bool], torch.Tensor] = field(
        default_factory=dict
    )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tensors": {}}  # torch cannot copy sparse tensors

    @property
    def nbytes(self) -> int:
        """Memory that both take, and the matrix once more as a tensor."""
        matrix = self.matrix
        parts = matrix.data, matrix.indices, matrix.indptr
        return 2 * sum(part.nbytes for part in parts) + self.mask.nbytes

    def tensor(self, like: torch.Tensor, transposed: bool) -> torch.Tensor:
        """The matrix in the dtype and on the device of ``like``, converted once."""
        key = like.dtype, like.device, transposed
        if key not in self._tensors:
            matrix = sp.csr_array(self.matrix.T) if transposed else self.matrix
            self._tensors[key] = torch_csr(matrix, like)
        return self._tensors[key]

    @classmethod
    def stack(cls, blocks: list[SpatialMean]) -> SpatialMean:
        """Join blocks of rows."""
        parts = [block.matrix for block in blocks]
        lengths = np.concatenate([np.diff(part.indptr) for part in parts])
        matrix = sp.csr_array(
            (
                np.concatenate([part.data for part in parts]),
                np.concatenate([part.indices for part in parts]),
                np.concatenate([[0], np.cumsum(lengths)]),
            ),
            shape=(len(lengths), _columns(parts[0])),
        )
        return cls(matrix, np.concatenate([block.mask for block in blocks]))

    def mirrored(self) -> SpatialMean:
        """Rows and columns in reverse, that is the image turned by 180 degrees."""
        data, indices, indptr = self.matrix.data, self.matrix.indices, self.matrix.indptr
        columns = _columns(self.matrix)
        turned = data[::-1], columns - 1 - indices[::-1], indptr[-1] - indptr[::-1]
        matrix = sp.csr_array(turned, shape=(len(self.mask), columns))
        return SpatialMean(matrix, self.mask[::-1])


def _columns(matrix: sp.csr_array) -> int:
    return int(matrix.shape[1])  # type: ignore[index]


def expected_warp(warp: Warp, law: ContinuousLaw, shape: Shape) -> SpatialMean:
    """Expectation of ``warp`` under ``law`` for images of ``shape``."""
    _, height, width = shape
    count, at_once = height * width, _PIECES_AT_ONCE // (height + width + len(law.knots))
    work = partial(_expected_pixels, warp, law, shape)
    if not warp.centred:
        return SpatialMean.stack(_blocks(work, 0, count, at_once))
    half = _blocks(work, 0, count // 2, at_once)
    middle = _blocks(work, count // 2, count - count // 2, at_once)
    return SpatialMean.stack([*half, *middle, *(block.mirrored() for block in reversed(half))])


def constant_pieces(warp: Warp, law: ContinuousLaw, shape: Shape) -> Pieces | None:
    """Where ``warp`` with nearest neighbours is constant, if the pieces are few."""
    if warp.resampling.interpolation != "nearest":
        return None
    low, high = law.support
    edges = np.array([low, high])
    for pixels in _parts(0, shape[1] * shape[2], _MOST_STEPS):
        x, y = _places(pixels, shape[2])
        crossings = warp.crossings(x, y, shape, low, high).parameter
        edges = np.union1d(edges, _within(crossings, low, high))
        if len(edges) > _MOST_STEPS + 2:
            return None
    return Pieces(edges, 0)


def combined_warp(warp: Warp, points: np.ndarray, weights: np.ndarray, shape: Shape) -> SpatialMean:
    """The combination ``sum_k weights[k] T(points[k])`` for images of ``shape``."""
    work = partial(_combined_pixels, warp, points, weights, shape)
    return SpatialMean.stack(_blocks(work, 0, shape[1] * shape[2], _PIECES_AT_ONCE // len(points)))


def _blocks(
    work: Callable[[np.ndarray], SpatialMean], start: int, stop: int, at_once: int
) -> list[SpatialMean]:
    """The rows of the pixels from ``start`` to ``stop``, some at once, on PyTorch's threads."""
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return list(pool.map(work, _parts(start, stop, at_once)))


def _parts(start: int, stop: int, at_once: int) -> list[np.ndarray]:
    step = max(1, at_once)
    return [np.arange(i, min(i + step, stop)) for i in range(start, stop, step)]


def _combined_pixels(
    warp: Warp, points: np.ndarray, weights: np.ndarray, shape: Shape, pixels: np.ndarray
) -> SpatialMean:
    x, y = _places(pixels, shape[2])
    piece = np.repeat(np.arange(len(pixels)), len(points))
    theta, weight = np.tile(points, len(pixels)), np.tile(weights, len(pixels))
    return _accumulate(warp, shape, piece, x, y, theta, theta[:, None], weight[:, None])


def _expected_pixels(
    warp: Warp, law: ContinuousLaw, shape: Shape, pixels: np.ndarray
) -> SpatialMean:
    x, y = _places(pixels, shape[2])
    pixel, low, high = _split(warp, law, shape, x, y)
    middle = (low + high) / 2
    if warp.resampling.interpolation == "nearest":
        points, nodes = middle[:, None], law.mass(low, high)[:, None]
    else:
        points, nodes = law.quadrature(low, high, _ORDER)
    return _accumulate(warp, shape, pixel, x, y, middle, points, nodes)


def _places(pixels: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.divmod(pixels, width)
    return x.astype(float), y.astype(float)


def _accumulate(
    warp: Warp,
    shape: Shape,
    pixel: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    middle: np.ndarray,
    points: np.ndarray,
    nodes: np.ndarray,
) -> SpatialMean:
    """Sum interpolation weights over pieces, which come pixel by pixel.

    ``middle`` tells which pixels a piece reads, ``points`` and ``nodes`` ``(pieces, order)`` with
    which weights.
    """
    _, height, width = shape
    count = len(x)
    x, y = x[pixel], y[pixel]
    sx, sy = np.broadcast_arrays(*warp.source(x, y, middle, shape))
    if warp.resampling.interpolation == "nearest":
        left, top = np.rint(sx), np.rint(sy)
        columns, rows = [(left >= 0) & (left < width)], [(top >= 0) & (top < height)]
        weights = nodes.sum(1)[:, None]
    else:
        left, top = np.floor(sx), np.floor(sy)
        columns = [(left + i >= 0) & (left + i < width) for i in (0, 1)]
        rows = [(top + i >= 0) & (top + i < height) for i in (0, 1)]
        u, v = warp.source(x[:, None], y[:, None], points, shape)
        u, v = u - left[:, None], v - top[:, None]
        if warp.resampling.masks_twice:
            nodes = nodes * _blend(u, *columns) * _blend(v, *rows)
        right = nodes * u
        both = (right * v).sum(1)
        total, right, below = nodes.sum(1), right.sum(1), (nodes * v).sum(1)
        weights = np.stack([total - right - below + both, right - both, below - both, both], 1)
    inside = np.stack([row & column for row in rows for column in columns], 1)
    steps = [row * width + column for row in range(len(rows)) for column in range(len(columns))]
    read = (top * width + left).astype(np.int64)[:, None] + np.array(steps)
    mask = (weights if warp.resampling.masks_twice else weights * inside).sum(1)
    lengths = np.bincount(pixel, inside.sum(1), minlength=count).astype(np.int64)
    entries = weights[inside], read[inside], np.concatenate([[0], np.cumsum(lengths)])
    matrix = sp.csr_array(entries, shape=(count, height * width))
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return SpatialMean(matrix, np.bincount(pixel, mask, minlength=count))


def _blend(share: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Linear interpolation between two masks of pieces at their nodes."""
    return (1 - share) * first[:, None] + share * second[:, None]


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
