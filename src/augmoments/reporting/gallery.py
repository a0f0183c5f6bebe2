"""What a report shows of the images, on scales that are the same for all images of a subject."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from augmoments.reporting.pixels import (
    DIVERGING,
    SEQUENTIAL,
    fit,
    largest,
    plain,
    range_of,
    rms,
    sequential,
    sheet,
    signed,
    stops,
)
from augmoments.reporting.results import Array, Picture, SubjectResult
from augmoments.reporting.tiles import (
    FRAME_SIDE,
    Direction,
    Legend,
    Stage,
    Tile,
    apart,
    gap,
    in_words,
    stage,
    tile,
    title,
)
from augmoments.reporting.words import percent

_SIDE = 96
FRAMES = tuple(float(t) for t in np.linspace(-2, 2, 9))
"""Standard deviations along a direction that are shown."""
SHEET_COLUMNS = 16


@dataclass(frozen=True)
class Gallery:
    """The tiles of a subject."""

    subject: SubjectResult

    @cached_property
    def titles(self) -> list[str]:
        """What the pictures are called."""
        return [title(picture) for picture in self.subject.pictures]

    @cached_property
    def moments(self) -> list[list[Tile]]:
        """Image, exact mean, standard deviation, sampled mean and difference, a row a picture."""
        return [
            [
                tile(plain(fit(p.image, _SIDE), range_of([p.image])), "image"),
                self._output(p.mean, "exact mean"),
                tile(sequential(fit(p.std, _SIDE), self._std), "standard deviation"),
                self._output(p.sampled, f"mean of {p.sampled_draws:,} draws"),
                tile(signed(fit(gap(p), _SIDE), self._gap), "sampled − exact", apart(p)),
            ]
            for p in self.subject.pictures
        ]

    @cached_property
    def directions(self) -> list[list[Direction]]:
        """The leading eigenvectors with a walk along each, a row a picture."""
        return [[self._direction(p, j) for j in range(len(p.eigen_images))] for p in self._pictures]

    @cached_property
    def saliency(self) -> list[list[Tile]]:
        """Mean, saliency and the leading eigen-images, a row a picture."""
        return [
            [
                self._output(p.mean, "exact mean"),
                tile(signed(fit(p.saliency, _SIDE), self._slope), "saliency"),
                *(self._eigen(p, j) for j in range(len(p.eigen_images))),
            ]
            for p in self._pictures
            if p.saliency is not None
        ]

    @cached_property
    def walk(self) -> list[Stage]:
        """The same few draws of the first picture before the first step, and after each."""
        first = self._pictures[0].image
        count = len(self.subject.walk[0]) if self.subject.walk else 1
        before = np.broadcast_to(first, (count, *first.shape))
        return [stage(draws) for draws in (before, *self.subject.walk)]

    @cached_property
    def thumbnails(self) -> dict[int, Tile]:
        """Small images, by their place in the source."""
        span = range_of(list(self.subject.thumbnails.values()))
        return {
            index: tile(plain(values, span), f"image {index}")
            for index, values in self.subject.thumbnails.items()
        }

    @cached_property
    def sheet(self) -> Tile:
        """All of these in one image, in the order of their places."""
        values = list(self.subject.thumbnails.values())
        tiles = [plain(v, range_of(values)) for v in values]
        return tile(sheet(tiles, SHEET_COLUMNS), "thumbnails")

    @property
    def legends(self) -> dict[str, Legend]:
        """The colour scales."""
        gray = self.subject.output_shape[0] < 3
        colors = stops(DIVERGING) if gray else ("#000000", "#808080", "#ffffff")
        each = "" if gray else ", in each channel"

        def both_ways(name: str, end: float) -> Legend:
            return Legend(name + each, colors, f"−{end:.2g}", f"+{end:.2g}")

        return {
            "std": Legend("standard deviation", stops(SEQUENTIAL), "0", f"{self._std:.2g}"),
            "difference": both_ways("sampled − exact", self._gap),
            "eigen": both_ways("change by one standard deviation", self._eigen_end),
            "saliency": both_ways("slope of the loss", self._slope),
        }

    @property
    def span(self) -> str:
        """The values of black and white in means, where they are not 0 and 1."""
        return in_words(self._range)

    @property
    def _pictures(self) -> list[Picture]:
        return self.subject.pictures

    @cached_property
    def _range(self) -> tuple[float, float]:
        return range_of([array for p in self._pictures for array in (p.mean, p.sampled)])

    @cached_property
    def _std(self) -> float:
        return largest([rms(p.std) for p in self._pictures])

    @cached_property
    def _gap(self) -> float:
        return largest([gap(p) for p in self._pictures])

    @cached_property
    def _eigen_end(self) -> float:
        return largest([p.eigen_images for p in self._pictures])

    @cached_property
    def _slope(self) -> float:
        return largest([p.saliency for p in self._pictures if p.saliency is not None])

    def _output(self, values: Array, name: str) -> Tile:
        return tile(plain(fit(values, _SIDE), self._range), name)

    def _eigen(self, picture: Picture, place: int) -> Tile:
        pixels = signed(fit(picture.eigen_images[place], _SIDE), self._eigen_end)
        share = f"{percent(picture.variance_share[place])} of the variance"
        return tile(pixels, f"direction {place + 1}", share)

    def _direction(self, picture: Picture, place: int) -> Direction:
        mean, eigen = picture.mean, picture.eigen_images[place]
        frames = [plain(fit(mean + t * eigen, FRAME_SIDE), self._range) for t in FRAMES]
        shown = self._eigen(picture, place)
        return Direction(shown, tile(sheet(frames, len(frames)), f"along {shown.title}"))
