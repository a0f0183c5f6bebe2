"""The exact mean image under rotation: the expected operator times a batch."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from _data import photos
from _timing import paired, seconds
from torch import Tensor

import augmoments as am
from augmoments.estimate import rounding
from augmoments.rules.build import _cached_expectation
from rows.row import Found, Least, Row, Target, distance, sampling

Shape = tuple[int, int, int]
BATCHES = {28: 1000, 32: 1000, 224: 8}


def policy() -> am.Augmentation:
    """Torchvision's rotation, read by augmoments."""
    return am.RandomRotation(30, interpolation="bilinear", border="torchvision")


def batch(shape: Shape, count: int) -> Tensor:
    """Photographs, as often as they are needed."""
    images = photos(shape[1])[:, : shape[0]]
    return images.repeat(-(-count // len(images)), 1, 1, 1)[:count].contiguous()


def truth(image: Tensor, angles: int) -> Tensor:
    """The mean of torchvision's rotations at equidistant angles, in double precision."""
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2.functional import rotate

    double, total = image.double(), torch.zeros_like(image, dtype=torch.float64)
    for k in range(angles):
        angle = -30 + 60 * (k + 0.5) / angles
        total += rotate(double, angle, InterpolationMode.BILINEAR, fill=0)
    return total / angles


def measure(quick: bool, shape: Shape) -> Found:
    """Paired with one draw of each image of the fastest library."""
    from _peers import draws, fastest, rotation

    side, pipelines = shape[1], rotation()
    images = batch(shape, BATCHES[side])
    _cached_expectation.cache_clear()
    built = seconds(lambda: am.expected_operator(policy(), shape))
    operator = am.expected_operator(policy(), shape)
    draw = fastest(pipelines, images[0])
    found = paired(lambda: operator @ images, draw.work, repeats=9 if quick else 21)
    cost = found.ratio / len(images) * draw.images
    angles = (500 if quick else 2000) if side == 224 else (4000 if quick else 20_000)
    mean = truth(images[0], angles)
    off = distance((operator @ images[:1]), mean[None])
    counts = (16, 64, 256) if quick or side == 224 else (64, 256, 1024)
    drawn = draws(pipelines["torchvision"], images[0], 2 * counts[-1])
    sampled = sampling(
        drawn, counts, lambda group: distance(group.mean(0)[None], mean.flatten()[None]), off
    )
    growth = {}
    if side != 224:
        growth["images"] = [
            (count, _cost(operator, batch(shape, count), draw)) for count in (1, 10, 100, 1000)
        ]
    if side == 32:
        growth["pixels"] = [
            (3 * other**2, _at(other)) for other in ((32, 64) if quick else (32, 64, 128, 224))
        ]
    return Found(
        {"shape": shape},
        {"draws": cost, "seconds to build": built},
        off,
        rounding(torch.float32, side),
        draw.seconds,
        sampled,
        growth,
        least(shape, len(images), found.ours / len(images)),
    )


def least(shape: Shape, count: int, took: float) -> Least:
    """A product with a sparse matrix, which is the same for all channels and images."""
    values = shape[0] * shape[1] * shape[2]
    entries = am.expected_operator(policy(), (1, *shape[1:])).matrix().nnz
    how = (
        f"{entries:,} entries of the operator x {shape[0]} channels, a product and a sum each; "
        f"{values:,} values read and written, and entries read once for {count:,} images"
    )
    moved = 8 * values + 8 * entries / count
    return Least(took, 2 * shape[0] * entries, moved, how)


def _at(side: int) -> float:
    from _peers import fastest, rotation

    shape = (3, side, side)
    images = batch(shape, max(4, 1000 * 32**2 // side**2 // 4))
    draw = fastest(rotation(), images[0], repeats=3)
    return _cost(am.expected_operator(policy(), shape), images, draw)


def _cost(operator: Any, images: Tensor, draw: Any) -> float:
    found = paired(lambda: operator @ images, draw.work, repeats=5)
    return found.ratio / len(images) * draw.images


def work(setting: dict[str, Any]) -> Tensor:
    """Build and multiply."""
    channels, height, width = setting["shape"]
    shape = (channels, height, width)
    return am.expected_operator(policy(), shape) @ batch(shape, BATCHES[height])


def _row(shape: Shape, *targets: Target) -> Row:
    return Row(
        f"exact mean, rotation U(-30, 30), {BATCHES[shape[1]]:,} images of "
        + " x ".join(map(str, shape)),
        "exact",
        targets,
        partial(measure, shape=shape),
        work,
    )


ROWS = {
    "mean-28": _row((1, 28, 28), Target("draws", 1)),
    "mean-32": _row((3, 32, 32), Target("draws", 1)),
    "mean-224": _row((3, 224, 224), Target("draws", 60), Target("seconds to build", 3)),
}
