"""The images that a classifier is fitted to and judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.dataset.ridge import RidgeSolution
from augmoments.cli.console import Stages
from augmoments.cluster.pool import Pool
from augmoments.cluster.scores import accuracies
from augmoments.data import Stream, one_hot
from augmoments.errors import DataError, PolicyError


class Judged(NamedTuple):
    """A solution and the share of images that it gets right, where that can be told."""

    solution: RidgeSolution
    training: float | None
    validation: float | None


@dataclass(frozen=True)
class Judge:
    """Images to fit and to judge by.

    Attributes:
        training: With one-hot targets.
        plain: The same with labels.
        validation: With labels, if there are any.
        classes: The model's class for each class of the validation.
        why_not: Why accuracies cannot be told; empty where they can.
    """

    training: Stream
    plain: Stream
    validation: Stream | None
    classes: tuple[int, ...]
    why_not: str

    @classmethod
    def of(cls, policy: Augmentation, plain: Stream, validation: Stream | None) -> Judge:
        """Bring both together.

        Raises:
            DataError: There are no labels, or the validation has other images or classes.
            PolicyError: The policy does not take the images.
        """
        training = one_hot(plain)
        policy.output_shape(plain.shape)
        classes = () if validation is None else _matched(training, validation)
        return cls(training, plain, validation, classes, _why_not(policy, plain))

    def judge(
        self,
        used: Pool,
        solutions: Sequence[RidgeSolution],
        partition_size: int,
        tell: Stages,
    ) -> tuple[Judged, ...]:
        """Each solution with its accuracies on the images as they are."""

        def shares(
            name: str, images: Stream | None, classes: Sequence[int]
        ) -> Sequence[float | None]:
            if images is None or self.why_not:
                return [None] * len(solutions)

            def progress(done: int, total: int) -> None:
                tell(f"{name} accuracy", done, total)

            return accuracies(used, images, solutions, classes, partition_size, progress)

        training = shares("training", self.plain, range(len(self.training.classes)))
        validation = shares("validation", self.validation, self.classes)
        rows = zip(solutions, training, validation, strict=True)
        return tuple(Judged(*row) for row in rows)


def _why_not(policy: Augmentation, images: Stream) -> str:
    """Why a model of augmented images says nothing about images as they are."""
    try:
        policy.neutral(images.shape)
    except PolicyError as error:
        return f"accuracies cannot be told: the model takes augmented images, and {error}"
    return ""


def _matched(training: Stream, validation: Stream) -> tuple[int, ...]:
    """The index in ``training`` of each class of ``validation``, by its name."""
    if validation.shape != training.shape:
        raise DataError(
            f"{validation.name} has images of shape {validation.shape}, {training.name} of shape "
            f"{training.shape}: give both one size (--size)."
        )
    names = one_hot(validation).classes
    unknown = [name for name in names if name not in training.classes]
    if unknown:
        raise DataError(
            f"{validation.name} has classes that {training.name} has not: {', '.join(unknown[:5])}."
        )
    return tuple(training.classes.index(name) for name in names)
