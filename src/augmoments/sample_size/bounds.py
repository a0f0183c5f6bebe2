r"""From the variance of a scalar to the draws whose average is right with some confidence.

With n independent draws of variance :math:`\sigma^2` and the error :math:`t`, the average is off
by more than t with a probability of at most :math:`\delta` from

- ``clt``: :math:`n = z^2 \sigma^2 / t^2`, z the normal quantile of :math:`1 - \delta/2`, once
  averages are normal (see :func:`normal_from`);
- ``chebyshev``: :math:`n = \sigma^2 / (\delta t^2)`, for any law;
- ``bernstein``: :math:`n = \ln(2/\delta) (2 \sigma^2 + \tfrac23 M t) / t^2`, for any law whose
  values stay within M of their mean.

Reference:
    Boucheron, Lugosi, Massart (2013), Concentration Inequalities, chapter 2.
"""

from __future__ import annotations

from math import log

import torch
from scipy.special import ndtri
from torch import Tensor

from augmoments.errors import InputError
from augmoments.sample_size.result import Bound

_FEWEST = 30  # draws; averages of fewer take too few values where the draws have two
_LARGEST_TILT = 0.25


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
    sure = variance <= 0
    if bound == "bernstein":
        if span is None:
            raise InputError('bound="bernstein" needs to know how far values reach.')
        top = log(2 / risk) * (2 * variance + 2 / 3 * span * error)
        sure = sure | (span <= error)
    elif bound == "clt":
        top = variance * float(ndtri(risk / 2)) ** 2
    else:
        top = variance / risk
    return torch.where(sure, 1.0, top / error.square()).ceil().clamp_min(1)


def normal_from(skewness: Tensor, risk: float) -> Tensor:
    r"""Draws from which on averages are normal enough for ``"clt"``, not rounded.

    A tail of an average of n draws beyond z standard deviations is :math:`\exp(\gamma z^3 /
    (6 \sqrt n))` times as likely as that of the normal law, with the skewness :math:`\gamma`. It
    is asked to be within :math:`\exp(\pm 1/4)`, where what one tail gains the other one loses:
    :math:`n \ge (\tfrac23 \gamma z^3)^2`, and 30 at least. At 95% this is Cochran's rule, 25 times
    the square of the skewness.

    Reference:
        Cramér (1938), Sur un nouveau théorème-limite de la théorie des probabilités.
        Cochran (1977), Sampling Techniques, section 2.15.
    """
    quantile = -float(ndtri(risk / 2))
    return (skewness * quantile**3 / (6 * _LARGEST_TILT)).square().clamp_min(_FEWEST)
