"""The covariance under a five-parameter affine map to one per cent, and with fewer parameters."""

from __future__ import annotations

from typing import Any

import torch
from _data import photos
from _timing import paired

import augmoments as am
from rows.row import Found, Least, Row, Target, distance, sampling, smallest

GOAL = 1e-2
NODES = (64, 128, 256, 512, 1024, 2048, 4096)
FINEST = 2**13
BATCH = 9


def solve(images: torch.Tensor, policy: Any, nodes: int, tol: float = GOAL) -> am.Moments:
    """Mean and covariance from at most this many nodes."""
    return am.moments(images, policy, tol, max_nodes=nodes)


def use(found: am.Moments) -> None:
    """What is done with a covariance: trace, variances, products with vectors."""
    found.covariance.trace()
    found.covariance.diagonal()
    found.covariance @ found.mean


def cost(image: torch.Tensor, pipelines: Any, finest: int) -> dict[str, Any]:
    """Cost of one per cent, and the covariance that it was judged by."""
    from _peers import fastest

    policy = pipelines["torchvision"]
    nodes = [n for n in NODES if n < finest]
    truths = [
        am.moments(image, policy, 1e-4, max_nodes=finest, seed=seed).covariance.dense()
        for seed in (101, 102)
    ]
    truth = sum(truths) / 2

    def error(found: am.Moments) -> float:
        return distance(found.covariance.dense(), truth)

    most, found, off = smallest(nodes, lambda n: solve(image, policy, n), error, GOAL)
    draw = fastest(pipelines, image[0], repeats=3)
    many = image.expand(BATCH, -1, -1, -1)
    alone, shared = (
        paired(lambda x=x: use(solve(x, policy, most)), draw.work, repeats=3) for x in (image, many)
    )
    return {
        "nodes": most,
        "truth": truth,
        "spread": distance(truths[0], truths[1]) / 2,
        "off": off,
        "stated": float(found.error.covariance.max()),
        "draws": shared.ratio * draw.images / BATCH,
        "alone": alone.ratio * draw.images,
        "took": shared.ours / BATCH,
        "seconds": draw.seconds,
    }


def measure(quick: bool) -> Found:
    """One photograph; a reference from two scramblings of many more nodes."""
    from _peers import affine, draws

    image, finest = photos(32, 1), 2**10 if quick else FINEST
    full = cost(image, affine(), finest)
    sampled = sampling(
        draws(affine()["torchvision"], image[0], 2048),
        (256, 512, 1024),
        lambda group: distance(group.T.cov()[None], full["truth"]),
        full["off"],
    )
    fewer = () if quick else (1, 3)
    growth = [(k, cost(image, affine(k), finest)["draws"]) for k in fewer]
    return Found(
        {"max_nodes": full["nodes"]},
        {
            "draws": full["draws"],
            "draws alone": full["alone"],
            "error of the reference": full["spread"],
        },
        full["off"],
        full["stated"],
        full["seconds"],
        sampled,
        {
            "images": [(1, full["alone"]), (BATCH, full["draws"])],
            "parameters": [*growth, (5, full["draws"])],
        },
        least(full["nodes"], image.numel(), full["took"]),
    )


def least(nodes: int, values: int, took: float) -> Least:
    """Every node once."""
    how = (
        f"{nodes} nodes x {values:,} values: 8 operations to interpolate each, 8 bytes to write it "
        "and to read it; averages over whole shifts, compression and the error bound come on top"
    )
    return Least(took, 8 * nodes * values, 8 * nodes * values, how)


def work(setting: dict[str, Any]) -> None:
    """The covariances of the batch."""
    from _peers import affine

    images = photos(32, 1).expand(BATCH, -1, -1, -1)
    use(solve(images, affine()["torchvision"], setting["max_nodes"]))


ROWS = {
    "affine": Row(
        "covariance, affine map of five parameters, bilinear, 3 x 32 x 32",
        "1 % in Frobenius norm",
        (Target("draws", 2500),),
        measure,
        work,
    )
}
