"""Images on a page, with what is written under them."""

from __future__ import annotations

from dataclasses import dataclass

from augmoments.reporting.pixels import encode, fit, plain, range_of, sheet
from augmoments.reporting.results import Array, Picture
from augmoments.reporting.words import percent

FRAME_SIDE = 48


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
class Direction:
    """An eigen-image, and the mean moved along it: one frame beside the other."""

    eigen: Tile
    frames: Tile


@dataclass(frozen=True)
class Stage:
    """A few draws after a step, one beside the other."""

    strip: Tile
    span: str
    """The values of black and white where they are not 0 and 1."""


def title(picture: Picture) -> str:
    """What a picture is called."""
    label = f", label {picture.label}" if picture.label else ""
    return f"Image {picture.index}{label}"


def gap(picture: Picture) -> Array:
    """The sampled mean less the exact one."""
    return picture.sampled - picture.mean


def apart(picture: Picture) -> str:
    """How far they are from each other, and how far that was to be expected."""
    if picture.sampled_difference is None or picture.sampled_predicted is None:
        return ""
    found, expected = percent(picture.sampled_difference), percent(picture.sampled_predicted)
    return f"{found} apart, {expected} predicted"


def stage(draws: Array) -> Stage:
    """Draws ``(K, C, H, W)`` side by side."""
    span = range_of([draws])
    tiles = [plain(fit(draw, FRAME_SIDE), span) for draw in draws]
    return Stage(tile(sheet(tiles, len(tiles)), ""), in_words(span))


def in_words(span: tuple[float, float]) -> str:
    """What black and white stand for, if not for 0 and 1."""
    return "" if span == (0.0, 1.0) else f"black is {span[0]:.2g}, white {span[1]:.2g}"


def tile(pixels: Array, name: str, note: str = "") -> Tile:
    """Pixels ``(H, W, 3)`` as a tile."""
    height, width = pixels.shape[:2]
    return Tile(encode(pixels), name, width, height, note)
