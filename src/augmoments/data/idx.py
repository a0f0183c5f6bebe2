"""The IDX files of MNIST and its relatives."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from io import BufferedIOBase
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from augmoments.checks import check_memory
from augmoments.data.dataset import missing
from augmoments.errors import DataError

_UNSIGNED_BYTE = 8
PREFIXES = {"train": "train", "test": "t10k"}


def mnist(
    root: str | Path, split: Literal["train", "test"] = "train"
) -> tuple[Float[Tensor, "N 1 H W"], Int64[Tensor, "N"]]:
    """``(images, labels)`` from a folder of IDX files: MNIST, Fashion-MNIST, KMNIST, ...

    Args:
        root: The folder of ``train-images-idx3-ubyte`` and its three companions, plain or ``.gz``.
        split: Which half.

    Raises:
        DataError: A file is missing, truncated or not IDX, or the two files do not belong together.
    """
    if split not in PREFIXES:
        raise DataError(f"split={split!r}: expected 'train' or 'test'.")
    root, prefix = Path(root), PREFIXES[split]
    images = read_idx(find(root, f"{prefix}-images-idx3-ubyte"), ndim=3)
    labels = read_idx(find(root, f"{prefix}-labels-idx1-ubyte"), ndim=1)
    if len(images) != len(labels):
        raise DataError(f"{root} has {len(images)} {split} images but {len(labels)} labels.")
    return torch.from_numpy(images)[:, None].float().div_(255), torch.from_numpy(labels).long()


def read_idx(path: Path, ndim: int) -> np.ndarray:
    """The array of unsigned bytes in an IDX file, of exactly the size that its header tells.

    Raises:
        DataError: Not such a file, or it is shorter or longer than its header tells.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            shape = read_header(file, path, ndim)
            size = math.prod(shape)
            check_memory(6 * size, f"{path} with a shape of {shape}", "a smaller data set")
            content = file.read(size)
            left_over = file.read(1)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise DataError(f"{path} cannot be read: {error}. Fetch it again.") from error
    check_length(path, shape, len(content) + len(left_over))
    return np.frombuffer(bytearray(content), dtype=np.uint8).reshape(shape)


def read_header(file: BufferedIOBase, path: Path, ndim: int) -> tuple[int, ...]:
    """The shape that the header tells."""
    header = file.read(4 * (1 + ndim))
    if len(header) < 4 * (1 + ndim) or header[:4] != bytes((0, 0, _UNSIGNED_BYTE, ndim)):
        raise DataError(
            f"{path} is not an IDX file of unsigned bytes in {ndim} dimensions: it begins "
            f"with {header[:4].hex(' ') or 'nothing'}, expected 00 00 08 0{ndim}."
        )
    shape = struct.unpack(f">{ndim}I", header[4:])
    if math.prod(shape) == 0:
        raise DataError(f"{path} is empty: its header tells a shape of {shape}.")
    return shape


def check_length(path: Path, shape: tuple[int, ...], found: int) -> None:
    """Refuse a file whose content, ``found`` bytes, is not of the size that its header tells."""
    size = math.prod(shape)
    if found != size:
        has = f"only {found}" if found < size else "more"
        raise DataError(
            f"{path} tells a shape of {shape}, {size} bytes, but has {has}. Fetch it again."
        )


def find(root: Path, name: str) -> Path:
    """The file of that name, plain or ``.gz``."""
    names = [name, f"{name}.gz", name.replace("-idx", ".idx"), name.replace("-idx", ".idx") + ".gz"]
    for candidate in names:
        if (root / candidate).is_file():
            return root / candidate
    if not root.is_dir():
        raise missing(root)
    raise DataError(f"{root} has neither {name} nor {name}.gz: put the four IDX files there.")
