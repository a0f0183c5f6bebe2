"""Saliency maps against the eigenvectors of covariances."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from augmoments.calculus.covariance import Covariance, Eigenpairs
from augmoments.estimate import rounding


class Against(NamedTuple):
    """What :class:`~augmoments.Sensitivity` says of directions, image by image."""

    alignment: Tensor
    """(N, k)."""
    explained: Tensor
    """(N, k)."""
    ratio: Tensor
    """(N,)."""
    isotropic: Tensor
    """(N,)."""
    linearized: Tensor
    """(N,), the variance to first order."""
    linearized_error: Tensor
    """(N,)."""


def against(saliency: Tensor, covariance: Covariance, pairs: Eigenpairs) -> Against:
    """Hold saliency maps ``(N, C, H, W)`` against covariances and their leading eigenpairs.

    Maps go in with length 1, so that gradients as small as they come with certain predictions do
    not underflow. A map or a covariance of zeros gives zeros.
    """
    flat = saliency.flatten(1)
    norm = flat.double().norm(dim=1)
    unit = _over(flat.double(), norm[:, None]).to(flat.dtype)
    spread = covariance.projected_root(unit[:, None]).double().square().sum((1, 2))
    aligned = (pairs.vectors.flatten(2) @ unit[..., None])[..., 0].double().square()
    values, trace = pairs.values.double(), covariance.trace().double()
    top, size = values[:, 0], flat.shape[1]
    floor = rounding(flat.dtype)
    noise = floor**2 * trace  # of a map that the augmentation leaves alone
    known = torch.where(spread > noise, spread, 0.0)
    error = covariance.error.double() + noise + 2 * floor * (spread * trace).sqrt()
    found = Against(
        alignment=aligned,
        explained=_over(values * aligned, known[:, None]).clamp(max=1.0),
        ratio=_over(spread, top).clamp(max=1.0),
        isotropic=_over(trace, size * top),
        linearized=spread * norm.square(),
        linearized_error=error * norm.square(),
    )
    return Against(*(part.to(flat.dtype) for part in found))


def _over(value: Tensor, scale: Tensor) -> Tensor:
    return torch.where(scale > 0, value / torch.where(scale > 0, scale, 1.0), 0.0)
