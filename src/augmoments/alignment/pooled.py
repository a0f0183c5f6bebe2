"""Sensitivity of a whole dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from augmoments.estimate import Method


@dataclass(frozen=True)
class PooledSensitivity:
    r"""Sums over the images of what the figures of an image are quotients of.

    So an image counts by its gradient, :math:`\|g\|^2`, or by its variance.

    Attributes:
        images: How many there are.
        expected: Mean expected loss.
        variance: Mean variance of the loss of an image over the augmentation.
        variance_error: Error bound of it: the mean of those of the images.
        linearized_variance: Mean of :math:`g^\top V g`.
        alignment: Share of the saliency's energy along the first, second, ... eigenvector of each
            image's own covariance, ``(k,)``.
        cumulative: Its running sums, ``(k,)``.
        explained: Share of the mean linearized variance that they carry, ``(k,)``.
        ratio: :math:`\sum g^\top V g / \sum \lambda_1 \|g\|^2`.
        isotropic: The same for directions at random, :math:`\sum \|g\|^2\,\mathrm{tr} V / D` over
            the same sum.
        gain: ``ratio / isotropic``: how many times more (or less) the loss varies than it would
            with gradients as large in directions at random. ``None`` without any variance.
        quotient: Median over the images of linearized over true variance; of those whose true
            variance is above its error bound, ``None`` if there are none.
        quotient_images: How many these are.
        rank_correlation: Spearman's, of linearized and true variance over all images: whether the
            linearization finds the sensitive images. ``None`` where one of them is constant.
        method: How ``variance`` and ``expected`` were obtained.
    """

    images: int
    expected: float
    variance: float
    variance_error: float
    linearized_variance: float
    alignment: tuple[float, ...]
    cumulative: tuple[float, ...]
    explained: tuple[float, ...]
    ratio: float
    isotropic: float
    gain: float | None
    quotient: float | None
    quotient_images: int
    rank_correlation: float | None
    method: Method

    def __str__(self) -> str:
        k, noun = len(self.cumulative), "image" if self.images == 1 else "images"
        ranks = sorted({min(rank, k) for rank in (1, 4, k)})
        held = ", ".join(f"{self.cumulative[rank - 1]:.0%} in {rank}" for rank in ranks)
        gain = "" if self.gain is None else f", {self.gain:.2g} times that"
        median = "-" if self.quotient is None else f"{self.quotient:.2g}"
        order = "-" if self.rank_correlation is None else f"{self.rank_correlation:.2f}"
        return (
            f"{self.images} {noun}: loss {self.expected:.4g}, variance {self.variance:.3g} "
            f"± {self.variance_error:.1g} ({self.method})\n"
            f"linearized variance {self.linearized_variance:.3g}; over the true one {median} "
            f"(median), rank correlation {order}\n"
            f"ratio {self.ratio:.3g}, at random {self.isotropic:.3g}{gain}\n"
            f"energy of the saliency: {held} leading directions"
        )


def pooled(
    *,
    power: Tensor,
    alignment: Tensor,
    explained: Tensor,
    ratio: Tensor,
    isotropic: Tensor,
    top: Tensor,
    linearized: Tensor,
    expected: Tensor,
    variance: Tensor,
    variance_error: Tensor,
    method: Method,
) -> PooledSensitivity:
    """Pool figures of images, each ``(N,)`` or ``(N, k)``; ``power`` is the saliency's energy."""
    alignment, explained, linearized = alignment.double(), explained.double(), linearized.double()
    weight = top.double() * power
    energies = _over(power @ alignment, power.sum())
    mean_ratio = float(_over(weight @ ratio.double(), weight.sum()))
    mean_isotropic = float(_over(weight @ isotropic.double(), weight.sum()))
    sure = variance > variance_error
    quotients = linearized[sure] / variance[sure].double()
    return PooledSensitivity(
        images=len(power),
        expected=float(expected.double().mean()),
        variance=float(variance.double().mean()),
        variance_error=float(variance_error.double().mean()),
        linearized_variance=float(linearized.mean()),
        alignment=tuple(energies.tolist()),
        cumulative=tuple(energies.cumsum(0).tolist()),
        explained=tuple(_over(linearized @ explained, linearized.sum()).tolist()),
        ratio=mean_ratio,
        isotropic=mean_isotropic,
        gain=mean_ratio / mean_isotropic if mean_isotropic > 0 else None,
        quotient=float(quotients.median()) if len(quotients) else None,
        quotient_images=len(quotients),
        rank_correlation=_rank_correlation(linearized, variance),
        method=method,
    )


def _over(value: Tensor, scale: Tensor) -> Tensor:
    return value / scale if scale > 0 else torch.zeros_like(value)


def _rank_correlation(first: Tensor, second: Tensor) -> float | None:
    if any(len(values.unique()) < 2 for values in (first, second)):
        return None
    from scipy.stats import spearmanr  # takes long to import

    found: Any = spearmanr(first.cpu(), second.cpu())
    return float(found.statistic)
