"""What ``augmoments tta`` found, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from torch import Tensor

from augmoments.cli.tta_results import Found
from augmoments.cluster.files import write_atomically
from augmoments.errors import ConfigError
from augmoments.reporting.environment import digest, versions
from augmoments.reporting.plain import plain, steps_of
from augmoments.sample_size import SampleSize

SCHEMA = "augmoments.tta/1"


def to_json(found: Found) -> str:
    """All of it, images by their place in the source."""
    dataset, prediction = found.dataset, found.prediction
    content = {
        "schema": SCHEMA,
        "command": found.command,
        "options": found.options,
        "versions": versions(),
        "policy": steps_of(found.policy),
        "images": {
            "name": dataset.name,
            "available": len(dataset),
            "shape": list(dataset.images.shape[1:]),
            "used": found.used.tolist(),
            "classes": list(dataset.classes),
            "sha256": digest(dataset.images[found.used]),
        },
        "model": found.model,
        "accuracy": prediction.accuracy,
        "plain_accuracy": prediction.plain_accuracy,
        "prediction": {name: plain(value) for name, value in vars(prediction).items()},
        "needed": None if found.needed is None else _needed(found.needed),
        "warnings": found.warnings,
    }
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False)


def _needed(needed: SampleSize) -> dict[str, Any]:
    names = ("n", "rel_error", "confidence", "bound", "method", "error")
    return {name: plain(getattr(needed, name)) for name in names}


def suffix(path: Path) -> str:
    """``.csv`` or ``.json``.

    Raises:
        ConfigError: It is neither.
    """
    if path.suffix.lower() not in (".csv", ".json"):
        raise ConfigError(f"--out {path}: expected a name that ends with .csv or .json.")
    return path.suffix.lower()


def write(found: Found, path: Path) -> None:
    """Write a line for every image, or all of it as JSON, by the name's end.

    Raises:
        OutputError: It cannot be written.
    """
    text = to_json(found) + "\n" if suffix(path) == ".json" else _csv(found)
    write_atomically(path, lambda part: _write(part, text))


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode())


def _csv(found: Found) -> str:
    p = found.prediction
    columns: dict[str, Tensor | None] = {
        "image": found.used,
        "label": p.targets,
        "prediction": p.prediction,
        "runner_up": p.runner_up,
        "margin": p.margin,
        "margin_error": p.margin_error,
        "settled": p.settled.int(),
        **{f"agreement_{n}": p.agreement[:, place] for place, n in enumerate(p.passes)},
        "passes_needed": None if found.needed is None else found.needed.n,
        **{f"mean_{k}": column for k, column in enumerate(p.mean.unbind(1))},
    }
    kept = {name: column.tolist() for name, column in columns.items() if column is not None}
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(kept)
    writer.writerows(zip(*kept.values(), strict=True))
    return file.getvalue()
