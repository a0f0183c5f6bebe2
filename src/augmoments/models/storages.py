"""Whether the numbers of a TorchScript archive are as many as it says, found without unpickling."""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Iterator
from typing import Any

_BYTES = {
    **dict.fromkeys(("DoubleStorage", "LongStorage", "ComplexFloatStorage"), 8),
    **dict.fromkeys(("FloatStorage", "IntStorage"), 4),
    **dict.fromkeys(("HalfStorage", "BFloat16Storage", "ShortStorage"), 2),
    "ComplexDoubleStorage": 16,
}


def cut_short(archive: zipfile.ZipFile) -> str | None:
    """The first file of numbers that is shorter than its tensors; PyTorch reads beyond its end."""
    sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    for name in sizes:
        folder, _, file = name.rpartition("/")
        if file not in ("data.pkl", "constants.pkl"):
            continue
        folder = f"{folder}/{file.removesuffix('.pkl')}"
        for kind, key, count in _storages(archive.read(name)):
            needed = count * _BYTES.get(kind.rpartition(" ")[2], 1)
            if sizes.get(f"{folder}/{key}", 0) < needed:
                return f"{folder}/{key}"
    return None


def _storages(pickled: bytes) -> Iterator[tuple[str, str, int]]:
    """Kind, key and number of values of each storage that a pickle refers to."""
    memo: dict[Any, Any] = {}
    atoms: list[Any] = []
    for operation, argument, _ in pickletools.genops(pickled):
        match operation.name:
            case "MARK":
                atoms = []
            case "BINPUT" | "LONG_BINPUT" if atoms:
                memo[argument] = atoms[-1]
            case "BINGET" | "LONG_BINGET":
                atoms.append(memo.get(argument))
            case "BINPERSID":
                match atoms:
                    case ["storage", str(kind), str(key), str(), int(count)]:
                        yield kind, key, count
            case _ if isinstance(argument, str | int):
                atoms.append(argument)
