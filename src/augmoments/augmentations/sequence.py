"""Augmentations one after the other."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation, width_of
from augmoments.augmentations.explanation import Row
from augmoments.augmentations.parameters import Parameter, independent
from augmoments.laws.joint import JointAtoms
from augmoments.operators.base import Shape
from augmoments.rules import Product, Rule


class Sequence(Augmentation):
    """Independent augmentations, one after the other."""

    @property
    @abstractmethod
    def steps(self) -> tuple[Augmentation, ...]:
        """The augmentations, the first one applied first."""

    @property
    def parts(self) -> tuple[Augmentation, ...]:
        return tuple(part for step in self.steps for part in step.parts)

    def along(self, shape: Shape) -> Iterator[tuple[Augmentation, Shape]]:
        """The steps, each with the shape of the images that reach it."""
        for step in self.steps:
            yield step, shape
            shape = step.output_shape(shape)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        return tuple(p for step, here in self.along(shape) for p in step.parameters(here))

    @property
    def affine(self) -> bool:
        return all(step.affine for step in self.steps)

    @property
    def mirrors(self) -> bool:
        return all(step.mirrors for step in self.steps)

    @property
    def couples(self) -> bool:
        return any(step.couples for step in self.steps)

    def _sampled(self, batch: Tensor, generator: torch.Generator | None) -> Tensor:
        if not self.couples:
            return super()._sampled(batch, generator)
        for step in self.steps:
            batch = step._sampled(batch, generator)
        return batch

    def apply(self, images: Tensor, theta: Tensor) -> Tensor:
        return self._through(self.steps, images, theta)[0]

    @staticmethod
    def _through(
        steps: Iterable[Augmentation], images: Tensor, theta: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Images after ``steps``, and the columns of theta that are left."""
        for step in steps:
            shape: Shape = tuple(images.shape[-3:])  # type: ignore[assignment]
            width = width_of(step, shape)
            images, theta = step.apply(images, theta[:, :width]), theta[:, width:]
        return images, theta

    def _neutral(self, shape: Shape) -> tuple[float, ...]:
        values = (step.neutral(here).tolist() for step, here in self.along(shape))
        return tuple(value for own in values for value in own)

    def surrogate(self) -> Augmentation:
        return Chain(tuple(step.surrogate() for step in self.steps))

    def smoothed(self) -> Augmentation:
        last = self.steps[-1].smoothed() if self.steps else self
        return self if not self.steps or last is self.steps[-1] else Chain((*self.steps[:-1], last))

    def conditional(self, images: Tensor, theta: Tensor) -> tuple[Tensor, Tensor | None]:
        if not self.steps:
            return images, None
        *before, last = self.steps
        images, rest = self._through(before, images, theta)
        return last.conditional(images, rest)

    def jointly(self, shape: Shape) -> bool:
        return any(step.jointly(here) for step, here in self.along(shape))

    def outcomes(self, shape: Shape) -> float:
        return prod(step.outcomes(here) for step, here in self.along(shape))

    def atoms(self, shape: Shape) -> JointAtoms:
        return independent([step.atoms(here) for step, here in self.along(shape)])

    def rule(self, shape: Shape, n: int) -> Rule:
        return Product(tuple(step.rule(here, n) for step, here in self.along(shape)))

    def output_shape(self, shape: Shape) -> Shape:
        for step in self.steps:
            shape = step.output_shape(shape)
        return shape

    def rows(self, shape: Shape) -> tuple[Row, ...]:
        return tuple(row for step, here in self.along(shape) for row in step.rows(here))


@dataclass(frozen=True)
class Chain(Sequence):
    """Given augmentations, one after the other."""

    chained: tuple[Augmentation, ...]

    @property
    def steps(self) -> tuple[Augmentation, ...]:
        return self.chained

    def _scaled(self, strength: float) -> Augmentation:
        return Chain(tuple(step.scaled(strength) for step in self.chained))
