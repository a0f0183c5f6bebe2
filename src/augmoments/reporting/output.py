"""Where a report goes: tried before anything is computed, and written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from augmoments.errors import OutputError
from augmoments.reporting.columns import to_csv
from augmoments.reporting.page import render
from augmoments.reporting.results import Results

_ROOM = 16 * 2**20


@dataclass(frozen=True)
class Written:
    """The files of a report."""

    html: Path
    json: Path
    csv: Path
    """A row an image."""


def prepare_folder(path: str | Path) -> Path:
    """Make the folder, and try to write into it.

    Raises:
        OutputError: It cannot be made or written to, or the disk is full.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".augmoments-") as file:
            file.write(b"\0" * 4096)
            file.flush()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise _refusal(folder, error) from error
    if free < _ROOM:
        raise OutputError(
            f"{folder} has {free / 2**20:.0f} MB left, a report may take {_ROOM // 2**20}: make "
            "room, or say another folder by --out."
        )
    return folder


@contextmanager
def writable_folder(path: str | Path) -> Iterator[Path]:
    """A folder for files; what was made of it goes again if the work fails with nothing written.

    Raises:
        OutputError: It cannot be made or written to, or the disk is full.
    """
    folder = Path(path)
    made = [part for part in (folder, *folder.parents) if not part.exists()]
    try:
        yield prepare_folder(folder)
    except BaseException:
        with suppress(OSError):
            for part in made:
                part.rmdir()
        raise


def write(results: Results, path: str | Path) -> Written:
    """Write ``report.html``, ``results.json`` and ``images.csv``, over those of a former run.

    Raises:
        OutputError: The folder cannot be made or written to.
    """
    folder = prepare_folder(path)
    written = Written(folder / "report.html", folder / "results.json", folder / "images.csv")
    replace(written.html, render(results))
    replace(written.json, to_json(results) + "\n")
    replace(written.csv, to_csv(results))
    return written


def to_json(results: Results) -> str:
    """What ``results.json`` has."""
    return json.dumps(results.to_dict(), indent=1, allow_nan=False, ensure_ascii=False)


def replace(path: Path, content: str | bytes) -> None:
    """Write beside the file first, so that a full disk leaves the former one as it was.

    Raises:
        OutputError: It cannot be written.
    """
    temporary = path.with_name(f".{path.name}.part")
    if isinstance(content, str):
        content = content.encode("utf-8", errors="backslashreplace")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _refusal(path, error) from error


def _refusal(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{path} cannot be written: {error.strerror or error}. Say another folder by --out."
    )
