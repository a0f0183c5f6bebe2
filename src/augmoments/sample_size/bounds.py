r"""From the variance of a scalar to the draws whose average is right with some confidence.

With n independent draws of variance :math:`\sigma^2` and the error :math:`t`, the average is off
by more than t with a probability of at most :math:`\delta` from

- ``clt``: :math:`n = z^2 \sigma^2 / t^2`, z the normal quantile of :math:`1 - \delta/2`, once
  averages are normal;
- ``chebyshev``: :math:`n = \sigma^2 / (\delta t^2)`, for any law;
- ``bernstein``: :math:`n = \ln(2/\delta) (2 \sigma^2 + \tfrac23 M t) / t^2`, for any law whose
  values stay within M of their mean.

Reference:
    Boucheron, Lugosi, Massart (2013), Concentration Inequalities, chapter 2.
"""

from __future__ import annotations

import torch
from scipy.stats import norm
from torch import Tensor

from augmoments.errors import InputError
from augmoments.sample_size.result import Bound


def draws_needed(
    bound: Bound, variance: Tensor, error: Tensor, risk: float, span: Tensor | None = None
) -> Tensor:
    """Smallest whole n, of the shape of ``variance``; infinite for an ``error`` of zero.

    Args:
        bound: Which one.
        variance: Of one draw.
        error: Absolute error asked for.
        risk: Probability with which it may be exceeded.
        span: How far a value can be from the mean; for ``"bernstein"``.

    Raises:
        InputError: ``"bernstein"`` without ``span``.
    """
    if bound == "bernstein":
        if span is None:
            raise InputError('bound="bernstein" needs to know how far values reach.')
        top = torch.log(torch.tensor(2 / risk)) * (2 * variance + 2 / 3 * span * error)
    elif bound == "clt":
        top = variance * float(norm.isf(risk / 2)) ** 2
    else:
        top = variance / risk
    return torch.where(top > 0, top / error.square(), 1.0).ceil().clamp_min(1)
