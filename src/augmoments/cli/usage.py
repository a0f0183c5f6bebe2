"""What is refused before anything is computed: values of options, and places to write to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from augmoments.checks import did_you_mean
from augmoments.errors import ConfigError, OutputError
from augmoments.reporting import writable_folder

LOSSES = ("cross_entropy", "squared_error")
SPLITS = ("train", "test")


def check_choice(options: Any, name: str, known: tuple[str, ...]) -> None:
    """An option is one of the known names, or was not given.

    Raises:
        ConfigError: It is none of them.
    """
    value = getattr(options, name)
    if value is not None and value not in known:
        either = f"{', '.join(known[:-1])} or {known[-1]}"
        raise ConfigError(f"{flag(name)} {value}: expected {either}{did_you_mean(value, known)}.")


def check_fractions(options: Any, *names: str) -> None:
    """Options lie between 0 and 1.

    Raises:
        ConfigError: One of them does not.
    """
    for name in names:
        value = getattr(options, name)
        if not 0 < value < 1:
            raise ConfigError(f"{flag(name)} {value:g}: expected a number between 0 and 1.")


def flag(name: str) -> str:
    """As it is written on the command line.

    >>> flag("rel_error")
    '--rel-error'
    """
    return f"--{name.replace('_', '-')}"


@contextmanager
def writable(out: str | None) -> Iterator[None]:
    """Room for a file of that name; folders that were made for it go again if the work fails.

    Raises:
        OutputError: It cannot be written there.
    """
    if out is None:
        yield
        return
    path = Path(out)
    if path.is_dir():
        raise OutputError(f"--out {out} is a folder: expected the name of a file.")
    with writable_folder(path.parent):
        yield
