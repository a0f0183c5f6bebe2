"""Rows in a process of their own: ``python _child.py measure|work|rates NAMES GIVEN FILE``."""

from __future__ import annotations

import json
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from _timing import seconds
from rows import row
from rows.row import Skipped

from augmoments.calculus.memory import keep_freed_blocks


def peak() -> float | None:
    """GB that this process has had at once; ``None`` where the system does not say."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return None
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024 / 1e9


def rates() -> dict[str, float]:
    """What two threads do at best: products of matrices, and copies that stay in the cache."""
    square, block = torch.rand(2048, 2048), torch.rand(2**17)
    other = torch.empty_like(block)
    product = min(seconds(lambda: square @ square) for _ in range(9))
    copy = min(seconds(lambda: other.copy_(block)) for _ in range(999))
    return {"GFLOP/s": 2 * 2048**3 / product / 1e9, "GB/s": 2 * block.nbytes / copy / 1e9}


def measured(name: str, quick: bool) -> dict[str, Any]:
    """What a row finds, or why it does not."""
    try:
        return asdict(row(name).measure(quick))
    except Skipped as reason:
        return {"skipped": str(reason)}
    except Exception as error:
        traceback.print_exc()
        return {"failed": type(error).__name__}


def main(task: str, name: str, given: str, out: str) -> None:
    keep_freed_blocks()
    if task == "measure":
        answer = {}
        for one in name.split(","):
            print(one, "...", file=sys.stderr, flush=True)
            start = perf_counter()
            answer[one] = measured(one, json.loads(given))
            answer[one]["seconds"] = perf_counter() - start
    elif task == "rates":
        answer = rates()
    else:
        row(name).work(json.loads(given))
        answer = {"peak GB": peak()}
    Path(out).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
