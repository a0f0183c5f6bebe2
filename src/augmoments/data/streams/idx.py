"""The IDX files of MNIST and its relatives, of which only the images asked for are read."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from augmoments.data.idx import PREFIXES, check_length, find, read_header, read_idx
from augmoments.data.streams.arrays import ArrayStream
from augmoments.data.streams.base import Stream, hashed, identity, numbered
from augmoments.data.streams.rows import DAMAGED, Bytes, FileRows, length
from augmoments.errors import DataError


def from_idx(root: str | Path, split: Literal["train", "test"] = "train") -> Stream:
    """A stream of the images in a folder of IDX files; arguments as of :func:`data.mnist`.

    Raises:
        DataError: A file is missing, truncated or not IDX, or the two files do not belong together.
    """
    if split not in PREFIXES:
        raise DataError(f"split={split!r}: expected 'train' or 'test'.")
    root = Path(root)
    path = find(root, f"{PREFIXES[split]}-images-idx3-ubyte")
    label_path = find(root, f"{PREFIXES[split]}-labels-idx1-ubyte")
    labels = torch.from_numpy(read_idx(label_path, ndim=1)).long()
    rows = _rows(path)
    count, height, width = rows.shape
    if count != len(labels):
        raise DataError(f"{root} has {count} {split} images but {len(labels)} labels.")
    return ArrayStream(
        name=root.resolve().name,
        count=count,
        shape=(1, height, width),
        fingerprint=hashed("idx", identity(path), identity(label_path)),
        classes=numbered(labels),
        rows=rows,
        layout="NHW",
        targets=labels,
    )


def _rows(path: Path) -> FileRows:
    """The rows of the images, of a file whose length is what its header tells."""
    source = Bytes.of(path)
    try:
        with source.open() as file:
            shape = read_header(file, path, ndim=3)
            offset = file.tell()
        most = offset + prod(shape) + 1
        found = length(source, most) if path.suffix == ".gz" else source.size
    except DataError:
        raise
    except DAMAGED as error:
        raise DataError(f"{path} cannot be read: {error}. Fetch it again.") from error
    check_length(path, shape, found - offset)
    return FileRows(source, offset, shape, np.dtype(np.uint8))
