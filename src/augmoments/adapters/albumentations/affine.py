"""Affine, Rotate, SafeRotate and ShiftScaleRotate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from augmoments.adapters.albumentations.affine_maps import AffineWarp, FittedRotation
from augmoments.adapters.albumentations.parameters import (
    Drawn,
    Halves,
    constant,
    integers,
    truncated,
    uniform,
)
from augmoments.adapters.albumentations.sampling import check_warped_channels, resampling
from augmoments.adapters.unsupported import unsupported
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.compose import Compose
from augmoments.augmentations.elementary import Elementary, Step
from augmoments.errors import PolicyError
from augmoments.laws import Discrete, Law
from augmoments.laws.independent import Independent
from augmoments.laws.scaled import rescaled_law
from augmoments.operators.base import Operator, Shape
from augmoments.operators.warp import Axis, Resampling, Rotation, Shear, Translation, Zoom

T = TypeVar("T")

_AXES: tuple[Axis, Axis] = ("x", "y")
_ZERO, _ONE = constant(0), constant(1)


@dataclass(frozen=True)
class Warped(Step):
    """A resampling of images whose channels OpenCV 5 warps without rounding positions."""

    def output_shape(self, shape: Shape) -> Shape:
        check_warped_channels(self.owner, shape)
        return super().output_shape(shape)


def rotate(transform: Any) -> Augmentation:
    """Rotate: an angle from ``limit``, counter-clockwise, about the image's centre."""
    if transform.crop_border:
        raise unsupported(
            transform, "crop_border=True makes the output size random", "use crop_border=False"
        )
    return _rotation(transform, uniform(transform.limit))


def safe_rotate(transform: Any) -> Augmentation:
    """SafeRotate: all of the rotated image, squeezed into the frame."""
    angle = uniform(transform.limit)
    return Step(FittedRotation(resampling(transform)), angle, "SafeRotate")


def _rotation(transform: Any, angle: Law) -> Augmentation:
    how, owner = resampling(transform), type(transform).__name__
    if type(how) is Resampling:
        return Warped(Rotation(how), angle, owner)
    rest = (constant(0),) * 4 + (constant(1),) * 2
    return Drawn(AffineWarp(how), (angle, *rest), owner)


@dataclass(frozen=True)
class Shift:
    """A shift in whole pixels, rounded towards zero if it is a share of the image's side."""

    low: float
    high: float
    share: bool

    def law(self, side: int) -> Discrete:
        """Its law along an axis of ``side`` pixels."""
        if self.share:
            return truncated(self.low * side, self.high * side)
        return integers(int(self.low), int(self.high))

    def scaled(self, strength: float) -> Shift:
        """Shares are scaled; shifts by whole pixels have no strength, unless they are 0."""
        if not self.share and (self.low, self.high) != (0, 0):
            raise PolicyError(
                "Shifts by whole pixels have no strength to scale: give translate_percent, or a "
                "function strength -> policy."
            )
        return Shift(strength * self.low, strength * self.high, self.share)


@dataclass(frozen=True)
class ShiftStep(Elementary):
    """A shift along one axis."""

    axis: Axis
    shift: Shift
    how: Resampling
    owner: str

    @property
    def operator(self) -> Operator:
        return Translation(self.axis, self.how)

    @property
    def family(self) -> str:
        return self.owner

    def _scaled(self, strength: float) -> Augmentation:
        return replace(self, shift=self.shift.scaled(strength))

    def law_for(self, shape: Shape) -> Law:
        return self.shift.law(shape[2] if self.axis == "x" else shape[1])

    def output_shape(self, shape: Shape) -> Shape:
        check_warped_channels(self.owner, shape)
        return super().output_shape(shape)


@dataclass(frozen=True)
class AffineStep(Elementary):
    """All numbers of an affine map at once."""

    angle: Law
    shifts: tuple[Shift, Shift]
    shears: tuple[Law, Law]
    factors: tuple[Law, Law]
    action: AffineWarp
    owner: str

    @property
    def operator(self) -> Operator:
        return self.action

    @property
    def family(self) -> str:
        return self.owner

    def _scaled(self, strength: float) -> Augmentation:
        return replace(
            self,
            angle=rescaled_law(self.angle, 0.0, strength),
            shifts=tuple(shift.scaled(strength) for shift in self.shifts),
            shears=tuple(rescaled_law(law, 0.0, strength) for law in self.shears),
            factors=tuple(rescaled_law(law, 1.0, strength) for law in self.factors),
        )

    def law_for(self, shape: Shape) -> Independent:
        shifts = self.shifts[0].law(shape[2]), self.shifts[1].law(shape[1])
        return Independent((self.angle, *shifts, *self.shears, *self.factors))

    def simplified(self) -> Augmentation:
        """The same in elementary maps, which have closed forms, if only one kind does anything.

        Two shears do not act one after the other, and beyond the image there must be a constant.
        """
        how = self.action.resampling
        shears = _others(self.shears, _ZERO)
        zooms = _others(self.factors, _ONE)
        shifts = _others(self.shifts, Shift(0, 0, self.shifts[0].share))
        kinds = [self.angle != _ZERO, bool(shears), bool(shifts), bool(zooms)]
        if type(how) is not Resampling or sum(kinds) > 1 or len(shears) > 1:
            return self
        steps: list[Augmentation] = [
            *(ShiftStep(axis, shift, how, self.owner) for axis, shift in shifts),
            *(Warped(Shear(axis, how), law, self.owner) for axis, law in shears),
            *(Warped(Zoom(self._along(axis), how), law, self.owner) for axis, law in zooms),
        ]
        if not steps:
            return Warped(Rotation(how), self.angle, self.owner)
        return steps[0] if len(steps) == 1 else Compose(steps)

    def _along(self, axis: Axis) -> Literal["x", "y", "xy"]:
        return "xy" if self.action.keep_ratio else axis


def affine(transform: Any) -> Augmentation:
    """Affine and ShiftScaleRotate, by the elementary maps where only one kind is random."""
    if transform.fit_output:
        raise unsupported(
            transform, "fit_output=True makes the output size random", "use fit_output=False"
        )
    if any(min(ends) <= 0 for ends in transform.scale.values()):
        raise unsupported(transform, f"scale={transform.scale} reaches 0", "use positive factors")
    if any(max(map(abs, ends)) >= 90 for ends in transform.shear.values()):
        raise unsupported(transform, f"shear={transform.shear} reaches 90", "use smaller angles")
    along_x, along_y = (_factor(transform.scale[axis], transform.balanced_scale) for axis in _AXES)
    return AffineStep(
        uniform(transform.rotate),
        _shifts(transform),
        (uniform(transform.shear["x"]), uniform(transform.shear["y"])),
        (along_x, constant(1) if transform.keep_ratio else along_y),
        AffineWarp(resampling(transform), transform.keep_ratio),
        type(transform).__name__,
    ).simplified()


def _others(laws: tuple[T, T], rest: T) -> list[tuple[Axis, T]]:
    """The laws along x and y that are not ``rest``."""
    return [(axis, law) for axis, law in zip(_AXES, laws, strict=True) if law != rest]


def _shifts(transform: Any) -> tuple[Shift, Shift]:
    pixels, shares = transform.translate_px, transform.translate_percent
    given = shares if pixels is None else pixels
    if given is None:
        return Shift(0, 0, False), Shift(0, 0, False)
    x, y = (Shift(*given[axis], share=pixels is None) for axis in _AXES)
    return x, y


def _factor(ends: tuple[float, float], balanced: bool) -> Law:
    """The law of one factor; ``balanced`` ones enlarge and shrink equally often."""
    low, high = ends
    if not balanced:
        return uniform(ends)
    if low < 1 < high:
        return Halves(low, high)
    if low < 1:
        return uniform((low, 1.0))
    return uniform((1.0, high)) if high > 1 else constant(1)
