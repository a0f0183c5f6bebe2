"""What the checks share: images to try, and comparisons that say where they fail."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from augmoments.operators.base import Shape


def random_images(shape: Shape, seed: int = 0) -> Tensor:
    """Two images in [0, 1], float64: noise, and a bright region on black, ``(2, C, H, W)``."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(2, *shape, generator=generator, dtype=torch.float64)
    _, height, width = shape
    rows = torch.arange(height)[:, None] < (height + 1) // 2
    columns = torch.arange(width) >= width // 3
    noise[1] = torch.where(rows & columns, (1 + noise[1]) / 2, 0.0)
    return noise


def require(condition: object, message: str) -> None:
    """An assertion that is also made under ``python -O``."""
    if not condition:
        raise AssertionError(message)


def shape_of(images: Tensor) -> Shape:
    """``(C, H, W)``."""
    return tuple(images.shape[-3:])  # type: ignore[return-value]


def size_of(images: Tensor) -> float:
    """What differences between images are measured by."""
    return max(1.0, float(images.abs().max()))


def assert_close(got: Tensor, want: Tensor, atol: float, what: str) -> None:
    """Refuse a difference above ``atol`` (or NaN) anywhere, and say where it is largest."""
    require(got.shape == want.shape, f"{what}: shapes {tuple(got.shape)} and {tuple(want.shape)}")
    difference = (got - want).abs().nan_to_num(torch.inf)
    if difference.numel() == 0 or difference.max() <= atol:
        return
    at = np.unravel_index(int(difference.argmax()), difference.shape)
    raise AssertionError(
        f"{what}: {float(got[at]):.12g} and {float(want[at]):.12g} at "
        f"{tuple(int(i) for i in at)} differ by {float(difference[at]):.3g}, allowed {atol:.3g}"
    )
