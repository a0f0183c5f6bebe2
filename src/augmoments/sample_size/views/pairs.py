r"""Losses of pairs of views of one image, as in self-supervised learning.

The average of a symmetric :math:`\ell(f(t_1), f(t_2))` over all pairs of k independent views is a
U-statistic. With :math:`\zeta_1 = \mathrm{Var}\,E[\ell \mid t_1]` and :math:`\zeta_2 =
\mathrm{Var}\,\ell` its variance is :math:`\frac{4 (k - 2)}{k (k - 1)} \zeta_1 + \frac{2}{k (k - 1)}
\zeta_2 = \frac{4 \zeta_1}{k} + \frac{2 \zeta_2 - 4 \zeta_1}{k (k - 1)}`.

Reference:
    Hoeffding (1948), *A class of statistics with asymptotically normal distribution*.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple, cast

import torch
from scipy.special import ndtri
from torch import Tensor

from augmoments.calculus.integrate import first_level, node_values
from augmoments.calculus.nodes import NodeFamily
from augmoments.errors import InputError, InputTypeError, ModelError
from augmoments.estimate import rounding
from augmoments.losses.models import Model, check_model, one_draw
from augmoments.operators.base import Shape
from augmoments.sample_size.images import over, solve
from augmoments.sample_size.question import Question
from augmoments.sample_size.result import SampleSize
from augmoments.sample_size.views.pair_moments import PairMoments, pair_moments
from augmoments.sample_size.views.result import PairLoss, Views

_MOST_NODES = 512  # pairs of them are averaged
_PAIRS_AT_ONCE = 2**22  # values of outputs
_CHUNK = 64


@dataclass(frozen=True)
class PairSampleSize(SampleSize):
    """Views of each image whose pairs have an average loss that is right to a given error."""

    def predicted_error(self, n: float) -> Tensor:
        """Relative root-mean-square error with ``n`` views.

        Raises:
            InputError: ``n`` is below 2.
        """
        if not n >= 2:
            raise InputError(f"n must be at least 2 for a loss of pairs, got {n}.")
        return super().predicted_error(n)


class _Found(NamedTuple):
    moments: PairMoments
    error: PairMoments


def pair_loss(question: Question) -> SampleSize:
    """Views of each image for the mean of ``pair_loss`` over all their pairs."""
    if question.model is None:
        raise InputError("pair_loss= needs model=.")
    if question.loss is not None or question.targets is not None:
        raise InputError("pair_loss= takes the place of loss= and targets=: leave these out.")
    if question.bound == "bernstein":
        raise InputError('bound="bernstein" is not for losses of pairs: take "clt" or "chebyshev".')
    images, policy = question.images, question.policy
    probe = one_draw(images[:2], policy)
    model = check_model(question.model, probe)
    loss = _check_pair_loss(question.pair_loss, model(torch.cat([probe[:1], probe[:1].flip(-1)])))
    found, method = _all(question, model, loss)
    mean, first, second = found.moments
    square = mean.square()
    a = over(4 * first, square)
    b = over((2 * second - 4 * first).clamp_min(0), square)
    risk = question.risk
    spread = -float(ndtri(risk / 2)) if question.bound == "clt" else risk**-0.5
    allowed = question.rel_error / spread
    n = solve(a, b, allowed).clamp_min(2)
    twice = 2 * over(found.error.mean, mean.abs())
    a_error = over(4 * found.error.first, square) + a * twice
    b_error = over(2 * found.error.second + 4 * found.error.first, square) + b * twice
    slack = (a_error / n + b_error / (n * (n - 1))) / allowed**2
    answer = PairSampleSize(
        n=n,
        of="loss",
        rel_error=question.rel_error,
        confidence=question.confidence,
        bound=question.bound,
        method=method,
        error=torch.where(n.isfinite(), slack, 0.0),
        first=a,
        second=b,
    )
    return (
        answer if question.views is None else replace(answer, views=_views(question, found, answer))
    )


def _all(question: Question, model: Model, loss: PairLoss) -> tuple[_Found, Any]:
    images, policy = question.images, question.policy
    shape: Shape = tuple(images.shape[1:])  # type: ignore[assignment]
    most = min(question.max_nodes, _MOST_NODES)
    family = NodeFamily(policy, shape, question.seed, most)
    level = 0 if family.method == "exact" else first_level(family)
    while family.method != "exact" and len(family.nodes(level + 1)) <= most:
        level += 1
    kinds = [family.nodes(level)]
    if family.method == "cubature":
        kinds += [family.nodes(before) for before in range(level - 1, max(level - 3, -1), -1)]
    parts: list[list[_Found]] = [[] for _ in kinds]
    for index in torch.arange(len(images)).split(_CHUNK):
        for nodes, collected in zip(kinds, parts, strict=True):
            values = node_values(lambda x, _: model(x), images[index], index, policy, nodes)
            outputs = torch.cat([part.values for part in values])
            weights = nodes.weights[: len(nodes) // nodes.replicates] * nodes.replicates
            for one in outputs.unbind(1):
                table = _table(loss, one)
                known = (weights.to(table), nodes.replicates, rounding(outputs.dtype))
                collected.append(_Found(*pair_moments(table, *known)))
    now, *others = [_stacked(column) for column in parts]
    if not others:
        return now, family.method
    chain = [now.moments, *(other.moments for other in others)]
    errors = list(now.error)
    for (later, earlier), share in zip(pairwise(chain), (1, 1 / 4), strict=False):
        errors = [c + share * (a - b).abs() for a, b, c in zip(later, earlier, errors, strict=True)]
    return _Found(now.moments, PairMoments(*errors)), family.method


def _stacked(parts: list[_Found]) -> _Found:
    """One value an image, ``(N,)``."""
    sides = zip(*parts, strict=True)
    return _Found(*(PairMoments(*map(torch.stack, zip(*s, strict=True))) for s in sides))


def _table(loss: PairLoss, outputs: Tensor) -> Tensor:
    """Losses of all pairs of outputs ``(M, K)``, in both orders, ``(M, M)`` float64."""
    count = len(outputs)
    rows = max(1, _PAIRS_AT_ONCE // outputs.numel())
    table = torch.cat(
        [
            loss(part.repeat_interleave(count, 0), outputs.repeat(len(part), 1)).view(-1, count)
            for part in outputs.split(rows)
        ]
    ).double()
    if not bool(table.isfinite().all()):
        raise ModelError("pair_loss is not finite somewhere in the augmentation.")
    return (table + table.T) / 2


def _check_pair_loss(loss: Any, outputs: Tensor) -> PairLoss:
    """A function that gives one value a pair, which depends on that pair alone."""
    if not callable(loss):
        raise InputTypeError(
            f"pair_loss must be a function of two outputs (n, K), got {type(loss).__name__}."
        )
    checked = cast(PairLoss, loss)
    left, right = outputs[[0, 0, 1, 1]], outputs[[0, 1, 0, 1]]
    values: Any = checked(left, right)
    if not isinstance(values, Tensor) or values.shape != (len(left),):
        found = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise InputError(
            f"pair_loss must give one value a pair, shape ({len(left)},), it gave {found}: leave "
            "out its mean or sum over the pairs."
        )
    rows = range(len(left))
    single = torch.cat([checked(left[row : row + 1], right[row : row + 1]) for row in rows])
    if not torch.allclose(values, single, rtol=1e-3, atol=1e-5, equal_nan=True):
        raise InputError(
            "pair_loss of a pair depends on the other pairs of the batch (contrastive losses with "
            "negatives do): its expectation is not one of each image."
        )
    return checked


def _views(question: Question, found: _Found, answer: SampleSize) -> Views:
    assert isinstance(question.views, int)
    mean, first, second = (value.mean().cpu() for value in found.moments)
    first_error, second_error = (value.mean().cpu() for value in found.error[1:])
    k = torch.arange(2, question.views + 1, dtype=torch.float64)
    one, two = 4 * (k - 2) / (k * (k - 1)), 2 / (k * (k - 1))
    between = found.moments.mean.var(correction=0).cpu()
    off = found.error.mean.square().mean().sqrt().cpu()
    return Views.of_variances(
        of="loss",
        batch_size=question.batch_size,
        count=k,
        between=between.expand(len(k)),
        within=one * first + two * second,
        length=mean.square().expand(len(k)),
        error=2 * between.sqrt() * off + off.square() + one * first_error + two * second_error,
        method=answer.method,
    )
