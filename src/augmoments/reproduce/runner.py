"""One experiment after the other: skipped if it is done already, reported if it fails."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

from augmoments.errors import OutputError
from augmoments.reproduce import experiment, writing
from augmoments.reproduce.context import Context
from augmoments.reproduce.drawing import style
from augmoments.reproduce.sources import describe


@dataclass(frozen=True)
class Outcome:
    """How an experiment went.

    Attributes:
        name: Of the experiment.
        folder: Where its files are.
        state: ``"done"``, ``"kept"`` from a former run, or ``"failed"``.
        record: What ``numbers.json`` has, or ``None`` if it failed.
        error: What went wrong, or nothing.
    """

    name: str
    folder: Path
    state: Literal["done", "kept", "failed"]
    record: dict[str, Any] | None
    error: str = ""


def run(name: str, context: Context, out: Path, force: bool = False) -> Outcome:
    """Run one experiment and write what it found, unless that is there already.

    Args:
        name: Of the experiment.
        context: Its means.
        out: Folder of all experiments; this one writes to a folder of its name in there.
        force: Whether to run it though it is done.

    Raises:
        OutputError: The folder cannot be written to.
    """
    folder = out / name
    about = _about(name, context)
    record = None if force else writing.kept(folder, about["fingerprint"])
    if record is not None:
        return Outcome(name, folder, "kept", record)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror or error}.") from error
    start = perf_counter()
    try:
        with style():
            chosen = experiment(name)
            found = chosen.run(context)
            about["seconds"] = round(perf_counter() - start, 1)
            record = writing.save(folder, about, chosen, found)
    except OutputError:
        raise
    except Exception as error:
        if os.environ.get("AUGMOMENTS_DEBUG"):
            raise
        shown = " ".join(str(error).split())[:300]
        return Outcome(name, folder, "failed", None, f"{type(error).__name__}: {shown}")
    return Outcome(name, folder, "done", record)


def _about(name: str, context: Context) -> dict[str, Any]:
    """What an answer depends on, and its hash."""
    about = {
        "version": version("augmoments"),
        "quick": context.quick,
        "seed": context.seed,
        "sources": [describe(source, context.data) for source in context.sources()],
    }
    text = json.dumps({"experiment": name, "schema": writing.SCHEMA, **about}, sort_keys=True)
    return {**about, "fingerprint": hashlib.sha256(text.encode()).hexdigest()}
