"""Converters of containers: sequences, some of them in random order or with steps left out."""

from __future__ import annotations

from collections import defaultdict
from math import perm
from typing import Any

from torch import nn

from augmoments.adapters.kornia.laws import number
from augmoments.adapters.kornia.selection import NOTHING, RandomSequence, weighted_sequences
from augmoments.adapters.kornia.steps import Convert, refuse
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.compose import Compose

MOST_SEQUENCES = 4096


def sequential(module: nn.Sequential, convert: Convert) -> Augmentation:
    """:class:`torch.nn.Sequential`: one step after the other."""
    return _chain([convert(child) for child in module])


def _chain(steps: list[Augmentation]) -> Augmentation:
    return Compose(steps) if steps else NOTHING


def image_sequential(module: Any, convert: Convert) -> Augmentation:
    """``ImageSequential`` and ``AugmentationSequential``, with ``random_apply`` and its weights."""
    steps = [convert(child) for child in module.children()]
    if len(steps) < len(module):
        raise refuse(module, "the same module twice, which kornia applies once,", "a copy of it")
    if module.random_apply is False:
        return _chain(steps)
    weights = [number(w) for w in module.random_apply_weights]
    total, positive = float(module.random_apply_weights.sum()), sum(w > 0 for w in weights)
    numbers = range(*module.random_apply)
    found: dict[tuple[int, ...], float] = defaultdict(float)
    for n in numbers:
        repeat = n > total or n > positive
        count = positive**n if repeat else perm(positive, n)
        if count > MOST_SEQUENCES:
            why = f"random_apply of {n} steps, which are {count} sequences,"
            raise refuse(module, why, f"at most {MOST_SEQUENCES} sequences")
        parts = weighted_sequences(weights, n, repeat) if positive else {(): 1.0}
        for sequence, share in parts.items():
            found[sequence] += share / len(numbers)
    return RandomSequence.of(steps, found)


CONVERTERS = {
    "AugmentationSequential": image_sequential,
    "ImageSequential": image_sequential,
}
