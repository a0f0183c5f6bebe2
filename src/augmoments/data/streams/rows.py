"""Slices of an array that lies in a file, plain or compressed."""

from __future__ import annotations

import gzip
import threading
import weakref
import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from io import BufferedIOBase
from math import prod
from pathlib import Path
from typing import Protocol

import numpy as np

from augmoments.checks import check_memory
from augmoments.errors import DataError

_BLOCK = 2**20
DAMAGED = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)


class Rows(Protocol):
    """Rows of an array by their numbers; can be pickled."""

    def __call__(self, start: int, stop: int) -> np.ndarray: ...


@dataclass(frozen=True)
class Bytes:
    """Where bytes are: a file, plain or ``.gz``, or a member of a ``.zip`` archive.

    Attributes:
        path: The file.
        size: Its size, which is told again when it is opened.
        changed: When it was changed last, in nanoseconds.
        member: Its member, for archives.
    """

    path: Path
    size: int
    changed: int
    member: str | None = None

    @classmethod
    def of(cls, path: Path, member: str | None = None) -> Bytes:
        """The bytes of a file as it is now."""
        stat = path.stat()
        return cls(path, stat.st_size, stat.st_mtime_ns, member)

    def open(self) -> BufferedIOBase:
        """The bytes from the first one on."""
        if self.path.stat().st_size != self.size:
            raise DataError(f"{self.path} has changed since it was first read: start again.")
        if self.member is not None:
            with zipfile.ZipFile(self.path) as archive:
                return archive.open(self.member)  # type: ignore[return-value]
        return gzip.open(self.path) if self.path.suffix == ".gz" else self.path.open("rb")


class _Handle:
    """An open file that is closed when nobody has it any more."""

    def __init__(self, file: BufferedIOBase) -> None:
        self.file = file
        weakref.finalize(self, file.close)


@lru_cache(maxsize=8)
def _handle(source: Bytes, thread: int) -> _Handle:
    """The same open file for readings one after the other, which need not rewind it then."""
    return _Handle(source.open())


@dataclass(frozen=True)
class FileRows:
    """Rows of an array in C order, of which only those are read that are asked for.

    In a compressed file what comes before them is decompressed and forgotten.
    """

    source: Bytes
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype

    def __call__(self, start: int, stop: int) -> np.ndarray:
        width = prod(self.shape[1:]) * self.dtype.itemsize
        path = self.source.path
        check_memory(
            6 * (stop - start) * max(width, 1), f"{stop - start} of the images in {path}", "fewer"
        )
        try:
            file = _handle(self.source, threading.get_ident()).file
            file.seek(self.offset + start * width)
            content = file.read((stop - start) * width)
        except DAMAGED as error:
            _handle.cache_clear()
            raise DataError(f"{path} cannot be read: {error}") from error
        if len(content) != (stop - start) * width:
            raise DataError(f"{path} is cut short: it ends before row {stop}.")
        return np.frombuffer(bytearray(content), self.dtype).reshape(stop - start, *self.shape[1:])


def length(source: Bytes, most: int) -> int:
    """How many bytes there are, all of them read once so that a damaged archive is noticed.

    Of a file with more than ``most`` bytes, no more are read.
    """
    total = 0
    with source.open() as file:
        while total < most and (block := file.read(min(_BLOCK, most - total))):
            total += len(block)
    return total
