"""Zarr groups, of which only the chunks with the images asked for are read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, ValuesView
from contextlib import contextmanager
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from augmoments.checks import check_memory
from augmoments.data.archives import choose, layout_of, to_labels, to_names
from augmoments.data.dataset import check_file, missing, printable, reason
from augmoments.data.streams.arrays import ArrayStream, shape_of
from augmoments.data.streams.base import Stream, hashed, identity, numbered
from augmoments.errors import AugmomentsError, DataError, InputError, NotEnoughMemoryError

_METADATA = frozenset(("zarr.json", ".zarray", ".zmetadata"))


class ZarrRows(NamedTuple):
    """Rows of an array of a group."""

    path: Path
    key: str

    def __call__(self, start: int, stop: int) -> np.ndarray:
        with _reading(self.path, f", rows {start} to {stop} of {self.key}"):
            return np.asarray(_array(self.path, self.key)[start:stop])


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr group."""
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup"))


def from_zarr(path: str | Path, key: str | None = None, label_key: str | None = None) -> Stream:
    """A stream of the images in a Zarr group; arrays as in ``.npz`` files, see :func:`data.npz`.

    A chunk that was never written counts as lost: Zarr would read it as zeros.

    Raises:
        DataError: It cannot be read, chunks are missing, the arrays are not images and labels, or
            the package zarr is not installed.
    """
    path = Path(path)
    if not path.is_dir():
        raise missing(path)
    files = list(_files(path))
    arrays = _arrays(path)
    names = choose(path, sorted(arrays), key, label_key)
    for name in names.values():
        _check_whole(path, name, arrays[name])
    images = arrays[names["images"]]
    with _reading(path):
        small = {role: np.asarray(arrays[names[role]][:]) for role in names if role != "images"}
    array = small.get("labels")
    try:
        if 0 in images.shape:
            raise InputError(f"images of shape {images.shape}: the batch is empty.")
        layout = layout_of(images.shape, images.dtype, None if array is None else array.shape)
    except InputError as error:
        raise DataError(f"{path}: {error}") from error
    count, shape = shape_of(images.shape, layout)
    classes = to_names(path, small.get("classes", ()))
    labels = None
    if array is not None:
        labels, classes = to_labels(path, _plain(array), count, classes)
    return ArrayStream(
        name=printable(path.name),
        count=count,
        shape=shape,
        fingerprint=hashed("zarr", files, sorted(names.items())),
        classes=classes or numbered(labels),
        rows=ZarrRows(path, names["images"]),
        layout=layout,
        targets=labels,
    )


def _arrays(path: Path) -> dict[str, Any]:
    try:
        import zarr
    except ImportError as error:
        raise DataError(
            f"{path} needs the package zarr: pip install 'augmoments[zarr]'."
        ) from error
    with _reading(path):
        for parent, _, names in os.walk(path):
            for name in _METADATA.intersection(names):
                _check_codecs(json.loads(Path(parent, name).read_bytes()))
        return dict(zarr.open_group(str(path), mode="r").arrays())


def _check_codecs(metadata: Any) -> None:
    """Refuse a codec that would unpickle, wherever it is named."""
    inner = metadata.values() if isinstance(metadata, dict) else metadata
    if isinstance(metadata, dict):
        for name in (metadata.get("id"), metadata.get("name")):
            if isinstance(name, str) and name.rpartition(".")[2] == "pickle":
                raise ValueError("it has pickled objects, which may run programs")
    if isinstance(inner, list | ValuesView):
        for value in inner:
            _check_codecs(value)


@lru_cache(maxsize=8)
def _array(path: Path, key: str) -> Any:
    return _arrays(path)[key]


def _check_whole(path: Path, name: str, array: Any) -> None:
    """Refuse an array of which chunks are not there, or too large for memory."""
    with _reading(path):
        pieces = getattr(array, "shards", None) or array.chunks
        check_memory(
            6 * prod(pieces) * array.dtype.itemsize,
            f"{path} with chunks of {pieces}",
            "smaller ones",
        )
        all_of_them = prod(
            -(-side // piece) for side, piece in zip(array.shape, pieces, strict=True)
        )
        there = sum(len(names) for _, _, names in os.walk(path / name)) - 1
        if there >= all_of_them:
            there, all_of_them = array.nchunks_initialized, array.nchunks
    if there < all_of_them:
        raise DataError(
            f"{path} lacks {all_of_them - there} of the {all_of_them} chunks of {name}. Copy it "
            "again; if they are all zeros on purpose, write it again under "
            "zarr.config.set({'array.write_empty_chunks': True})."
        )


def _plain(labels: np.ndarray) -> np.ndarray:
    """Strings of NumPy's old kind, whatever kind Zarr gives."""
    return np.array(labels.tolist(), dtype=str) if labels.dtype.kind in "OT" else labels


def _files(path: Path) -> Iterator[tuple[str, tuple[str, int, int]]]:
    for parent, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            file = Path(parent, name)
            check_file(file)
            yield str(file.relative_to(path)), identity(file)


@contextmanager
def _reading(path: Path, where: str = "") -> Iterator[None]:
    """Whatever Zarr and its codecs stumble over inside is the file's fault."""
    try:
        yield
    except AugmomentsError:
        raise
    except MemoryError as error:
        raise NotEnoughMemoryError(
            f"{path}{where} does not fit into memory: use smaller chunks."
        ) from error
    except Exception as error:
        raise DataError(
            f"{path}{where} cannot be read as Zarr: {reason(error)}. Write it again."
        ) from error
