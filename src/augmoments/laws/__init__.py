"""Laws of the parameters of random augmentations."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real

from augmoments.errors import InputTypeError, LawError
from augmoments.laws.base import ContinuousLaw, Law, Nodes
from augmoments.laws.continuous import (
    Beta,
    LogUniform,
    Triangular,
    Uniform,
)
from augmoments.laws.discrete import Discrete, bernoulli
from augmoments.laws.gaussian import Normal, TruncatedNormal

LawLike = Law | float | Sequence[float]

__all__ = [
    "Beta",
    "ContinuousLaw",
    "Discrete",
    "Law",
    "LawLike",
    "LogUniform",
    "Nodes",
    "Normal",
    "Triangular",
    "TruncatedNormal",
    "Uniform",
    "as_law",
    "bernoulli",
]


def as_law(value: LawLike, name: str = "parameter") -> Law:
    """Read a law, a range ``(low, high)`` (uniform on it) or a number (that constant).

    Raises:
        LawError: The range is empty or not finite.
        InputTypeError: It is none of the three.
    """
    if isinstance(value, Law):
        return value
    if isinstance(value, Real):
        return Discrete([float(value)])
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) != 2:
            raise LawError(f"{name}: a range has two ends (low, high), got {list(value)}.")
        low, high = value
        return Discrete([low]) if low == high else Uniform(low, high)
    raise InputTypeError(
        f"{name}: expected a law such as Uniform(-1, 1), a range (low, high) or a number, "
        f"got {type(value).__name__}."
    )
