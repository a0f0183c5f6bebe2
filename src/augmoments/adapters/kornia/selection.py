"""Sequences of augmentations, one of which is drawn."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from torch import Tensor

from augmoments.adapters.kornia.steps import Drawing
from augmoments.augmentations.base import Augmentation, width_of
from augmoments.augmentations.choice import RandomChoice, can_rest
from augmoments.augmentations.compose import Compose, mixed, neutral_or_zero
from augmoments.augmentations.explanation import Row
from augmoments.augmentations.parameters import Parameter, independent
from augmoments.errors import PolicyError
from augmoments.laws import Discrete
from augmoments.laws.joint import JointAtoms
from augmoments.operators.base import Shape
from augmoments.operators.choose import Action, choose
from augmoments.operators.switch import Identity

NOTHING = Drawing(Identity(), None, "Identity")


@dataclass(frozen=True)
class RandomSequence(RandomChoice):
    """Draw one of several sequences of the augmentations in ``slots``, each used at most once.

    The same as a :class:`~augmoments.augmentations.choice.RandomChoice` among sequences, but that
    all of these read the same parameters: their number stays small.
    """

    slots: tuple[Augmentation, ...] = ()
    sequences: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(
        cls,
        actions: SequenceOf[Augmentation],
        sequences: dict[tuple[int, ...], float],
    ) -> RandomSequence:
        """From the probabilities of sequences of places in ``actions``, which may repeat some."""
        slots: dict[tuple[int, int], int] = {}
        found = []
        for sequence in sequences:
            seen = [(place, sequence[:i].count(place)) for i, place in enumerate(sequence)]
            found.append(tuple(slots.setdefault(use, len(slots)) for use in seen))
        used = tuple(actions[place] for place, _ in slots)
        return cls._with(used, tuple(found), sequences.values())

    @classmethod
    def _with(
        cls,
        slots: tuple[Augmentation, ...],
        sequences: tuple[tuple[int, ...], ...],
        weights: Iterable[float],
    ) -> RandomSequence:
        chains = [Compose([slots[i] for i in chain]) if chain else NOTHING for chain in sequences]
        return cls(chains, tuple(weights), slots, sequences)

    def _neutral(self, shape: Shape) -> tuple[float, ...]:
        super()._neutral(shape)
        idle = next(i for i, branch in enumerate(self.branches) if can_rest(branch, shape))
        own = [value for slot in self.slots for value in neutral_or_zero(slot, shape)]
        return (float(idle), *own)

    def _scaled(self, strength: float) -> Augmentation:
        slots = tuple(slot.scaled(strength) for slot in self.slots)
        return self._with(slots, self.sequences, self.weights)

    def surrogate(self) -> Augmentation:
        slots = tuple(slot.surrogate() for slot in self.slots)
        return self._with(slots, self.sequences, self.weights)

    def smoothed(self) -> Augmentation:
        return self

    def conditional(self, images: Tensor, theta: Tensor) -> tuple[Tensor, Tensor | None]:
        return self.apply(images, theta), None

    def output_shape(self, shape: Shape) -> Shape:
        for slot in self.slots:
            out = slot.output_shape(shape)
            if out != shape:
                raise PolicyError(
                    f"{slot} turns images of shape {shape} into {out}: applied only sometimes, or "
                    "in random order, it must keep the shape."
                )
        return shape

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        index = Parameter(Discrete(range(len(self.sequences)), self.weights))
        return (index, *(p for slot in self.slots for p in slot.parameters(shape)))

    def _own(self, shape: Shape) -> list[slice]:
        """The columns of theta that each slot has."""
        ends = np.cumsum([1, *(width_of(slot, shape) for slot in self.slots)])
        return [slice(start, stop) for start, stop in pairwise(ends.tolist())]

    def apply(self, images: Tensor, theta: Tensor) -> Tensor:
        columns = self._own(tuple(images.shape[-3:]))  # type: ignore[arg-type]

        def action(sequence: tuple[int, ...]) -> Action:
            def run(part: Tensor, rows: Tensor) -> Tensor:
                for i in sequence:
                    part = self.slots[i].apply(part, theta[rows][:, columns[i]])
                return part

            return run

        return choose(images, theta[:, 0], [action(sequence) for sequence in self.sequences])

    def atoms(self, shape: Shape) -> JointAtoms:
        columns = self._own(shape)
        found = [slot.atoms(shape) for slot in self.slots]
        parts = []
        for sequence in self.sequences:
            points, weights = independent([found[i] for i in sequence])
            wide = np.zeros((len(points), columns[-1].stop - 1 if columns else 0))
            places = [c for i in sequence for c in range(columns[i].start - 1, columns[i].stop - 1)]
            wide[:, places] = points
            parts.append(JointAtoms(wide, weights))
        return mixed(self.weights, parts)

    def rows(self, shape: Shape) -> tuple[Row, ...]:
        law = f"one of {len(self.sequences)}"
        choice = Row("RandomSequence", "chosen", law, "atoms", True, "mixture")
        return (choice, *(row for slot in self.slots for row in slot.rows(shape)))


def weighted_sequences(
    weights: SequenceOf[float], length: int, repeat: bool
) -> dict[tuple[int, ...], float]:
    """Probabilities of the sequences that are drawn place by place, with ``repeat`` or without."""
    found: dict[tuple[int, ...], float] = {(): 1.0}
    for _ in range(length):
        longer = {}
        for sequence, share in found.items():
            left = {i: w for i, w in enumerate(weights) if w > 0 and (repeat or i not in sequence)}
            total = sum(left.values())
            longer |= {(*sequence, i): share * w / total for i, w in left.items()}
        found = longer
    return found
