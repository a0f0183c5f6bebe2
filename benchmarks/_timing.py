"""Paired timings: two pieces of work in turn, so that a machine's drift meets both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch

torch.set_num_threads(2)  # figures are quoted for two cores


class Paired(NamedTuple):
    """Median seconds of both, and the median of the ratios pair by pair."""

    ours: float
    peer: float
    ratio: float
    repeats: int


def paired(ours: Callable[[], object], peer: Callable[[], object], repeats: int = 21) -> Paired:
    """Time ``ours`` and ``peer`` in turn, after one warm-up of each."""
    ours(), peer()
    pairs = [(seconds(ours), seconds(peer)) for _ in range(repeats)]
    ratio = statistics.median(a / b for a, b in pairs)
    return Paired(
        *(statistics.median(column) for column in zip(*pairs, strict=True)), ratio, repeats
    )


def seconds(work: Callable[[], object]) -> float:
    """Seconds that ``work`` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
