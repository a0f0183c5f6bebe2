"""Multiplication and addition with a single rounding, as processors compute it."""

from __future__ import annotations

from torch import Tensor

_SPLITTER = 2.0**27 + 1


def multiply_add(a: Tensor, b: Tensor, c: float) -> Tensor:
    """``a b + c``, rounded once, for float64 ``a`` and for ``b`` of at most 26 significant bits.

    Reference:
        Dekker (1971), *A floating-point technique for extending the available precision*.
    """
    product = a * b
    scaled = a * _SPLITTER
    high = scaled - (scaled - a)
    error = (high * b - product) + (a - high) * b
    return (product + c) + error
