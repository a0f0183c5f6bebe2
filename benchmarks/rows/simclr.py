"""Mean and total variance under SimCLR's pipeline to one per cent."""

from __future__ import annotations

from typing import Any

import torch
from _data import photos
from _timing import paired
from torch import Tensor

import augmoments as am
from rows.row import Found, Least, Row, Target, distance, sampling, smallest

GOAL = 1e-2
ALL = 1e-5  # a tolerance that takes all nodes that are allowed
NODES = (128, 256, 512, 1024, 2048, 4096)
SEEDS = (0, 1, 2)
BATCH = 9


def solve(images: Tensor, policy: Any, nodes: int, seed: int = 0) -> am.MeanAndTrace:
    """Mean and total variance from so many nodes."""
    return am.mean_and_trace(images, policy, ALL, max_nodes=nodes, seed=seed)


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


def gaps(found: am.MeanAndTrace, mean: Tensor, trace: Tensor) -> Tensor:
    """Relative errors of the means and of the traces, ``(2, N)``."""
    far = (found.mean - mean).flatten(1).norm(dim=1) / mean.flatten(1).norm(dim=1)
    return torch.stack([far, (found.trace / trace - 1).abs()])


def measure(quick: bool) -> Found:
    """Root mean squares over photographs and scramblings; the larger of mean and trace counts."""
    from _peers import draws, fastest, simclr

    images, pipelines = photos(32), simclr()
    policy = pipelines["torchvision"]
    mean, trace = reference(images, policy, 2**12 if quick else 2**15)

    def error(found: list[am.MeanAndTrace]) -> float:
        squares = torch.cat([gaps(one, mean, trace) for one in found], 1).square()
        return float(squares.mean(1).sqrt().max())

    nodes, found, off = smallest(
        NODES, lambda n: [solve(images, policy, n, seed) for seed in SEEDS], error, GOAL
    )
    draw = fastest(pipelines, images[0])

    def cost(many: Tensor) -> tuple[float, float]:
        timed = paired(lambda: solve(many, policy, nodes), draw.work, repeats=3 if quick else 7)
        return timed.ratio / len(many) * draw.images, timed.ours / len(many)

    def sampled_error(group: Tensor) -> float:
        total = group.var(0).sum().reshape(1, 1)
        return max(
            distance(group.mean(0)[None], mean[:1].flatten(1)), distance(total, trace[:1, None])
        )

    sampled = sampling(draws(policy, images[0], 1024), (64, 128, 256, 512), sampled_error, off)
    batch = images.repeat(BATCH // len(images), 1, 1, 1)
    costs = {n: cost(batch[:n]) for n in (1, BATCH)}
    return Found(
        {"max_nodes": nodes},
        {"draws": costs[BATCH][0], "draws alone": costs[1][0]},
        off,
        max(float(torch.cat([m.mean_error, m.trace_error]).max()) for m in found),
        draw.seconds,
        sampled,
        {"images": [(n, value) for n, (value, _) in costs.items()]},
        least(nodes, images[0].numel(), costs[BATCH][1]),
    )


def least(nodes: int, values: int, took: float) -> Least:
    """Crop, four colour steps and their sums."""
    how = (
        f"{nodes} nodes x {values:,} values: some 50 operations each (8 to crop, 35 for hue), and "
        "8 bytes read and written by each of 5 steps"
    )
    return Least(took, 50 * nodes * values, 40 * nodes * values, how)


def work(setting: dict[str, Any]) -> am.MeanAndTrace:
    """Mean and total variance of the batch."""
    from _peers import simclr

    images = photos(32).repeat(BATCH // 3, 1, 1, 1)
    return solve(images, simclr()["torchvision"], setting["max_nodes"])


ROWS = {
    "simclr": Row(
        "mean and total variance, SimCLR's pipeline, 3 x 32 x 32",
        "1 % of both, root mean square",
        (Target("draws", 1000),),
        measure,
        work,
    )
}
