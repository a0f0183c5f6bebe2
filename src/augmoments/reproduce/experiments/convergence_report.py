"""What is told of convergence: error against draws, draws needed by augmentation; two texts."""

from __future__ import annotations

from statistics import median
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from augmoments.reproduce.drawing import COLORS, FAINT, INK, MARKERS, figure, plain_ticks

QUANTITIES = ("mean", "covariance", "loss", "training loss")
MANY = 10_000
"""Where "tens of thousands" begins."""
_CLOSE = 0.1
_SHOWN = "translation"
_TENS_OF_THOUSANDS = (MANY, 10 * MANY)


def draw(numbers: dict[str, Any]) -> Figure:
    """Draw the numbers of the experiment."""
    names = list(dict.fromkeys(row["images"] for row in numbers["needed"]))
    made, axes = figure(
        1,
        1 + len(names),
        size=(4.6 + 3.1 * len(names), 4.2),
        title=_title(numbers["verdict"]),
        width_ratios=[1.3, *[1.0] * len(names)],
    )
    shown = next(row for row in numbers["observed"] if row["augmentation"] == _SHOWN)
    _errors(axes[0, 0], shown)
    for place, name in enumerate(names, 1):
        rows = [row for row in numbers["needed"] if row["images"] == name]
        _needed(axes[0, place], rows, name, place == 1)
    axes[0, 1].figure.legend(
        *axes[0, 1].get_legend_handles_labels(), loc="outside lower right", ncols=4
    )
    return made


def _title(verdict: dict[str, Any]) -> str:
    to_one = {of.removesuffix(" to 1%"): row for of, row in verdict.items() if of.endswith(" 1%")}
    many = [of for of, row in to_one.items() if row["holds"]]
    fewer = [of for of, row in to_one.items() if not row["holds"]]
    head = f"Tens of thousands of draws for a 1% {' and '.join(many) or 'nothing'}"
    return head + (f", fewer for {', '.join(fewer)}" if fewer else "")


def _errors(axis: Axes, row: dict[str, Any]) -> None:
    counts = row["counts"]
    least = 100 * min(v for said in row["predicted"].values() for v in said)
    for place, (of, said) in enumerate(row["predicted"].items()):
        color, seen = COLORS[place], row["observed"][of]
        low, high = ([max(100 * v, least / 4) for v in seen[end]] for end in ("low", "high"))
        axis.fill_between(counts, low, high, color=color, alpha=0.15, linewidth=0)
        axis.plot(counts, [100 * v for v in said], color=color)
        rms = [100 * v for v in seen["rms"]]
        axis.plot(counts, rms, MARKERS[place], color=color, mfc="none", label=of)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_ylim(least / 4, None)
    plain_ticks(axis)
    axis.set_title(f"{row['images']}, one image, {row['augmentation']} {row['label']}")
    axis.set_xlabel("draws n of the image")
    axis.set_ylabel("relative error (%)")
    axis.legend(title="predicted (lines), observed\n(markers; band 10 to 90%)", fontsize=7.5)


def _needed(axis: Axes, rows: list[dict[str, Any]], name: str, labelled: bool) -> None:
    axis.axvspan(*_TENS_OF_THOUSANDS, color=FAINT, linewidth=0)
    places = range(len(rows))
    for place, of in enumerate(rows[0]["draws"]):
        draws = [row["draws"][of][-1] for row in rows]
        label = "loss of all these images together" if of == "training loss" else of
        axis.plot(draws, places, MARKERS[place], color=COLORS[place], label=label)
    axis.set_xscale("log")
    plain_ticks(axis, "x")
    axis.set_ylim(len(rows) - 0.4, -1.1)
    axis.annotate(
        "tens of\nthousands", (10**4.5, -0.62), ha="center", va="center", fontsize=7, color=INK
    )
    axis.set_yticks(places, [row["augmentation"] for row in rows] if labelled else [])
    axis.set_title(f"To 1%: {name}, {rows[0]['count']} images")
    axis.set_xlabel("draws of each image (median)")


def measured(numbers: dict[str, Any]) -> str:
    """What was measured."""
    told = numbers["verdict"]
    one = {of: told[f"{of} to 1%"] for of in QUANTITIES}
    counts = sorted({row["count"] for row in numbers["needed"]})
    count = " or ".join(map(str, counts))
    return (
        f"For a root-mean-square error of 1% an image needs {one['mean']['median']:,.0f} draws for "
        f"its mean, {one['covariance']['median']:,.0f} for its covariance and "
        f"{one['loss']['median']:,.0f} for the loss of a ridge classifier (fitted to infinitely "
        f"many translated images; medians of {one['mean']['cases']} cases, augmentation times "
        f"dataset); the mean loss of {count} images needs "
        f"{one['training loss']['median']:,.0f} of each. For 10% these are "
        f"{told['mean to 10%']['median']:,.0f}, {told['covariance to 10%']['median']:,.0f}, "
        f"{told['loss to 10%']['median']:,.0f} and {told['training loss to 10%']['median']:,.0f}. "
        f"{_agreement(numbers['observed'])}"
    )


def _agreement(rows: list[dict[str, Any]]) -> str:
    ratios = [
        seen / said
        for row in rows
        for of, spread in row["observed"].items()
        for seen, said in zip(spread["rms"], row["predicted"][of], strict=True)
    ]
    does = "does" if abs(median(ratios) - 1) < _CLOSE else "does NOT do"
    return (
        f"Sampling {does} what is predicted: observed over predicted errors have the median "
        f"{median(ratios):.2f} and lie within {min(ratios):.2f} to {max(ratios):.2f} "
        f"({rows[0]['repetitions']} repetitions, {len(ratios)} points)."
    )


def differs(numbers: dict[str, Any]) -> str:
    """Where it differs from the claim."""
    told = numbers["verdict"]
    said = []
    for of in QUANTITIES:
        one = told[f"{of} to 1%"]
        yes = "right" if one["holds"] else "more than most cases need"
        said.append(
            f"{yes} for the {of} ({one['tens_of_thousands']} of {one['cases']} cases need "
            f"{MANY:,} or more; {one['smallest']:,.0f} to {one['largest']:,.0f})"
        )
    rough = [of for of in QUANTITIES if told[f"{of} to 10%"]["holds"]]
    return (
        f"Tens of thousands of draws are, at 1%: {'; '.join(said)}. At 10% they are needed for "
        f"{', '.join(rough) or 'none of them'}, as draws go with the inverse square of the error. "
        "With 95% confidence in place of a root mean square, losses take 3.84 times as many. The "
        "draws of different images are independent, so that a training loss over N images needs "
        "about N times fewer of each. Draws for a loss are its relative variance over the squared "
        "error, and so another model has others: these are of a linear one."
    )
