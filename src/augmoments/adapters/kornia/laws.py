"""What kornia draws, read from the samplers of its modules."""

from __future__ import annotations

from typing import Any

import numpy as np

from augmoments.laws import Discrete, Law, Uniform


def uniform(low: float, high: float) -> Law:
    """The uniform law, a constant where the ends agree."""
    return Discrete([low]) if low == high else Uniform(low, high)


def is_constant(law: Law, value: float | None = None) -> bool:
    """Whether only one number can occur (and it is ``value``)."""
    low, high = law.support
    return low == high and (value is None or low == value)


def number(value: Any) -> float:
    """A number from a tensor; float32 is read as the shortest decimal that it stands for."""
    array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    return float(str(array[()])) if array.dtype == np.float32 else float(array)


def ends(sampler: Any) -> tuple[float, float]:
    """The range of one of kornia's uniform samplers."""
    return number(sampler.low), number(sampler.high)


def sampled(sampler: Any) -> Law:
    """The law of one of kornia's uniform samplers; the constant 0 where there is none."""
    return Discrete([0.0]) if sampler is None else uniform(*ends(sampler))


def rounded(low: float, high: float) -> Discrete:
    """The law of a uniform number that is rounded to whole numbers."""
    if low == high:
        return Discrete([round(low)])
    whole = np.arange(round(low), round(high) + 1)
    edges = np.clip(np.append(whole - 0.5, whole[-1] + 0.5), low, high)
    return Discrete(whole.tolist(), (np.diff(edges) / (high - low)).tolist())


def scaled(law: Law, factor: float) -> Law:
    """The law of ``factor`` times a number that is uniform or one of finitely many."""
    if isinstance(law, Uniform):
        return uniform(*sorted((law.low * factor, law.high * factor)))
    assert isinstance(law, Discrete)
    return Discrete([value * factor for value in law.values], law.probabilities)
