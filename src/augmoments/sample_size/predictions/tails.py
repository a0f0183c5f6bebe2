r"""How likely an average of n draws is below zero, beyond the normal law.

With the cumulant function :math:`K(t) = \log E e^{tg}` of a draw g of positive mean and the
saddlepoint :math:`K'(t) = 0`,

.. math:: P(\bar g_n \le 0) \approx \Phi(-w) + \varphi(w) (1/u - 1/w), \quad
    w = \sqrt{-2 n K(t)}, \; u = |t| \sqrt{n K''(t)} .

The normal law is its first order: a skewed or heavy law of a draw is followed into its tail.

Reference:
    Lugannani, Rice (1980), Saddle point approximation for the distribution of the sum of
    independent random variables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

_ITERATIONS = 64
_CENTRE = 1e-4
_DIGITS = 53
_PRECISION = 1e-9
_LAWS_AT_ONCE = 512


class Tail(NamedTuple):
    """What the tail of an average depends on, for each of several laws."""

    rate: Tensor
    """``-K(t)``; infinite where no draw is below zero."""
    tilt: Tensor
    """``|t| sqrt(K''(t))``."""

    def chance(self, n: Tensor) -> Tensor:
        """Probability that the average of ``n`` draws is not above zero."""
        root = n.sqrt()
        w, u = root * (2 * self.rate).sqrt(), root * self.tilt
        density = torch.exp(-w.square() / 2) / (2 * torch.pi) ** 0.5
        normal = torch.special.ndtr(-w)
        found = torch.where(w > _CENTRE, normal + density * (1 / u - 1 / w), normal)
        return torch.where(self.rate.isinf(), 0.0, found.clamp_min(0)).minimum(
            torch.exp(-(w**2) / 2)
        )


def lower_tail(draws: Tensor, weights: Tensor) -> Tail:
    """Of laws given by values ``(m, p)`` with positive means and their weights ``(m,)``."""
    seen = (draws.amin(0) < 0).nonzero().flatten()
    rate = torch.full((draws.shape[1],), torch.inf, dtype=torch.float64)
    tail = Tail(rate, torch.ones_like(rate))
    for some in seen.split(_LAWS_AT_ONCE):
        found = _lower_tail(draws[:, some].double(), weights)
        for whole, part in zip(tail, found, strict=True):
            whole[some] = part
    return tail


def _lower_tail(draws: Tensor, weights: Tensor) -> Tail:
    """Where all have values on both sides of zero: bisection, by Newton steps where they help."""
    draws = draws / (weights @ draws.square()).sqrt()
    logs = weights.log()[:, None]
    low = -torch.ones(draws.shape[1], dtype=torch.float64)
    for _ in range(_ITERATIONS):
        above = _slope(low, draws, logs)[0] > 0
        if not above.any():
            break
        low = torch.where(above, 2 * low, low)
    high, t = torch.zeros_like(low), low / 2
    for _ in range(_ITERATIONS):
        slope, curvature = _slope(t, draws, logs)
        low, high = torch.where(slope < 0, t, low), torch.where(slope < 0, high, t)
        newton = t - slope / curvature
        following = torch.where((newton > low) & (newton < high), newton, (low + high) / 2)
        settled = (following - t).abs() <= _PRECISION * t.abs()
        t = following
        if settled.all():
            break
    exponents = t * draws
    small = torch.log1p(weights @ torch.expm1(exponents.clamp_max(1)))
    large = torch.logsumexp(exponents + logs, 0)
    rate = -torch.where(exponents.amax(0) < 1, small, large)
    return Tail(rate.clamp_min(0), t.abs() * _slope(t, draws, logs)[1].sqrt())


def normal_tail(mean: Tensor, variance: Tensor) -> Tail:
    """Of normal laws."""
    ratio = mean / variance.sqrt()
    return Tail(ratio.square() / 2, ratio)


def _slope(t: Tensor, draws: Tensor, logs: Tensor) -> tuple[Tensor, Tensor]:
    """First and second derivative of the cumulant function."""
    tilted = torch.softmax(t * draws + logs, 0)
    mean = (tilted * draws).sum(0)
    return mean, (tilted * (draws - mean).square()).sum(0)


def smallest(chance: Callable[[Tensor], Tensor], risk: float, like: Tensor) -> Tensor:
    """Smallest whole numbers from which on ``chance`` is at most ``risk``.

    Args:
        chance: Of numbers of draws, of the shape of ``like``. It falls in the end; before, it may
            rise, as it does for a rare value that is far off.
        risk: What is allowed.
        like: Gives the shape; float64.

    Returns:
        Numbers from 1 on, infinite beyond ``2**53``.
    """
    exponent = torch.zeros_like(like)
    for power in range(_DIGITS):
        exponent[~(chance(torch.full_like(like, 2**power)) <= risk)] = power + 1
    high = 2**exponent
    low = torch.where(exponent > 0, high / 2, 0.0)
    for _ in range(_DIGITS):
        middle = ((low + high) / 2).ceil()
        if bool((middle >= high).all()):
            break
        enough = chance(middle) <= risk
        low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
    return torch.where(exponent < _DIGITS, high, torch.inf)
