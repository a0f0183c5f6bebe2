"""The figure of convergence: error against draws, and draws needed by quantity and dataset."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from augmoments.reproduce.drawing import COLORS, FAINT, INK, MARKERS, figure, plain_ticks

_TENS_OF_THOUSANDS = (1e4, 1e5)
_LINES = {
    "mean": "mean",
    "covariance": "covariance",
    "loss": "network's loss",
    "gradient": "its gradient",
}
_ROWS = (
    ("mean",),
    ("covariance",),
    ("loss", "linear loss"),
    ("gradient",),
    ("mean loss", "mean linear loss"),
    ("mean gradient",),
)
_NAMED = (
    "mean",
    "covariance",
    "loss of an image",
    "gradient of\nan image's loss",
    "mean loss of\nall images shown",
    "gradient of\ntheir mean loss",
)
_GROUPS = {
    "image": "the image itself",
    "linear": "ridge classifier",
    "plain": "network trained without the augmentation",
    "augmented": "network trained with it",
}


def draw(numbers: dict[str, Any]) -> Figure:
    """Draw the numbers of the experiment."""
    names = list(dict.fromkeys(row["images"] for row in numbers["needed"]))
    made, axes = figure(
        1,
        1 + len(names),
        size=(5.2 + 3.0 * len(names), 5.2),
        title=_title(numbers["verdict"]),
        width_ratios=[1.3, *[1.0] * len(names)],
    )
    _errors(axes[0, 0], numbers["observed"])
    for place, name in enumerate(names, 1):
        _needed(axes[0, place], numbers, name, place == 1)
        axes[0, place].set_xlim(*_range(numbers))
    handles, labels = axes[0, 1].get_legend_handles_labels()
    made.legend(handles, labels, loc="outside lower right", ncols=3)
    return made


def _title(verdict: dict[str, Any]) -> str:
    asked = {
        "mean": "mean image",
        "covariance": "covariance",
        "loss": "a network's loss",
        "gradient": "its gradient",
    }
    rows = {said: verdict[f"{of} to 1%"] for of, said in asked.items()}
    many = ", ".join(
        f"{said} {one['tens_of_thousands']} of {one['cases']}" for said, one in rows.items()
    )
    return f"Cases that take 10,000 draws of an image or more to be right to 1%:\n{many}"


def _errors(axis: Axes, rows: list[dict[str, Any]]) -> None:
    """Translations: of the image, and of the network that was trained with them."""
    shown = [
        row
        for row in rows
        if row["augmentation"] == "translation" and row.get("training") != "plain"
    ]
    place, least = 0, 100.0
    for row in shown:
        for of, said in row["predicted"].items():
            if of not in _LINES:
                continue
            color, seen, counts = COLORS[place], row["observed"][of], row["counts"]
            axis.plot(counts, [100 * v for v in said], color=color)
            low, high = ([max(100 * v, 1e-9) for v in seen[end]] for end in ("low", "high"))
            axis.fill_between(counts, low, high, color=color, alpha=0.12, linewidth=0)
            rms = [100 * v for v in seen["rms"]]
            axis.plot(counts, rms, MARKERS[place], color=color, mfc="none", label=_LINES[of])
            place, least = place + 1, min(least, 100 * said[-1])
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_ylim(least / 4, None)
    plain_ticks(axis)
    axis.set_title(f"{shown[0]['images']}, one image, translation {shown[0]['label']}")
    axis.set_xlabel("draws n of the image")
    axis.set_ylabel("relative error (%)")
    axis.legend(title="predicted (lines), observed\n(markers; band 10 to 90%)", fontsize=7.5)


def _needed(axis: Axes, numbers: dict[str, Any], name: str, labelled: bool) -> None:
    """Cases as points, the middle half of their images as lines, medians as black bars."""
    axis.axvspan(*_TENS_OF_THOUSANDS, color=FAINT, linewidth=0)
    rows = [row for key in ("needed", "networks") for row in numbers[key] if row["images"] == name]
    groups = list(_GROUPS)
    for height, quantities in enumerate(_ROWS):
        found = [
            (groups.index(_group(row, of)), row["draws"][of][-1], row, of)
            for of in quantities
            for row in rows
            if of in row["draws"]
        ]
        found.sort(key=lambda one: one[0])
        for place, (group, n, row, of) in zip(
            height + np.linspace(-0.36, 0.36, len(found)), found, strict=True
        ):
            if of in ("loss", "gradient"):
                _, low, _, high, _ = row["over_images_to_1%"][of]
                axis.plot([low, high], [place, place], color=COLORS[group], alpha=0.45, lw=1.1)
            axis.plot(n, place, MARKERS[group], color=COLORS[group], ms=3.2)
        for group in {one[0] for one in found}:
            middle = float(np.median([one[1] for one in found if one[0] == group]))
            among = [i for i, one in enumerate(found) if one[0] == group]
            ends = height + np.linspace(-0.36, 0.36, len(found))[[among[0], among[-1]]]
            axis.plot([middle, middle], ends, color=INK, lw=1.4)
    for group, label in enumerate(_GROUPS.values()):
        axis.plot([], [], MARKERS[group], color=COLORS[group], label=label)
    axis.plot([], [], color=INK, lw=1.4, label="median")
    axis.plot([], [], color=INK, alpha=0.45, lw=1.1, label="middle half of the images")
    axis.set_xscale("log")
    plain_ticks(axis, "x")
    axis.set_ylim(len(_ROWS) - 0.45, -0.95)
    axis.annotate("tens of\nthousands", (10**4.5, -0.68), ha="center", va="center", fontsize=7)
    axis.set_yticks(range(len(_ROWS)), _NAMED if labelled else [])
    axis.grid(visible=False, axis="y")
    networks = next(row["count"] for row in rows if "training" in row)
    axis.set_title(f"To 1%: {name}, {networks} images")
    axis.set_xlabel("draws of each image")


def _range(numbers: dict[str, Any]) -> tuple[float, float]:
    """Of all that is shown."""
    rows = [*numbers["needed"], *numbers["networks"]]
    shown = [n[-1] for row in rows for n in row["draws"].values()]
    shown += [
        n for row in numbers["networks"] for v in row["over_images_to_1%"].values() for n in v
    ]
    return min(shown) / 1.6, max(shown) * 1.6


def _group(row: dict[str, Any], of: str) -> str:
    if "training" in row:
        return row["training"]
    return "linear" if "linear" in of else "image"
