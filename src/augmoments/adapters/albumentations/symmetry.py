"""Flips and quarter turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.elementary import Step
from augmoments.augmentations.geometric import RandomHorizontalFlip, RandomVerticalFlip
from augmoments.errors import PolicyError
from augmoments.laws import Discrete
from augmoments.operators.base import Operator, Shape
from augmoments.operators.choose import choose

_TURNS = (0, 1, 2, 3)
_MIRRORS = (4, 5, 6, 7)


@dataclass(frozen=True)
class Symmetry(Operator):
    """A symmetry of the square.

    ``theta`` 0 to 3: quarter turns, counter-clockwise; 4 to 7: the same after a transposition.

    Args:
        elements: Those that occur.
    """

    elements: tuple[int, ...]
    acts_on = "space"

    @property
    def mirrors(self) -> bool:  # type: ignore[override]
        return self._turns == {False}

    @property
    def parameter(self) -> str:
        return "symmetry of the square"

    @property
    def affine(self) -> bool:
        return True

    @property
    def _turns(self) -> set[bool]:
        """Whether rows become columns, for the elements that occur."""
        return {element in (1, 3, 4, 6) for element in self.elements}

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        def action(element: int):
            def act(part: Tensor, rows: Tensor) -> Tensor:
                part = part.mT if element >= 4 else part
                return part.rot90(element % 4, (-2, -1))

            return act

        return choose(images, theta[:, 0], [action(element) for element in range(8)])

    def output_shape(self, shape: Shape) -> Shape:
        channels, height, width = shape
        if height != width and len(self._turns) > 1:
            raise PolicyError(
                f"Images of {height} x {width} pixels come out as {width} x {height} after some of "
                "the quarter turns; crop them to a square first."
            )
        return (channels, width, height) if self._turns == {True} else shape


def _step(transform: Any, elements: tuple[int, ...]) -> Augmentation:
    return Step(Symmetry(elements), Discrete(elements), type(transform).__name__)


def horizontal_flip(transform: Any) -> Augmentation:
    """HorizontalFlip: left and right."""
    return RandomHorizontalFlip(1.0)


def vertical_flip(transform: Any) -> Augmentation:
    """VerticalFlip: up and down."""
    return RandomVerticalFlip(1.0)


def transpose(transform: Any) -> Augmentation:
    """Transpose: rows become columns."""
    return _step(transform, (4,))


def quarter_turns(transform: Any) -> Augmentation:
    """RandomRotate90: one of the four quarter turns."""
    return _step(transform, _TURNS)


def square(transform: Any) -> Augmentation:
    """D4 and SquareSymmetry: one of the eight symmetries."""
    return _step(transform, _TURNS + _MIRRORS)
