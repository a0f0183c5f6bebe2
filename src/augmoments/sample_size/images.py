"""Draws for the mean image and for the covariance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from augmoments.calculus.integrate import integrate
from augmoments.calculus.moments import moments
from augmoments.calculus.totals import mean_and_trace
from augmoments.estimate import Method, rounding, weakest
from augmoments.sample_size.question import Question
from augmoments.sample_size.result import SampleSize

_CHUNK = 256


class _Coefficients(NamedTuple):
    """The coefficients a and b, and absolute error bounds of both, each ``(N,)``."""

    first: Tensor
    second: Tensor
    first_error: Tensor
    second_error: Tensor
    method: Method


def mean(question: Question) -> SampleSize:
    r""":math:`n = \mathrm{tr} V / (e^2 \|\mu\|^2)`."""
    return _answer(question, "mean")


def covariance(question: Question) -> SampleSize:
    """By the unbiased estimate; see :func:`augmoments.samples_needed` for its error."""
    return _answer(question, "covariance")


def _answer(question: Question, of: Literal["mean", "covariance"]) -> SampleSize:
    whole = question.given
    if whole is not None:
        whole.check_given(question.images, question.policy)
    parts = []
    for index in torch.arange(len(question.images), device=question.images.device).split(_CHUNK):
        chunk = replace(question, images=question.images[index], given=whole and whole[index])
        parts.append(_coefficients(chunk, of))
    first, second, *errors = (
        torch.cat([getattr(part, name) for part in parts]) for name in _Coefficients._fields[:4]
    )
    n = solve(first, second, question.rel_error)
    tail = torch.where(n > 1, errors[1] / (n * (n - 1)), 0.0)
    error = torch.where(n.isfinite(), (errors[0] / n + tail) / question.rel_error**2, 0.0)
    return SampleSize(n, of, question.rel_error, None, None, parts[0].method, error, first, second)


def _coefficients(question: Question, of: Literal["mean", "covariance"]) -> _Coefficients:
    images, policy = question.images, question.policy
    options: Any = {"seed": question.seed, "max_nodes": question.max_nodes}
    if of == "mean" and question.given is None:
        found = mean_and_trace(images, policy, question.tol, value_range=None, **options)
        return _of_mean(found.mean, found.trace, found.mean_error, found.trace_error, found.method)
    m = question.given or moments(images, policy, question.tol, value_range=None, **options)
    trace = m.covariance.trace().double()
    size = m.mean.double().flatten(1).square().sum(1)
    if of == "mean":
        return _of_mean(m.mean, trace, m.error.mean, m.error.trace, m.method)

    def fourth(x: Tensor, index: Tensor) -> Tensor:
        return (x - m.mean[index.to(x.device)]).double().square().flatten(1).sum(1).square()

    found = integrate(fourth, images, policy, 1e-2, **options)
    some = trace > rounding(images.dtype, max(images.shape[2:])) ** 2 * size
    square = m.covariance.frobenius_norm().double().square()
    kurtosis, spread = found.value / square, trace.square() / square
    twice = 2 * m.error.covariance.double()
    coefficients = (
        kurtosis - 1,
        spread + 1,
        found.error / square + kurtosis * twice,
        spread * (2 * m.error.trace.double() + twice),
    )
    return _Coefficients(
        *(torch.where(some, value, 0.0) for value in coefficients),
        method=weakest(m.method, found.method),
    )


def _of_mean(
    mean: Tensor, trace: Tensor, mean_error: Tensor, trace_error: Tensor, method: Method
) -> _Coefficients:
    first = over(trace, mean.double().flatten(1).square().sum(1))
    nothing = torch.zeros_like(first)
    error = 2 * mean_error.double() + trace_error.double()
    return _Coefficients(first, nothing, first * error, nothing, method)


def solve(first: Tensor, second: Tensor, rel_error: float) -> Tensor:
    """Smallest whole n with ``first / n + second / (n (n - 1)) <= rel_error**2``."""
    square = rel_error**2
    middle = square + first
    root = (middle.square() - 4 * square * (first - second)).clamp_min(0).sqrt()
    n = (middle + root) / (2 * square)
    exact = first / square
    least = torch.where(second > 0, 2.0, 1.0)
    return torch.where(second > 0, n, exact).ceil().clamp_min(least)


def over(value: Tensor, scale: Tensor) -> Tensor:
    """Quotients, 0 where nothing is divided."""
    return torch.where(value.abs() > 0, value / scale, 0.0)
