"""The files of a folder: which are read, of which class, and which are left out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from augmoments.data.dataset import Skipped, check_file, missing, printable

_AROUND = "is a link to a folder that it lies in"


class File(NamedTuple):
    """A file and the index of its class."""

    path: Path
    label: int


def list_files(root: Path) -> tuple[list[File], tuple[str, ...], list[Skipped]]:
    """The files to read with their labels, the classes, and files that belong to no class."""
    if root.is_file():
        return [File(root, 0)], (), []
    if not root.is_dir():
        check_file(root)
        raise missing(root)
    entries = sorted(entry for entry in root.iterdir() if not entry.name.startswith("."))
    around = [entry for entry in entries if entry.is_dir() and _leads_around(root, entry)]
    skipped = [skip(entry, _AROUND) for entry in around]
    loose = [entry for entry in entries if not entry.is_dir()]
    folders = [entry for entry in entries if entry.is_dir() and entry not in around]
    found = {entry.name: list(_walk(entry)) for entry in folders}
    names = tuple(name for name, paths in found.items() if paths)
    if not names:
        return _regular([File(path, 0) for path in loose], skipped), (), skipped
    files = [File(path, label) for label, name in enumerate(names) for path in found[name]]
    skipped += [skip(path, "lies beside the class folders") for path in loose]
    return _regular(files, skipped), tuple(printable(name) for name in names), skipped


def _walk(root: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(names) if not name.startswith("."))


def _regular(files: list[File], skipped: list[Skipped]) -> list[File]:
    """Those that are no pipes or devices, which would be waited for; these go to ``skipped``."""
    kept = []
    for file in files:
        if file.path.exists() and not file.path.is_file():
            skipped.append(skip(file.path, "is a pipe or a device"))
        else:
            kept.append(file)
    return kept


def _leads_around(root: Path, entry: Path) -> bool:
    """Whether a link leads to the folder that holds it, or to one above."""
    top, target = root.resolve(), entry.resolve()
    return target == top or target in top.parents


def skip(path: Path, reason: str) -> Skipped:
    """A file that is not read, with a name that can be shown."""
    return Skipped(Path(printable(path)), printable(reason))
