"""What is told of tangent directions: spectra, cosines by strength, eigen-images; two texts."""

from __future__ import annotations

from statistics import median
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from augmoments.reproduce.drawing import COLORS, MARKERS, show_image, style

MOST = 120
"""Eigenvalues that are looked at."""
FALLEN = 0.9
"""The cosine below which eigenvectors no longer count as the tangents."""
_ALIGNED = 0.99
_DASHES = ("-", "--", ":")
_BULK = 0.98  # of the pixels, for the colour scale
_NOTHING = 1e-4  # of the variance: what is left of it is rounding


def draw(numbers: dict[str, Any], pictures: list[dict[str, Any]]) -> Figure:
    """Draw the numbers, and the eigen-images of one image.

    Args:
        numbers: Of the experiment.
        pictures: Rows of a tangent and leading eigenvectors.
    """
    with style():
        made = Figure(figsize=(11.5, 7.6), layout="constrained")
        made.suptitle(
            "Weak augmentations move an image along their tangent, strong ones along more "
            "directions",
            x=0.01,
            ha="left",
        )
        parts: Any = made.subfigures(1, 2, width_ratios=(1.25, 1))
        left, right = parts
        axes = left.subplots(2, 2)
        last = numbers["spectra"][-1]["images"]
        _spectra(axes[0, 0], [r for r in numbers["spectra"] if r["images"] == "photos"], "photo")
        _spectra(axes[0, 1], [r for r in numbers["spectra"] if r["images"] == last], last)
        rows = [row for row in numbers["alignment"] if row["images"] == "photos"]
        _curves(axes[1, 0], rows, "cosine", "Cosine: tangents, eigenvectors")
        _curves(axes[1, 1], rows, "tangent_share", "Variance along the tangents")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        axes[0, 1].legend(handles, labels, fontsize=7, loc="upper right")
        axes[1, 0].legend(fontsize=7, loc="lower left")
        _pictures(right.subplots(len(pictures), 4), pictures)
    return made


def _spectra(axis: Axes, rows: list[dict[str, Any]], name: str) -> None:
    for place, row in enumerate(rows):
        shares = [max(share, 1e-7) for share in row["shares"]]
        color, dash = COLORS[place % len(COLORS)], _DASHES[place // len(COLORS)]
        axis.plot(range(1, len(shares) + 1), shares, dash, color=color, label=row["augmentation"])
    axis.set_yscale("log")
    axis.set_xlim(0.5, None)
    axis.set_ylim(1e-4, 1.2)
    axis.set_title(f"Eigenvalues, medium strength: {name}")
    axis.set_xlabel("eigenvector, by its eigenvalue")
    axis.set_ylabel("share of the variance")


def _curves(axis: Axes, rows: list[dict[str, Any]], key: str, title: str) -> None:
    for place, row in enumerate(rows):
        strongest = row["strengths"][-1]
        axis.plot(
            [strength / strongest for strength in row["strengths"]],
            row[key],
            marker=MARKERS[place],
            color=COLORS[place],
            label=f"{row['augmentation']} (1 = ±{strongest:.2g} {row['unit']})",
        )
    axis.set_xscale("log", base=2)
    ticks = (1 / 64, 1 / 16, 1 / 4, 1)
    axis.set_xticks(ticks, ["1/64", "1/16", "1/4", "1"])
    axis.set_ylim(0, 1.04)
    axis.set_title(f"{title} (photos)")
    axis.set_xlabel("strength, as a share of the strongest")
    axis.set_ylabel("cosine of the largest angle" if key == "cosine" else "share of the variance")


def _pictures(axes: Any, pictures: list[dict[str, Any]]) -> None:
    for line, row in enumerate(pictures):
        for place, image in enumerate(row["images"]):
            axis = axes[line, place]
            if place and row["shares"][place - 1] < _NOTHING:
                axis.set_axis_off()
                continue
            end = float(image.abs().flatten().quantile(_BULK))
            show_image(axis, image, kind="signed", end=end)
            if place == 0:
                axis.set_ylabel(row["label"].replace(", ", ",\n"), fontsize=7)
            else:
                axis.set_xlabel(f"{row['shares'][place - 1]:.0%}", fontsize=7, labelpad=1)
    for place, head in enumerate(("tangent", "1st eigenvector", "2nd", "3rd")):
        axes[0, place].set_title(head, fontsize=8, loc="center")


def measured(numbers: dict[str, Any]) -> str:
    """What was measured."""
    spectra_ = numbers["spectra"]
    low, high = (pick(spectra_, key=lambda row: row["directions_99"]) for pick in (min, max))
    curves = [row for row in numbers["alignment"] if row["augmentation"] != "brightness"]
    weak = [row["cosine"][0] for row in curves]
    close = sum(cosine >= _ALIGNED for cosine in weak)
    falls = "; ".join(
        f"{row['augmentation']} {_fall(row)}" for row in curves if row["images"] == "photos"
    )
    return (
        f"At 1/64 of the strongest setting the leading eigenvectors are the tangents at the "
        f"identity, with a cosine of at least {_ALIGNED}, in {close} of {len(weak)} cases (images "
        f"times augmentations; lowest {min(weak):.3f}). On photos the cosine falls below {FALLEN} "
        f"at: {falls}. At medium strength 99% of the variance takes {_count(low)} "
        f"({low['augmentation']}, {low['images']}) to {_count(high)} directions "
        f"({high['augmentation']}, {high['images']})."
    )


def differs(numbers: dict[str, Any]) -> str:
    """Where it differs from the claim."""
    curves = [row for row in numbers["alignment"] if row["augmentation"] != "brightness"]
    single = [row for row in curves if row["augmentation"] != "translation"]
    first = median(row["tangent_share"][0] for row in single)
    needed = median(row["directions_99"][0] for row in single)
    half = median(row["tangent_share"][-2] for row in curves)
    straight = [row for row in numbers["alignment"] if row["augmentation"] == "brightness"]
    kinks = (
        f"even at the weakest strength the one tangent of a one-parameter movement carries "
        f"{first:.0%} of the variance (median), and 99% take {needed:g} eigenvectors: bilinear "
        "interpolation and the border have a kink where nothing moves, so that moving forth and "
        "moving back are two directions, however small the movement. "
        if first < _ALIGNED
        else f"at the weakest strength the tangent carries {first:.1%} of the variance (median). "
    )
    return (
        f"The directions hold in the limit of weak augmentation, the weights less so: {kinks}"
        f"At half of the strongest setting the tangents carry {half:.0%} of the variance (median); "
        f"the rest are kinks and curvature, which tangents at the identity leave out. Brightness "
        f"without clamping is a straight line: there the cosine is at least "
        f"{min(min(row['cosine']) for row in straight):.4f} at every strength."
    )


def _fall(row: dict[str, Any]) -> str:
    where = row["falls_below"]
    if where is None:
        return f"not up to ±{row['strengths'][-1]:.3g} {row['unit']}"
    return f"±{where:.2g} {row['unit']}" if where else "every strength"


def _count(row: dict[str, Any]) -> str:
    found = row["directions_99"]
    return f"more than {MOST}" if found > MOST else f"{found:g}"
