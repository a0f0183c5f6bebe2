"""Perspective with random corners, as torchvision has it."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from numbers import Real
from typing import Any

import numpy as np

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.compose import RandomApply
from augmoments.augmentations.elementary import Elementary
from augmoments.augmentations.sequence import Sequence
from augmoments.checks import check_probability
from augmoments.errors import LawError, PolicyError
from augmoments.laws import Discrete
from augmoments.laws.base import check_number
from augmoments.laws.independent import Independent
from augmoments.operators.base import Operator, Shape
from augmoments.operators.perspective import Perspective
from augmoments.operators.warp import Fill, Resampling


@dataclass(frozen=True)
class RandomPerspective(Sequence):
    """Pull the image's corners inwards by random whole distances, as torchvision does.

    Args:
        distortion_scale: Up to which share of half the side the corners move, in [0, 1].
        p: Probability.
        interpolation: ``"bilinear"`` or ``"nearest"``.
        fill: Value outside the image, one or one a channel.
        border: ``"zeros"``, or ``"torchvision"`` for what torchvision does with bilinear
            interpolation whenever a fill value is given (0, by default).

    Raises:
        LawError: ``distortion_scale`` or ``p`` lies outside [0, 1].
        PolicyError: The corners of images of this size could come to lie on a line.

    Example:
        >>> import augmoments as am
        >>> policy = am.RandomPerspective(0.2)
        >>> [parameter.count for parameter in policy.parameters((3, 16, 16))]
        [2, 256]

    Reference:
        ``torchvision.transforms.v2.RandomPerspective``.
    """

    distortion_scale: float = 0.5
    p: float = 0.5
    interpolation: Any = "bilinear"
    fill: Fill = 0.0
    _: KW_ONLY
    border: str = "zeros"

    def __post_init__(self) -> None:
        if not isinstance(self.distortion_scale, Real) or not 0 <= self.distortion_scale <= 1:
            raise LawError(
                f"RandomPerspective: distortion_scale must lie in [0, 1], got "
                f"{self.distortion_scale!r}."
            )
        check_number("RandomPerspective: p", self.p)
        check_probability(self.p)
        _ = self.steps

    @property
    def steps(self) -> tuple[Augmentation, ...]:
        resampling = Resampling.of(self.interpolation, self.fill, self.border)
        moved = _MovedCorners(Perspective(resampling), float(self.distortion_scale))
        return (moved,) if self.p == 1 else (RandomApply(moved, self.p),)

    def _scaled(self, strength: float) -> Augmentation:
        return replace(self, distortion_scale=strength * float(self.distortion_scale))


@dataclass(frozen=True)
class _MovedCorners(Elementary):
    """Perspective with corners that move on whole pixels."""

    action: Perspective
    distortion: float

    @property
    def operator(self) -> Operator:
        return self.action

    @property
    def family(self) -> str:
        return "RandomPerspective"

    def _neutral(self, shape: Shape) -> tuple[float, ...]:
        right, bottom = shape[2] - 1.0, shape[1] - 1.0
        return 0.0, 0.0, right, 0.0, right, bottom, 0.0, bottom

    def law_for(self, shape: Shape) -> Independent:
        _, height, width = shape
        across, down = int(self.distortion * (width // 2)), int(self.distortion * (height // 2))
        if not _convex(width, across, height, down):
            raise PolicyError(
                f"RandomPerspective: with distortion_scale={self.distortion:g} three corners of "
                f"images of {height} x {width} pixels could come to lie on a line, for which "
                "there is no perspective; use a smaller one, 0.6 for instance."
            )
        left, right = np.arange(across + 1), np.arange(width - 1 - across, width)
        top, bottom = np.arange(down + 1), np.arange(height - 1 - down, height)
        corners = (left, top), (right, top), (right, bottom), (left, bottom)
        return Independent(tuple(Discrete(side.tolist()) for corner in corners for side in corner))

    def output_shape(self, shape: Shape) -> Shape:
        self.law_for(shape)
        return super().output_shape(shape)


def _convex(width: int, across: int, height: int, down: int) -> bool:
    """Whether the quadrangle stays convex when corners move by up to ``across`` and ``down``."""
    if width - 1 <= across or height - 1 <= down:
        return False
    return across / (width - 1 - across) + down / (height - 1 - down) < 1
