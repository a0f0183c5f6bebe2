"""The covariance under rotation to a true error of one in a thousand, as a factor."""

from __future__ import annotations

from typing import Any

from _data import photos
from _timing import paired
from torch import Tensor

import augmoments as am
from rows.row import Found, Least, Row, Target, distance, sampling, smallest

GOAL = 1e-3
TOLS = (2e-1, 1e-1, 5e-2, 2e-2, 1e-2, 5e-3, 2e-3, 1e-3, 5e-4)
BATCH = 64


def policy() -> am.Augmentation:
    """Torchvision's rotation, read by augmoments."""
    return am.RandomRotation(30, interpolation="bilinear", border="torchvision")


def solve(images: Tensor, tol: float) -> am.Moments:
    """Mean and factor of the covariance."""
    return am.moments(images, policy(), tol)


def measure(quick: bool) -> Found:
    """Against the covariance at a far smaller tolerance, in double precision."""
    from _peers import draws, fastest, rotation

    images, pipelines = photos(32), rotation()
    truth = am.moments(images.double(), policy(), 1e-4 if quick else 3e-5).covariance.dense()

    def error(found: am.Moments) -> float:
        return distance(found.covariance.dense(), truth)

    tol, found, off = smallest(TOLS, lambda tol: solve(images, tol), error, GOAL)
    draw = fastest(pipelines, images[0])

    def cost(many: Tensor) -> tuple[float, float]:
        timed = paired(lambda: solve(many, tol), draw.work, repeats=5 if quick else 9)
        return timed.ratio / len(many) * draw.images, timed.ours / len(many)

    counts = (256, 512, 1024)
    sampled = sampling(
        draws(pipelines["torchvision"], images[0], 2048),
        counts,
        lambda group: distance(group.T.cov()[None], truth[:1]),
        off,
    )
    costs = {n: cost(batch(n)) for n in (1, 8, BATCH)}
    return Found(
        {"tol": tol},
        {"draws": costs[BATCH][0], "columns": found.covariance.factor.shape[1]},
        off,
        float(found.error.covariance.max()),
        draw.seconds,
        sampled,
        {"images": [(n, draws) for n, (draws, _) in costs.items()]},
        least(found.nodes, images[0].numel(), costs[BATCH][1]),
    )


def batch(count: int) -> Tensor:
    """Photographs, as often as they are needed."""
    return photos(32).repeat(-(-count // 3), 1, 1, 1)[:count]


def least(nodes: int, values: int, took: float) -> Least:
    """Rotate to the nodes, and take all inner products."""
    how = (
        f"{nodes} nodes x {values:,} values: 8 operations to interpolate each, {nodes} for its "
        "inner products, 8 bytes to write it and to read it"
    )
    return Least(took, nodes * values * (8 + nodes), 8 * nodes * values, how)


def work(setting: dict[str, Any]) -> am.Moments:
    """The covariances of the batch."""
    return solve(batch(BATCH), setting["tol"])


ROWS = {
    "covariance": Row(
        "covariance factor, rotation U(-30, 30), 3 x 32 x 32",
        "0.1 % in Frobenius norm",
        (Target("draws", 150),),
        measure,
        work,
    )
}
