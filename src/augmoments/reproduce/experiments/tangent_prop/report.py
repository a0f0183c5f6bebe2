"""What is shown and said of TangentProp and the explicit regularizer."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from augmoments.reproduce.drawing import COLORS, FAINT, MARKERS, figure

EXACT = 1e-6


def draw(numbers: dict[str, Any]) -> Figure:
    """Both against TangentProp's penalty, family by family, and the limits of blurred images."""
    title = "Explicit regularizer and true variance of the outputs, relative to TangentProp"
    made, axes = figure(2, 3, title=title, size=(11, 6.2), sharey=True)
    for axis, found in zip(axes.flat, numbers["families"], strict=False):
        for place, (name, row) in enumerate(found["models"].items()):
            true = np.divide(row["true"], row["tangent"])
            style = {"color": COLORS[place], "marker": MARKERS[place]}
            axis.plot(found["strengths"], row["ratio"], label=name, **style)
            axis.plot(found["strengths"], true, ls="--", lw=1, color=COLORS[place])
        _band(axis, numbers["different"])
        axis.set(xscale="log", title=found["family"])
        axis.set_xlabel(f"strength ± ({found['unit']})")
        axis.set_xticks(found["strengths"], [f"{s:g}" for s in found["strengths"]])
        axis.xaxis.set_minor_locator(NullLocator())
    axis = axes[1, 2]
    for place, name in enumerate(numbers["training_accuracy"]):
        limits = [row["limits"][name] for row in numbers["blurred"]]
        style = {"color": COLORS[place], "marker": MARKERS[place]}
        axis.plot([row["sigma"] for row in numbers["blurred"]], limits, **style)
    _band(axis, numbers["different"])
    for left in axes[:, 0]:
        left.set_ylabel("ratio to TangentProp")
    axis.set(title="Limit at strength 0, rotation of blurred images")
    axis.set_xlabel("standard deviation of the blur (pixels)")
    axes[0, 0].plot([], [], color="k", label="explicit regularizer")
    axes[0, 0].plot([], [], color="k", ls="--", lw=1, label="true variance of the outputs")
    made.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return made


def _band(axis: Axes, width: float) -> None:
    axis.axhspan(1 - width, 1 + width, color=FAINT, alpha=0.6, lw=0)


def measured(numbers: dict[str, Any]) -> str:
    """What came out, in sentences."""
    warps = [row for f in numbers["families"] for row in f["models"].values() if _warped(row)]
    limits = [row["limit"] for row in warps if row["limit"] is not None]
    lines = [
        "The explicit regularizer of a warp tends to "
        f"{_between(limits)} times TangentProp's penalty as it becomes weak, and is "
        f"{_between([row['ratio'][-1] for row in warps])} times at the largest strengths. "
        f"{numbers['images']} images of {numbers['source']}, networks trained without "
        "augmentation. With the squared error both penalties stand for the variance of the "
        "outputs; given is the explicit regularizer over TangentProp's penalty.",
    ]
    for found in numbers["families"]:
        strongest, parts = found["strengths"][-1], []
        for name, row in found["models"].items():
            end = row["limit"]
            weak = f"{row['ratio'][0]:.4g}" if end is None else f"{end:.4g} (limit)"
            parts.append(
                f"{name} {weak} to {row['ratio'][-1]:.3g}, "
                f"{_apart(row['different_from'], found['unit'], numbers['different'])}"
            )
        lines.append(f"- **{found['family']}**, up to ±{strongest:g}: {'; '.join(parts)}.")
    nearer, total = numbers["explicit_nearer"]
    known = max(
        max(np.divide(row["true_error"], row["true"]))
        for found in numbers["families"]
        for name, row in found["models"].items()
        if name != "linear"
    )
    text = "\n".join([lines[0], "", *lines[1:]])
    return (
        f"{text}\n\nThe true variance of the outputs is nearer to the explicit regularizer than to "
        f"TangentProp in {nearer} of {total} cases in which the two are "
        f"{numbers['different']:.0%} or more apart. For linear models it is the "
        f"explicit regularizer; for the others it is known within {known:.0%}, a bound."
    )


def differs(numbers: dict[str, Any]) -> str:
    """Where the claim holds, and what it leaves out."""
    rows = [
        (found["family"], row) for found in numbers["families"] for row in found["models"].values()
    ]
    flat = [max(abs(r - 1) for r in row["ratio"]) for _, row in rows if row["limit"] == 1]
    kinked = [row["limit"] for _, row in rows if row["limit"] not in (None, 1)]
    gaps = [abs(r["ratio"][0] / r["limit"] - 1) for _, r in rows if r["limit"] is not None]
    rates = [row["rate"] for _, row in rows if row["rate"] is not None]
    smooth = [max(row["limits"].values()) for row in numbers["blurred"]]
    parts = [_verdict(flat, kinked, gaps)]
    if rates:
        parts.append(
            "Where the approach to the limit can be fitted by a power of the strength, the "
            f"exponent is {_between(rates)} (1: in proportion to the strength)."
        )
    fell = "falls" if smooth[-1] < smooth[0] else "does not fall"
    parts.append(
        f"For rotation of images that are blurred more and more the largest limit {fell}, from "
        f"{smooth[0]:.3g} to {smooth[-1]:.3g}: the sharper an image is on its grid, the larger the "
        "kink. Between the two largest strengths the true variance of the outputs under warps "
        f"grows as the strength to the power {_between(_growth(numbers))}, TangentProp's penalty "
        "as its square: the image leaves the tangents."
    )
    return " ".join(parts)


def _verdict(flat: list[float], kinked: list[float], gaps: list[float]) -> str:
    exact = bool(flat) and max(flat) < EXACT
    linear = (
        f"Where the image is linear in the parameter (brightness) the two are the same at every "
        f"strength, within {max(flat):.1g}."
        if exact
        else "Not even where the image is linear in the parameter are the two the same."
    )
    holds = "holds for smooth actions only" if max(kinked) > 1 + EXACT else "holds"
    return (
        f"The claim {holds}. {linear} Warps by bilinear interpolation have a kink at the neutral "
        "draw (the least shift blurs), which has variance but no tangent: there the ratio tends to "
        f"{min(kinked):.3g} to {max(kinked):.3g}, not to 1. The weakest strength is within "
        f"{max(gaps):.1%} of the limit computed from the one-sided derivatives."
    )


def _warped(row: dict[str, Any]) -> bool:
    return row["limit"] is None or row["limit"] > 1 + EXACT


def _growth(numbers: dict[str, Any]) -> list[float]:
    """Exponents of the variances of outputs at the largest strengths, for all warps."""
    return [
        float(
            np.log(row["true"][-1] / row["true"][-2])
            / np.log(found["strengths"][-1] / found["strengths"][-2])
        )
        for found in numbers["families"]
        if len(found["strengths"]) > 1
        for row in found["models"].values()
        if _warped(row)
    ]


def _between(values: list[float]) -> str:
    ends = sorted({f"{value:.2f}" for value in (min(values), max(values))}, key=float)
    return " to ".join(ends)


def _apart(strength: float | None, unit: str, most: float) -> str:
    if strength is None:
        return f"less than {most:.0%} apart throughout"
    where = f"±{strength:.2g} {unit}" if strength else "the weakest"
    return f"first more than {most:.0%} apart at {where}"
