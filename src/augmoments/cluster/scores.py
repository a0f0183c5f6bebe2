"""How many images linear models get right, partition by partition."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from augmoments.calculus.dataset.ridge import RidgeSolution
from augmoments.cluster.partitions import pieces, ranges
from augmoments.cluster.pool import Pool
from augmoments.data import Stream
from augmoments.errors import DataError


def accuracies(
    used: Pool,
    stream: Stream,
    solutions: Sequence[RidgeSolution],
    classes: Sequence[int],
    partition_size: int,
    progress: Callable[[int, int], None],
) -> list[float]:
    """The share of images whose class has the largest output, for each of the models.

    Args:
        used: Where it is computed.
        stream: Images of the shape that the models take, as they are, with their labels.
        solutions: The models.
        classes: The model's class for each class of the stream.
        partition_size: Images a partition.
        progress: Called as ``progress(done, total)`` with numbers of partitions.
    """
    weights = torch.stack([solution.coef for solution in solutions])
    biases = torch.stack([solution.intercept for solution in solutions])
    bounds = list(ranges(stream.count, partition_size))
    calls = (
        (part, (stream.part(*ends), weights, biases, torch.tensor(classes)))
        for part, ends in enumerate(bounds)
    )
    total, right = 0, torch.zeros(len(solutions), dtype=torch.int64)
    for done, (_, (count, hits)) in enumerate(used.map(_hits, calls), start=1):
        total, right = total + count, right + hits
        progress(done, len(bounds))
    if not total:
        raise DataError(f"{stream.name} has no image that can be read.")
    return (right / total).tolist()


def _hits(part: Stream, weights: Tensor, biases: Tensor, classes: Tensor) -> tuple[int, Tensor]:
    """How many images there are, and how many of them each model gets right."""
    total, right = 0, torch.zeros(len(weights), dtype=torch.int64)
    for start, stop in pieces(part):
        images, labels = part.read(start, stop)
        if not len(images):
            continue
        rows = images.flatten(1).double()
        outputs = torch.einsum("akd,nd->ank", weights, rows) + biases[:, None]
        right += (outputs.argmax(2) == classes[labels]).sum(1)
        total += len(images)
    return total, right
