"""Policies from augmentations: one after the other, or with a probability."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, permutations
from math import factorial

import numpy as np
import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation, Parameter, Sequence, width_of
from augmoments.augmentations.explanation import Row
from augmoments.errors import InputTypeError, LawError, PolicyError
from augmoments.laws import Discrete, bernoulli
from augmoments.laws.joint import JointAtoms
from augmoments.operators.base import Shape
from augmoments.operators.choose import Action, choose
from augmoments.rules import IDENTITY, Mixture, Rule

_MOST_SHUFFLED = 6


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


@dataclass(frozen=True)
class RandomChoice(Augmentation):
    """Apply one augmentation, drawn from a list.

    Args:
        transforms: The augmentations to choose from.
        p: Their weights, normalised to sum to 1; equal ones by default.

    Raises:
        InputTypeError: Something that is not an augmentation, or nothing at all.
        LawError: Weights that are negative, all zero or of another number.
        PolicyError: The augmentations give images of different shapes.

    Example:
        >>> import torch, augmoments as am
        >>> flips = [am.RandomHorizontalFlip(1.0), am.RandomVerticalFlip(1.0)]
        >>> image = torch.tensor([[[[0.0, 1.0], [0.0, 0.0]]]])
        >>> am.moments(image, am.RandomChoice(flips)).mean
        tensor([[[[0.5000, 0.0000], [0.0000, 0.5000]]]])
    """

    transforms: Iterable[Augmentation]
    p: Iterable[float] | None = None

    def __post_init__(self) -> None:
        found = _augmentations("RandomChoice", self.transforms)
        object.__setattr__(self, "transforms", found)
        object.__setattr__(self, "p", _weights(self.p, len(found)))

    @property
    def branches(self) -> tuple[Augmentation, ...]:
        """What is chosen from."""
        return tuple(self.transforms)

    @property
    def weights(self) -> tuple[float, ...]:
        """The probability of each branch."""
        return tuple(self.p)  # type: ignore[arg-type]

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        index = Parameter(Discrete(range(len(self.branches)), self.weights))
        return (index, *(p for branch in self.branches for p in branch.parameters(shape)))

    @property
    def affine(self) -> bool:
        return all(branch.affine for branch in self.branches)

    @property
    def couples(self) -> bool:
        return any(branch.couples for branch in self.branches)

    @property
    def mirrors(self) -> bool:
        return all(branch.mirrors for branch in self.branches)

    def _columns(self, shape: Shape) -> list[slice]:
        ends = np.cumsum([1, *(width_of(branch, shape) for branch in self.branches)])
        return [slice(start, stop) for start, stop in pairwise(ends.tolist())]

    def apply(self, images: Tensor, theta: Tensor) -> Tensor:
        columns = self._columns(tuple(images.shape[-3:]))  # type: ignore[arg-type]

        def action(branch: Augmentation, own: slice) -> Action:
            return lambda x, rows: branch.apply(x, theta[rows, own])

        actions = [action(b, c) for b, c in zip(self.branches, columns, strict=True)]
        return choose(images, theta[:, 0], actions)

    def smoothed(self) -> Augmentation:
        branches = [branch.smoothed() for branch in self.branches]
        same = all(new is old for new, old in zip(branches, self.branches, strict=True))
        return self if same else RandomChoice(branches, self.p)

    def conditional(self, images: Tensor, theta: Tensor) -> tuple[Tensor, Tensor | None]:
        columns = self._columns(tuple(images.shape[-3:]))  # type: ignore[arg-type]
        noises: list[tuple[Tensor, Tensor]] = []

        def action(branch: Augmentation, own: slice) -> Action:
            def run(part: Tensor, rows: Tensor) -> Tensor:
                mean, noise = branch.conditional(part, theta[rows, own])
                if noise is not None:
                    noises.append((rows.to(images.device), noise))
                return mean

            return run

        actions = [action(b, c) for b, c in zip(self.branches, columns, strict=True)]
        mean = choose(images, theta[:, 0], actions)
        if not noises:
            return mean, None
        rows, parts = (torch.cat(column) for column in zip(*noises, strict=True))
        return mean, torch.zeros_like(mean).index_copy(0, rows, parts)

    def surrogate(self) -> Augmentation:
        return RandomChoice([branch.surrogate() for branch in self.branches], self.p)

    def jointly(self, shape: Shape) -> bool:
        return any(branch.jointly(shape) for branch in self.branches)

    def outcomes(self, shape: Shape) -> float:
        pairs = zip(self.weights, self.branches, strict=True)
        return sum(branch.outcomes(shape) for weight, branch in pairs if weight)

    def atoms(self, shape: Shape) -> JointAtoms:
        columns = self._columns(shape)
        parts = []
        for branch, own in zip(self.branches, columns, strict=True):
            points, weights = branch.atoms(shape)
            wide = np.zeros((len(points), columns[-1].stop - 1))
            wide[:, own.start - 1 : own.stop - 1] = points
            parts.append(JointAtoms(wide, weights))
        return mixed(self.weights, parts)

    def rule(self, shape: Shape, n: int) -> Rule:
        return Mixture(self.weights, tuple(branch.rule(shape, n) for branch in self.branches))

    def output_shape(self, shape: Shape) -> Shape:
        found = {branch.output_shape(shape) for branch in self.branches}
        if len(found) > 1:
            raise PolicyError(
                f"RandomChoice: for images of shape {shape} the augmentations give the shapes "
                f"{sorted(found)}; all draws must give one shape."
            )
        return found.pop()

    def rows(self, shape: Shape) -> tuple[Row, ...]:
        law = f"one of {len(self.branches)}"
        choice = Row("RandomChoice", "chosen", law, "atoms", True, "mixture")
        return (choice, *(row for branch in self.branches for row in branch.rows(shape)))


def RandomOrder(transforms: Iterable[Augmentation]) -> Augmentation:
    """Apply all augmentations, each once, in a uniformly random order.

    A :class:`RandomChoice` among the orders, each a :class:`Compose`.

    Raises:
        InputTypeError: Something that is not an augmentation, or nothing at all.
        PolicyError: More than six augmentations (720 orders).

    Example:
        >>> import augmoments as am
        >>> policy = am.RandomOrder([am.RandomRotation(15), am.RandomHorizontalFlip()])
        >>> len(policy.branches)
        2
    """
    found = _augmentations("RandomOrder", transforms)
    if len(found) > _MOST_SHUFFLED:
        raise PolicyError(
            f"RandomOrder: {len(found)} augmentations have {factorial(len(found))} orders; at most "
            f"{_MOST_SHUFFLED} augmentations are taken."
        )
    return RandomChoice([Compose(order) for order in permutations(found)])


def mixed(weights: Iterable[float], parts: Iterable[JointAtoms]) -> JointAtoms:
    """Outcomes of a choice: its index, then the columns of ``parts``."""
    points, shares = [], []
    for index, (weight, part) in enumerate(zip(weights, parts, strict=True)):
        if weight:
            points.append(np.insert(part.points, 0, index, axis=1))
            shares.append(weight * part.weights)
    return JointAtoms(np.concatenate(points), np.concatenate(shares))


def _weights(given: Iterable[float] | None, count: int) -> tuple[float, ...]:
    if given is None:
        return (1 / count,) * count
    found = np.asarray(tuple(given), dtype=float)
    if found.shape != (count,) or not np.isfinite(found).all() or (found < 0).any():
        raise LawError(
            f"RandomChoice: p must be {count} weights of at least 0, got {found.tolist()}."
        )
    total = found.sum()
    if not total:
        raise LawError("RandomChoice: the weights in p are all 0.")
    return tuple((found if abs(total - 1) < 1e-12 else found / total).tolist())


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
