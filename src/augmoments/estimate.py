"""What every answer carries: a value, how it was obtained, and how far it may be off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from augmoments import fragments

Method = Literal["exact", "cubature", "quasi-monte-carlo", "monte-carlo"]
_RANK = ("exact", "cubature", "quasi-monte-carlo", "monte-carlo")


def weakest(*methods: Method) -> Method:
    """The least exact of several methods: what an answer that used all of them is called."""
    return max(methods, key=_RANK.index)


def rounding(dtype: torch.dtype, size: int = 1) -> float:
    """Relative rounding error of a resampling of images ``size`` pixels long in ``dtype``."""
    return (16 + size) * torch.finfo(dtype).eps


@dataclass(frozen=True)
class Estimate:
    """An expectation with its variance, and how it was obtained.

    Attributes:
        value: ``E[f]``, shape ``(N, ...)``.
        variance: ``Var[f]`` over the augmentation, same shape.
        error: Absolute error bound of ``value`` (a 99.5% bound from replicates where the nodes are
            randomised, the change from half the nodes where they are not), same shape.
        variance_error: The same for ``variance``.
        method: ``"exact"``, ``"cubature"``, ``"quasi-monte-carlo"`` or ``"monte-carlo"``.
        nodes: Evaluations an image.
    """

    value: Tensor
    variance: Tensor
    error: Tensor
    variance_error: Tensor
    method: Method
    nodes: int

    def __repr__(self) -> str:
        worst = float(self.error.max())
        return (
            f"Estimate(shape={tuple(self.value.shape)}, mean={float(self.value.mean()):.6g}, "
            f"error<={worst:.2g}, method={self.method!r}, nodes={self.nodes})"
        )

    def _repr_html_(self) -> str:
        return fragments.pairs(
            f"Expectation of {fragments.shape_of(self.value)}",
            [
                ("value", f"{fragments.spread(self.value)}, ± {fragments.worst(self.error)}"),
                (
                    "variance",
                    f"{fragments.spread(self.variance)}, ± {fragments.worst(self.variance_error)}",
                ),
                ("method", self.method),
                ("evaluations", f"{self.nodes:,}"),
            ],
            "Median (range), and the largest error bound.",
        )
