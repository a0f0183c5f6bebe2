"""What all streams have in common: the range, and the checks of what was read."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor

from augmoments.checks import check_images, check_targets
from augmoments.data.dataset import Skipped, for_files
from augmoments.errors import DataError, InputError, InputTypeError

Shape = tuple[int, int, int]
_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class Batch:
    """A piece of a stream; ``images, targets = batch`` unpacks the two.

    Attributes:
        images: Float32 in [0, 1]; fewer than asked for where files were skipped.
        targets: Class indices ``(n,)``, int64, or real values ``(n,)`` or ``(n, K)``, or None.
        skipped: Files of this piece that could not be read.
    """

    images: Float[Tensor, "n C H W"]
    targets: Tensor | None
    skipped: tuple[Skipped, ...] = ()

    def __iter__(self) -> Iterator[Any]:
        yield self.images
        yield self.targets


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Stream(ABC):
    """Images, and targets where there are any, in a fixed order and read piece by piece.

    Attributes:
        name: What messages call it.
        count: How many images there are, with files that may turn out to be unreadable.
        shape: ``(C, H, W)`` of every image.
        fingerprint: What tells this source from another one: its kind, its shapes, and sizes and
            times of its files or a hash of its content.
        classes: Names of the classes, in the order of the indices; empty where targets are no
            classes or where the classes are not known before everything was read.
        skipped: Files that were found to be unreadable when the stream was made.
        first: The number of the first image in the whole, of which the stream may be a part.
    """

    name: str
    count: int
    shape: Shape
    fingerprint: str
    classes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    first: int = 0

    @abstractmethod
    def _read(self, start: int, stop: int) -> Batch:
        """The images from ``start`` to ``stop``, not checked yet."""

    @abstractmethod
    def part(self, start: int, stop: int) -> Self:
        """The images from ``start`` to ``stop`` as a stream, with no more to pickle than it needs.

        Its fingerprint is that of the whole.
        """

    def read(self, start: int, stop: int) -> Batch:
        """The images from ``start`` to ``stop``, that one not included.

        Raises:
            InputError: There is no such range.
            DataError: The source cannot be read, or its values are not those of images in [0, 1]
                and of targets.
        """
        if not 0 <= start < stop <= self.count:
            raise InputError(f"{self.name} has no images {start} to {stop}: it has {self.count}.")
        batch = self._read(start, stop)
        if not len(batch.images):
            return batch
        try:
            images = check_images(batch.images)
            targets = batch.targets
            if targets is not None:
                known = len(self.classes) if targets.ndim == 1 and self.classes else None
                targets = check_targets(targets, len(images), known)
        except (InputError, InputTypeError) as error:
            where = f"{self.name}, from image {self.first + start} on"
            raise DataError(f"{where}: {for_files(error)}") from error
        return Batch(images, targets, batch.skipped)

    def labels(self) -> Tensor | None:
        """The targets of all images, or None; without the images where the source can do that."""
        found = []
        for start in range(0, self.count, _AT_ONCE):
            targets = self.read(start, min(start + _AT_ONCE, self.count)).targets
            if targets is None:
                return None
            found.append(targets)
        return torch.cat(found)

    def __len__(self) -> int:
        return self.count

    def __repr__(self) -> str:
        classes = f", {len(self.classes)} classes" if self.classes else ""
        skipped = f", {len(self.skipped)} skipped" if self.skipped else ""
        return f"Stream({self.name}: {self.count} images of shape {self.shape}{classes}{skipped})"


def hashed(*parts: object) -> str:
    """SHA-256 of parts, of which bytes are taken as they are."""
    digest = hashlib.sha256()
    for part in parts:
        content = part if isinstance(part, bytes) else repr(part).encode()
        digest.update(f"{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()


def identity(path: Path) -> tuple[str, int, int]:
    """Name, size and time of the last change of a file."""
    stat = path.stat()
    return path.name, stat.st_size, stat.st_mtime_ns


def numbered(labels: Tensor | None) -> tuple[str, ...]:
    """Names for classes that have none.

    >>> numbered(torch.tensor([0, 2]))
    ('0', '1', '2')
    """
    if labels is None:
        return ()
    return tuple(str(label) for label in range(int(labels.max()) + 1))
