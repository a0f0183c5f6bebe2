"""What is shown and said of first- and second-order accounts of the loss."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from augmoments.reproduce.drawing import COLORS, FAINT, MARKERS, figure

UNTRAINED, WITHOUT, WITH = "CNN, untrained", "CNN, trained without", "CNN, trained with"
LINEAR = "linear, trained without"
ORDERS = {
    "unaugmented": "loss at the image",
    "at_mean": "first order: at the mean image",
    "second_order": "second order at the mean image",
    "logits": "second order at the mean logits",
}
VARIANCE = "variance: first order, $g^T V g$"
_TICKS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # ratios, as far as the figure goes


def draw(numbers: dict[str, Any]) -> Figure:
    """Approximation over truth, a row a convolutional network and a column a family."""
    names = [name for name in numbers["families"][0]["networks"] if name.startswith("CNN")]
    title = "What stands for the expected loss and its variance, over their true values"
    made, axes = figure(len(names), 3, title=title, size=(10, 8.2), sharey=True, sharex="col")
    for (row, column), axis in np.ndenumerate(axes):
        family, name = numbers["families"][column], names[row]
        off, strengths = family["networks"][name]["off"], family["strengths"]
        for place, (key, label) in enumerate((ORDERS | {"variance": VARIANCE}).items()):
            ratio = np.clip(1 + np.array(off[key]), _TICKS[0], _TICKS[-1])
            dotted = {"ls": ":", "mfc": "none"} if key == "variance" else {}
            style = {"color": COLORS[place], "marker": MARKERS[place], "label": label}
            axis.plot(strengths, ratio, **style, **dotted)
        axis.axhspan(1 - numbers["most"], 1 + numbers["most"], color=FAINT, alpha=0.6, lw=0)
        if name == WITH:
            label = "strength of training"
            axis.axvline(family["trained"], color="k", lw=0.8, ls="--", label=label)
        axis.set(xscale="log", yscale="log", title=f"{name}: {family['family']}")
        axis.set_xticks(strengths, [f"{s:g}" for s in strengths])
        axis.set_yticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
        axis.minorticks_off()
    for axis in axes[:, 0]:
        axis.set_ylabel("approximate / true\n(cut at the ends)")
    for axis, family in zip(axes[-1], numbers["families"], strict=True):
        axis.set_xlabel(f"strength ± ({family['unit']})")
    made.legend(*axes[-1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return made


def measured(numbers: dict[str, Any]) -> str:
    """The strengths at which each approximation goes wrong, as a table."""
    keys = (*ORDERS, "variance")
    heads = ("at the image", "at the mean", "second order", "logits", "variance $g^T V g$")
    last = _at_trained(numbers)
    lines = [
        "For a network trained with an augmentation second order at the mean image is "
        f"{_times(last, 'second_order')} times the true loss, at the strength of training. "
        f"{numbers['images']} images of {numbers['source']}, cross-entropy. The least "
        f"strength at which the mean over the images is off by more than {numbers['most']:.0%}:",
        "",
        f"| network | augmentation | {' | '.join(heads)} |",
        "| --- " * (len(keys) + 2) + "|",
    ]
    for name in numbers["families"][0]["networks"]:
        for family in numbers["families"]:
            wrong = family["networks"][name]["wrong_from"]
            cells = [_strength(wrong[key], family) for key in keys]
            what = f"{family['family']} ({family['unit']})"
            lines.append(f"| {name} | {what} | {' | '.join(cells)} |")
    exactness = max(
        error / true
        for family in numbers["families"]
        for row in family["networks"].values()
        for error, true in zip(row["error"], row["true"], strict=True)
    )
    lines += ["", f"The true losses are known within {exactness:.1%}."]
    return "\n".join(lines)


def differs(numbers: dict[str, Any]) -> str:
    """How far second order carries for each kind of network, in sentences."""
    without, with_ = _up_to_trained(numbers, WITHOUT), _up_to_trained(numbers, WITH)
    last = _at_trained(numbers)
    most, strengths = numbers["most"], [_at(f, f["trained"]) for f in numbers["families"]]
    worst = {
        key: max(_largest(row[key]) for rows in (without, with_) for row in rows.values())
        for key in ("second_order", "logits")
    }
    above = [name for name, row in last.items() if row["at_mean"] > 0]
    linear = [
        _at(family, family["networks"][LINEAR]["wrong_from_image"]["variance"])
        for family in numbers["families"]
    ]
    holds = "fails" if worst["second_order"] > most else "holds"
    return " ".join(
        [
            f"Within {most:.0%} the account by mean and covariance of the image {holds} at the "
            f"strengths that networks were trained with ({', '.join(strengths)}).",
            "Up to there, for the network trained without augmentation, second order at the mean "
            f"image is off by at most {_listed(without, 'second_order')}, second order at the true "
            f"mean and covariance of the logits by at most {_listed(without, 'logits')}.",
            "For the network trained with the augmentation second order at the mean image is",
            _times(last, "second_order") + " times the true loss at that strength; that at the "
            f"logits is off by at most {_listed(with_, 'logits')} up to there.",
            f"Its loss at the mean image alone exceeds the true one for {', '.join(above)}: such a "
            "network has learned augmented images, not their blurred mean."
            if above
            else "Its loss at the mean image alone is below the true one.",
            f"The first-order variance of its loss is {_times(last, 'variance')} times the true "
            f"one. For the linear network it is first off by more than {most:.0%}, in the median "
            f"over the images, at {', '.join(linear)}.",
        ]
    )


def _at_trained(numbers: dict[str, Any]) -> dict[str, dict[str, float]]:
    rows = _up_to_trained(numbers, WITH)
    return {name: {key: off[-1] for key, off in row.items()} for name, row in rows.items()}


def _largest(off: list[float]) -> float:
    return max(abs(value) for value in off)


def _listed(rows: dict[str, dict[str, list[float]]], key: str) -> str:
    return ", ".join(f"{_largest(row[key]):.0%} ({name})" for name, row in rows.items())


def _times(rows: dict[str, dict[str, float]], key: str) -> str:
    return ", ".join(f"{1 + row[key]:.2g} ({name})" for name, row in rows.items())


def _at(family: dict[str, Any], strength: float | None) -> str:
    value = f"{strength:g}" if strength == family["trained"] else _strength(strength, family)
    return f"{family['family']} {value} {family['unit']}"


def _up_to_trained(numbers: dict[str, Any], name: str) -> dict[str, dict[str, list[float]]]:
    found = {}
    for family in numbers["families"]:
        count = sum(strength <= family["trained"] for strength in family["strengths"])
        off = family["networks"][name]["off"]
        found[family["family"]] = {key: values[:count] for key, values in off.items()}
    return found


def _strength(value: float | None, family: dict[str, Any]) -> str:
    if value is None:
        return f"> {family['strengths'][-1]:g}"
    return f"{value:.2g}" if value else f"< {family['strengths'][0]:g}"
