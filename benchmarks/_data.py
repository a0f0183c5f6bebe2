"""Where the benchmarks find their images."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


def data_folder() -> Path:
    """The folder of the datasets, AUGMOMENTS_DATA or ../shared/data."""
    return Path(os.environ.get("AUGMOMENTS_DATA", "../shared/data"))


def mnist_folder() -> Path:
    """The folder of the four IDX files: the first argument, or AUGMOMENTS_DATA/mnist.

    Ends the program, without an error, where there is none.
    """
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else data_folder() / "mnist"
    if not folder.is_dir():
        print(f"skipped: no MNIST in {folder}; name its folder or set AUGMOMENTS_DATA")
        raise SystemExit(0)
    return folder


def photos(side: int, count: int = 3) -> Tensor:
    """Up to three photographs, cut to a square and resized, ``(count, 3, side, side)``."""
    from skimage import data, transform

    found = []
    for photo in (data.astronaut(), data.coffee(), data.chelsea())[:count]:
        edge = min(photo.shape[:2])
        square = photo[:edge, :edge] / 255.0
        found.append(transform.resize(square, (side, side), anti_aliasing=True))
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).float().contiguous()
