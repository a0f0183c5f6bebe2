"""What exact answers cost beside sampling: every row of the table of docs/benchmarks.md.

    python benchmarks/run.py [--quick] [--out FOLDER] [ROW ...]

Each row does the same work with augmoments and by sampling with the fastest of kornia (a batch at a
time), torchvision and albumentations, in turn in one process, because only ratios of one run carry
over to other machines. (That is what pytest-benchmark and asv do not do: they time one piece of
work at a time, for comparison with its own past.) The peak of memory is that of another process
that does nothing but our work. Two threads. Results go to FOLDER/results.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

from rows import NAMES, row

HERE = Path(__file__).parent
POOLS = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"
LIMIT, QUICK_LIMIT = 400.0, 120.0
PACKAGES = ("augmoments", "torch", "torchvision", "kornia", "albumentations", "numpy", "scipy")


def in_process(task: str, name: str, given: object, limit: float) -> dict[str, Any]:
    """What a process of its own finds; it is stopped after ``limit`` seconds."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "answer.json")
        command = [sys.executable, HERE / "_child.py", task, name, json.dumps(given), out]
        process = subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, **dict.fromkeys(POOLS, "2")},
            start_new_session=True,
        )
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            return {"failed": f"not done after {limit:.0f} s"}
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if code:
            return {"failed": f"exit code {code}"}
        return json.loads(out.read_text(encoding="utf-8"))


def measured(name: str, quick: bool) -> dict[str, Any]:
    """Everything about a row, as it goes to JSON."""
    one, start, limit = row(name), perf_counter(), QUICK_LIMIT if quick else LIMIT
    found = in_process("measure", name, quick, limit)
    if "figures" in found:
        memory = in_process("work", name, found["setting"], limit)
        found["figures"]["peak GB"] = memory.get("peak GB")
    return {
        "title": one.title,
        "accuracy": one.accuracy,
        "bound": one.bound,
        "targets": [vars(target) for target in one.targets],
        **found,
        "seconds": perf_counter() - start,
    }


def line(name: str, found: dict[str, Any]) -> str:
    """A row in words."""
    if "figures" not in found:
        return f"{name}: {found.get('skipped') or found['failed']}"
    figures = ", ".join(f"{key} {value:.3g}" for key, value in found["figures"].items() if value)
    targets = ", ".join(
        f"{t['figure']} {'at least' if t['at_least'] else 'at most'} {t['limit']:g}"
        for t in found["targets"]
    )
    unit = "passes" if "passes" in found["figures"] else "draws"
    sampled = found["sampled"]
    return (
        f"{name}: {figures} (asked: {targets}); off by {found['true_error']:.1e}, stated "
        f"{found['stated_error']:.1e}; {sampled['goal']:.1e} by sampling: {sampled['needed']:,.0f} "
        f"{unit}, {sampled['needed'] / found['figures'][unit]:,.0f} times the time; "
        f"{found['seconds']:.0f} s"
    )


def machine() -> dict[str, Any]:
    """Where and with what it was measured."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        models = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        cpu = models[0].split(":")[1].strip() if models else cpu
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": cpu,
        "threads": 2,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="fewer images and coarser references")
    parser.add_argument("--out", type=Path, default=HERE / "out")
    given = parser.parse_args()
    unknown = set(given.rows) - set(NAMES)
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}; choose of {', '.join(NAMES)}")
    results: dict[str, Any] = {"quick": given.quick, "machine": machine(), "rows": {}}
    given.out.mkdir(parents=True, exist_ok=True)
    for name in given.rows or NAMES:
        results["rows"][name] = measured(name, given.quick)
        print(line(name, results["rows"][name]), flush=True)
        text = json.dumps(results, indent=1)
        (given.out / "results.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
