"""Policies from augmentations: one after the other, or with a probability."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation, width_of
from augmoments.augmentations.explanation import Row
from augmoments.augmentations.parameters import Parameter
from augmoments.augmentations.scaling import scaled_probability
from augmoments.augmentations.sequence import Sequence
from augmoments.errors import InputTypeError, PolicyError
from augmoments.laws import bernoulli
from augmoments.laws.joint import JointAtoms
from augmoments.operators.base import Shape
from augmoments.operators.choose import choose
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
        >>> len(policy.parameters((1, 28, 28)))
        2
    """

    transforms: Iterable[Augmentation]

    def __post_init__(self) -> None:
        object.__setattr__(self, "transforms", augmentations_in("Compose", self.transforms))

    @property
    def steps(self) -> tuple[Augmentation, ...]:
        return tuple(self.transforms)

    def _scaled(self, strength: float) -> Augmentation:
        return Compose([step.scaled(strength) for step in self.steps])


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
        object.__setattr__(self, "transforms", augmentations_in("RandomApply", self.transforms))
        bernoulli(self.p)

    @cached_property
    def inner(self) -> Augmentation:
        """What is applied with probability ``p``."""
        steps = tuple(self.transforms)  # type: ignore[arg-type]
        return steps[0] if len(steps) == 1 else Compose(steps)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        return (Parameter(bernoulli(self.p)), *self.inner.parameters(shape))

    @property
    def affine(self) -> bool:
        return self.inner.affine

    @property
    def couples(self) -> bool:
        return self.inner.couples

    @property
    def mirrors(self) -> bool:
        return self.inner.mirrors

    def apply(self, images: Tensor, theta: Tensor) -> Tensor:
        def action(part: Tensor, rows: Tensor) -> Tensor:
            return self.inner.apply(part, theta[rows, 1:])

        return choose(images, theta[:, 0], [None, action])

    def _neutral(self, shape: Shape) -> tuple[float, ...]:
        return (0.0, *neutral_or_zero(self.inner, shape))

    def _scaled(self, strength: float) -> Augmentation:
        return RandomApply(self.inner, scaled_probability(self.p, strength))

    def surrogate(self) -> Augmentation:
        return RandomApply(self.inner.surrogate(), self.p)

    def smoothed(self) -> Augmentation:
        inner = self.inner.smoothed()
        return self if inner is self.inner else RandomApply(inner, self.p)

    def conditional(self, images: Tensor, theta: Tensor) -> tuple[Tensor, Tensor | None]:
        rows = (theta[:, 0] > 0.5).nonzero()[:, 0]
        if not len(rows):
            return images, None
        if len(rows) == len(theta):
            return self.inner.conditional(images, theta[:, 1:])
        there = rows.to(images.device)
        mean, noise = self.inner.conditional(images[there], theta[rows, 1:])
        if noise is not None:
            noise = torch.zeros_like(images).index_copy(0, there, noise)
        return images.index_copy(0, there, mean), noise

    def jointly(self, shape: Shape) -> bool:
        return self.inner.jointly(shape)

    def outcomes(self, shape: Shape) -> float:
        return (self.p < 1) + (self.p > 0) * self.inner.outcomes(shape)

    def atoms(self, shape: Shape) -> JointAtoms:
        width = width_of(self.inner, shape)
        nothing = JointAtoms(np.zeros((1, width)), np.ones(1))
        return mixed((1 - self.p, self.p), (nothing, self.inner.atoms(shape)))

    def rule(self, shape: Shape, n: int) -> Rule:
        return Mixture((1 - self.p, self.p), (IDENTITY, self.inner.rule(shape, n)))

    def output_shape(self, shape: Shape) -> Shape:
        found = self.inner.output_shape(shape)
        if found != shape and self.p < 1:
            raise PolicyError(
                f"RandomApply: with probability {1 - self.p:g} images keep their shape {shape}, "
                f"else they come out with shape {found}; all draws must give one shape."
            )
        return found

    def rows(self, shape: Shape) -> tuple[Row, ...]:
        coin = Row("RandomApply", "applied", f"probability {self.p:g}", "atoms", True, "mixture")
        return (coin, *self.inner.rows(shape))


def mixed(weights: Iterable[float], parts: Iterable[JointAtoms]) -> JointAtoms:
    """Outcomes of a choice: its index, then the columns of ``parts``."""
    points, shares = [], []
    for index, (weight, part) in enumerate(zip(weights, parts, strict=True)):
        if weight:
            points.append(np.insert(part.points, 0, index, axis=1))
            shares.append(weight * part.weights)
    return JointAtoms(np.concatenate(points), np.concatenate(shares))


def neutral_or_zero(augmentation: Augmentation, shape: Shape) -> list[float]:
    """A draw for a step that is left undone: its neutral one, zeros where it has none."""
    try:
        return augmentation.neutral(shape).tolist()
    except PolicyError:
        return [0.0] * width_of(augmentation, shape)


def augmentations_in(owner: str, given: object) -> tuple[Augmentation, ...]:
    """Read one augmentation or several, and refuse what is none."""
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
