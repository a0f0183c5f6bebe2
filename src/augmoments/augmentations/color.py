"""Colour: jitter, grayscale and normalisation."""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from itertools import permutations
from math import factorial
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation, Idle
from augmoments.augmentations.elementary import Elementary, Fixed, Step, require_affine
from augmoments.augmentations.explanation import Row
from augmoments.augmentations.parameters import Parameter
from augmoments.augmentations.scaling import scaled_probability
from augmoments.errors import InputTypeError, LawError
from augmoments.laws import Discrete, Law, LawLike, Uniform, as_law, bernoulli
from augmoments.laws.scaled import rescaled_law
from augmoments.operators.base import Operator, Shape
from augmoments.operators.choose import Action, choose
from augmoments.operators.color import (
    Brightness,
    Contrast,
    Grayscale,
    Saturation,
    Standardisation,
)
from augmoments.operators.hue import Hue
from augmoments.rules import Mixture, Product, Rule

_BLENDS = {"brightness": Brightness, "contrast": Contrast, "saturation": Saturation}


@dataclass(frozen=True)
class ColorJitter(Augmentation):
    r"""Jitter brightness, contrast, saturation and hue at random, in random order.

    The first three blend with a reference, :math:`f x + (1 - f) r(x)`: black, the mean of the gray
    levels, and gray. With ``clamp=True`` (as torchvision) every blend is clamped to [0, 1], which
    makes the action nonlinear, as shifting the hue does: moments come from nodes over the factors.
    With ``clamp=False`` and no hue they are exact, averaged over the orders.

    Args:
        brightness: Law of the factor, a range, or a number ``v`` for
            ``Uniform(max(0, 1 - v), 1 + v)``; 0 leaves the step out.
        contrast: The same for contrast.
        saturation: The same for saturation.
        hue: Law of the shift on the colour circle in turns, a range inside [-0.5, 0.5], or a
            number ``v`` for ``Uniform(-v, v)``; 0 leaves the step out.
        clamp: Clamp to [0, 1] after every blend.

    Raises:
        LawError: A factor can be negative, or a hue lie outside [-0.5, 0.5].
        PolicyError: Images that have neither 1 nor 3 channels.

    Example:
        >>> import torch, augmoments as am
        >>> image = torch.full((1, 1, 1, 1), 0.5)
        >>> am.moments(image, am.ColorJitter(brightness=0.3, clamp=False)).covariance.trace()
        tensor([0.0075])
    """

    brightness: LawLike = 0.0
    contrast: LawLike = 0.0
    saturation: LawLike = 0.0
    hue: LawLike = 0.0
    _: KW_ONLY
    clamp: bool = True

    def __post_init__(self) -> None:
        _ = self.jitters

    @cached_property
    def jitters(self) -> tuple[Step, ...]:
        """The factors that are active, in the order brightness, contrast, saturation, hue."""
        found = []
        for name, operator in _BLENDS.items():
            law = _factor_law(getattr(self, name), name)
            if law is not None:
                found.append(Step(operator(clamp=self.clamp), law, "ColorJitter"))
        shift = _hue_law(self.hue)
        if shift is not None:
            found.append(Step(Hue(), shift, "ColorJitter"))
        return tuple(found)

    def surrogate(self) -> Augmentation:
        return _Unclamped(self.brightness, self.contrast, self.saturation, self.hue, clamp=False)

    @cached_property
    def orders(self) -> tuple[tuple[int, ...], ...]:
        """All orders of the active factors; each is equally likely."""
        return tuple(permutations(range(len(self.jitters))))

    @cached_property
    def _steps(self) -> Tensor:
        return torch.tensor(self.orders, dtype=torch.long)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        order = Parameter(Discrete(range(factorial(len(self.jitters)))))
        return (order, *(p for jitter in self.jitters for p in jitter.parameters(shape)))

    @property
    def affine(self) -> bool:
        return all(jitter.affine for jitter in self.jitters)

    def apply(self, images: Tensor, theta: Tensor) -> Tensor:
        def action(step: int) -> Action:
            own = theta[:, 1 + step, None]
            return lambda part, rows: self.jitters[step].apply(part, own[rows])

        actions = [action(step) for step in range(len(self.jitters))]
        steps = self._steps[theta[:, 0].round().long()]
        for step in steps.unbind(1):
            images = choose(images, step, actions)
        return images

    def _neutral(self, shape: Shape) -> tuple[float, ...]:
        return (0.0, *(value for jitter in self.jitters for value in jitter._neutral(shape)))

    def _scaled(self, strength: float) -> Augmentation:
        laws = {
            name: rescaled_law(law, 1.0, strength)
            for name in _BLENDS
            if (law := _factor_law(getattr(self, name), name)) is not None
        }
        shift = _hue_law(self.hue)
        hue = 0.0 if shift is None else rescaled_law(shift, 0.0, strength)
        return replace(self, **laws, hue=hue)

    def rule(self, shape: Shape, n: int) -> Rule:
        require_affine(self)
        rules = [j.rule(shape, n) for j in self.jitters if not isinstance(j, Idle)]
        branches = tuple(Product(order) for order in permutations(rules))
        if len(branches) == 1:
            return branches[0]
        return Mixture((1 / len(branches),) * len(branches), branches)

    @property
    def mirrors(self) -> bool:
        return True

    def jointly(self, shape: Shape) -> bool:
        return not self.affine

    def output_shape(self, shape: Shape) -> Shape:
        for jitter in self.jitters:
            jitter.output_shape(shape)
        return shape

    def rows(self, shape: Shape) -> tuple[Row, ...]:
        rows = tuple(row for jitter in self.jitters for row in jitter.rows(shape))
        if len(rows) < 2:
            return rows
        order = Row(
            "ColorJitter", "order", f"{len(self.orders)} equally likely", "atoms", True, "mixture"
        )
        if self.affine:
            return (order, *rows)
        return tuple(replace(row, route="joint nodes") for row in (order, *rows))


@dataclass(frozen=True)
class _Unclamped(ColorJitter):
    """The jitter without clamping and with its hue left as it is."""

    @cached_property
    def jitters(self) -> tuple[Augmentation, ...]:  # type: ignore[override]
        return tuple(jitter.surrogate() for jitter in super().jitters)


@dataclass(frozen=True)
class RandomGrayscale(Elementary):
    """Replace every channel by the gray level with probability ``p``: two atoms, exact.

    Example:
        >>> import torch, augmoments as am
        >>> am.moments(torch.tensor([[[[1.0]], [[0.0]], [[0.0]]]]), am.RandomGrayscale(1.0)).mean[
        ...     0, 2
        ... ]
        tensor([[0.2989]])
    """

    p: float = 0.1

    def __post_init__(self) -> None:
        _ = self.law

    @property
    def operator(self) -> Operator:
        return Grayscale()

    @property
    def law(self) -> Law:
        return bernoulli(self.p)

    def _scaled(self, strength: float) -> Augmentation:
        return replace(self, p=scaled_probability(self.p, strength))


@dataclass(frozen=True)
class Normalize(Fixed):
    """``(x - mean) / std`` for each channel, not random.

    Args:
        mean: One number, or one a channel.
        std: The same, none of them zero.

    Raises:
        LawError: A standard deviation of zero, or values that are not finite.

    Example:
        >>> import torch, augmoments as am
        >>> am.moments(torch.ones(1, 1, 1, 1), am.Normalize(0.5, 0.25)).mean
        tensor([[[[2.]]]])
    """

    mean: float | SequenceOf[float]
    std: float | SequenceOf[float]

    def __post_init__(self) -> None:
        _ = self.operator

    @property
    def operator(self) -> Operator:
        mean, std = _numbers(self.mean, "mean"), _numbers(self.std, "std")
        if not all(std):
            raise LawError(f"Normalize: std must not be zero, got {self.std!r}.")
        return Standardisation(mean, std)


def _factor_law(value: LawLike | None, name: str) -> Law | None:
    if value is None or (isinstance(value, Real) and value == 0):
        return None
    if isinstance(value, Real):
        most = float(value)
        if not most > 0:
            raise LawError(f"ColorJitter: {name} must not be negative, got {value}.")
        return Uniform(max(0.0, 1 - most), 1 + most)
    law = as_law(value, name)
    if law.support[0] < 0:
        raise LawError(
            f"ColorJitter: factors of {name} must not be negative, these reach {law.support[0]:g}."
        )
    return law


def _hue_law(value: LawLike | None) -> Law | None:
    if value is None or (isinstance(value, Real) and value == 0):
        return None
    law = as_law((-float(value), float(value)) if isinstance(value, Real) else value, "hue")
    low, high = law.support
    if low < -0.5 or high > 0.5:
        raise LawError(
            f"ColorJitter: hue must lie in [-0.5, 0.5] turns, it reaches from {low:g} to {high:g}."
        )
    return law


def _numbers(value: Any, name: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(v) for v in torch.as_tensor(value, dtype=torch.float64).reshape(-1))
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputTypeError(f"Normalize: {name} must be numbers, got {value!r}.") from error
    if not numbers or not torch.tensor(numbers).isfinite().all():
        raise LawError(f"Normalize: {name} must be finite numbers, got {value!r}.")
    return numbers
