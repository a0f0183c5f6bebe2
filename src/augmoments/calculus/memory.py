"""How much is worked on at once, so that the memory of one block serves the next one."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

_FEWEST = 16
_MOST = 8192
_BYTES = 3 * 2**17  # layers of 80 times as many values still fit into blocks that are kept
_BYTES_ON_DEVICE = 2**25
_LARGEST_KEPT = 2**25 - 2**13


def images_at_once(image: Tensor) -> int:
    """How many augmented images like ``image`` ``(C, H, W)`` a function is given in one call."""
    room = _BYTES_ON_DEVICE
    if image.device.type == "cpu":
        keep_freed_blocks()
        room = _BYTES
    return min(_MOST, max(_FEWEST, room // image.nbytes))


@cache
def keep_freed_blocks() -> None:
    """Let glibc's ``malloc`` keep freed blocks of up to 32 MiB, its limit, for what comes next.

    It returns blocks larger than the largest one freed so far to the system, which then clears
    every page anew at each call of a model. A block that is freed untouched costs nothing and
    moves this bound; other allocators have nothing to learn from it.

    Reference:
        ``man mallopt``, ``M_MMAP_THRESHOLD`` (the dynamic threshold).
    """
    torch.empty(_LARGEST_KEPT, dtype=torch.uint8)
