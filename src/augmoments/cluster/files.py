"""Files that are written whole or not at all, whatever happens meanwhile."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from augmoments.errors import OutputError

PART = ".part"


def write_atomically(path: Path, write: Callable[[Path], None]) -> str:
    """Write a file beside ``path``, bring it to the disk and move it there; gives its SHA-256.

    Raises:
        OutputError: It cannot be written.
    """
    temporary = path.with_name(f".{path.name}{PART}")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
    return digest


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
