"""Families of augmentations by strength, the same for images of all sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.blur import GaussianBlur
from augmoments.augmentations.color import ColorJitter
from augmoments.augmentations.crops import RandomResizedCrop
from augmoments.augmentations.erasing import RandomErasing
from augmoments.augmentations.geometric import (
    RandomHorizontalFlip,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)


@dataclass(frozen=True)
class Family:
    """An augmentation whose strength is one number.

    Attributes:
        name: A word or two.
        form: A strength as text, as in ``"±{:g}°"``.
        strengths: Weak, medium and strong.
        make: The augmentation of a strength, for images with so many pixels a side.
    """

    name: str
    form: str
    strengths: tuple[float, float, float]
    make: Callable[[float, int], Augmentation]

    @property
    def labels(self) -> tuple[str, ...]:
        """The strengths as text."""
        return tuple(self.form.format(strength) for strength in self.strengths)

    def medium(self, side: int) -> Augmentation:
        """The augmentation of medium strength."""
        return self.make(self.strengths[1], side)


def _translation(percent: float, side: int) -> Augmentation:
    reach = percent / 100 * side
    return RandomTranslation(x=(-reach, reach), y=(-reach, reach))


def _zoom(percent: float, side: int) -> Augmentation:
    return RandomZoom((1 - percent / 100, 1 + percent / 100))


def _blur(percent: float, side: int) -> Augmentation:
    return GaussianBlur(2 * (side // 4) + 1, (0.05, max(percent / 100 * side, 0.1)))


FAMILIES = (
    Family("rotation", "±{:g}°", (5, 15, 45), lambda s, _: RandomRotation(s, "bilinear")),
    Family("translation", "±{:g}% of the side", (3, 10, 25), _translation),
    Family("zoom", "±{:g}%", (10, 20, 50), _zoom),
    Family("shear", "±{:g}°", (5, 15, 30), lambda s, _: RandomShear(x=(-s, s))),
    Family(
        "brightness & contrast",
        "±{:g}%",
        (10, 40, 80),
        lambda s, _: ColorJitter(brightness=s / 100, contrast=s / 100),
    ),
    Family("blur", "σ to {:g}% of the side", (5, 10, 20), _blur),
    Family(
        "crop and resize",
        "area from {:g}%",
        (90, 50, 8),
        lambda s, side: RandomResizedCrop(side, scale=(s / 100, 1.0)),
    ),
    Family(
        "erasing",
        "area to {:g}%",
        (5, 15, 33),
        lambda s, _: RandomErasing(p=1.0, scale=(0.02, s / 100)),
    ),
    Family("flip", "in {:g}%", (10, 25, 50), lambda s, _: RandomHorizontalFlip(s / 100)),
)


def family(name: str) -> Family:
    """The family of that name."""
    return next(one for one in FAMILIES if one.name == name)
