"""Expected images and standard deviations of nine augmentations, at three strengths each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.moments import Moments, moments
from augmoments.reproduce.context import Context
from augmoments.reproduce.drawing import figure, show_image
from augmoments.reproduce.experiment import Experiment, Findings
from augmoments.reproduce.families import FAMILIES, Family

_TOL = 1e-2
_LIMIT = 3.0  # standard errors within which the draws must lie of what is predicted
_AT_ONCE = 500


@dataclass(frozen=True)
class Cell:
    """What is shown of one image under one augmentation: ``(C, H, W)`` each."""

    mean: Tensor
    spread: Tensor


Cells = dict[tuple[str, str, int], Cell]


def _run(context: Context) -> Findings:
    images = subjects(context)
    numbers, cells = measure(images, 300 if context.quick else 2000, context)
    shown = list(images)[:2]
    return Findings(numbers, _draw(shown, cells), _measured(numbers), _differs(numbers))


def subjects(context: Context) -> dict[str, Tensor]:
    """A photo and the first image of every dataset, ``(1, C, H, W)`` each."""
    size = 20 if context.quick else 40
    found = {"photo": context.photos(size)["astronaut"]}
    return found | {name: context.labelled(name, 1).images for name in context.sources()}


def measure(
    images: dict[str, Tensor],
    draws: int,
    context: Context,
    families: tuple[Family, ...] = FAMILIES,
) -> tuple[dict[str, Any], Cells]:
    """Moments of every image under every augmentation, beside as many draws."""
    rows, cells = [], {}
    total = len(images) * sum(len(one.strengths) for one in families)
    for name, image in images.items():
        for one in families:
            for place, strength in enumerate(one.strengths):
                context.tell("expected images", len(rows), total)
                policy = one.make(strength, image.shape[-1])
                m = moments(image, policy, _TOL, seed=context.seed)
                generator = context.generator(len(rows))
                row = {"image": name, "augmentation": one.name, "strength": strength}
                row |= {"label": one.labels[place], **_numbers(image, m)}
                rows.append({**row, **_observed(image, policy, m, draws, generator)})
                cells[name, one.name, place] = Cell(
                    m.mean[0], m.covariance.diagonal()[0].clamp_min(0).sqrt()
                )
    context.tell("expected images", total, total)
    return {"draws": draws, "cells": rows, "pooled": _pooled(rows)}, cells


def _numbers(image: Tensor, m: Moments) -> dict[str, Any]:
    trace, power = float(m.covariance.trace()), float(m.mean.square().sum())
    return {
        "norm_of_mean": power**0.5 / float(image.norm()),
        "variance_share": trace / (trace + power),
        "method": m.method,
        "mean_method": m.mean_method,
        "mean_error": float(m.error.mean),
        "trace_error": float(m.error.trace),
        "covariance_error": float(m.error.covariance),
    }


def _observed(
    image: Tensor, policy: Augmentation, m: Moments, draws: int, generator: torch.Generator
) -> dict[str, float]:
    r"""How far the mean of the draws is from the exact one, in expected distances.

    The squared distance has the expectation :math:`\mathrm{tr} V / n`, and, where the mean of the
    draws is close to Gaussian, the variance :math:`2 \|V\|_F^2 / n^2`.
    """
    total = torch.zeros_like(m.mean[0], dtype=torch.float64)
    for start in range(0, draws, _AT_ONCE):
        count = min(_AT_ONCE, draws - start)
        batch = image.expand(count, *image.shape[1:])
        total += policy(batch, generator=generator).double().sum(0)
    gap = float((total / draws - m.mean[0]).square().sum())
    trace = float(m.covariance.trace())
    return {
        "distance": (gap * draws / trace) ** 0.5,
        "distance_variance": 2 * (float(m.covariance.frobenius_norm()) / trace) ** 2,
    }


def _pooled(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Root mean square of the distances; 1 is expected of its square, within a standard error."""
    square = sum(row["distance"] ** 2 for row in rows) / len(rows)
    error = sum(row["distance_variance"] for row in rows) ** 0.5 / len(rows)
    return {
        "rms_distance": square**0.5,
        "z": (square - 1) / error,
        "largest_distance": max(row["distance"] for row in rows),
    }


def _draw(shown: list[str], cells: Cells) -> Figure:
    made, axes = figure(
        len(FAMILIES),
        6 * len(shown),
        size=(6.2 * len(shown) + 0.6, 9.8),
        title="The stronger the augmentation, the blurrier the expected image (mean) "
        "and the wider the spread (std)",
    )
    for block, name in enumerate(shown):
        end = max(
            float(cell.spread.square().mean(0).sqrt().max())
            for key, cell in cells.items()
            if key[0] == name
        )
        for line, one in enumerate(FAMILIES):
            for place, label in enumerate(one.labels):
                cell, left = cells[name, one.name, place], axes[line, 6 * block + place]
                right = axes[line, 6 * block + 3 + place]
                show_image(left, cell.mean)
                show_image(right, cell.spread, kind="spread", end=end)
                left.set_xlabel(label, fontsize=6.5, labelpad=2)
                right.set_xlabel(label, fontsize=6.5, labelpad=2)
        heads = (f"{name}: mean", f"{name}: std, 0 to {end:.2g}")
        for place, head in enumerate(heads):
            axes[0, 6 * block + 3 * place].set_title(head, fontsize=9)
    for line, one in enumerate(FAMILIES):
        axes[line, 0].set_ylabel(one.name.replace(" & ", "\n& ").replace(" and ", "\nand "))
    return made


def _measured(numbers: dict[str, Any]) -> str:
    rows, pooled = numbers["cells"], numbers["pooled"]
    exact = sum(row["mean_method"] == "exact" for row in rows)
    worst = max(row["mean_error"] for row in rows)
    strong = [row for row in rows if row["strength"] == _strong(row["augmentation"])]
    low, high = (pick(strong, key=lambda row: row["variance_share"]) for pick in (min, max))
    agrees = "agree" if abs(pooled["z"]) < _LIMIT else "do NOT agree"
    return (
        f"Mean and covariance of {len({row['image'] for row in rows})} images under "
        f"{len({row['augmentation'] for row in rows})} augmentations at 3 strengths: {exact} "
        f"of {len(rows)} means are exact to rounding, and the error bound of the others is at most "
        f"{worst:.1e} of the image. At the "
        f"strongest setting the augmentation makes up {low['variance_share']:.2g} "
        f"({low['augmentation']}, {low['image']}) to {high['variance_share']:.2g} "
        f"({high['augmentation']}, {high['image']}) of the energy E‖T(x)‖². Means of "
        f"{numbers['draws']:,} draws {agrees} with the exact ones: their root-mean-square distance "
        f"is {pooled['rms_distance']:.3g} times the one that the exact covariance predicts "
        f"(largest {pooled['largest_distance']:.3g}; {pooled['z']:+.1f} standard errors from 1)."
    )


def _strong(name: str) -> float:
    return next(one.strengths[2] for one in FAMILIES if one.name == name)


def _differs(numbers: dict[str, Any]) -> str:
    rows = numbers["cells"]
    by_method: dict[str, set[str]] = {}
    for row in rows:
        by_method.setdefault(row["method"], set()).add(row["augmentation"])
    exact = sorted(by_method.pop("exact", set()) - set().union(*by_method.values()))
    others = sorted({name for names in by_method.values() for name in names})
    worst = max(rows, key=lambda row: row["covariance_error"])
    means = sorted({row["augmentation"] for row in rows if row["mean_method"] != "exact"})
    return (
        f"On pixels the whole covariance is exact for {', '.join(exact) or 'none'} on every image. "
        f"For {', '.join(others) or 'none'} at least one of the covariances is a sum over nodes "
        f"with a stated error, at worst {worst['covariance_error']:.2g} in norm "
        f"({worst['augmentation']}, {worst['label']}, {worst['image']}) with "
        f"{worst['trace_error']:.1g} in its trace. "
        + (
            f"No closed form is used for the mean under {', '.join(means)}, as values are clamped "
            "to [0, 1] there, which the paper's linear maps do not do."
            if means
            else "All means are in closed form, as the paper says."
        )
    )


EXPERIMENT = Experiment(
    name="expected-images",
    title="Expected images and their spread, augmentation by augmentation",
    claim="The mean and the covariance of an augmented image have closed forms for the common "
    "augmentations (translation, rotation, zoom, shear, brightness and contrast, ...), so that "
    "nothing has to be sampled (sections 2 and 3).",
    run=_run,
)
