"""Make the table and figures of the page on benchmarks from what a run left.

python benchmarks/run.py --out OUT
python docs/benchmarks.py OUT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

DOCS = Path(__file__).parent
KEPT = DOCS / "_static" / "benchmarks"
"""The results that the page tells of, and what is made of them."""
AXES = {"images": "images at once", "pixels": "values of an image", "parameters": "parameters"}


def cost(row: dict[str, Any]) -> tuple[float, str]:
    """What the answer costs an image, and the unit."""
    unit = "passes" if "passes" in row["figures"] else "draws"
    return row["figures"][unit], unit


def table(results: dict[str, Any]) -> str:
    """Rows of Markdown, one for each row of the results."""
    lines = [
        "| the work | right to | cost of an image | asked | sampling takes | "
        "true error | stated | peak memory |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join(lines + [_line(row) for row in results["rows"].values()]) + "\n"


def _line(row: dict[str, Any]) -> str:
    if "figures" not in row:
        why = row.get("skipped") or row["failed"]
        return f"| {row['title']} | {row['accuracy']} | *{why}* | {_asked(row)} | | | | |"
    value, unit = cost(row)
    others = [
        f"{number:,.3g} {name}"
        for name, number in row["figures"].items()
        if name in {target["figure"] for target in row["targets"]} - {unit, "peak GB"}
    ]
    figures = "; ".join([f"{value:,.3g} {unit}", *others])
    peak = row["figures"]["peak GB"]
    return (
        f"| {row['title']} | {row['accuracy']} | {figures} | {_asked(row)} | {_sampling(row)} | "
        f"{row['true_error']:.1e} | {row['stated_error']:.1e} | "
        f"{'' if peak is None else f'{peak:.2f} GB'} |"
    )


def _asked(row: dict[str, Any]) -> str:
    return "; ".join(
        f"{'≥' if target['at_least'] else '≤'} {target['limit']:g} {target['figure']} "
        f"{_mark(row, target)}"
        for target in row["targets"]
    )


def _mark(row: dict[str, Any], target: dict[str, Any]) -> str:
    if row.get("figures", {}).get(target["figure"]) is None:
        return "(not measured)"
    return "✓" if met(row, target) else "✗"


def met(row: dict[str, Any], target: dict[str, Any]) -> bool:
    """Whether a figure is what was asked for."""
    found = row.get("figures", {}).get(target["figure"])
    if found is None:
        return False
    return found >= target["limit"] if target["at_least"] else found <= target["limit"]


def _sampling(row: dict[str, Any]) -> str:
    value, unit = cost(row)
    needed, goal = row["sampled"]["needed"], row["sampled"]["goal"]
    return f"{short(needed / value)} × as long ({short(needed)} {unit} to {goal:.1g})"


def short(number: float) -> str:
    """A number in a few characters."""
    return f"{number:,.0f}" if 10 <= number < 1e6 else f"{number:.2g}"


def bounds(results: dict[str, Any]) -> str:
    """What an image cannot be had without, how long that takes at best, and what it took."""
    lines = [
        "| the work | a draw of an image | what bounds an image | operations | moved | at best "
        "| took | times |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    rows = [row for row in results["rows"].values() if "figures" in row]
    return "\n".join(lines + [_bound(row, results["machine"]) for row in rows]) + "\n"


def _bound(row: dict[str, Any], at: dict[str, Any]) -> str:
    least = row["least"]
    draws = ", ".join(
        f"{library} {duration(took)}"
        for library, took in sorted(row["draw_seconds"].items(), key=lambda item: item[1])
    )
    best = max(least["operations"] / at["GFLOP/s"], least["moved"] / at["GB/s"]) / 1e9
    return (
        f"| {row['title']} | {draws} | {least['how']} | {least['operations'] / 1e6:,.2g} M | "
        f"{least['moved'] / 1e6:,.2g} MB | {duration(best)} | {duration(least['seconds'])} | "
        f"{least['seconds'] / best:,.2g} |"
    )


def duration(seconds: float) -> str:
    """Seconds in micro- or milliseconds, two digits."""
    return f"{1e3 * seconds:,.3g} ms" if seconds >= 1e-3 else f"{1e6 * seconds:,.3g} µs"


def machine(results: dict[str, Any]) -> str:
    """Where it was measured, in a sentence."""
    at = results["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in at["versions"].items())
    quick = " Quick run: fewer images and coarser references." if results["quick"] else ""
    return (
        f"{at['date']}, {at['cpu']}, {at['threads']} threads that multiply matrices at "
        f"{at['GFLOP/s']:,.0f} GFLOP/s and copy within the cache at {at['GB/s']:,.0f} GB/s, "
        f"Python {at['python']}; {versions}."
        f"{quick}\n"
    )


def figure(results: dict[str, Any]) -> Figure:
    """Cost of an image along images, values and parameters; errors of sampling beside their law."""
    drawn = Figure(figsize=(9, 6.5), layout="constrained")
    panels = drawn.subplots(2, 2).ravel()
    rows = {name: row for name, row in results["rows"].items() if "figures" in row}
    for axes, (axis, label) in zip(panels, AXES.items(), strict=False):
        for name, row in rows.items():
            points = row["growth"].get(axis, [])
            if len(points) > 1:
                axes.plot(*zip(*points, strict=True), "o-", ms=3, label=name)
        axes.set(xlabel=label, ylabel="cost of an image, draws or passes", yscale="log")
        axes.set_xscale("linear" if axis == "parameters" else "log")
    for name, row in rows.items():
        sampled = row["sampled"]
        (line,) = panels[3].plot(sampled["counts"], sampled["errors"], "o", ms=3, label=name)
        panels[3].plot(sampled["counts"], sampled["law"], "-", lw=0.8, color=line.get_color())
    panels[3].set(xlabel="draws or passes", ylabel="error by sampling", xscale="log", yscale="log")
    for axes in panels:
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=7)
    return drawn


def write(results: dict[str, Any]) -> None:
    """Everything that the page shows."""
    KEPT.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, ensure_ascii=False, indent=1)
    (KEPT / "results.json").write_text(text + "\n", encoding="utf-8")
    for name, part in parts(results).items():
        (KEPT / name).write_text(part, encoding="utf-8")
    with rc_context({"svg.hashsalt": "augmoments"}):
        figure(results).savefig(KEPT / "growth.svg", metadata={"Date": None})


def parts(results: dict[str, Any]) -> dict[str, str]:
    """The generated parts of the page by file."""
    return {
        "table.md": table(results),
        "bounds.md": bounds(results),
        "machine.md": machine(results),
    }


if __name__ == "__main__":
    write(json.loads(Path(sys.argv[1], "results.json").read_text(encoding="utf-8")))
