"""Eigenvalues and eigenvectors of V, and whether they are the tangents of the augmentation."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.color import ColorJitter
from augmoments.augmentations.geometric import (
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)
from augmoments.calculus.covariance import Covariance
from augmoments.calculus.moments import moments
from augmoments.reproduce.context import Context
from augmoments.reproduce.experiment import Experiment, Findings
from augmoments.reproduce.experiments.tangent_directions.report import (
    FALLEN,
    MOST,
    differs,
    draw,
    measured,
)
from augmoments.reproduce.families import FAMILIES, Family
from augmoments.reproduce.thresholds import crossing
from augmoments.training.tangents import Tangents

_KEPT = 40  # of them in the numbers
_STEPS = (1 / 64, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)

Move = tuple[str, str, float, Callable[[float, int], Augmentation]]
MOVES: tuple[Move, ...] = (
    ("rotation", "degrees", 45, lambda s, _: RandomRotation(s, "bilinear")),
    ("translation along x", "pixels", 0.25, lambda s, _: RandomTranslation(x=(-s, s))),
    ("translation", "pixels", 0.25, lambda s, _: RandomTranslation(x=(-s, s), y=(-s, s))),
    ("zoom", "factor", 0.5, lambda s, _: RandomZoom((1 - s, 1 + s))),
    ("shear", "degrees", 30, lambda s, _: RandomShear(x=(-s, s))),
    ("brightness", "factor", 0.8, lambda s, _: ColorJitter(brightness=s, clamp=False)),
)
"""Name, unit, strongest (of pixels: share of the side), and the augmentation of a strength."""


def _run(context: Context) -> Findings:
    images = subjects(context)
    numbers = {
        "spectra": spectra(images, context),
        "alignment": alignment(images, context),
    }
    gray = max((one for one in images.values() if one.shape[1] == 1), key=lambda one: one.shape[3])
    pictures = eigen_images(gray[:1])
    made = draw(numbers, pictures)
    return Findings(numbers, made, measured(numbers), differs(numbers))


def subjects(context: Context) -> dict[str, Tensor]:
    """Photos, and the first images of every dataset."""
    photos = torch.cat(list(context.photos(16 if context.quick else 28).values()))
    count = 2 if context.quick else 5
    return {"photos": photos} | {
        name: context.labelled(name, count).images for name in context.sources()
    }


def spectra(
    images: dict[str, Tensor], context: Context, families: tuple[Family, ...] = FAMILIES
) -> list[dict[str, Any]]:
    """Eigenvalues over their sum, at medium strength; medians over the images."""
    rows = []
    for name, batch in images.items():
        for one in families:
            context.tell("spectra", len(rows), len(images) * len(families))
            found = [
                spectrum(
                    moments(
                        image[None],
                        one.medium(batch.shape[-1]),
                        1e-2,
                        seed=context.seed,
                        max_nodes=1024,
                    ).covariance
                )
                for image in batch
            ]
            rows.append(
                {"images": name, "augmentation": one.name, "label": one.labels[1]}
                | {"shares": found[0]["shares"]}
                | {key: median(row[key] for row in found) for key in found[0] if key != "shares"}
            )
    context.tell("spectra", len(rows), len(rows))
    return rows


def spectrum(covariance: Covariance) -> dict[str, Any]:
    r"""Of one image: shares, effective rank :math:`(\mathrm{tr} V)^2 / \|V\|_F^2`, directions.

    Directions for a share of the variance beyond the number that is looked at count as that.
    """
    trace = float(covariance.trace())
    values = covariance.eigh(min(MOST, covariance.shape[1])).values[0] / trace
    return {
        "shares": values[:_KEPT].tolist(),
        "effective_rank": (trace / float(covariance.frobenius_norm())) ** 2,
        "directions_90": _directions(values, 0.9),
        "directions_99": _directions(values, 0.99),
        "largest_share_error": float(covariance.error) / trace,
    }


def alignment(
    images: dict[str, Tensor], context: Context, moves: tuple[Move, ...] = MOVES
) -> list[dict[str, Any]]:
    """Leading eigenvectors against tangents by strength; medians over the images."""
    rows = []
    for name, batch in images.items():
        for what, unit, strongest, make in moves:
            context.tell("tangents", len(rows), len(images) * len(moves))
            most = strongest * batch.shape[-1] if unit == "pixels" else strongest
            strengths = [step * most for step in _STEPS]
            found = [against_tangents(batch, make(s, batch.shape[-1])) for s in strengths]
            cosines = [row["cosine"] for row in found]
            rows.append(
                {"images": name, "augmentation": what, "unit": unit, "strengths": strengths}
                | {
                    "falls_below": crossing(
                        strengths, [1 - cosine for cosine in cosines], 1 - FALLEN
                    )
                }
                | {key: [row[key] for row in found] for key in found[0]}
            )
    context.tell("tangents", len(rows), len(rows))
    return rows


def against_tangents(batch: Tensor, policy: Augmentation) -> dict[str, float]:
    """How the tangents at the identity stand to V: medians over the images.

    ``cosine`` is that of the largest angle between the span of the j tangents and that of the j
    leading eigenvectors; ``tangent_share`` the part of the variance within the tangents' span.
    """
    basis = tangent_basis(batch, policy)
    m = moments(batch.double(), policy, 1e-3, max_nodes=1024)
    most = min(64, m.covariance.shape[1])
    pairs = m.covariance.eigh(most)
    trace = m.covariance.trace()
    leading = pairs.vectors[:, : basis.shape[2]].flatten(2)
    cosines = torch.linalg.svdvals(leading @ basis)[:, -1]
    shares = m.covariance.projected_root(basis.mT).square().sum((1, 2)) / trace
    directions = [_directions(one, 0.99) for one in pairs.values / trace[:, None]]
    return {
        "cosine": float(cosines.median()),
        "tangent_share": float(shares.median()),
        "directions_99": median(directions),
    }


def tangent_basis(batch: Tensor, policy: Augmentation) -> Tensor:
    """Orthonormal tangents at the identity, ``(N, D, j)``."""
    shape = (int(batch.shape[1]), int(batch.shape[2]), int(batch.shape[3]))
    tangents = Tangents.of(policy, shape).vectors(batch).flatten(2)
    return torch.linalg.qr(tangents.mT).Q


def eigen_images(image: Tensor) -> list[dict[str, Any]]:
    """Tangent and leading eigenvectors of an image, weak and strong, ``(C, H, W)`` each."""
    rows = []
    for what, unit, strongest, make in MOVES:
        if what in ("translation", "brightness"):
            continue
        side = image.shape[-1]
        for step in (1 / 16, 1 / 2):
            strength = step * strongest * (side if unit == "pixels" else 1)
            policy = make(strength, side)
            tangent = tangent_basis(image, policy)[0, :, 0].reshape(image.shape[1:])
            covariance = moments(image.double(), policy, 1e-3, max_nodes=1024).covariance
            vectors = covariance.eigh(3)
            signed = [
                v * (1 if float((v * tangent).sum()) >= 0 else -1) for v in vectors.vectors[0]
            ]
            shares = vectors.values[0] / covariance.trace()[0]
            label = f"{what.replace('translation along', 'shift in')}, ±{strength:.2g} {unit}"
            rows.append({"label": label, "images": [tangent, *signed], "shares": shares.tolist()})
    return rows


def _directions(values: Tensor, share: float) -> int:
    """The fewest leading directions with that share of the variance."""
    return int((values.double().cumsum(0) < share).sum()) + 1


EXPERIMENT = Experiment(
    name="tangent-directions",
    title="Eigenvectors of the augmentation's covariance, and the tangents of the data manifold",
    claim="The eigenvectors of the covariance V of an augmented image are the tangent directions "
    "of the data manifold, and its eigenvalues their weights (section 3).",
    run=_run,
)
