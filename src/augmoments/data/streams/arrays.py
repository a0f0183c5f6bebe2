"""Streams of images that lie in one array."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor

from augmoments.data.archives import Layout, to_images
from augmoments.data.streams.base import Batch, Stream
from augmoments.data.streams.rows import Rows


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class ArrayStream(Stream):
    """Images in one array that is read by rows; targets are kept in memory.

    Attributes:
        rows: The array's rows.
        layout: What its axes are.
        targets: Of all images.
    """

    rows: Rows
    layout: Layout
    targets: Tensor | None

    def _read(self, start: int, stop: int) -> Batch:
        if self.layout == "HWC":
            array = self.rows(0, self.shape[1])
        else:
            array = self.rows(self.first + start, self.first + stop)
        targets = None if self.targets is None else self.targets[start:stop]
        return Batch(to_images(array, self.layout), targets)

    def part(self, start: int, stop: int) -> Self:
        targets = None if self.targets is None else self.targets[start:stop].clone()
        return replace(self, count=stop - start, first=self.first + start, targets=targets)

    def labels(self) -> Tensor | None:
        return self.targets


def shape_of(shape: tuple[int, ...], layout: Layout) -> tuple[int, tuple[int, int, int]]:
    """How many images an array has, and their shape.

    >>> shape_of((6, 5, 7, 3), "NHWC")
    (6, (3, 5, 7))
    """
    match layout:
        case "NCHW":
            return shape[0], (shape[1], shape[2], shape[3])
        case "NHWC":
            return shape[0], (shape[3], shape[1], shape[2])
        case "NHW":
            return shape[0], (1, shape[1], shape[2])
        case "HWC":
            return 1, (shape[2], shape[0], shape[1])
