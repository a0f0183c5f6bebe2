"""The leading directions of Gram matrices."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Principal(NamedTuple):
    """The leading directions of a batch of Gram matrices, as many as one of them needs."""

    values: Tensor
    """``(N, R)``, descending; zero where an image needs fewer."""
    vectors: Tensor
    """``(N, J, R)``; zero there, too."""
    dropped: Tensor
    """Trace of what is left out as a share of the Frobenius norm, ``(N,)``."""

    @property
    def rank(self) -> int:
        """R."""
        return self.values.shape[1]


def principal(gram: Tensor, tolerance: float) -> Principal:
    """Directions of ``gram`` ``(N, J, J)`` that hold all but ``tolerance`` of each trace."""
    values, vectors = torch.linalg.eigh(gram)
    values, vectors = values.flip(-1).clamp_min(0), vectors.flip(-1)
    keep = _tail(values) + values > tolerance * values.sum(1, keepdim=True)
    rank = max(1, int(keep.sum(1).max()))
    lost = torch.where(keep, 0.0, values).sum(1)
    return Principal(
        torch.where(keep, values, 0.0)[:, :rank],
        (vectors * keep[:, None])[..., :rank],
        lost / values.norm(dim=1).clamp_min(1e-300),
    )


def _tail(values: Tensor) -> Tensor:
    """Sum of what follows each position, along the last axis."""
    return values.flip(-1).cumsum(-1).flip(-1) - values
