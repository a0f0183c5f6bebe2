"""Streams made from another stream."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from augmoments.data.dataset import Size, check_size, resize
from augmoments.data.streams.base import Batch, Stream, hashed
from augmoments.errors import DataError


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class _View(Stream):
    """A stream made from ``source``, item by item."""

    source: Stream

    def part(self, start: int, stop: int) -> Self:
        part = self.source.part(start, stop)
        return replace(self, source=part, count=part.count, first=part.first)


class _Resized(_View):
    def _read(self, start: int, stop: int) -> Batch:
        batch = self.source.read(start, stop)
        return replace(batch, images=resize(batch.images, self.shape[1:]))

    def labels(self) -> Tensor | None:
        return self.source.labels()


class _ResizedSquare(_Resized):
    def _read(self, start: int, stop: int) -> Batch:
        batch = self.source.read(start, stop)
        return replace(batch, images=resize(batch.images, self.shape[1]))


class _OneHot(_View):
    def _read(self, start: int, stop: int) -> Batch:
        batch = self.source.read(start, stop)
        return replace(batch, targets=_encoded(self.source, batch.targets, len(self.classes)))

    def labels(self) -> Tensor | None:
        return _encoded(self.source, self.source.labels(), len(self.classes))


def resized(stream: Stream, size: Size | None) -> Stream:
    """The same images at another size, as :func:`~augmoments.data.resize` makes them."""
    if size is None:
        return stream
    check_size(size)
    view = _ResizedSquare if isinstance(size, int) else _Resized
    height, width = (size, size) if isinstance(size, int) else size
    return view(
        name=stream.name,
        count=stream.count,
        shape=(stream.shape[0], height, width),
        fingerprint=hashed("resized", size, stream.fingerprint),
        classes=stream.classes,
        skipped=stream.skipped,
        source=stream,
    )


def one_hot(stream: Stream) -> Stream:
    """The same images, with targets ``(n, K)``: 1 at an image's class and 0 elsewhere, float64.

    Raises:
        DataError: There are no labels, or only one class.
    """
    classes = stream.classes
    if not classes:
        labels = stream.labels()
        _check_labels(stream, labels)
        classes = tuple(str(label) for label in range(int(labels.max()) + 1))  # type: ignore[union-attr]
    if len(classes) < 2:
        raise DataError(
            f"{stream.name} has only one class, {', '.join(classes)}: give at least two."
        )
    return _OneHot(
        name=stream.name,
        count=stream.count,
        shape=stream.shape,
        fingerprint=hashed("one-hot", classes, stream.fingerprint),
        classes=classes,
        skipped=stream.skipped,
        source=stream,
    )


def _encoded(stream: Stream, labels: Tensor | None, classes: int) -> Tensor:
    _check_labels(stream, labels)
    assert labels is not None
    if len(labels) and int(labels.max()) >= classes:
        raise DataError(
            f"{stream.name} has a label {int(labels.max())}, but {classes} classes are known."
        )
    return functional.one_hot(labels, classes).to(torch.float64)


def _check_labels(stream: Stream, labels: Tensor | None) -> None:
    if labels is None:
        raise DataError(
            f"{stream.name} has no labels: give the class of each image, as a folder each or as an "
            "array."
        )
    if labels.is_floating_point() or labels.ndim != 1:
        raise DataError(f"{stream.name} has targets that are no classes: expected whole numbers.")
    if len(labels) and int(labels.min()) < 0:
        raise DataError(f"{stream.name} has a label {int(labels.min())}: expected 0 and above.")
