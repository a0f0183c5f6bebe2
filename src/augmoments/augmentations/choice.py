"""Policies that draw one of several augmentations, or their order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise, permutations

import numpy as np
import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation, width_of
from augmoments.augmentations.compose import (
    Compose,
    augmentations_in,
    mixed,
    neutral_or_zero,
)
from augmoments.augmentations.explanation import Row
from augmoments.augmentations.parameters import Parameter
from augmoments.errors import LawError, PolicyError
from augmoments.laws import Discrete
from augmoments.laws.base import check_number
from augmoments.laws.joint import JointAtoms
from augmoments.operators.base import Shape
from augmoments.operators.choose import Action, choose
from augmoments.rules import Mixture, Rule

_MOST_SHUFFLED = 6


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
        found = augmentations_in("RandomChoice", self.transforms)
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

    def _neutral(self, shape: Shape) -> tuple[float, ...]:
        idle = [i for i, branch in enumerate(self.branches) if can_rest(branch, shape)]
        if not idle:
            return super()._neutral(shape)
        own = [value for branch in self.branches for value in neutral_or_zero(branch, shape)]
        return (float(idle[0]), *own)

    def _scaled(self, strength: float) -> Augmentation:
        return RandomChoice([branch.scaled(strength) for branch in self.branches], self.p)

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
    found = augmentations_in("RandomOrder", transforms)
    if len(found) > _MOST_SHUFFLED:
        raise PolicyError(
            f"RandomOrder: {len(found)} augmentations have {len(found)}! orders; at most "
            f"{_MOST_SHUFFLED} augmentations are taken."
        )
    return RandomChoice([Compose(order) for order in permutations(found)])


def can_rest(augmentation: Augmentation, shape: Shape) -> bool:
    """Whether some draw leaves images of ``shape`` as they are."""
    try:
        augmentation.neutral(shape)
    except PolicyError:
        return False
    return True


def _weights(given: Iterable[float] | None, count: int) -> tuple[float, ...]:
    if given is None:
        return (1 / count,) * count
    given = tuple(given)
    for weight in given:
        check_number("RandomChoice: p", weight)
    found = np.asarray(given, dtype=float)
    if found.shape != (count,) or not np.isfinite(found).all() or (found < 0).any():
        raise LawError(
            f"RandomChoice: p must be {count} weights of at least 0, got {found.tolist()}."
        )
    total = found.sum()
    if not total:
        raise LawError("RandomChoice: the weights in p are all 0.")
    return tuple((found if abs(total - 1) < 1e-12 else found / total).tolist())
