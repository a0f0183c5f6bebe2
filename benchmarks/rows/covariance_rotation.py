"""The covariance under rotation to a true error of one in a thousand, as a factor."""

from __future__ import annotations

from typing import Any

from _data import photos
from _timing import paired
from torch import Tensor

import augmoments as am
from rows.row import Found, Row, Target, distance, sampling, smallest

GOAL = 1e-3
TOLS = (1e-2, 5e-3, 2e-3, 1e-3, 5e-4, 2e-4)
BATCH = 9


def policy() -> am.Augmentation:
    """Torchvision's rotation, read by augmoments."""
    return am.RandomRotation(30, interpolation="bilinear", border="torchvision")


def solve(images: Tensor, tol: float) -> am.Moments:
    """Mean and factor of the covariance."""
    return am.moments(images, policy(), tol)


def measure(quick: bool) -> Found:
    """Against the covariance at a thirtieth of the tolerance, in double precision."""
    from _peers import draws, fastest, rotation

    images, pipelines = photos(32), rotation()
    truth = am.moments(images.double(), policy(), 3e-5).covariance.dense()

    def error(found: am.Moments) -> float:
        return distance(found.covariance.dense(), truth)

    tol, found, off = smallest(TOLS, lambda tol: solve(images, tol), error, GOAL)
    draw = fastest(pipelines, images[0])

    def cost(many: Tensor) -> float:
        timed = paired(lambda: solve(many, tol), draw.work, repeats=5 if quick else 11)
        return timed.ratio / len(many) * draw.images

    counts = (256, 512, 1024)
    sampled = sampling(
        draws(pipelines["torchvision"], images[0], 2048),
        counts,
        lambda group: distance(group.T.cov()[None], truth[:1]),
        off,
    )
    batch = images.repeat(BATCH // len(images), 1, 1, 1)
    growth = [(n, cost(batch[:n])) for n in (1, 3, BATCH)]
    return Found(
        {"tol": tol},
        {"draws": growth[-1][1], "columns": found.covariance.factor.shape[1]},
        off,
        float(found.error.covariance.max()),
        draw.seconds,
        sampled,
        {"images": growth},
    )


def work(setting: dict[str, Any]) -> am.Moments:
    """The covariances of the batch."""
    return solve(photos(32).repeat(BATCH // 3, 1, 1, 1), setting["tol"])


ROWS = {
    "covariance": Row(
        "covariance factor, rotation U(-30, 30), 3 x 32 x 32",
        "0.1 % in Frobenius norm",
        (Target("draws", 150),),
        measure,
        work,
        "rotating the image to the nodes of the last two levels, and their inner products",
    )
}
