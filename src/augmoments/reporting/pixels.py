"""Values as pixels: colour scales, small versions, and several images in one.

Images and means are shown as they are, or on the range that they have where that is not [0, 1].
Standard deviations are the root mean square over the channels, on a perceptually uniform scale
from 0. What has a sign is centred at zero: blue to red for one channel, about mid-gray for colour.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.colors import to_hex

from augmoments.fragments import png
from augmoments.reporting.pictures import smaller
from augmoments.reporting.results import Array

SEQUENTIAL = "cividis"
DIVERGING = "RdBu_r"
Range = tuple[float, float]


def fit(values: Array, side: int) -> Array:
    """An image ``(..., C, H, W)`` of which no side is longer than ``side``."""
    return smaller(torch.tensor(values), side).numpy()


def range_of(arrays: Sequence[Array]) -> Range:
    """[0, 1], or wider where values lie outside of it."""
    low = min((float(array.min()) for array in arrays), default=0.0)
    high = max((float(array.max()) for array in arrays), default=1.0)
    return (low if low < -1e-3 else 0.0, high if high > 1 + 1e-3 else 1.0)


def plain(values: Array, span: Range = (0.0, 1.0)) -> Array:
    """One channel or the first three as pixels ``(H, W, 3)``."""
    low, high = span
    pixels = np.moveaxis(values[:3] if len(values) >= 3 else values[:1], 0, -1)
    return np.broadcast_to((pixels - low) / (high - low), (*pixels.shape[:2], 3))


def sequential(values: Array, high: float) -> Array:
    """Root mean squares over the channels, from 0 to ``high``."""
    return mpl.colormaps[SEQUENTIAL](rms(values) / (high or 1.0))[..., :3]


def signed(values: Array, end: float) -> Array:
    """Values from ``-end`` to ``end``."""
    scaled = 0.5 + 0.5 * values / (end or 1.0)
    if len(values) >= 3:
        return plain(scaled)
    return mpl.colormaps[DIVERGING](scaled[0])[..., :3]


def rms(values: Array) -> Array:
    """Root mean square over the channels, ``(H, W)``."""
    return np.sqrt(np.mean(values**2, axis=0))


def largest(arrays: Sequence[Array]) -> float:
    """The largest absolute value."""
    return max((float(np.abs(array).max()) for array in arrays), default=0.0)


def sheet(tiles: Sequence[Array], columns: int) -> Array:
    """Images ``(H, W, 3)`` of one size, side by side in rows of ``columns``."""
    height, width = tiles[0].shape[:2]
    lines = -(-len(tiles) // columns)
    pixels = np.zeros((lines * height, columns * width, 3))
    for place, tile in enumerate(tiles):
        top, left = place // columns * height, place % columns * width
        pixels[top : top + height, left : left + width] = tile
    return pixels


def encode(pixels: Array) -> str:
    """Pixels ``(H, W, 3)`` in [0, 1] as a PNG in a data URI."""
    return png(np.clip(np.round(255 * pixels), 0, 255).astype(np.uint8))


def stops(name: str) -> tuple[str, ...]:
    """Colours of a scale from its low end to its high end."""
    return tuple(to_hex(mpl.colormaps[name](t)) for t in np.linspace(0, 1, 9))
