"""What ``augmoments need`` found, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

from augmoments.cli.need_results import NUMBERS, Answer, Need, predicted
from augmoments.cluster.files import write_atomically
from augmoments.reporting.environment import digest, versions
from augmoments.reporting.plain import plain, steps_of

SCHEMA = "augmoments.need/1"
_COLUMNS = ("image", "label", "of", "draws", "rel_error", "confidence", "bound", "method", "error")


def to_json(need: Need) -> str:
    """All of it."""
    dataset = need.subject.dataset
    judge = need.subject.judge
    content = {
        "schema": SCHEMA,
        "command": need.command,
        "options": need.options,
        "versions": versions(),
        "policy": steps_of(need.policy),
        "images": {
            "name": dataset.name,
            "available": len(dataset),
            "shape": list(dataset.images.shape[1:]),
            "used": need.used.tolist(),
            "labels": None if dataset.labels is None else dataset.labels[need.used].tolist(),
            "classes": list(dataset.classes),
            "sha256": digest(dataset.images[need.used]),
        },
        "model": judge.name if judge else None,
        "loss": judge.loss if judge else None,
        "seconds_of_one": plain(need.costs),
        "numbers": list(NUMBERS),
        "quantities": {answer.of: _about(need, answer) for answer in need.answers},
        "refused": {refusal.of: str(refusal.error) for refusal in need.refusals},
        "warnings": need.warnings,
    }
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False)


def _about(need: Need, answer: Answer) -> dict[str, Any]:
    found = answer.size
    return {
        **plain(found),
        "predicted": [plain(predicted(found, n)) for n in NUMBERS],
        "images": answer.images,
        "seconds_an_image": plain(found.n * need.costs.of(answer.of)),
        "found_in_seconds": answer.seconds,
    }


def write_csv(need: Need, path: Path) -> None:
    """A line for every image and quantity; ``image`` is ``all`` where one number is for all.

    Raises:
        OutputError: The file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for answer in need.answers:
        found = answer.size
        about = (found.rel_error, found.confidence, found.bound, found.method)
        rows = zip(_names(need, answer), found.n.tolist(), found.error.tolist(), strict=True)
        for name, n, error in rows:
            draws = int(n) if math.isfinite(n) else n
            writer.writerow((*name, answer.of, draws, *about, error))
    content = text.getvalue().encode()

    def write(target: Path) -> None:
        target.write_bytes(content)

    write_atomically(path, write)


def _names(need: Need, answer: Answer) -> list[tuple[str, str]]:
    """The images that the numbers of an answer belong to, by place in the source and label."""
    if answer.together:
        return [("all", "")]
    labels = need.subject.dataset.labels
    return [
        (str(place), "" if labels is None else str(labels[place].item()))
        for place in need.used.tolist()
    ]
