"""Averages of several passes, drawn from the law of one pass: no pass is run again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations_with_replacement
from math import comb, lgamma

import numpy as np
import torch
from torch import Tensor

_MOST_OUTCOMES = 2**12


def averages(
    values: Tensor,
    weights: Tensor,
    passes: Sequence[int],
    draws: int,
    rng: np.random.Generator,
) -> Iterator[Tensor]:
    """Averages ``(draws, k)`` of a growing number of passes, for each of ``passes``.

    Args:
        values: ``(n, k)``, what each node has.
        weights: ``(n,)``, how often it is drawn.
        passes: Increasing numbers of passes.
        draws: How many averages.
        rng: Where they come from.
    """
    values, done = values.double(), 0
    places = _Places(weights.numpy())
    sums = torch.zeros(draws, values.shape[1], dtype=values.dtype)
    for n in passes:
        for _ in range(n - done):
            nodes = torch.from_numpy(places(rng.random(draws)))
            sums = sums + values.index_select(0, nodes)
        done = n
        yield sums / n


class _Places:
    """Nodes by their cumulative weights."""

    def __init__(self, weights: np.ndarray) -> None:
        self._ends = ends = np.cumsum(weights)
        alike = ends[0] * len(ends) == ends[-1]
        self._alike = alike and np.ptp(np.diff(ends, prepend=0.0)) == 0

    def __call__(self, u: np.ndarray) -> np.ndarray:
        """The nodes for uniform numbers in [0, 1)."""
        last = len(self._ends) - 1
        if self._alike:
            return np.minimum((u * len(self._ends)).astype(np.int64), last)
        return np.minimum(np.searchsorted(self._ends, u * self._ends[-1], side="right"), last)


def contenders(values: Tensor, top: int) -> Tensor:
    """Classes of ``values`` ``(n, K)`` that are ahead of ``top`` at some node, ``top`` first.

    No average of passes can have another one as its largest.
    """
    ahead = (values > values[:, top, None]).any(0).nonzero().flatten()
    return torch.cat([torch.tensor([top]), ahead])


def winners(
    values: Tensor,
    weights: Tensor,
    passes: Sequence[int],
    draws: int,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """How often each of k classes is ahead after each number of passes.

    Args:
        values: ``(n, k)``, what each node has.
        weights: ``(n,)``, how often it is drawn.
        passes: Increasing numbers of passes.
        draws: Rows that are drawn where outcomes are too many to be enumerated.
        rng: Where they come from.

    Returns:
        Shares ``(P, k)``, and whether they are drawn, ``(P,)``.
    """
    shares = torch.zeros(len(passes), values.shape[1], dtype=torch.float64)
    drawn = torch.tensor([comb(n + len(values) - 1, n) > _MOST_OUTCOMES for n in passes])
    drawn &= torch.tensor([n > 1 for n in passes])
    for place, n in enumerate(passes):
        if not drawn[place]:
            shares[place] = _enumerated(values.double(), weights / weights.sum(), n)
    if drawn.any():
        left = [n for n, yes in zip(passes, drawn.tolist(), strict=True) if yes]
        found = [
            torch.bincount(average.argmax(1), minlength=values.shape[1]) / draws
            for average in averages(values, weights, left, draws, rng)
        ]
        shares[drawn] = torch.stack(found).double()
    return shares, drawn


def _enumerated(values: Tensor, weights: Tensor, n: int) -> Tensor:
    """The same by all ways to meet the nodes in ``n`` passes, ``(k,)``."""
    shares = torch.zeros(values.shape[1], dtype=torch.float64)
    if n == 1:
        return shares.index_add(0, values.argmax(1), weights)
    counts, chances = _ways(len(values), n)
    chances = (chances + torch.xlogy(counts, weights).sum(1)).exp()
    return shares.index_add(0, (counts @ values / n).argmax(1), chances)


@lru_cache(maxsize=128)
def _ways(outcomes: int, n: int) -> tuple[Tensor, Tensor]:
    """How often ``n`` draws meet each outcome ``(w, outcomes)``, and in how many orders (log)."""
    ways = np.array(list(combinations_with_replacement(range(outcomes), n)))
    counts = torch.from_numpy((ways[..., None] == np.arange(outcomes)).sum(1)).double()
    return counts, lgamma(n + 1) - torch.lgamma(counts + 1).sum(1)
