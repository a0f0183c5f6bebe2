"""The figure of the experiment on alignment over training."""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING, Any

from augmoments.reproduce.drawing import COLORS, FAINT, INK, MARKERS, figure
from augmoments.reproduce.experiments.alignment_over_training.report import TRAININGS
from augmoments.reproduce.experiments.alignment_over_training.trends import LOGARITHMIC

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHOWN = {
    "gain": "alignment / at random",
    "smallest": "energy in small directions",
    "mean_frequency": "mean frequency / Nyquist",
}
_MODEL = "cnn"


def draw(numbers: dict[str, Any]) -> Figure:
    """Curves of one dataset above, all cases below."""
    cases = numbers["cases"]
    chosen = [c for c in cases if c["model"] == _MODEL and c["source"] == numbers["sources"][0]]
    rows = len(chosen) + 1
    ratios = [1.0] * len(chosen) + [0.35 + 0.16 * len(cases)]
    made, axes = figure(
        rows,
        len(_SHOWN),
        size=(11, 2.6 * sum(ratios)),
        title="The saliency over training, with and without the augmentation",
        height_ratios=ratios,
    )
    for row, case in enumerate(chosen):
        for axis, name in zip(axes[row], _SHOWN, strict=True):
            _curves(axis, case, name)
        axes[row, 0].set_title(f"{case['model'].upper()}, {case['source']}, {case['policy']}")
    axes[0, -1].legend()
    for axis, name in zip(axes[-1], _SHOWN, strict=True):
        _effects(axis, cases, name)
    axes[-1, 0].set_title(
        "At the end, with against without (bars: 2 standard errors, filled: significant)"
    )
    axes[-1, 0].set_yticks(
        range(len(cases)), [f"{c['model'].upper()}, {c['source']}, {c['policy']}" for c in cases]
    )
    return made


def _curves(axis: Axes, case: dict[str, Any], name: str) -> None:
    epochs = range(len(case["curves"]["plain"][name]["mean"]))
    for number, (key, label) in enumerate(TRAININGS.items()):
        curve = case["curves"][key][name]
        low = [m - e for m, e in zip(curve["mean"], curve["error"], strict=True)]
        high = [m + e for m, e in zip(curve["mean"], curve["error"], strict=True)]
        axis.plot(epochs, curve["mean"], color=COLORS[number], marker=MARKERS[number], label=label)
        axis.fill_between(epochs, low, high, color=COLORS[number], alpha=0.2, linewidth=0)
    level = {"gain": 1.0, "smallest": case["smallest_at_random"]}.get(name)
    if level is not None:
        axis.axhline(level, color=INK, linestyle="--", linewidth=0.9)
        axis.text(len(epochs) - 1, level, "at random", ha="right", va="bottom", fontsize=8)
    axis.set(xlabel="epoch", ylabel=_SHOWN[name])


def _effects(axis: Axes, cases: list[dict[str, Any]], name: str) -> None:
    """A row for each case: what the augmentation changes, filled where it is significant."""
    logarithmic = name in LOGARITHMIC
    axis.axvline(1.0 if logarithmic else 0.0, color=INK, linewidth=0.9)
    for row, case in enumerate(cases):
        effect = case["effect"][name]
        mean, error = effect["mean"], 2 * effect["error"]
        ends = [mean - error, mean + error]
        if logarithmic:
            mean, ends = exp(mean), [exp(end) for end in ends]
        axis.plot(ends, [row, row], color=COLORS[1], linewidth=1.2)
        fill = COLORS[1] if effect["sign"] else "white"
        axis.plot([mean], [row], marker="o", color=COLORS[1], markerfacecolor=fill)
    axis.set(ylim=(len(cases) - 0.4, -0.6))
    axis.set_yticks(range(len(cases)), [""] * len(cases))
    axis.tick_params(axis="y", length=0)
    axis.grid(visible=True, axis="y", color=FAINT)
    axis.set_xlabel(f"{_SHOWN[name]}, {'quotient' if logarithmic else 'difference'}")
