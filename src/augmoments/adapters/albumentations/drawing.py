"""Samples of albumentations' transforms, with their randomness seeded."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from augmoments.adapters.albumentations.ranges import children

_STATE = ("random_generator", "py_random", "params")


def draw(step: Any, images: Tensor, seed: int) -> Tensor:
    """Apply ``step`` to images ``(n, C, H, W)``, all alike.

    The random numbers come from ``seed``, in one stream for all steps inside; where a composition
    was given a seed, every step gets its own stream from that seed, as in albumentations.
    """
    out = []
    with _kept(step):
        for image in images.detach().cpu().float().permute(0, 2, 3, 1).numpy():
            _seed(step, seed)
            out.append(_tensor(step(image=np.ascontiguousarray(image))["image"]))
    return torch.stack(out).to(images)


def dependent(step: Any) -> bool:
    """Whether steps inside of a composition draw the same random numbers."""
    if getattr(step, "seed", None) is None:
        return False
    return any(child.py_random is not step.py_random for child in children(step))


def _seed(step: Any, seed: int) -> None:
    if dependent(step):
        step.set_random_seed(seed)
    else:
        step.set_random_state(np.random.default_rng(seed), random.Random(seed))


@contextmanager
def _kept(step: Any) -> Iterator[None]:
    """Leave the generators of ``step``, and of all inside, as they were."""
    nodes, states = list(_nodes(step)), []
    for node in nodes:
        states.append({name: vars(node)[name] for name in (*_STATE, "seed") if name in vars(node)})
    try:
        yield
    finally:
        for node, state in zip(nodes, states, strict=True):
            vars(node).update(state)


def _nodes(step: Any) -> Iterator[Any]:
    yield step
    for child in children(step):
        yield from _nodes(child)


def _tensor(image: Any) -> Tensor:
    if isinstance(image, Tensor):
        return image
    image = image if image.ndim == 3 else image[..., None]
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
