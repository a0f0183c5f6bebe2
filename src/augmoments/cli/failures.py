"""From an error to one message and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import typer


class Exit(IntEnum):
    """What the exit codes mean."""

    OK = 0
    CHECK_FAILED = 1
    BAD_USAGE = 2
    BAD_INPUT = 3
    NO_MEMORY = 4
    INTERNAL = 70


@contextmanager
def reported() -> Iterator[None]:
    """Turn errors into messages; ``AUGMOMENTS_DEBUG=1`` shows where they come from."""
    try:
        yield
    except (typer.Exit, typer.Abort, KeyboardInterrupt, BrokenPipeError):
        raise
    except Exception as error:
        if os.environ.get("AUGMOMENTS_DEBUG"):
            raise
        code, message = _explain(error)
        sys.stderr.write(f"augmoments: {_readable(message)}\n")
        raise typer.Exit(int(code)) from error


def _readable(message: str) -> str:
    """Without what would steer the terminal, as names of files may."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in message)


def _explain(error: Exception) -> tuple[Exit, str]:
    from augmoments.errors import (
        AugmomentsError,
        ConfigError,
        LawError,
        NotEnoughMemoryError,
        OutputError,
        PolicyError,
    )

    if isinstance(error, NotEnoughMemoryError):
        return Exit.NO_MEMORY, str(error)
    if isinstance(error, AugmomentsError):
        usage = isinstance(error, ConfigError | PolicyError | LawError | OutputError)
        return Exit.BAD_USAGE if usage else Exit.BAD_INPUT, str(error)
    text = str(error)
    if isinstance(error, MemoryError) or "can't allocate memory" in text:
        return Exit.NO_MEMORY, "not enough memory; use smaller images (--size) or fewer (--limit)."
    shown = " ".join(text.split())[:300]
    return Exit.INTERNAL, (
        f"this is a defect of augmoments: {type(error).__name__}: {shown} "
        "(AUGMOMENTS_DEBUG=1 shows where; please report it.)"
    )
