"""Erasing a random box of the image."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from numbers import Real
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation, width_of
from augmoments.augmentations.elementary import Elementary
from augmoments.augmentations.explanation import Row
from augmoments.augmentations.parameters import Parameter
from augmoments.augmentations.scaling import scaled_probability
from augmoments.checks import check_probability
from augmoments.errors import InputError, InputTypeError
from augmoments.laws.base import check_number
from augmoments.laws.boxes import BoxLaw
from augmoments.laws.crops import check_box
from augmoments.laws.erasing import erasing_law
from augmoments.laws.joint import Seed
from augmoments.operators.base import Shape
from augmoments.operators.erase import Erase
from augmoments.rules import Rule
from augmoments.rules.fields import box_field, erasing_rule, has_exact_field

Value = tuple[float, ...] | Literal["random"]


class Erasing(Elementary):
    r"""Put a value into a random box: :math:`y = (1 - B) x + B v`.

    A subclass gives the law of the box, which has closed-form :math:`E[B]` and
    :math:`E[B B^\top]`.
    """

    @property
    @abstractmethod
    def erased(self) -> Value:
        """What is put into the box: one number, one a channel, or standard normal noise."""

    @abstractmethod
    def law_for(self, shape: Shape) -> BoxLaw:
        """The law of the box in images of ``shape``."""

    @property
    def operator(self) -> Erase:
        return Erase(self.erased)

    @property
    def noisy(self) -> bool:
        """Whether the box is filled with noise."""
        return self.erased == "random"

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        box = Parameter(self.law_for(shape))
        return (box, Parameter(Seed())) if self.noisy else (box,)

    def _neutral(self, shape: Shape) -> tuple[float, ...]:
        return (0.0,) * width_of(self, shape)

    def jointly(self, shape: Shape) -> bool:
        return False

    def smoothed(self) -> Augmentation:
        return _Smoothed(self) if self.noisy else self

    def rule(self, shape: Shape, n: int) -> Rule:
        value = (0.0,) if self.erased == "random" else self.erased
        return erasing_rule(_field(self.law_for(shape), n), value, self.noisy)

    def rows(self, shape: Shape) -> tuple[Row, ...]:
        law = self.law_for(shape)
        exact = has_exact_field(law)
        route = "expansion" if exact else "cubature"
        why = "covariance of the box is known" if exact else "mean exact, covariance by terms"
        box = Row(self.family, "box, pixels", str(law), route, exact, why)
        if not self.noisy:
            return (box,)
        noise = Row(self.family, "noise", "Normal(0, 1)", "expansion", True, "diagonal covariance")
        return box, noise


@dataclass(frozen=True)
class _Smoothed(Erasing):
    """Erasing with noise whose average is taken."""

    noisier: Erasing

    @property
    def erased(self) -> Value:
        return (0.0,)

    @property
    def family(self) -> str:
        return self.noisier.family

    def law_for(self, shape: Shape) -> BoxLaw:
        return self.noisier.law_for(shape)

    def conditional(self, images: Tensor, theta: Tensor) -> tuple[Tensor, Tensor | None]:
        operator = self.noisier.operator
        return (
            operator.conditional_mean(images, theta),
            operator.conditional_variance(images, theta),
        )


@dataclass(frozen=True)
class RandomErasing(Erasing):
    r"""Erase a random box with probability ``p``, as torchvision does.

    The area of the box is uniform on ``scale`` times the image's, the logarithm of its aspect
    ratio uniform; its sides are rounded, and the first of ten tries that is smaller than the image
    is erased, at a uniform place. The mean is exact, the covariance is exact for images of up to
    1,600 pixels and else comes from the leading eigenfields of that of the box.

    Args:
        p: Probability.
        scale: Range of the area as a share of the image's.
        ratio: Range of the aspect ratio, height by width.
        value: What is put into the box: a number, one a channel, or ``"random"`` for standard
            normal noise, which is not clipped.
        inplace: Only False: images are never overwritten.

    Raises:
        LawError: An impossible range or probability.
        InputError: A value that is not finite, or ``inplace=True``.
        InputTypeError: A value of another type.
        PolicyError: A number of values that is neither 1 nor that of the channels.

    Example:
        >>> import torch
        >>> import augmoments as am
        >>> m = am.moments(torch.ones(1, 1, 8, 8), am.RandomErasing(p=1.0))
        >>> m.method, round(float(m.mean.mean()), 4)
        ('exact', 0.828)

    Reference:
        Zhong et al. (2017), *Random Erasing Data Augmentation*.
    """

    p: float = 0.5
    scale: Sequence[float] = (0.02, 0.33)
    ratio: Sequence[float] = (0.3, 3.3)
    value: float | Sequence[float] | str = 0.0
    inplace: bool = False

    def __post_init__(self) -> None:
        if self.inplace:
            raise InputError("RandomErasing: images are never overwritten; use inplace=False.")
        check_number("RandomErasing: p", self.p)
        object.__setattr__(self, "p", check_probability(self.p))
        for name in ("scale", "ratio"):
            object.__setattr__(self, name, _tuple(name, getattr(self, name)))
        check_box("RandomErasing", 1, 1, self.scale, self.ratio, largest=1.0)  # type: ignore[arg-type]
        _ = self.erased

    @property
    def erased(self) -> Value:
        if self.value == "random":
            return "random"
        values = (self.value,) if isinstance(self.value, Real) else self.value
        found = _tuple("value", values)
        if not found or not np.isfinite(found).all():
            raise InputError(f"RandomErasing: value must be finite numbers, got {self.value!r}.")
        return found

    def _scaled(self, strength: float) -> Augmentation:
        return replace(self, p=scaled_probability(self.p, strength))

    def law_for(self, shape: Shape) -> BoxLaw:
        return _law(*shape[1:], self.p, self.scale, self.ratio)


_law = lru_cache(maxsize=64)(erasing_law)


_field = lru_cache(maxsize=8)(box_field)


def _tuple(name: str, values: Any) -> tuple[float, ...]:
    expected = "two numbers" if name != "value" else 'a number, one a channel or "random"'
    try:
        if isinstance(values, str):
            raise TypeError
        return tuple(torch.as_tensor(values, dtype=torch.float64).reshape(-1).tolist())
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputTypeError(
            f"RandomErasing: {name} must be {expected}, got {values!r}."
        ) from error
