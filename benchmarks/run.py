"""What exact answers cost beside sampling: every row of the table of docs/benchmarks.md.

    python benchmarks/run.py [--quick] [--out FOLDER] [ROW ...]

Each row does the same work with augmoments and by sampling with the fastest of kornia (a batch at a
time), torchvision and albumentations, in turn in one process, because only ratios of one run carry
over to other machines. (That is what pytest-benchmark and asv do not do: they time one piece of
work at a time, for comparison with its own past.) The peak of memory is that of another process
that does nothing but our work; quick rows share one process and go without. Two threads; freed
memory is kept, for peers and us alike. Results go to FOLDER/results.json.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

from _process import in_process
from rows import NAMES, row

HERE = Path(__file__).parent
LIMIT, QUICK_LIMIT = 400.0, 600.0
PACKAGES = ("augmoments", "torch", "torchvision", "kornia", "albumentations", "numpy", "scipy")


def measured(names: Sequence[str], quick: bool) -> dict[str, Any]:
    """Everything about some rows, as it goes to JSON."""
    start, limit = perf_counter(), QUICK_LIMIT if quick else LIMIT
    answer = in_process("measure", ",".join(names), quick, limit)
    rows = {name: described(name, answer.get(name, answer)) for name in names}
    for name, found in rows.items():
        if "figures" in found and "peak GB" not in found["figures"]:
            memory = {} if quick else in_process("work", name, found["setting"], limit)
            found["figures"]["peak GB"] = memory.get("peak GB")
        if not quick:
            found["seconds"] = perf_counter() - start
    return rows


def described(name: str, found: dict[str, Any]) -> dict[str, Any]:
    """What was found, with what was asked."""
    one = row(name)
    targets = [vars(target) for target in one.targets]
    return {"title": one.title, "accuracy": one.accuracy, "targets": targets, **found}


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
        **in_process("rates", "", None, QUICK_LIMIT),
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
    names = given.rows or list(NAMES)
    for some in [names] if given.quick else [[name] for name in names]:
        results["rows"] |= (found := measured(some, given.quick))
        for name in some:
            print(line(name, found[name]), flush=True)
        text = json.dumps(results, indent=1)
        (given.out / "results.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
