"""Linear models for PyTorch."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


def linear_module(coef: np.ndarray, intercept: np.ndarray) -> nn.Module:
    """``x -> coef vec(x) + intercept`` for images ``(N, C, H, W)``, float32, to be evaluated.

    Args:
        coef: ``(K, D)``.
        intercept: ``(K,)``.
    """
    linear = nn.Linear(coef.shape[1], coef.shape[0])
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(coef))
        linear.bias.copy_(torch.from_numpy(intercept))
    return nn.Sequential(nn.Flatten(), linear).eval()
