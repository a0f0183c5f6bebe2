"""Weighted mean and scatter of rows that arrive in batches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

_BLOCKS = 8


@dataclass(frozen=True)
class Scatter:
    r"""Total weight, mean and scatter :math:`\sum_i w_i (r_i - m)(r_i - m)^\top` of rows, float64.

    Adding two is associative up to rounding (Chan, Golub, LeVeque 1983).
    """

    weight: float
    mean: Tensor
    """(T,)."""
    scatter: Tensor
    """(T, T)."""

    @classmethod
    def empty(cls, size: int, device: torch.device) -> Scatter:
        """That of no rows."""
        options = {"dtype": torch.float64, "device": device}
        return cls(0.0, torch.zeros(size, **options), torch.zeros(size, size, **options))

    @classmethod
    def of(cls, rows: Tensor, weights: Tensor | None = None) -> Scatter:
        """That of rows ``(n, T)`` with weights ``(n,)``, all 1 if omitted."""
        if weights is None:
            mean = rows.mean(0)
            gaps = rows - mean
            return cls(float(len(rows)), mean, _square(gaps))
        return cls.about(rows[0], [(rows, weights)])

    @classmethod
    def about(cls, centre: Tensor, parts: Iterable[tuple[Tensor, Tensor]]) -> Scatter:
        """That of several batches of rows and weights, summed about a ``centre`` near the mean."""
        weight, first = 0.0, torch.zeros_like(centre)
        second = torch.zeros(len(centre), len(centre)).to(centre)
        for rows, weights in parts:
            gaps = rows - centre
            weighted = weights[:, None] * gaps
            weight += float(weights.sum())
            first = first + weighted.sum(0)
            second.addmm_(gaps.T, weighted)
        if weight == 0:
            return cls(0.0, torch.zeros_like(centre), torch.zeros_like(second))
        return cls(weight, centre + first / weight, second - torch.outer(first, first) / weight)

    def __add__(self, other: Scatter) -> Scatter:
        if other.weight == 0:
            return self
        total = self.weight + other.weight
        gap = other.mean - self.mean
        share = other.weight / total
        scatter = self.scatter + other.scatter
        scatter += torch.outer(gap, gap) * (self.weight * share)
        return Scatter(total, self.mean + gap * share, scatter)

    @property
    def covariance(self) -> Tensor:
        """The scatter over the weight, ``(T, T)``."""
        return self.scatter / self.weight


def _square(rows: Tensor) -> Tensor:
    """``rows.T @ rows``, of which each product of two blocks of columns is computed once."""
    size = rows.shape[1]
    out = rows.new_empty(size, size)
    step = max(1, -(-size // _BLOCKS))
    for low in range(0, size, step):
        high = min(low + step, size)
        strip = rows[:, low:high].T @ rows[:, low:]
        out[low:high, low:] = strip
        out[high:, low:high] = strip[:, high - low :].T
    return out
