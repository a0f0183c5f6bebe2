"""Automatic augmentation: RandAugment, TrivialAugment and AutoAugment, which are finite laws."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.elementary import Elementary
from augmoments.augmentations.found_policies import SUB_POLICIES, Part
from augmoments.augmentations.operations import (
    SKIPPED,
    STANDARD,
    WIDE,
    Outcome,
    Space,
    choices,
    merged,
    outcomes,
    switch,
)
from augmoments.augmentations.sequence import Sequence
from augmoments.errors import InputError, InputTypeError
from augmoments.laws.joint import Table
from augmoments.operators.base import Operator, Shape
from augmoments.operators.switch import Repeat, Switch
from augmoments.operators.warp import Fill

_BINS = 10


@dataclass(frozen=True)
class _Operation(Elementary):
    """One operation, chosen uniformly, with a magnitude chosen uniformly among ``levels``."""

    action: Switch
    space: Space
    bins: int
    levels: range
    owner: str

    @property
    def operator(self) -> Operator:
        return self.action

    @property
    def family(self) -> str:
        return self.owner

    def law_for(self, shape: Shape) -> Table:
        return choices(self.space, self.bins, self.levels, shape[1:])


@dataclass(frozen=True)
class RandAugment(Sequence):
    """Apply ``num_ops`` operations one after the other, each drawn uniformly from 14.

    All have the magnitude of bin ``magnitude`` of ``num_magnitude_bins``; shears, shifts, rotations
    and blends take it with a random sign. These are up to 23 outcomes an operation, so that moments
    are exact as long as the sequences are at most 4,096.

    Args:
        num_ops: How many operations.
        magnitude: The bin, from 0 to ``num_magnitude_bins - 1``.
        num_magnitude_bins: The number of bins, at least 2.
        interpolation: ``"nearest"`` or ``"bilinear"`` (torchvision's enum is read too).
        fill: Value outside the image, one or one a channel, with torchvision's border for bilinear
            (it attenuates border pixels twice); ``None`` for plain zero padding.

    Raises:
        InputError: Numbers out of range, or another interpolation.
        PolicyError: Images that have neither 1 nor 3 channels.

    Example:
        >>> import augmoments as am
        >>> am.RandAugment().outcomes((3, 32, 32))
        529

    Reference:
        Cubuk, Zoph, Shlens, Le (2020), *RandAugment*, arXiv 1909.13719.
    """

    num_ops: int = 2
    magnitude: int = 9
    num_magnitude_bins: int = 31
    interpolation: Any = "nearest"
    fill: Fill | None = None

    def __post_init__(self) -> None:
        check_whole("RandAugment", "num_ops", self.num_ops, 0)
        check_whole("RandAugment", "num_magnitude_bins", self.num_magnitude_bins, 2)
        check_whole("RandAugment", "magnitude", self.magnitude, 0, self.num_magnitude_bins - 1)
        _ = self.steps

    @property
    def steps(self) -> tuple[Augmentation, ...]:
        levels = range(self.magnitude, self.magnitude + 1)
        action = switch(self.interpolation, self.fill)
        step = _Operation(action, STANDARD, self.num_magnitude_bins, levels, "RandAugment")
        return (step,) * self.num_ops


@dataclass(frozen=True)
class TrivialAugmentWide(Elementary):
    """Apply one operation, drawn uniformly from 14, with a magnitude drawn uniformly from the bins.

    Shears, shifts, rotations and blends take the magnitude with a random sign. These are at most
    614 outcomes with 31 bins, 590 that differ, so moments are exact.

    Args:
        num_magnitude_bins: The number of bins, at least 2.
        interpolation: ``"nearest"`` or ``"bilinear"`` (torchvision's enum is read too).
        fill: Value outside the image, one or one a channel, with torchvision's border for bilinear
            (it attenuates border pixels twice); ``None`` for plain zero padding.

    Raises:
        InputError: Too few bins, or another interpolation.
        PolicyError: Images that have neither 1 nor 3 channels.

    Example:
        >>> import augmoments as am
        >>> am.TrivialAugmentWide().outcomes((3, 32, 32))
        590

    Reference:
        Müller, Hutter (2021), *TrivialAugment*, arXiv 2103.10158.
    """

    num_magnitude_bins: int = 31
    interpolation: Any = "nearest"
    fill: Fill | None = None

    def __post_init__(self) -> None:
        check_whole("TrivialAugmentWide", "num_magnitude_bins", self.num_magnitude_bins, 2)
        _ = self.operator

    @property
    def operator(self) -> Operator:
        return switch(self.interpolation, self.fill)

    def law_for(self, shape: Shape) -> Table:
        bins = self.num_magnitude_bins
        return choices(WIDE, bins, range(bins), shape[1:])


@dataclass(frozen=True)
class AutoAugment(Elementary):
    """Apply one of 25 pairs of operations, each operation with its own probability.

    Shears, shifts, rotations and blends take their magnitude with a random sign: at most nine
    outcomes a pair, so moments are exact.

    Args:
        policy: ``"imagenet"``, ``"cifar10"`` or ``"svhn"`` (torchvision's enum is read too).
        interpolation: ``"nearest"`` or ``"bilinear"`` (torchvision's enum is read too).
        fill: Value outside the image, one or one a channel, with torchvision's border for bilinear
            (it attenuates border pixels twice); ``None`` for plain zero padding.

    Raises:
        InputError: Another policy or interpolation.
        PolicyError: Images that have neither 1 nor 3 channels.

    Example:
        >>> import augmoments as am
        >>> am.AutoAugment("cifar10").outcomes((3, 32, 32))
        111

    Reference:
        Cubuk, Zoph, Mane, Vasudevan, Le (2019), *AutoAugment*, arXiv 1805.09501.
    """

    policy: Any = "imagenet"
    interpolation: Any = "nearest"
    fill: Fill | None = None

    def __post_init__(self) -> None:
        if self.found_for not in SUB_POLICIES:
            known = ", ".join(f'"{name}"' for name in SUB_POLICIES)
            raise InputError(f"AutoAugment: policy must be one of {known}, got {self.policy!r}.")
        _ = self.operator

    @property
    def found_for(self) -> str:
        """The data set that the policy was found for."""
        return getattr(self.policy, "value", self.policy)

    @property
    def operator(self) -> Operator:
        return Repeat(switch(self.interpolation, self.fill), 2)

    def law_for(self, shape: Shape) -> Table:
        return _pairs(self.found_for, shape[1:])


@lru_cache(maxsize=64)
def _pairs(found_for: str, size: tuple[int, int]) -> Table:
    """The law of both operations of AutoAugment: place, strength, place, strength."""
    policies = SUB_POLICIES[found_for]
    weighted = []
    for parts in policies:
        sides = [_with_probabilities(part, size) for part in parts]
        for (first, p), (second, q) in product(*sides):
            pair = (*second, *first) if first == SKIPPED else (*first, *second)
            weighted.append((pair, p * q / len(policies)))
    return merged(weighted)


def _with_probabilities(part: Part, size: tuple[int, int]) -> list[tuple[Outcome, float]]:
    name, probability, level = part
    found = outcomes(name, STANDARD.magnitudes(name, _BINS, size)[level])
    options = [(SKIPPED, 1 - probability)] + [(o, probability / len(found)) for o in found]
    return [(outcome, share) for outcome, share in options if share > 0]


def check_whole(owner: str, name: str, value: object, low: int, high: float = float("inf")) -> None:
    """Refuse what is not a whole number from ``low`` to ``high``."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputTypeError(f"{owner}: {name} must be a whole number, got {type(value).__name__}.")
    if not low <= value <= high:
        span = f"at least {low}" if high == float("inf") else f"from {low} to {high:g}"
        raise InputError(f"{owner}: {name} must be {span}, got {value}.")
