"""Folders of image files that are decoded when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from augmoments.data.dataset import Size, Skipped, printable
from augmoments.data.folders import read_pixels, scan, skipping
from augmoments.data.listing import File
from augmoments.data.streams.base import Batch, Stream, hashed, identity


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class FolderStream(Stream):
    """Image files in a fixed order.

    A file whose header is unreadable is left out at once. One whose pixels cannot be decoded keeps
    its place in the order, and is skipped whenever its piece is read.
    """

    files: tuple[File, ...]
    size: Size | None
    strict: bool

    def _read(self, start: int, stop: int) -> Batch:
        images = torch.empty(stop - start, *self.shape)
        labels: list[int] = []
        skipped: list[Skipped] = []
        for file in self.files[start:stop]:
            with skipping(file.path, skipped, self.strict):
                images[len(labels)] = read_pixels(file.path, self.size, channels=self.shape[0])
                labels.append(file.label)
        targets = torch.tensor(labels, dtype=torch.int64) if self.classes else None
        return Batch(images[: len(labels)], targets, tuple(skipped))

    def part(self, start: int, stop: int) -> Self:
        return replace(
            self,
            files=self.files[start:stop],
            count=stop - start,
            skipped=(),
            first=self.first + start,
        )

    def labels(self) -> Tensor | None:
        return torch.tensor([file.label for file in self.files]) if self.classes else None


def from_folder(path: str | Path, size: Size | None = None, strict: bool = False) -> Stream:
    """A stream of the image files in a folder, as :func:`data.folder` lists and reads them.

    The headers of all files are read at once, their pixels when they are asked for.

    Raises:
        DataError: There is no image, the images differ in size, or ``strict`` met a bad file.
    """
    found = scan(path, size, strict)
    root = found.root
    files = [
        (str(file.path.relative_to(root)), file.label, identity(file.path)) for file in found.files
    ]
    return FolderStream(
        name=printable(root.resolve().name),
        count=len(found.files),
        shape=found.shape,
        fingerprint=hashed("folder", files, found.shape, found.classes, size),
        classes=found.classes,
        skipped=found.skipped,
        files=found.files,
        size=size,
        strict=strict,
    )
