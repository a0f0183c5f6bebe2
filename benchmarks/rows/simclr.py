"""Mean and total variance under SimCLR's pipeline to one per cent."""

from __future__ import annotations

from typing import Any

import torch
from _data import photos
from _timing import paired
from torch import Tensor

import augmoments as am
from rows.row import Found, Row, Target, distance, sampling, smallest

GOAL = 1e-2
NODES = (32, 64, 128, 256, 512, 1024, 2048)
SEEDS = (0, 1, 2)
BATCH = 9


def solve(images: Tensor, policy: Any, nodes: int, seed: int = 0) -> am.Moments:
    """Mean and covariance from at most this many nodes."""
    return am.moments(images, policy, GOAL, max_nodes=nodes, seed=seed)


def reference(images: Tensor, policy: Any, nodes: int) -> tuple[Tensor, Tensor]:
    """Mean and total variance by nodes over the whole pipeline, from two scramblings."""

    def powers(draws: Tensor) -> Tensor:
        flat = draws.double().flatten(1)
        return torch.cat([flat, flat.square().sum(1, keepdim=True)], 1)

    found = [
        am.expectation(powers, images, policy, 1e-9, seed=seed, max_nodes=nodes).value
        for seed in (101, 102)
    ]
    value = (found[0] + found[1]) / 2
    mean = value[:, :-1]
    return mean.unflatten(1, images.shape[1:]), value[:, -1] - mean.square().sum(1)


def measure(quick: bool) -> Found:
    """The worst of three photographs and three scramblings counts."""
    from _peers import draws, fastest, simclr

    images, pipelines = photos(32, 1 if quick else 3), simclr()
    policy = pipelines["torchvision"]
    mean, trace = reference(images, policy, 2**13 if quick else 2**16)

    def error(found: list[am.Moments]) -> float:
        traces = [distance(m.covariance.trace()[:, None], trace[:, None]) for m in found]
        return max(*traces, *(distance(m.mean, mean) for m in found))

    nodes, found, off = smallest(
        NODES, lambda n: [solve(images, policy, n, seed) for seed in SEEDS], error, GOAL
    )
    draw = fastest(pipelines, images[0])

    def cost(many: Tensor) -> float:
        timed = paired(lambda: solve(many, policy, nodes), draw.work, repeats=1 if quick else 5)
        return timed.ratio / len(many) * draw.images

    def sampled_error(group: Tensor) -> float:
        total = group.var(0).sum().reshape(1, 1)
        return max(
            distance(group.mean(0)[None], mean[:1].flatten(1)), distance(total, trace[:1, None])
        )

    sampled = sampling(draws(policy, images[0], 1024), (64, 128, 256, 512), sampled_error, off)
    batch = images.repeat(BATCH // len(images), 1, 1, 1)
    growth = [(n, cost(batch[:n])) for n in ((1, 3) if quick else (1, 3, BATCH))]
    return Found(
        {"max_nodes": nodes},
        {"draws": growth[-1][1]},
        off,
        max(float(torch.cat([m.error.mean, m.error.trace]).max()) for m in found),
        draw.seconds,
        sampled,
        {"images": growth},
    )


def work(setting: dict[str, Any]) -> am.Moments:
    """Moments of the batch."""
    from _peers import simclr

    images = photos(32).repeat(BATCH // 3, 1, 1, 1)
    return solve(images, simclr()["torchvision"], setting["max_nodes"])


ROWS = {
    "simclr": Row(
        "mean and total variance, SimCLR's pipeline, 3 x 32 x 32",
        "1 % of both",
        (Target("draws", 1000),),
        measure,
        work,
        "evaluating the colours at the nodes, and the crops of the result",
    )
}
