"""What is shown and said of ridge regression on sampled copies."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from augmoments.reproduce.drawing import COLORS, MARKERS, figure, plain_ticks

PARTS = ("weights", "predictions")
CLOSE = 0.005  # of accuracy, what counts as that of the closed form
AGREES = 0.1  # relative difference of predicted and observed errors
MANY = 10_000  # copies


def draw(numbers: dict[str, Any]) -> Figure:
    """Errors against the number of copies, observed and predicted, and the accuracy."""
    title = "Ridge regression on n sampled copies of each image, against its closed form"
    made, axes = figure(1, 3, title=title, size=(11, 3.8))
    for place, case in enumerate(numbers["cases"]):
        accuracy = case["accuracy"]
        color, marks = COLORS[place], {"color": COLORS[place], "marker": MARKERS[place]}
        for axis, part in zip(axes[0], PARTS, strict=False):
            axis.plot(case["copies"], case[part]["predicted"], color=color)
            axis.plot(case["copies"], case[part]["observed"], ls="", mfc="none", **marks)
        lost = [100 * (accuracy["closed_form"] - found) for found in accuracy["sampled"]]
        axes[0, 2].plot(case["copies"], lost, label=case["case"], **marks)
    for axis, part in zip(axes[0], PARTS, strict=False):
        axis.set(xscale="log", yscale="log", ylabel="relative error", title=f"Error of the {part}")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        plain_ticks(axis, "y")
        axis.plot([], [], color="k", label="predicted")
        axis.plot([], [], color="k", ls="", marker="o", mfc="none", label="observed")
        axis.legend()
    axes[0, 2].axhline(0, color="k", lw=0.8)
    axes[0, 2].set(xscale="log", ylabel="percentage points")
    axes[0, 2].set_title("Test accuracy that sampling loses")
    copies = numbers["cases"][0]["copies"]
    for axis in axes[0]:
        axis.set_xticks(copies, [str(n) for n in copies])
        axis.xaxis.set_minor_locator(NullLocator())
        axis.set_xlabel("copies of each image n")
    made.legend(*axes[0, 2].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return made


def measured(numbers: dict[str, Any]) -> str:
    """What came out, in sentences."""
    needed = [
        f"{case['weights']['copies_for_goal']:,.0f} copies of each image for the weights and "
        f"{case['predictions']['copies_for_goal']:,.0f} for the predictions ({case['case']})"
        for case in numbers["cases"]
    ]
    sentences = [f"An error of {numbers['goal']:.0%} takes {'; '.join(needed)}."]
    for case in numbers["cases"]:
        weights, predictions, accuracy = case["weights"], case["predictions"], case["accuracy"]
        n, close = case["copies"], _first_close(case)
        sentences.append(
            f"**{case['case']}** ({case['images']:,} images): sampled weights are off by "
            f"{weights['observed'][0]:.3g} times their norm at n = {n[0]} and "
            f"{weights['observed'][-1]:.3g} times at n = {n[-1]} "
            f"(predicted {weights['predicted'][0]:.3g} and {weights['predicted'][-1]:.3g}), "
            f"predictions by {predictions['observed'][0]:.1%} and "
            f"{predictions['observed'][-1]:.1%} (predicted {predictions['predicted'][0]:.1%} and "
            f"{predictions['predicted'][-1]:.1%}). Test accuracy is "
            f"{accuracy['closed_form']:.1%} in closed form, {accuracy['no_augmentation']:.1%} "
            f"without augmentation, and {accuracy['sampled'][0]:.1%} with one copy; it is within "
            f"{100 * CLOSE:.1g} points of the closed form {close}."
        )
    off = [f"{_relative(case['loss']):.1g} ({case['case']})" for case in numbers["cases"]]
    sentences.append(
        "The training loss of sampled weights exceeds the optimum by their distance from the "
        "closed form, squared, in the norm of the augmented second moments and the penalty: the "
        f"two agree within a relative {', '.join(off)}."
    )
    return "\n\n".join(sentences)


def differs(numbers: dict[str, Any]) -> str:
    """Where the claim holds and where it does not."""
    found, goal = numbers["cases"], numbers["goal"]
    least = min(case["weights"]["copies_for_goal"] for case in found)
    needed = [case["predictions"]["copies_for_goal"] for case in found]
    fewer = [c["weights"]["copies_for_goal"] / c["predictions"]["copies_for_goal"] for c in found]
    slopes = [_slope(case["copies"], case["weights"]["observed"]) for case in found]
    first, last = _worst(found, 0), _worst(found, -1)
    verdict = "agrees" if abs(last - 1) <= AGREES else "does not agree"
    return (
        "That sampled training approaches the parameters of infinite augmentation slowly "
        f"{'holds' if least >= MANY else 'holds, if not by tens of thousands,'} for the weights: "
        f"their error falls as n to the power {min(slopes):.2f} to {max(slopes):.2f}, and "
        f"{goal:.0%} takes {least:,.0f} copies of each image or more. That tells little of what "
        "is learned: "
        f"predictions on augmented images need {min(fewer):,.0f} to {max(fewer):,.0f} times fewer, "
        f"{min(needed):,.0f} to {max(needed):,.0f}. The error predicted from moments, first order "
        f"in 1/n, {verdict} with what was observed at the largest n within {AGREES:.0%}: observed "
        f"over predicted is {last:.3g} where it is worst, and {first:.3g} at one copy."
    )


def _worst(cases: list[dict[str, Any]], place: int) -> float:
    """Observed over predicted error, where it is furthest from 1."""
    ratios = [
        c[part]["observed"][place] / c[part]["predicted"][place] for c in cases for part in PARTS
    ]
    return max(ratios, key=lambda ratio: abs(ratio - 1))


def _slope(copies: list[int], errors: list[float]) -> float:
    return float(np.polyfit(np.log(copies), np.log(errors), 1)[0])


def _relative(loss: dict[str, Any]) -> float:
    pairs = zip(loss["excess"], loss["excess_from_weights"], strict=True)
    return max(abs(a - b) / b for a, b in pairs)


def _first_close(case: dict[str, Any]) -> str:
    accuracy = case["accuracy"]
    off = [abs(found - accuracy["closed_form"]) <= CLOSE for found in accuracy["sampled"]]
    for place, n in enumerate(case["copies"]):
        if all(off[place:]):
            return f"from n = {n} on"
    return f"not yet at n = {case['copies'][-1]}"
