"""Conversions of the type of numbers."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from augmoments.augmentations.elementary import Fixed
from augmoments.errors import InputTypeError, PolicyError
from augmoments.operators.base import Operator
from augmoments.operators.switch import Identity


@dataclass(frozen=True)
class ToDtype(Fixed):
    """Convert to a floating-point type: what policies compute in anyway, so nothing happens.

    Args:
        dtype: A floating-point type. Whole numbers are refused, because 8-bit arithmetic rounds
            after every step.
        scale: Whether whole numbers become shares of their largest one, as in [0, 1].

    Raises:
        InputTypeError: ``dtype`` is no type of numbers.
        PolicyError: ``dtype`` is one of whole numbers.

    Example:
        >>> import torch, augmoments as am
        >>> image = torch.rand(1, 2, 2)
        >>> torch.equal(am.ToDtype(torch.float32, scale=True)(image), image)
        True
    """

    dtype: torch.dtype
    scale: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.dtype, torch.dtype):
            raise InputTypeError(
                f"ToDtype: dtype must be a type such as torch.float32, got {self.dtype!r}."
            )
        if not self.dtype.is_floating_point:
            raise PolicyError(
                f"ToDtype: {self.dtype} holds whole numbers, and steps on them round; convert to "
                "torch.float32 with scale=True instead, before the other steps."
            )

    @property
    def operator(self) -> Operator:
        return Identity()
