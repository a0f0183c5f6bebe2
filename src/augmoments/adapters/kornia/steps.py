"""Augmentations from an operator, what it draws, and kornia's probabilities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

from augmoments.adapters.unsupported import unsupported
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.compose import RandomApply
from augmoments.augmentations.elementary import Elementary, scaled_drawing
from augmoments.errors import PolicyError
from augmoments.laws import Law
from augmoments.laws.joint import JointLaw
from augmoments.operators.base import Operator, Shape
from augmoments.rules import OperatorMean

Drawn = Law | JointLaw | None
Convert = Callable[[Any], Augmentation]
Average = Callable[[Any, Any, Shape], OperatorMean]
"""From an operator, its law and the shape of images to the closed form of the mean."""


@runtime_checkable
class Scalable(Protocol):
    """What is drawn for images of a shape, and may be drawn at another strength."""

    def __call__(self, shape: Shape) -> Drawn: ...

    def scaled(self, strength: float) -> Scalable:
        """The same at another strength."""
        ...


@dataclass(frozen=True)
class Drawing(Elementary):
    """An operator of the kornia module ``owner`` and what it draws, maybe by the image's shape.

    Images with less than ``smallest`` rows or columns are refused: kornia cannot take them, or
    treats them in a way of its own.
    """

    action: Operator
    draws: Drawn | Callable[[Shape], Drawn]
    owner: str
    smallest: int = 1
    average: Average | None = field(default=None, repr=False)

    @property
    def operator(self) -> Operator:
        return self.action

    def law_for(self, shape: Shape) -> Drawn:
        return self.draws(shape) if callable(self.draws) else self.draws

    @property
    def family(self) -> str:
        return self.owner

    def _scaled(self, strength: float) -> Augmentation:
        draws = self.draws
        if not callable(draws):
            draws = scaled_drawing(self.owner, self.action, draws, strength)
        elif isinstance(draws, Scalable):
            draws = draws.scaled(strength)
        else:
            return super()._scaled(strength)
        return replace(self, draws=draws)

    def expectation(self, shape: Shape) -> Callable[[], OperatorMean] | None:
        average = self.average
        if average is None:
            return None
        return lambda: average(self.action, self.law_for(shape), shape)

    def output_shape(self, shape: Shape) -> Shape:
        if min(shape[1:]) < self.smallest:
            raise PolicyError(
                f"{self.owner} takes images of at least {self.smallest} x {self.smallest} pixels, "
                f"these have {shape[1]} x {shape[2]}; leave the step out or enlarge the images."
            )
        return super().output_shape(shape)


def name_of(module: object) -> str:
    """The module's class."""
    return type(module).__name__


def sometimes(module: Any, action: Augmentation) -> Augmentation:
    """The action behind the coins of a kornia module, one an image and one a batch."""
    p = float(module.p) * float(module.p_batch)
    return action if p == 1 else RandomApply(action, p)


def refuse(module: object, what: str, use: str) -> PolicyError:
    """The error that names the module, what is not supported, and what to use."""
    return unsupported(module, f"{what} is not supported", f"use {use}")
