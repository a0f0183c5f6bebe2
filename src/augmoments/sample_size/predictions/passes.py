"""The passes after which averaged outputs are right, or their largest class is the limit's.

Tails of averages by their saddlepoint approximation, or by inequalities; where few passes suffice,
averages are drawn from the law of one pass instead.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from augmoments.averaging.limit import leads
from augmoments.averaging.outputs import PassLaw
from augmoments.averaging.resampling import averages, contenders, winners
from augmoments.errors import InputError
from augmoments.sample_size.bounds import draws_needed
from augmoments.sample_size.images import over
from augmoments.sample_size.predictions.tails import Tail, lower_tail, normal_tail, smallest
from augmoments.sample_size.question import Question

_FEW = 32  # passes up to which averages are drawn from the law of one pass
_NEAR = 64  # where the tails say more, so few are not enough
_DRAWS = 4096
_FEWEST_MISSES = 20


def until_error(
    question: Question, law: PassLaw, own: Tensor, value: Tensor, variance: Tensor
) -> Tensor:
    """Passes until outputs ``own`` ``(n, c)`` of the limit's class average to near ``value``."""
    allowed = question.rel_error * value.abs()
    risk, gaps = question.risk, own - value
    always = (gaps.abs() <= allowed).all(0) & (law.resolution <= risk)
    if question.bound != "clt":
        span = gaps.abs().amax(0)
        if law.method != "exact":
            span = _span(question, torch.maximum(value, 1 - value))
        n = draws_needed(question.bound, variance, allowed, risk, span)
        return torch.where(always, 1.0, n)
    tails = [_tail(law, allowed + sign * gaps, risk) for sign in (1, -1)]
    n = smallest(lambda n: tails[0].chance(n) + tails[1].chance(n), risk, value)
    n = _unless_once(n, law.mean(gaps.abs() > allowed), risk)

    def right(place: int, rng: np.random.Generator) -> Tensor:
        values = gaps[:, place, None]
        found = averages(values, law.weights, range(1, _FEW + 1), _DRAWS, rng)
        inside = torch.stack([average[:, 0].abs() <= allowed[place] for average in found])
        shares = inside.double().mean(1)
        shares[0] = law.weights @ (values[:, 0].abs() <= allowed[place]).double()
        return shares

    return torch.where(always, 1.0, _refined(question, law, n, always, right))


def until_decided(question: Question, law: PassLaw, top: Tensor) -> tuple[Tensor, Tensor]:
    """Passes, and the relative error bound of that by the rival that needs most of them."""
    gap, slack = leads(law, top)
    gaps = law.gaps(top)
    variance = law.mean((gaps - gap).double().square())
    others = torch.ones_like(gap, dtype=torch.bool).scatter(1, top[:, None], False)
    risk = question.risk
    always = (gaps.amin(0) >= 0).all(1) & (law.resolution <= risk)
    behind = gap.clamp_min(torch.finfo(gap.dtype).tiny)

    def total(chances: Tensor) -> Tensor:
        return torch.where(others, chances, 0.0).sum(1)

    if question.bound == "clt":
        tail = _tail(law, gaps.flatten(1), risk)
        shaped = Tail(*(part.unflatten(0, gap.shape) for part in tail))
        n = smallest(lambda n: total(shaped.chance(n[:, None])), risk, gap[:, 0])
        n = _unless_once(n, law.mean(gaps.amin(2) < 0), risk)

        def right(place: int, rng: np.random.Generator) -> Tensor:
            kept = contenders(law.values[:, place], int(top[place])).flip(0)  # so that ties lose
            values = law.values[:, place, kept]
            return winners(values, law.weights, range(1, _FEW + 1), _DRAWS, rng)[0][:, -1]

        n = _refined(question, law, n, always, right)
    elif question.bound == "chebyshev":
        ratio = behind.square() / variance
        n = smallest(lambda n: total(1 / (1 + n[:, None] * ratio)), risk, gap[:, 0])
    else:
        span = gap - gaps.amin(0) if law.method == "exact" else _span(question, gap + 1)
        rate = behind.square() / (2 * variance + 2 / 3 * span * behind)
        n = smallest(lambda n: total(torch.exp(-n[:, None] * rate)), risk, gap[:, 0])
    worst = torch.where(others, variance / behind.square(), -1.0).argmax(1, keepdim=True)

    def spread(part: PassLaw) -> Tensor:
        lead = part.gaps(top).gather(2, worst.expand(len(part.values), -1, -1))[..., 0].double()
        return part.mean((lead - part.mean(lead)).square())

    gap, slack, variance = (of.gather(1, worst)[:, 0] for of in (gap, slack, variance))
    error = 2 * over(slack, gap) + over(law.spread(spread), variance)
    return torch.where(always, 1.0, n), error


def _tail(law: PassLaw, draws: Tensor, risk: float) -> Tail:
    """Of averages of ``draws`` ``(m, p)``; by the normal law where nodes see nothing so rare."""
    tail = lower_tail(draws, law.weights)
    if law.resolution <= risk:
        return tail
    mean = law.mean(draws)
    normal = normal_tail(mean, law.mean((draws - mean).double().square()))
    seen = tail.rate.isfinite()
    return Tail(*(torch.where(seen, a, b) for a, b in zip(tail, normal, strict=True)))


def _unless_once(n: Tensor, wrong: Tensor, risk: float) -> Tensor:
    """At least two passes where a single one is ``wrong`` too often."""
    return torch.where(wrong > risk, n.clamp_min(2), n)


def _refined(
    question: Question,
    law: PassLaw,
    n: Tensor,
    always: Tensor,
    right: Callable[[int, np.random.Generator], Tensor],
) -> Tensor:
    """The numbers that are few, from averages that are drawn from the law of one pass.

    They are the smallest from which on all that were drawn are right often enough.
    """
    n = n.clone()
    if question.risk * _DRAWS < _FEWEST_MISSES:
        return n
    for place in ((n <= _NEAR) & ~always).nonzero().flatten().tolist():
        shares = right(place, np.random.default_rng([question.seed, int(law.index[place])]))
        misses = (shares < 1 - question.risk).nonzero()
        least = int(misses[-1]) + 2 if len(misses) else 1
        n[place] = least if least <= _FEW else max(least, float(n[place]))
    return n


def _span(question: Question, span: Tensor) -> Tensor:
    """How far a value can be from its mean where that follows from probabilities alone."""
    if question.bound == "bernstein" and question.average != "probabilities":
        raise InputError(
            'bound="bernstein" needs to know how large outputs can become: average '
            'probabilities, or take "chebyshev". (Where the outcomes of a policy can be '
            "enumerated, it is found.)"
        )
    return span
