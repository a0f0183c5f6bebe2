"""The sixteen leading eigenpairs of the covariance under rotation, at ImageNet's size."""

from __future__ import annotations

from typing import Any

import torch
from _data import photos
from _timing import paired

import augmoments as am
from rows.covariance_rotation import least, policy
from rows.row import Found, Row, Target, distance, sampling, smallest

GOAL, K = 1e-3, 16
TOLS = (5e-1, 2e-1, 1e-1, 5e-2, 2e-2, 1e-2, 5e-3, 2e-3, 1e-3)


def solve(image: torch.Tensor, tol: float) -> tuple[Any, int]:
    """The leading eigenpairs of the covariance, and the nodes that it took."""
    found = am.moments(image, policy(), tol)
    return found.covariance.eigh(K), found.nodes


def off(found: torch.Tensor, truth: torch.Tensor) -> float:
    """The largest relative error of an eigenvalue."""
    return float((found.double() / truth.double() - 1).abs().max())


def measure(quick: bool) -> Found:
    """Against the eigenvalues at a far smaller tolerance."""
    from _peers import draws, fastest, rotation

    side = 112 if quick else 224
    image, pipelines = photos(side, 1), rotation()
    truth = solve(image, 2e-4)[0].values
    tol, (found, nodes), gap = smallest(
        TOLS, lambda tol: solve(image, tol), lambda pairs: off(pairs[0].values, truth), GOAL
    )
    draw = fastest(pipelines, image[0])

    def cost(one: torch.Tensor, drawn: Any) -> tuple[float, float]:
        timed = paired(lambda: solve(one, tol), drawn.work, repeats=3)
        return timed.ratio * drawn.images, timed.ours

    def sampled_error(group: torch.Tensor) -> float:
        centred = group - group.mean(0)
        values = torch.linalg.eigvalsh(centred @ centred.T / (len(group) - 1)).flip(0)[:K]
        return distance(values[:, None], truth[0, :, None])

    sampled = sampling(
        draws(pipelines["torchvision"], image[0], 256), (64, 128, 256), sampled_error, gap
    )
    value, took = cost(image, draw)
    growth = [(3 * side**2, value)]
    for smaller in (32, 64, 112):
        if smaller < side:
            other = photos(smaller, 1)
            growth.insert(-1, (3 * smaller**2, cost(other, fastest(pipelines, other[0], 3))[0]))
    return Found(
        {"tol": tol, "side": side},
        {"draws": value},
        gap,
        float((found.error / found.values[:, -1]).max()),
        draw.seconds,
        sampled,
        {"pixels": growth},
        least(nodes, image.numel(), took),
    )


def work(setting: dict[str, Any]) -> object:
    """The eigenpairs of one photograph."""
    return solve(photos(setting["side"], 1), setting["tol"])


ROWS = {
    "eigenpairs": Row(
        "16 leading eigenpairs, rotation U(-30, 30), 3 x 224 x 224",
        "0.1 % of every eigenvalue",
        (Target("draws", 600),),
        measure,
        work,
    )
}
