"""Parameters at which the source coordinate of an output pixel crosses a grid line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Lines = tuple[float, int]


class Crossings(NamedTuple):
    """Which pixel crosses, and at which parameter; both flat and of one length."""

    pixel: Index
    parameter: Array

    @classmethod
    def join(cls, parts: Sequence[Crossings]) -> Crossings:
        """All crossings of several coordinates."""
        return cls(*(np.concatenate(field) for field in zip(*parts, strict=True)))


def monotone_crossings(
    lines: Lines, start: Array, stop: Array, parameter_at: Callable[[Index, Array], Array]
) -> Crossings:
    """Crossings of coordinates that run monotonically from ``start`` to ``stop``.

    Args:
        lines: The first grid line and how many follow, one apart.
        start: Coordinate of each pixel at one end of the parameter's range, shape ``(P,)``.
        stop: Coordinate at the other end.
        parameter_at: Maps pixels and the lines they cross to the parameters of the crossing.
    """
    pixel, line = _lines_between(lines, np.minimum(start, stop), np.maximum(start, stop))
    return Crossings(pixel, parameter_at(pixel, line))


def arc_crossings(
    lines: Lines, centre: float, radius: Array, phase: Array, low: float, high: float
) -> Crossings:
    """Crossings of the coordinates ``centre + radius cos(parameter + phase)``, in radians."""
    first, last = low + phase, high + phase
    ends = np.cos(np.stack([first, last]))
    turns = 2 * np.pi
    has_top = np.ceil(first / turns) * turns <= last
    has_bottom = np.ceil((first - np.pi) / turns) * turns + np.pi <= last
    top = np.where(has_top, 1.0, ends.max(0))
    bottom = np.where(has_bottom, -1.0, ends.min(0))
    pixel, line = _lines_between(lines, centre + radius * bottom, centre + radius * top)
    arc = np.arccos(np.clip((line - centre) / np.maximum(radius[pixel], 1e-300), -1.0, 1.0))
    found = []
    for side in (arc, -arc):
        earliest = side - phase[pixel]
        earliest += turns * np.ceil((low - earliest) / turns)
        for turn in np.arange(np.floor((high - low) / turns) + 1) * turns:
            parameter = earliest + turn
            inside = parameter < high
            found.append(Crossings(pixel[inside], parameter[inside]))
    return Crossings.join(found)


def _lines_between(lines: Lines, low: Array, high: Array) -> tuple[Index, Array]:
    first, count = lines
    begin = np.clip(np.floor(low - first) + 1, 0, count).astype(np.int64)
    end = np.clip(np.ceil(high - first), 0, count).astype(np.int64)
    number = np.maximum(end - begin, 0)
    pixel = np.repeat(np.arange(len(low)), number)
    rank = np.arange(len(pixel)) - np.repeat(np.cumsum(number) - number, number)
    return pixel.astype(np.int64), (first + begin[pixel] + rank).astype(np.float64)
