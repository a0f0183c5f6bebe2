r"""How likely a box of random area and aspect ratio is to round to each size in pixels.

With area ``A`` and ratio ``r`` the sides are ``a = sqrt(A r)`` and ``b = sqrt(A / r)``. Sides in
``[a0, a1) x [b0, b1)`` mean, given ``r``, an area between the greatest of ``a0^2 / r, b0^2 r, S0``
and the least of ``a1^2 / r, b1^2 r, S1``: between hyperbolas, lines and constants, whose integrals
over ``r`` are elementary. In the plane of ``(a, b)`` this is the part of a cell that lies between
the hyperbolas ``a b = S0, S1`` and the lines ``a / b = r0, r1``.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from augmoments.errors import LawError
from augmoments.laws.joint import Array

Density = Literal["log", "linear"]
Range = tuple[float, float]


def rounding_edges(n: int) -> Array:
    """Edges of the cells of numbers that round to 0, 1, ..., n."""
    return np.concatenate([[0.0], np.arange(n + 1) + 0.5])


def cell_probabilities(
    a_edges: Array, b_edges: Array, areas: Range, ratios: Range, density: Density = "log"
) -> Array:
    """Probabilities of the sides ``a = sqrt(A r)``, ``b = sqrt(A / r)`` by cell.

    Args:
        a_edges: Increasing edges of the cells of ``a``, ``(m + 1,)``; the last may be ``inf``.
        b_edges: Increasing edges of the cells of ``b``, ``(n + 1,)``; the last may be ``inf``.
        areas: The range of the uniform area ``A``; equal ends mean that number.
        ratios: The range of the ratio ``r``, positive; equal ends mean that number.
        density: What is uniform, ``"log"`` the logarithm of the ratio or ``"linear"`` the ratio.

    Returns:
        Array ``(m, n)``, whose sum is the probability of all cells together.

    Raises:
        LawError: Area and ratio are constants whose sides lie on an edge.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        cells = _Cells(*np.broadcast_arrays(*_corners(a_edges, b_edges)))
        if areas[0] == areas[1] and ratios[0] == ratios[1]:
            return _one_point(a_edges, b_edges, areas[0], ratios[0])
        if areas[0] == areas[1]:
            return _one_area(cells, areas[0], ratios, density)
        if ratios[0] == ratios[1]:
            low, high = _bounds(cells, areas, np.asarray(ratios[0]))
            length = np.minimum.reduce(high) - np.maximum.reduce(low)
            return np.maximum(length, 0.0) / (areas[1] - areas[0])
        return _all_areas(cells, areas, ratios, density)


class _Cells(NamedTuple):
    """Cells ``[a0, a1) x [b0, b1)``, arrays of one shape."""

    a0: Array
    a1: Array
    b0: Array
    b1: Array

    def where(self, chosen: NDArray[np.bool_]) -> _Cells:
        return _Cells(*(side[chosen] for side in self))


def _corners(a_edges: Array, b_edges: Array) -> tuple[Array, Array, Array, Array]:
    return a_edges[:-1, None], a_edges[1:, None], b_edges[None, :-1], b_edges[None, 1:]


def _measure(low: Array | float, high: Array | float, density: Density) -> Array:
    """Length of a range of ratios, as the density measures it."""
    length = np.subtract(high, low)
    return np.log1p(length / low) if density == "log" else length


def _bounds(cells: _Cells, areas: Range, r: Array) -> tuple[list[Array], list[Array]]:
    """The lower and the upper bounds of the area in a cell, given the ratio."""
    shape = np.broadcast_shapes(cells.a0.shape, r.shape)
    low = [np.full(shape, areas[0]), cells.a0**2 / r, cells.b0**2 * r]
    high = [np.full(shape, areas[1]), cells.a1**2 / r, cells.b1**2 * r]
    return low, high


def _one_point(a_edges: Array, b_edges: Array, area: float, ratio: float) -> Array:
    masses = np.zeros((len(a_edges) - 1, len(b_edges) - 1))
    sides = np.sqrt(area * ratio), np.sqrt(area / ratio)
    index = []
    for side, edges in zip(sides, (a_edges, b_edges), strict=True):
        if np.isclose(edges, side, rtol=1e-6, atol=0).any():
            raise LawError(
                f"A box of constant area {area:g} and constant ratio {ratio:g} has a side of "
                f"{side:g}, halfway between two sizes: rounding decides. Change the scale slightly."
            )
        index.append(int(np.searchsorted(edges, side, side="right")) - 1)
    if index[0] < masses.shape[0] and index[1] < masses.shape[1]:
        masses[index[0], index[1]] = 1.0
    return masses


def _one_area(cells: _Cells, area: float, ratios: Range, density: Density) -> Array:
    low = np.maximum.reduce([cells.a0**2 / area, area / cells.b1**2])
    high = np.minimum.reduce([cells.a1**2 / area, area / cells.b0**2])
    low, high = np.clip(low, *ratios), np.clip(high, *ratios)
    return _measure(low, np.maximum(low, high), density) / _measure(*ratios, density)


def _all_areas(cells: _Cells, areas: Range, ratios: Range, density: Density) -> Array:
    a0, a1, b0, b1 = cells
    meets = (a0 * b0 < areas[1]) & (a1 * b1 > areas[0])
    meets &= (a0 / b1 < ratios[1]) & ((a1 / b0 > ratios[0]) | (b0 == 0))
    inside = meets & (a0 * b0 >= areas[0]) & (a1 * b1 <= areas[1])
    inside &= (a0 / b1 >= ratios[0]) & (a1 / b0 <= ratios[1])
    masses = np.zeros(a0.shape)
    masses[inside] = _whole(cells.where(inside), density)
    masses[meets & ~inside] = _parts(cells.where(meets & ~inside), areas, ratios, density)
    return masses / ((areas[1] - areas[0]) * _measure(*ratios, density))


def _whole(cells: _Cells, density: Density) -> Array:
    """The measure ``|d(A, log r)| = 2 da db`` or ``|d(A, r)| = 2 a / b da db`` of cells."""
    a0, a1, b0, b1 = cells
    if density == "log":
        return 2 * (a1 - a0) * (b1 - b0)
    return (a1 - a0) * (a1 + a0) * np.log1p((b1 - b0) / b0)


def _parts(cells: _Cells, areas: Range, ratios: Range, density: Density) -> Array:
    """The measure of what the hyperbolas and lines leave of cells, piece by piece of the ratio."""
    ends = _crossings(cells, areas, ratios)
    p, q = ends[:, :-1], ends[:, 1:]
    cells = _Cells(*(side[:, None] for side in cells))
    low, high = _bounds(cells, areas, (p + q) / 2)
    lowest, highest = np.argmax(low, 0), np.argmin(high, 0)
    constant = _bounds(cells, areas, np.ones_like(p))
    length = _measure(p, q, density)
    safe = np.where(q > p, length, 1.0)
    if density == "log":
        inverse, identity = (q - p) / (p * q * safe), (q - p) / safe
    else:
        inverse, identity = np.log1p((q - p) / p) / safe, (p + q) / 2
    means = [np.ones_like(p), inverse, identity]
    below, above = (
        np.choose(chosen, [c * mean for c, mean in zip(coefficients, means, strict=True)])
        for chosen, coefficients in zip((lowest, highest), constant, strict=True)
    )
    used = (q > p) & (np.minimum.reduce(high) > np.maximum.reduce(low))
    return np.sum(np.where(used, length * np.maximum(above - below, 0.0), 0.0), axis=1)


def _crossings(cells: _Cells, areas: Range, ratios: Range) -> Array:
    """Increasing ratios between which no two bounds of the area cross, ``(cells, 14)``."""
    a, b = (cells.a0, cells.a1), (cells.b0, cells.b1)
    crossings = [x / y for x in a for y in b]
    crossings += [x**2 / area for x in a for area in areas]
    crossings += [area / y**2 for y in b for area in areas]
    crossings += [np.full_like(cells.a0, ratio) for ratio in ratios]
    return np.sort(np.clip(np.nan_to_num(np.stack(crossings, 1), nan=ratios[0]), *ratios), axis=1)
