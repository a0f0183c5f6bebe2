"""Small images as data URIs, on colour scales that are the same for all images of a subject.

Means and images are shown as they are. Standard deviations are the root mean square over the
channels, on a perceptually uniform scale from 0. What has a sign is centred at zero: blue to red
for one channel, about mid-gray for colour.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex
from PIL import Image

from augmoments.reporting.results import Array, Picture, SubjectResult

SEQUENTIAL = "cividis"
DIVERGING = "RdBu_r"


@dataclass(frozen=True)
class Tile:
    """An image to show with what is written under it."""

    uri: str
    title: str
    width: int
    height: int
    note: str = ""


@dataclass(frozen=True)
class Legend:
    """A colour scale with its ends."""

    title: str
    colors: tuple[str, ...]
    low: str
    high: str


@dataclass(frozen=True)
class Scales:
    """Ends of the colour scales of a subject."""

    std: float
    eigen: float
    saliency: float


@dataclass(frozen=True)
class Row:
    """The tiles of one image."""

    title: str
    tiles: tuple[Tile, ...]


def scales(subject: SubjectResult) -> Scales:
    """The largest values among the shown images."""
    pictures = subject.pictures
    return Scales(
        std=_largest([_rms(p.std) for p in pictures]),
        eigen=_largest([p.eigen_images for p in pictures]),
        saliency=_largest([p.saliency for p in pictures if p.saliency is not None]),
    )


def rows(subject: SubjectResult) -> list[Row]:
    """A row of tiles for every image that is shown."""
    ends = scales(subject)
    return [Row(_title(p), tuple(_tiles(p, ends))) for p in subject.pictures]


def legends(subject: SubjectResult) -> list[Legend]:
    """The colour scales that the rows use."""
    ends, gray = scales(subject), subject.output_shape[0] == 1
    signed = _stops(DIVERGING) if gray else ("#000000", "#808080", "#ffffff")
    found = [
        Legend("standard deviation", _stops(SEQUENTIAL), "0", f"{ends.std:.2g}"),
        Legend(
            "eigen-images: change by one standard deviation"
            + ("" if gray else ", in each channel"),
            signed,
            f"−{ends.eigen:.2g}",
            f"+{ends.eigen:.2g}",
        ),
    ]
    if any(p.saliency is not None for p in subject.pictures):
        found.append(
            Legend(
                "saliency: slope of the loss",
                signed,
                f"−{ends.saliency:.2g}",
                f"+{ends.saliency:.2g}",
            )
        )
    return found


def _tiles(picture: Picture, ends: Scales) -> list[Tile]:
    found = [_tile(_plain(picture.image), "image")]
    found += [_tile(_plain(draw), "a draw") for draw in picture.draws]
    found.append(_tile(_plain(picture.mean), "exact mean"))
    found.append(_tile(_sequential(_rms(picture.std), ends.std), "standard deviation"))
    for place, eigen in enumerate(picture.eigen_images):
        share = f"{picture.variance_share[place]:.0%} of variance"
        found.append(_tile(_signed(eigen, ends.eigen), f"eigen-image {place + 1}", share))
    if picture.saliency is not None:
        found.append(_tile(_signed(picture.saliency, ends.saliency), "saliency"))
    return found


def _title(picture: Picture) -> str:
    label = f", label {picture.label}" if picture.label else ""
    return f"Image {picture.index}{label}"


def _rms(values: Array) -> Array:
    return np.sqrt(np.mean(values**2, axis=0))


def _largest(arrays: list[Array]) -> float:
    return max((float(np.abs(array).max()) for array in arrays), default=0.0)


def _plain(values: Array) -> Array:
    """Values in [0, 1], one channel or the first three, as pixels ``(H, W, 3)``."""
    pixels = np.moveaxis(values[:3] if len(values) >= 3 else values[:1], 0, -1)
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3))


def _sequential(values: Array, high: float) -> Array:
    return mpl.colormaps[SEQUENTIAL](values / (high or 1.0))[..., :3]


def _signed(values: Array, end: float) -> Array:
    scaled = 0.5 + 0.5 * values / (end or 1.0)
    if len(values) >= 3:
        return _plain(scaled)
    return mpl.colormaps[DIVERGING](scaled[0])[..., :3]


def _tile(pixels: Array, title: str, note: str = "") -> Tile:
    height, width = pixels.shape[:2]
    return Tile(_encode(pixels), title, width, height, note)


def _encode(pixels: Array) -> str:
    """A PNG in a data URI; the browser enlarges it without smoothing."""
    levels = np.clip(np.round(255 * pixels), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(levels)).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _stops(name: str) -> tuple[str, ...]:
    return tuple(to_hex(mpl.colormaps[name](t)) for t in np.linspace(0, 1, 9))
