"""The datasets that experiments run on: which are there, and what tells them apart."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal, get_args

from augmoments.data import digits, lfw
from augmoments.data.idx import PREFIXES, find
from augmoments.errors import DataError
from augmoments.reporting.environment import digest

Source = Literal["mnist", "fashion-mnist", "cifar10"]
Embedded = Literal["digits", "lfw"]
SOURCES: tuple[Source, ...] = get_args(Source)
CIFAR = "cifar10/cifar10_10000_2000.npz"
_EXPECTED = (
    "mnist/ and fashion-mnist/ (each with the four IDX files train-images-idx3-ubyte, "
    f"train-labels-idx1-ubyte, t10k-..., plain or .gz) and {CIFAR}"
)
_FIRST = 2**20


def present(data: Path) -> tuple[Source, ...]:
    """Names of the datasets in a folder of which every file is there."""
    return tuple(name for name in SOURCES if _files(name, data))


def missing(data: Path) -> tuple[Source, ...]:
    """Names of the datasets that a folder has not.

    Raises:
        DataError: It has none.
    """
    there = present(data)
    if not there:
        found = sorted(path.name for path in data.iterdir())[:8] if data.is_dir() else None
        what = "there is no such folder" if found is None else f"it has {', '.join(found) or '—'}"
        raise DataError(
            f"{data} has none of the datasets of the experiments ({what}): expected at least one "
            f"of {_EXPECTED}. Without --data the embedded images are taken."
        )
    return tuple(name for name in SOURCES if name not in there)


def describe(name: Source | Embedded, data: Path | None) -> dict[str, Any]:
    """What tells a dataset from another: images and digest, or files with size and first bytes."""
    if name in ("digits", "lfw") or data is None:
        images, _ = digits() if name == "digits" else lfw()
        return {"name": name, "images": len(images), "sha256": digest(images)}
    files = [{"file": path.name, **_start(path)} for path in _files(name, data)]
    return {"name": name, "files": files}


def _files(name: Source, data: Path) -> list[Path]:
    """All files of a dataset, or none if one is missing."""
    if name == "cifar10":
        path = data / CIFAR
        return [path] if path.is_file() else []
    stems = [
        f"{prefix}-{kind}-ubyte"
        for prefix in PREFIXES.values()
        for kind in ("images-idx3", "labels-idx1")
    ]
    try:
        return [find(data / name, stem) for stem in stems]
    except DataError:
        return []


def _start(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        first = file.read(_FIRST)
    return {"bytes": path.stat().st_size, "sha256_of_first_mib": hashlib.sha256(first).hexdigest()}
