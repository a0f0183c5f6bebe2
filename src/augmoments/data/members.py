"""Arrays in ``.npz`` archives, read only where they have the size that their headers tell."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from augmoments.data.dataset import check_file, missing, printable, reason
from augmoments.errors import AugmomentsError, DataError, NotEnoughMemoryError

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_member(archive: zipfile.ZipFile, member: str) -> np.ndarray:
    """An array of exactly the size that its header tells; for use inside :func:`reading`.

    Raises:
        ValueError: It is not, or there are objects in it.
    """
    header_of(archive, member)
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


class Header(NamedTuple):
    """What the header of an array tells, and where it ends."""

    shape: tuple[int, ...]
    by_columns: bool
    dtype: np.dtype[Any]
    offset: int


def header_of(archive: zipfile.ZipFile, member: str) -> Header:
    """The header of a member, which tells the size that it has; for use inside :func:`reading`.

    Raises:
        ValueError: It tells another one, or the array is one of objects.
    """
    size = archive.getinfo(member).file_size
    with archive.open(member) as file:
        header = _header(file, member)
    needed = header.offset + prod(header.shape) * header.dtype.itemsize
    if header.dtype.hasobject:
        raise ValueError("Object arrays cannot be loaded, since they may run programs")
    if min(header.shape, default=0) < 0 or needed != size:
        raise ValueError(
            f"{member} with a shape of {printable(header.shape)[:100]} has more or fewer values "
            "than its header tells"
        )
    return header


def _header(file: Any, member: str) -> Header:
    name = member.removesuffix(".npy")
    try:
        version = np.lib.format.read_magic(file)
    except ValueError as error:
        raise ValueError(f"{name} is not a NumPy array") from error
    if version not in _HEADERS:
        raise ValueError(f"{member} is in version {version} of NumPy's format")
    try:
        shape, by_columns, dtype = _HEADERS[version](file)
    except MemoryError as error:  # of Python's parser, where brackets are nested too deeply
        raise ValueError(f"{member} has a header that is none") from error
    return Header(shape, by_columns, dtype, file.tell())


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Whatever the readers stumble over inside is the file's fault."""
    check_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except FileNotFoundError as error:
        raise missing(path) from error
    except AugmomentsError:
        raise
    except MemoryError as error:
        raise NotEnoughMemoryError(
            f"{path} does not fit into memory: use a smaller file."
        ) from error
    except Exception as error:
        raise DataError(
            f"{path} cannot be read as an .npz file of plain arrays: {reason(error)}. Save it "
            "again by np.savez."
        ) from error
