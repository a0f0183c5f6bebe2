"""Policies from augmentations: one after the other, or with a probability."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation, Parameter, Sequence
from augmoments.augmentations.explanation import Row
from augmoments.errors import InputTypeError
from augmoments.laws import bernoulli
from augmoments.operators.base import Shape
from augmoments.operators.flip import per_group
from augmoments.rules import IDENTITY, Mixture, Rule


@dataclass(frozen=True)
class Compose(Sequence):
    """Apply augmentations one after the other, each with its own independent draw.

    Args:
        transforms: The augmentations, the first one applied first; at least one.

    Raises:
        InputTypeError: Something that is not an augmentation, or nothing at all.

    Example:
        >>> import augmoments as am
        >>> policy = am.Compose([am.RandomRotation(15), am.RandomHorizontalFlip()])
        >>> len(policy.parameters)
        2
    """

    transforms: Iterable[Augmentation]

    def __post_init__(self) -> None:
        object.__setattr__(self, "transforms", _augmentations("Compose", self.transforms))

    @property
    def steps(self) -> tuple[Augmentation, ...]:
        return tuple(self.transforms)


@dataclass(frozen=True)
class RandomApply(Augmentation):
    """Apply augmentations, all of them with probability ``p`` and else none.

    Args:
        transforms: One augmentation or several, applied one after the other.
        p: Probability.

    Raises:
        InputTypeError: Something that is not an augmentation, or nothing at all.
        LawError: ``p`` lies outside [0, 1].

    Example:
        >>> import torch, augmoments as am
        >>> policy = am.RandomApply([am.ColorJitter(brightness=(2, 2), clamp=False)], p=0.5)
        >>> am.moments(torch.full((1, 1, 1, 1), 0.5), policy).mean
        tensor([[[[0.7500]]]])
    """

    transforms: Augmentation | Iterable[Augmentation]
    p: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "transforms", _augmentations("RandomApply", self.transforms))
        bernoulli(self.p)

    @property
    def inner(self) -> Compose:
        """What is applied with probability ``p``."""
        return Compose(self.transforms)  # type: ignore[arg-type]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (Parameter(bernoulli(self.p)), *self.inner.parameters)

    @property
    def affine(self) -> bool:
        return self.inner.affine

    def apply(self, images: Tensor, theta: Tensor) -> Tensor:
        changed = self.inner.apply(images, theta[:, 1:])
        return torch.where(per_group(theta, images) > 0.5, changed, images)

    def rule(self, shape: Shape, n: int) -> Rule:
        return Mixture((1 - self.p, self.p), (IDENTITY, self.inner.rule(shape, n)))

    def check_shape(self, shape: Shape) -> None:
        self.inner.check_shape(shape)

    def rows(self, shape: Shape) -> tuple[Row, ...]:
        coin = Row("RandomApply", "applied", f"probability {self.p:g}", "atoms", True, "mixture")
        return (coin, *self.inner.rows(shape))


def _augmentations(owner: str, given: object) -> tuple[Augmentation, ...]:
    found = (given,) if isinstance(given, Augmentation) else given
    if isinstance(found, str) or not isinstance(found, Iterable):
        raise InputTypeError(f"{owner} takes a list of augmentations, got {type(given).__name__}.")
    found = tuple(found)
    if not found:
        raise InputTypeError(f"{owner} got no augmentation; give at least one.")
    for position, step in enumerate(found):
        if not isinstance(step, Augmentation):
            raise InputTypeError(
                f"{owner}: step {position} is a {type(step).__module__}.{type(step).__name__}, "
                "not an augmentation of augmoments."
            )
    return found
