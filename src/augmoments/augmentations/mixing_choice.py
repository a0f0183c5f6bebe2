"""A random choice between MixUp, CutMix and neither, made once for a whole batch."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation, width_of
from augmoments.augmentations.choice import RandomChoice
from augmoments.augmentations.compose import RandomApply
from augmoments.augmentations.explanation import Row
from augmoments.augmentations.mixing import Mixing, Share
from augmoments.augmentations.parameters import Parameter
from augmoments.errors import PolicyError
from augmoments.laws import Discrete
from augmoments.operators.base import Shape
from augmoments.operators.choose import Action, choose
from augmoments.rules.fields import RandomField


@dataclass(frozen=True)
class Unmixed(Mixing):
    """Leave a batch as it is."""

    num_classes: int | None = None

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        return ()

    def field(self, shape: Shape, n: int) -> RandomField:
        nothing = torch.zeros(1, *shape[1:], dtype=torch.float64)
        return RandomField(nothing[0], nothing[:0])

    def share(self, shape: Shape) -> Share:
        return Share(0.0, 0.0, torch.zeros(shape[1:], dtype=torch.float64))

    def shares(self, theta: Tensor, shape: Shape) -> Tensor:
        return theta.new_zeros(len(theta))

    def blend(self, images: Tensor, partners: Tensor, theta: Tensor) -> Tensor:
        return images

    def rows(self, shape: Shape) -> tuple[Row, ...]:
        return ()


@dataclass(frozen=True)
class MixingChoice(Mixing):
    """One of several mixings, drawn once for the whole batch.

    Attributes:
        branches: The mixings to choose from.
        weights: Their probabilities.
        num_classes: Number of classes, for labels that are class indices.
    """

    branches: tuple[Mixing, ...]
    weights: tuple[float, ...]
    num_classes: int | None = None

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        index = Parameter(Discrete(range(len(self.branches)), self.weights))
        return (index, *(p for branch in self.branches for p in branch.parameters(shape)))

    def _columns(self, shape: Shape) -> list[slice]:
        ends = np.cumsum([1, *(width_of(branch, shape) for branch in self.branches)])
        return [slice(start, stop) for start, stop in pairwise(ends.tolist())]

    def field(self, shape: Shape, n: int) -> RandomField:
        return RandomField.mixed(self.weights, [b.field(shape, n) for b in self.branches])

    def share(self, shape: Shape) -> Share:
        found = [branch.share(shape) for branch in self.branches]
        pairs = list(zip(self.weights, found, strict=True))
        return Share(
            sum(weight * share.mean for weight, share in pairs),
            sum(weight * share.square for weight, share in pairs),
            torch.stack([weight * share.product for weight, share in pairs]).sum(0),
        )

    def shares(self, theta: Tensor, shape: Shape) -> Tensor:
        columns = self._columns(shape)
        pairs = zip(self.branches, columns, strict=True)
        found = torch.stack([branch.shares(theta[:, own], shape) for branch, own in pairs])
        return found.gather(0, theta[None, :, 0].round().long())[0]

    def blend(self, images: Tensor, partners: Tensor, theta: Tensor) -> Tensor:
        columns = self._columns(tuple(images.shape[-3:]))  # type: ignore[arg-type]

        def action(branch: Mixing, own: slice) -> Action:
            return lambda part, rows: branch.blend(part, partners[rows], theta[rows, own])

        actions = [action(b, c) for b, c in zip(self.branches, columns, strict=True)]
        return choose(images, theta[:, 0], actions)

    def rows(self, shape: Shape) -> tuple[Row, ...]:
        law = ", ".join(f"{weight:.3g}" for weight in self.weights)
        choice = Row("MixingChoice", "chosen", law, "atoms", True, "mixture, one for the batch")
        return (choice, *(row for branch in self.branches for row in branch.rows(shape)))


def as_mixing(policy: Augmentation) -> Mixing | None:
    """Read MixUp, CutMix or a random choice of them as one mixing; ``None`` if it is no such thing.

    ``RandomChoice`` and ``RandomApply`` choose once for the whole batch here, as torchvision's do.

    Raises:
        PolicyError: A choice between mixing and something else, or mixings that disagree on the
            number of classes.

    Example:
        >>> import augmoments as am
        >>> both = as_mixing(am.RandomChoice([am.MixUp(), am.CutMix()]))
        >>> round(both.share((3, 32, 32)).mean, 4)
        0.3996
    """
    match policy:
        case Mixing():
            return policy
        case RandomChoice():
            found, weights = [as_mixing(branch) for branch in policy.branches], policy.weights
        case RandomApply():
            inner = as_mixing(policy.inner)
            found, weights = [inner and Unmixed(), inner], (1 - policy.p, policy.p)
        case _:
            return None
    mixings = [mixing for mixing in found if mixing is not None]
    if not mixings:
        return None
    if len(mixings) < len(found):
        raise PolicyError(
            f"{policy} chooses between mixing a batch and augmenting images one by one; choose "
            "between mixings only, such as RandomChoice([MixUp(), CutMix()])."
        )
    return MixingChoice(tuple(mixings), tuple(weights), _classes(mixings))


def _classes(mixings: list[Mixing]) -> int | None:
    counts = {mixing.num_classes for mixing in mixings} - {None}
    if len(counts) > 1:
        raise PolicyError(
            f"The mixings to choose from disagree on num_classes: {sorted(counts)}."  # type: ignore[type-var]
        )
    return counts.pop() if counts else None
