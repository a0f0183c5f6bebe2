"""Samples of torchvision's transforms, with their randomness seeded."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor


def draw(step: Any, images: Tensor, seed: int) -> Tensor:
    """Apply ``step`` to images ``(n, C, H, W)``, all alike.

    The random numbers of PyTorch, NumPy and Python come from ``seed``; afterwards their global
    states are what they were.
    """
    states = random.getstate(), np.random.get_state()  # noqa: NPY002 - it is the global one
    devices = [images.device] if images.is_cuda else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        if devices:
            torch.cuda.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        try:
            out = step(images.clone())
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002
    return out.as_subclass(Tensor)
