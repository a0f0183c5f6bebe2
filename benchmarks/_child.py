"""One row in a process of its own: ``python _child.py measure|work NAME QUICK FILE``."""

from __future__ import annotations

import json
import resource
import sys
from dataclasses import asdict
from pathlib import Path

import _timing  # noqa: F401 - sets two threads
from rows import row
from rows.row import Skipped


def peak() -> float:
    """GB that this process, or the largest of its children, has had at once."""
    who = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    return max(resource.getrusage(one).ru_maxrss for one in who) * 1024 / 1e9


def main(task: str, name: str, given: str, out: str) -> None:
    if task == "measure":
        try:
            answer = asdict(row(name).measure(json.loads(given)))
        except Skipped as reason:
            answer = {"skipped": str(reason)}
    else:
        row(name).work(json.loads(given))
        answer = {"peak GB": peak()}
    Path(out).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
