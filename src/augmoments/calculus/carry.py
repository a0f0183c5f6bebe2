r"""Errors of the moments before a tail, as errors of the moments after it.

A tail with the random linear part M takes an error :math:`\delta` of the mean to
:math:`E[M]\,\delta` and an error :math:`\Delta` of the covariance to
:math:`E[M \Delta M^\top]`, whose norms are at most :math:`\sup\|M\|_2` and its square times as
large. Relative errors change with the size of the moments, too.
"""

from __future__ import annotations

import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.covariance import Covariance
from augmoments.calculus.plan import Plan, shapes_along
from augmoments.calculus.solution import Errors, Solution
from augmoments.calculus.state import FactorState
from augmoments.calculus.windows import WindowedCovariance, WindowedState
from augmoments.operators.base import Shape

_DRAWS = 4
_ITERATIONS = 12
_PROBES = 32
CAUTION = 1.25  # of norms that are estimated
_LABOUR = 2e9  # multiplications up to which Frobenius norms are computed exactly


def carried(before: Solution, after: FactorState | WindowedState, plan: Plan) -> Errors:
    """The errors of ``before``, relative to the moments ``after`` the tail."""
    errors = before.errors
    if not any(part.any() for part in errors):
        return errors
    with torch.no_grad():
        contracts = plan.keeps_traces or plan.windows is not None
        stretch = 1.0 if contracts else stretching(plan)
        first, second = before.state.covariance, after.covariance
        mean = _ratio(before.state.mean.flatten(1).norm(dim=1), after.mean.flatten(1).norm(dim=1))
        norms = _ratio(frobenius(first, 1 / CAUTION), frobenius(second, CAUTION))
        traces = _ratio(first.trace(), second.trace())
    return Errors(
        errors.mean * mean * stretch,
        errors.covariance * norms * stretch**2,
        errors.trace,
        errors.spectral * traces * stretch**2,
    )


def stretching(plan: Plan) -> float:
    """The largest spectral norm of the tail's linear part, about, from a few draws."""
    total = 1.0
    for part, shape in zip(plan.tail, shapes_along(plan.tail, plan.middle), strict=True):
        total *= _norm(part, shape, plan.seed)
    return max(total, 1e-300)


def _norm(part: Augmentation, shape: Shape, seed: int) -> float:
    r"""Power iteration with :math:`M^\top M` at a few draws, the largest of them."""
    generator = torch.Generator().manual_seed(seed)
    theta = part.draw(shape, _DRAWS, generator)
    x = torch.randn(_DRAWS, 1, *shape, generator=generator, dtype=torch.float64)
    norm = torch.ones(())
    for _ in range(_ITERATIONS):
        x = x / x.flatten(1).norm(dim=1).clamp_min(1e-300).reshape(-1, 1, 1, 1, 1)
        found = torch.func.vjp(lambda z: part.apply(z, theta) - part.apply(z * 0, theta), x)
        norm = found[0].flatten(1).norm(dim=1)
        (x,) = found[1](found[0])
    return float(norm.max())


def frobenius(covariance: Covariance, caution: float) -> Tensor:
    r"""Frobenius norms ``(N,)``; where they take long, an estimate over ``caution``.

    :math:`E\|V z\|^2 = \|V\|_F^2` for standard normal z.
    """
    size = covariance.shape[1]
    if not isinstance(covariance, WindowedCovariance):
        columns = covariance.factor.shape[1]
        if columns * size * min(columns, size) <= _LABOUR:
            return covariance.frobenius_norm()
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(size, _PROBES, generator=generator, dtype=torch.float64)
    probes = z.to(covariance.error).expand(len(covariance.error), -1, -1)
    return (covariance @ probes).square().sum(1).mean(1).sqrt() / caution


def _ratio(first: Tensor, second: Tensor) -> Tensor:
    tiny = torch.finfo(second.dtype).tiny
    return torch.where(first > 0, first / second.clamp_min(tiny), 1.0)
