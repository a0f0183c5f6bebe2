"""Images to stand in for natural ones, where only their shape is given."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from augmoments.operators.base import Shape

_FEW, _LARGE = 4, 2**14
_CHROMA = 0.5


def reference_images(shape: Shape) -> Float32[Tensor, "N C H W"]:
    """Random images with the amplitude spectrum 1/f of natural ones, always the same ones.

    The channels are one pattern plus half as much of their own (a correlation of 0.8); each image
    is scaled to [0, 1]. There are four of them, or one where it has more than 16,384 values.

    Args:
        shape: ``(C, H, W)``.

    >>> images = reference_images((3, 32, 32))
    >>> images.shape, float(images.min()), float(images.max())
    (torch.Size([4, 3, 32, 32]), 0.0, 1.0)

    Reference:
        Field (1987), *Relations between the statistics of natural images and the response
        properties of cortical cells*.
    """
    channels, height, width = shape
    count = _FEW if channels * height * width <= _LARGE else 1
    noise = np.random.default_rng(0).standard_normal((count, channels + 1, height, width))
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)
    frequency = np.maximum(np.hypot(rows, columns), 1 / max(height, width))
    patterns = np.fft.ifft2(np.fft.fft2(noise) / frequency).real
    images = patterns[:, :1] + _CHROMA * patterns[:, 1:]
    low, high = (end(images, axis=(1, 2, 3), keepdims=True) for end in (np.min, np.max))
    span = np.where(high > low, high - low, 1.0)
    scaled = np.where(high > low, (images - low) / span, 0.5)
    return torch.from_numpy(scaled.astype(np.float32))
