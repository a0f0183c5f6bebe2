"""Fixed changes of the pixels' values, applied with a probability: two atoms, so exact."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from numbers import Real

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.elementary import Elementary
from augmoments.augmentations.scaling import scaled_probability
from augmoments.errors import InputError, InputTypeError
from augmoments.laws import Law, bernoulli
from augmoments.operators.pointwise import (
    Autocontrast,
    Equalize,
    Invert,
    Posterize,
    Sharpness,
    Solarize,
)
from augmoments.operators.sometimes import Sometimes


class _Pixelwise(Elementary):
    """An operator with fixed parameters, applied with probability ``p``."""

    p: float

    def __post_init__(self) -> None:
        _ = self.operator, self.law

    @property
    @abstractmethod
    def operator(self) -> Sometimes: ...

    @property
    def law(self) -> Law:
        return bernoulli(self.p)

    def _scaled(self, strength: float) -> Augmentation:
        return replace(self, p=scaled_probability(self.p, strength))  # type: ignore[type-var]


@dataclass(frozen=True)
class RandomInvert(_Pixelwise):
    """Replace ``x`` by ``1 - x`` with probability ``p``.

    Raises:
        LawError: ``p`` lies outside [0, 1].

    Example:
        >>> import torch
        >>> import augmoments as am
        >>> am.RandomInvert(p=1.0)(torch.tensor([[[0.25, 1.0]]]))
        tensor([[[0.7500, 0.0000]]])
    """

    p: float = 0.5

    @property
    def operator(self) -> Sometimes:
        return Sometimes(Invert())


@dataclass(frozen=True)
class RandomSolarize(_Pixelwise):
    """Replace ``x`` by ``1 - x`` where it is at least ``threshold``, with probability ``p``.

    Args:
        threshold: At most 1.
        p: Probability.

    Raises:
        InputError: A threshold above 1, as for images in 0..255, or not finite.
        LawError: ``p`` lies outside [0, 1].

    Example:
        >>> import torch
        >>> import augmoments as am
        >>> am.RandomSolarize(0.5, p=1.0)(torch.tensor([[[0.25, 0.75]]]))
        tensor([[[0.2500, 0.2500]]])
    """

    threshold: float
    p: float = 0.5

    @property
    def operator(self) -> Sometimes:
        threshold = _number("RandomSolarize", "threshold", self.threshold)
        if not threshold <= 1:
            raise InputError(
                f"RandomSolarize: threshold must be at most 1, the brightest value, got "
                f"{threshold:g}; for a threshold out of 255 divide by 255."
            )
        return Sometimes(Solarize(), (threshold,))


@dataclass(frozen=True)
class RandomPosterize(_Pixelwise):
    r"""Round down to :math:`2^b` levels, :math:`k / 2^b` with ``b = bits``, with probability ``p``.

    Args:
        bits: A whole number from 0 to 8.
        p: Probability.

    Raises:
        InputError: ``bits`` is not a whole number from 0 to 8.
        LawError: ``p`` lies outside [0, 1].

    Example:
        >>> import torch
        >>> import augmoments as am
        >>> am.RandomPosterize(2, p=1.0)(torch.tensor([[[0.1, 0.3, 1.0]]]))
        tensor([[[0.0000, 0.2500, 0.7500]]])
    """

    bits: int
    p: float = 0.5

    @property
    def operator(self) -> Sometimes:
        bits = _number("RandomPosterize", "bits", self.bits)
        if bits not in range(9):
            raise InputError(
                f"RandomPosterize: bits must be a whole number from 0 to 8, got {self.bits!r}."
            )
        return Sometimes(Posterize(), (bits,))


@dataclass(frozen=True)
class RandomAutocontrast(_Pixelwise):
    r"""Stretch each channel to :math:`(x - \min x) / (\max x - \min x)` with probability ``p``.

    Constant channels stay as they are.

    Raises:
        LawError: ``p`` lies outside [0, 1].
        PolicyError: Images that have neither 1 nor 3 channels.

    Example:
        >>> import torch
        >>> import augmoments as am
        >>> am.RandomAutocontrast(p=1.0)(torch.tensor([[[0.25, 0.5, 0.75]]]))
        tensor([[[0.0000, 0.5000, 1.0000]]])
    """

    p: float = 0.5

    @property
    def operator(self) -> Sometimes:
        return Sometimes(Autocontrast())


@dataclass(frozen=True)
class RandomEqualize(_Pixelwise):
    """Equalize the histogram of each channel on 256 levels, with probability ``p``.

    Images too small for 255 pixels below their brightest level are only rounded to the levels.

    Raises:
        LawError: ``p`` lies outside [0, 1].

    Example:
        >>> import torch
        >>> import augmoments as am
        >>> dark = 0.1 * torch.arange(1024.0).reshape(1, 32, 32) / 1023
        >>> am.RandomEqualize(p=1.0)(dark).amax()
        tensor(1.)
    """

    p: float = 0.5

    @property
    def operator(self) -> Sometimes:
        return Sometimes(Equalize())


@dataclass(frozen=True)
class RandomAdjustSharpness(_Pixelwise):
    """``f x + (1 - f) s(x)`` with a smoothed ``s(x)``, clamped to [0, 1], with probability ``p``.

    Args:
        sharpness_factor: ``f``: 0 smooths, 1 changes nothing, more sharpens.
        p: Probability.

    Raises:
        InputError: A factor that is negative or not finite.
        LawError: ``p`` lies outside [0, 1].
        PolicyError: Images that have neither 1 nor 3 channels.

    Example:
        >>> import torch
        >>> import augmoments as am
        >>> dot = torch.zeros(1, 3, 3)
        >>> dot[0, 1, 1] = 1
        >>> am.RandomAdjustSharpness(0.0, p=1.0)(dot)[0, 1]
        tensor([0.0000, 0.3846, 0.0000])
    """

    sharpness_factor: float
    p: float = 0.5

    @property
    def operator(self) -> Sometimes:
        factor = _number("RandomAdjustSharpness", "sharpness_factor", self.sharpness_factor)
        if not factor >= 0:
            raise InputError(
                f"RandomAdjustSharpness: sharpness_factor must not be negative, got {factor:g}."
            )
        return Sometimes(Sharpness(), (factor,))


def _number(owner: str, name: str, value: object) -> float:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise InputTypeError(f"{owner}: {name} must be a number, got {type(value).__name__}.")
    number = float(value)
    if not abs(number) < float("inf"):
        raise InputError(f"{owner}: {name} must be a finite number, got {number}.")
    return number
