"""Crops, frames and changes of the size, as torchvision has them."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from augmoments.augmentations.elementary import Elementary, Fixed
from augmoments.errors import InputError, InputTypeError
from augmoments.laws import Discrete
from augmoments.laws.boxes import BoxLaw
from augmoments.laws.crops import resized_crop_law
from augmoments.laws.independent import Independent
from augmoments.operators import crop, resize
from augmoments.operators.averages import expected_crop, expected_crop_resize
from augmoments.operators.base import Operator, Shape
from augmoments.operators.interpolation import Interpolation
from augmoments.operators.kronecker import KroneckerSum
from augmoments.operators.warp import Fill, Resampling

_box_law = lru_cache(maxsize=256)(resized_crop_law)


@dataclass(frozen=True)
class RandomResizedCrop(Elementary):
    r"""Cut out a random box and resize it to ``size``, as torchvision does.

    The area of the box is uniform on ``scale`` times the image's, the logarithm of its aspect
    ratio uniform on that of ``ratio``; its sides are rounded, and the first of ten tries that fits
    is taken, its corner uniform. This is a finite law with closed-form probabilities. The resize
    is separable, so that the mean is exact: :math:`E[Y] = \sum_{hw} p(h, w) \bar R_h X \bar
    R_w^\top`. The covariance is exact where the boxes are few, else it comes from nodes.

    Args:
        size: Height and width of the result, or one number for both.
        scale: Range of the area as a share of the image's.
        ratio: Range of the aspect ratio, width by height.
        interpolation: ``"bilinear"``, ``"bicubic"``, ``"nearest"`` or ``"nearest-exact"``
            (torchvision's enum is read too).
        antialias: Whether the kernel is widened where the box shrinks.

    Raises:
        InputError: A size that is not positive, or an unknown interpolation.
        LawError: Impossible ranges.

    Example:
        >>> import torch, augmoments as am
        >>> m = am.moments(torch.ones(1, 1, 8, 8), am.RandomResizedCrop(4))
        >>> m.mean.shape, m.mean_method
        (torch.Size([1, 1, 4, 4]), 'exact')

    Reference:
        ``torchvision.transforms.v2.RandomResizedCrop``; Szegedy et al. (2015), section 6.
    """

    size: int | SequenceOf[int]
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    interpolation: Any = "bilinear"
    antialias: bool | None = True

    def __post_init__(self) -> None:
        _ = self.operator, self.law_for((1, 64, 64))

    @property
    def operator(self) -> resize.CropResize:
        kernel = Interpolation.of(self.interpolation, self.antialias)
        return resize.CropResize(pair("RandomResizedCrop", "size", self.size), kernel)

    def _neutral(self, shape: Shape) -> tuple[float, ...]:
        return 0.0, 0.0, float(shape[1]), float(shape[2])

    def law_for(self, shape: Shape) -> BoxLaw:
        return _box_law(shape[1], shape[2], tuple(self.scale), tuple(self.ratio))

    def expectation(self, shape: Shape) -> Callable[[], KroneckerSum]:
        return lambda: _expected_crop_resize(self.operator, self.law_for(shape), shape)


_expected_crop_resize = lru_cache(maxsize=8)(expected_crop_resize)
_expected_crop = lru_cache(maxsize=8)(expected_crop)


@dataclass(frozen=True)
class RandomCrop(Elementary):
    """Cut out a window at a random place, after adding a frame: a finite law, exact.

    Args:
        size: Height and width of the window, or one number for both.
        padding: Width of the frame: one number, two (left and right, top and bottom) or four
            (left, top, right, bottom); ``None`` for none.
        pad_if_needed: Widen the frame where the window would not fit.
        fill: Value of the frame, one or one a channel.
        padding_mode: ``"constant"``, ``"edge"``, ``"reflect"`` or ``"symmetric"``.

    Raises:
        InputError: Sizes or widths that are not whole numbers, or an unknown mode.
        PolicyError: Images that are too small for the window or the frame.

    Example:
        >>> import torch, augmoments as am
        >>> am.moments(torch.ones(1, 1, 2, 2), am.RandomCrop(2, padding=1)).mean
        tensor([[[[0.4444, 0.4444], [0.4444, 0.4444]]]])

    Reference:
        ``torchvision.transforms.v2.RandomCrop``.
    """

    size: int | SequenceOf[int]
    padding: int | SequenceOf[int] | None = None
    pad_if_needed: bool = False
    fill: Fill | None = 0.0
    padding_mode: Any = "constant"

    def __post_init__(self) -> None:
        _ = self.operator

    @property
    def operator(self) -> crop.Crop:
        return crop.Crop(
            pair("RandomCrop", "size", self.size),
            frame("RandomCrop", self.padding),
            _constant(self.fill),
            self.padding_mode,
            self.pad_if_needed,
        )

    def _neutral(self, shape: Shape) -> tuple[float, ...]:
        left, top, _, _ = self.operator.frame(shape)
        return float(top), float(left)

    def law_for(self, shape: Shape) -> Independent:
        self.operator.check_shape(shape)
        tops, lefts = self.operator.corners(shape)
        return Independent((Discrete(range(tops)), Discrete(range(lefts))))

    def expectation(self, shape: Shape) -> Callable[[], KroneckerSum]:
        return lambda: _expected_crop(self.operator, shape)


@dataclass(frozen=True)
class CenterCrop(Fixed):
    """Cut out the middle, not random; images that are too small get a black frame.

    Args:
        size: Height and width, or one number for both.

    Example:
        >>> import torch, augmoments as am
        >>> am.CenterCrop(2)(torch.arange(16.0).reshape(1, 4, 4))
        tensor([[[ 5., 6.], [ 9., 10.]]])
    """

    size: int | SequenceOf[int]

    def __post_init__(self) -> None:
        _ = self.operator

    @property
    def operator(self) -> Operator:
        return crop.CenterCrop(pair("CenterCrop", "size", self.size))


@dataclass(frozen=True)
class Pad(Fixed):
    """Set the image in a frame, not random.

    Args:
        padding: As for :class:`RandomCrop`.
        fill: Value of the frame, one or one a channel.
        padding_mode: ``"constant"``, ``"edge"``, ``"reflect"`` or ``"symmetric"``.

    Example:
        >>> import torch, augmoments as am
        >>> am.Pad(1)(torch.ones(1, 1, 1)).sum(1)
        tensor([[0., 1., 0.]])
    """

    padding: int | SequenceOf[int]
    fill: Fill | None = 0.0
    padding_mode: Any = "constant"

    def __post_init__(self) -> None:
        _ = self.operator

    @property
    def operator(self) -> Operator:
        return crop.Pad(frame("Pad", self.padding), _constant(self.fill), self.padding_mode)


@dataclass(frozen=True)
class Resize(Fixed):
    """Resize, not random.

    Args:
        size: Height and width; or one number for the shorter edge, keeping the aspect ratio.
        interpolation: As for :class:`RandomResizedCrop`.
        max_size: The longer edge may not exceed it; only with one number as size.
        antialias: Whether the kernel is widened where the image shrinks.

    Example:
        >>> import torch, augmoments as am
        >>> am.Resize(2)(torch.ones(1, 4, 8)).shape
        torch.Size([1, 2, 4])
    """

    size: int | SequenceOf[int] | None
    interpolation: Any = "bilinear"
    max_size: int | None = None
    antialias: bool | None = True

    def __post_init__(self) -> None:
        _ = self.operator

    @property
    def operator(self) -> Operator:
        size: Any = self.size
        if isinstance(size, SequenceOf):
            size = int(size[0]) if len(size) == 1 else pair("Resize", "size", size)
        kernel = Interpolation.of(self.interpolation, self.antialias)
        return resize.Resize(size, kernel, self.max_size)


def pair(owner: str, name: str, value: Any) -> tuple[int, int]:
    """Read two positive whole numbers, or one for both."""
    given = tuple(value) if isinstance(value, SequenceOf) else (value,)
    numbers = given * 2 if len(given) == 1 else given
    if len(numbers) != 2 or any(not isinstance(n, int) or isinstance(n, bool) for n in numbers):
        raise InputTypeError(f"{owner}: {name} must be a whole number or two, got {value!r}.")
    if min(numbers) < 1:
        raise InputError(f"{owner}: {name} must be positive, got {value!r}.")
    return numbers  # type: ignore[return-value]


def frame(owner: str, value: Any) -> crop.Padding:
    """Read the widths of a frame: left, top, right, bottom."""
    given = (0,) if value is None else tuple(value) if isinstance(value, SequenceOf) else (value,)
    if len(given) not in (1, 2, 4) or any(not isinstance(n, int) for n in given):
        raise InputTypeError(
            f"{owner}: padding must be one, two or four whole numbers, got {value!r}."
        )
    return given * (4 // len(given))  # type: ignore[return-value]


def _constant(fill: Fill | None) -> float | tuple[float, ...]:
    return Resampling.of("nearest", 0.0 if fill is None else fill, "zeros").fill
