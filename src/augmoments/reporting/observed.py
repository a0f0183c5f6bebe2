r"""The error that sampling really makes, from the policy's own samples.

A repetition draws n images, and the errors of all shorter prefixes come from the same draws. The
error of a sample covariance needs no matrix of D x D: with X the centred draws and
:math:`V = F F^\top`,

.. math:: \|S - V\|_F^2 = \|X X^\top\|_F^2/(n-1)^2 - 2 \|X F\|_F^2/(n-1) + \|V\|_F^2 .
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.covariance import Covariance

_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_PIXELS = 40_000_000
_REPETITIONS = 40
_BAND = torch.tensor((0.05, 0.95))


@dataclass(frozen=True)
class Observed:
    """Squared relative errors of the first n draws, in repetitions of them.

    Attributes:
        n: Numbers of draws.
        squares: By quantity, ``(repetitions, len(n))``.
    """

    n: list[int]
    squares: dict[str, Tensor]

    @property
    def repetitions(self) -> int:
        """How often the draws were made."""
        return len(next(iter(self.squares.values())))

    def of(self, quantity: str, last: int) -> dict[str, list[float]]:
        """Root mean square, and the 5% and 95% quantiles, at the ``last`` numbers of draws."""
        squares = self.squares[quantity][:, -last:]
        low, high = squares.sqrt().quantile(_BAND, dim=0)
        observed = squares.mean(0).sqrt()
        return {"observed": observed.tolist(), "low": low.tolist(), "high": high.tolist()}


def plan(pixels: int) -> tuple[list[int], int]:
    """Numbers of draws to look at and repetitions, within a budget of drawn pixels.

    >>> plan(64)
    ([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000], 40)
    >>> plan(3 * 64 * 64)
    ([1, 2, 5, 10, 20, 50], 40)
    """
    most = max(10, _PIXELS // (_REPETITIONS * pixels))
    return [n for n in _STEPS if n <= most], _REPETITIONS


def observed_errors(
    image: Tensor,
    policy: Augmentation,
    mean: Tensor,
    covariance: Covariance,
    loss: Callable[[Tensor], Tensor] | None,
    expected: float,
    seed: int,
    progress: Callable[[int, int], None],
) -> Observed:
    """Relative errors of sampled means, covariances and losses.

    Args:
        image: ``(C, H, W)``.
        policy: The augmentation.
        mean: Its exact mean, ``(C', H', W')``.
        covariance: Its exact covariance (a batch of one).
        loss: Maps draws ``(n, C', H', W')`` to losses ``(n,)``.
        expected: The exact expected loss.
        seed: Seed of the draws.
        progress: Called with repetitions done and all.

    Returns:
        The errors by quantity; a covariance has none at n = 1, where it is not a number.
    """
    counts, repetitions = plan(max(image.numel(), mean.numel()))
    generator = torch.Generator().manual_seed(seed)
    squares: dict[str, list[Tensor]] = {}
    for done in range(repetitions):
        draws = policy(image.expand(counts[-1], *image.shape), generator=generator)
        found = _image_errors(draws, mean, covariance, counts)
        if loss is not None:
            found["loss"] = _scalar_errors(loss(draws).double(), expected, counts)
        for name, values in found.items():
            squares.setdefault(name, []).append(values)
        progress(done + 1, repetitions)
    return Observed(counts, {name: torch.stack(rows) for name, rows in squares.items()})


def _image_errors(
    draws: Tensor, mean: Tensor, covariance: Covariance, counts: list[int]
) -> dict[str, Tensor]:
    """Squared relative errors of the mean and the covariance of the first n draws."""
    rows = (draws - mean).flatten(1).double()
    gram = rows @ rows.mT
    projected = covariance.to(torch.float64).projected_root(rows)[0].mT
    size = covariance.frobenius_norm()[0].double().square()
    power = mean.double().square().sum()
    means, covariances = [], []
    for n in counts:
        means.append(gram[:n, :n].sum() / n**2 / power)
        centred = gram[:n, :n] - gram[:n, :n].mean(0) - gram[:n, :n].mean(1, keepdim=True)
        centred = centred + gram[:n, :n].mean()
        along = projected[:n] - projected[:n].mean(0)
        gap = centred.square().sum() / (n - 1) ** 2 - 2 * along.square().sum() / (n - 1) + size
        covariances.append((gap / size).clamp_min(0) if n > 1 else torch.tensor(torch.nan))
    return {"mean": torch.stack(means).float(), "covariance": torch.stack(covariances).float()}


def _scalar_errors(values: Tensor, expected: float, counts: list[int]) -> Tensor:
    gaps = torch.stack([values[:n].mean() - expected for n in counts]) / expected
    return gaps.square().float()
