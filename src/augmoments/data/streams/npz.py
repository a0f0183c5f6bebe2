"""NumPy's ``.npz`` files, of which only the images asked for are read."""

from __future__ import annotations

import zipfile
from math import prod
from pathlib import Path

from augmoments.checks import check_memory
from augmoments.data.archives import choose, layout_of, to_labels, to_names
from augmoments.data.members import header_of, read_member, reading
from augmoments.data.streams.arrays import ArrayStream, shape_of
from augmoments.data.streams.base import Stream, hashed, identity, numbered
from augmoments.data.streams.rows import Bytes, FileRows, length
from augmoments.errors import DataError, InputError


def from_npz(path: str | Path, key: str | None = None, label_key: str | None = None) -> Stream:
    """A stream of the images in an ``.npz`` file; arguments and arrays as of :func:`data.npz`.

    All bytes are read once, so that damage is noticed before anything is computed. Files saved by
    ``np.savez`` are then read in any order; of those saved by ``np.savez_compressed`` everything
    before the images asked for is decompressed again.

    Raises:
        DataError: It cannot be read, or the arrays are not images and labels.
    """
    path = Path(path)
    with reading(path), zipfile.ZipFile(path) as archive:
        members = [name for name in archive.namelist() if name.endswith(".npy")]
    names = choose(path, [name.removesuffix(".npy") for name in members], key, label_key)
    rows = _rows(path, f"{names.pop('images')}.npy")
    with reading(path), zipfile.ZipFile(path) as archive:
        sizes = [archive.getinfo(f"{name}.npy").file_size for name in names.values()]
        check_memory(6 * sum(sizes), f"{path}", "a file with fewer images")
        small = {role: read_member(archive, f"{name}.npy") for role, name in names.items()}
    array = small.get("labels")
    try:
        layout = layout_of(rows.shape, rows.dtype, None if array is None else array.shape)
    except InputError as error:
        raise DataError(f"{path}: {error}") from error
    count, shape = shape_of(rows.shape, layout)
    classes = to_names(path, small.get("classes", ()))
    labels = None
    if array is not None:
        labels, classes = to_labels(path, array, count, classes)
    return ArrayStream(
        name=path.name,
        count=count,
        shape=shape,
        fingerprint=hashed("npz", identity(path), rows.source.member, sorted(names.items())),
        classes=classes or numbered(labels),
        rows=rows,
        layout=layout,
        targets=labels,
    )


def _rows(path: Path, member: str) -> FileRows:
    """The rows of one array, whose every byte has been read once."""
    source = Bytes.of(path, member)
    with reading(path):
        with zipfile.ZipFile(path) as archive:
            shape, by_columns, dtype, offset = header_of(archive, member)
        length(source, offset + prod(shape) * dtype.itemsize + 1)
    rows = FileRows(source, offset, shape, dtype)
    if by_columns and len(shape) > 1:
        raise DataError(
            f"{path} has {member} in Fortran order, which cannot be read image by image: save "
            "np.ascontiguousarray(images)."
        )
    if 0 in shape or not shape:
        raise DataError(f"{path}: images of shape {shape}: the batch is empty.")
    return rows
