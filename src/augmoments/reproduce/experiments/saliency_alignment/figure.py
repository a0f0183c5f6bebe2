"""The figure of the experiment on saliency alignment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import geometric_mean, median
from typing import TYPE_CHECKING, Any

from matplotlib.ticker import LogLocator

from augmoments.reproduce.drawing import COLORS, INK, MARKERS, figure, plain_ticks
from augmoments.reproduce.experiments.saliency_alignment.report import CHANGED, TRAININGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABELS = {
    "untrained": "untrained",
    "plain": "trained without",
    "augmented": "trained with augmentation",
}
_CORRELATED = {
    "alignment": "alignment",
    "size": "size ‖g‖²",
    "linearized": "both, gᵀVg",
    "alignment_at_equal_size": "alignment\nat equal size",
}


def draw(numbers: dict[str, Any]) -> Figure:
    """One case image by image above, all cases below."""
    title = (
        "What decides how much a loss varies: the size of its gradient, or its alignment with V?"
    )
    made, axes = figure(2, 3, size=(11, 7), title=title)
    cases = numbers["cases"]
    shown = [case for case in cases if "points" in case][:3]
    _scatter(axes[0], shown)
    by = {training: [c for c in cases if c["training"] == training] for training in TRAININGS}
    groups = [(_LABELS[t], [c["rank_correlations"] for c in by[t]]) for t in TRAININGS]
    _strips(axes[1, 0], groups, _CORRELATED, COLORS[:3])
    axes[1, 0].set(ylim=(-1.05, 1.05), ylabel="rank correlation with the variance")
    axes[1, 0].set_title(f"All {len(by['plain'])} cases (bar: median)")
    trained = [(_LABELS[t], [{"": c["excess"]} for c in by[t]]) for t in TRAININGS]
    _strips(axes[1, 1], trained, {"": ""}, COLORS[:3])
    axes[1, 1].set(yscale="log", ylabel="alignment / that of a random direction")
    axes[1, 1].set_title("Alignment of the saliency with V")
    changed = [
        (name, [c["change_from_plain"] for c in by["augmented"] if c["weak"] is weak])
        for name, weak in (("weak augmentation", True), ("usual augmentation", False))
    ]
    _strips(axes[1, 2], changed, CHANGED, (COLORS[5], COLORS[3]), geometric_mean)
    axes[1, 2].set(yscale="log", ylabel="trained with it / without")
    axes[1, 2].set_title("Effect of training (bar: geometric mean)")
    for axis in axes[1, 1:]:
        axis.axhline(1, color=INK, linewidth=0.8)
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        plain_ticks(axis, "y")
    return made


def _scatter(axes: Iterable[Axes], shown: list[dict[str, Any]]) -> None:
    what = {
        "alignment": "alignment gᵀVg / (λ₁‖g‖²)",
        "size": "size ‖g‖²",
        "linearized": "both and spread, gᵀVg",
    }
    for axis, (name, label) in zip(axes, what.items(), strict=True):
        found = []
        for number, case in enumerate(shown):
            points = case["points"]
            style = {"color": COLORS[number], "marker": MARKERS[number], "s": 14, "alpha": 0.75}
            text = _LABELS[case["training"]]
            axis.scatter(points[name], points["variance"], label=text, linewidth=0, **style)
            found.append(f"{case['rank_correlations'][name]:.2f}")
        axis.set(xscale="log", yscale="log", xlabel=label)
        axis.set_title(f"rank correlations {', '.join(found)}")
        if name == "alignment":
            axis.set_ylabel("variance of the loss")
        elif name == "size":
            case = shown[0]
            place = f"{case['model'].upper()}, {case['policy']},\n{case['source']}: a dot an image"
            axis.text(0.98, 0.03, place, transform=axis.transAxes, fontsize=8, ha="right")
        else:
            axis.legend(handletextpad=0.1, loc="lower right")


def _strips(
    axis: Axes,
    groups: list[tuple[str, list[dict[str, float]]]],
    keys: dict[str, str],
    colors: tuple[str, ...],
    middle_of: Callable[[list[float]], float] = median,
) -> None:
    """A dot for each dict and a bar in the middle, for each key and group beside each other."""
    width = 0.8 / len(groups)
    for place, key in enumerate(keys):
        for number, (label, found) in enumerate(groups):
            values = [one[key] for one in found]
            middle = place + (number - (len(groups) - 1) / 2) * width
            inside = [
                width * (0.7 * i / max(1, len(values) - 1) - 0.35) for i in range(len(values))
            ]
            axis.scatter(
                [middle + shift for shift in inside],
                values,
                s=9,
                alpha=0.8,
                linewidth=0,
                color=colors[number],
                label=label if place == 0 else None,
            )
            axis.hlines(
                middle_of(values), middle - width / 2, middle + width / 2, color=INK, lw=1.6
            )
    axis.set_xticks(range(len(keys)), list(keys.values()))
    axis.tick_params(axis="x", length=0)
    axis.grid(visible=False, axis="x")
    axis.legend(markerscale=2, handletextpad=0.1, fontsize=7.5)
