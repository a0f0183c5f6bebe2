"""One draw of a kornia module, for steps that are not understood."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def draw(module: Any, images: Tensor, seed: int) -> Tensor:
    """Apply a module to images ``(n, C, H, W)``, each by itself, with one draw for all of them.

    PyTorch's generator is seeded for each image and restored afterwards.
    """
    out = []
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        for image in images:
            torch.manual_seed(seed)
            moved = module(image[None])
            out.append(moved.reshape(moved.shape[-3:]))
    return torch.stack(out)
