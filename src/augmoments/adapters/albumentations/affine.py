"""Affine, Rotate, SafeRotate and ShiftScaleRotate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from augmoments.adapters.albumentations.parameters import (
    Drawn,
    Halves,
    constant,
    integers,
    is_constant,
    truncated,
    uniform,
)
from augmoments.adapters.albumentations.sampling import check_warped_channels, resampling
from augmoments.adapters.unsupported import unsupported
from augmoments.augmentations.base import Augmentation, Elementary, Step
from augmoments.augmentations.compose import Compose
from augmoments.laws import Discrete, Law
from augmoments.laws.independent import Independent
from augmoments.operators.base import Operator, Shape
from augmoments.operators.projective import Projective
from augmoments.operators.warp import Axis, Resampling, Rotation, Shear, Translation, Zoom

_RADIANS = torch.pi / 180
_AXES: tuple[Axis, Axis] = ("x", "y")


@dataclass(frozen=True)
class AffineWarp(Projective):
    r"""The inverse of :math:`C T H R S C^{-1}`: shift, shear, rotate and enlarge about the centre.

    The parameters are the angle in degrees (counter-clockwise), the shifts along x and y in
    pixels, the shear angles along x and y in degrees, and the factors along x and y; ``H`` has
    minus the tangents of the shears beside the diagonal, both at once. With ``keep_ratio`` the
    second factor is the first one.
    """

    resampling: Resampling
    keep_ratio: bool = False

    @property
    def parameter(self) -> str:
        return "angle, shift along x and y, shear along x and y, factor along x and y"

    def origin(self, shape: Shape) -> tuple[float, float]:
        return (shape[2] - 1) / 2, (shape[1] - 1) / 2

    def check_shape(self, shape: Shape) -> None:
        self.resampling.check_shape(shape)
        check_warped_channels("Affine", shape)

    def matrices(self, theta: Tensor, shape: Shape) -> Tensor:
        angle, x, y, shear_x, shear_y, scale_x, scale_y = theta.double().unbind(1)
        if self.keep_ratio:
            scale_y = scale_x
        cos, sin = (angle * _RADIANS).cos(), (angle * _RADIANS).sin()
        slope_x, slope_y = (-(shear * _RADIANS).tan() for shear in (shear_x, shear_y))
        one = torch.ones_like(cos)
        shear = _matrices(((one, slope_x), (slope_y, one)))
        turn = _matrices(((cos * scale_x, sin * scale_y), (-sin * scale_x, cos * scale_y)))
        back = torch.linalg.inv(shear @ turn)
        return torch.cat([back, -back @ torch.stack([x, y], -1)[..., None]], 2)


@dataclass(frozen=True)
class FittedRotation(Projective):
    """Rotate by ``theta`` degrees, then squeeze the rotated image's bounding box into the frame.

    The box is rounded down to whole pixels, and every axis squeezed by its own factor.
    """

    resampling: Resampling

    @property
    def parameter(self) -> str:
        return "angle, degrees"

    def check_shape(self, shape: Shape) -> None:
        self.resampling.check_shape(shape)
        check_warped_channels("SafeRotate", shape)

    def matrices(self, theta: Tensor, shape: Shape) -> Tensor:
        height, width = shape[1:]
        angle = theta[:, 0].double() * _RADIANS
        cos, sin = angle.cos(), angle.sin()
        box_x = (height * sin.abs() + width * cos.abs()).floor()
        box_y = (height * cos.abs() + width * sin.abs()).floor()
        turn = _matrices(((cos, sin), (-sin, cos)))
        centre = torch.tensor([width / 2 - 0.5, height / 2 - 0.5]).to(theta)
        middle = torch.stack([box_x / 2, box_y / 2], -1)
        squeeze = torch.stack([width / box_x, height / box_y], -1)
        back = (turn * squeeze[..., None]).inverse()
        offset = centre[:, None] - turn.mT @ middle[..., None]
        return torch.cat([back, offset], 2)


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

    def law_for(self, shape: Shape) -> Independent:
        shifts = self.shifts[0].law(shape[2]), self.shifts[1].law(shape[1])
        return Independent((self.angle, *shifts, *self.shears, *self.factors))


def affine(transform: Any) -> Augmentation:
    """Affine and ShiftScaleRotate, by the elementary map that is random where there is only one."""
    if transform.fit_output:
        raise unsupported(
            transform, "fit_output=True makes the output size random", "use fit_output=False"
        )
    how, owner = resampling(transform), type(transform).__name__
    shifts = _shifts(transform)
    shears = uniform(transform.shear["x"]), uniform(transform.shear["y"])
    along_x, along_y = (_factor(transform.scale[a], transform.balanced_scale) for a in _AXES)
    angle, keep = uniform(transform.rotate), transform.keep_ratio
    factors = (along_x, constant(1) if keep else along_y)
    moving = {
        "angle": _moves(angle, 0),
        "shifts": any(shift.low or shift.high for shift in shifts),
        "shears": any(_moves(law, 0) for law in shears),
        "factors": any(_moves(law, 1) for law in factors),
    }
    active = [name for name, moves in moving.items() if moves]
    if type(how) is Resampling and len(active) <= 1:
        steps = _alone(active, angle, shifts, shears, factors, how, keep, owner)
        if steps is not None:
            return steps[0] if len(steps) == 1 else Compose(steps)
    return AffineStep(angle, shifts, shears, factors, AffineWarp(how, keep), owner)


def _alone(
    active: list[str],
    angle: Law,
    shifts: tuple[Shift, Shift],
    shears: tuple[Law, Law],
    factors: tuple[Law, ...],
    how: Resampling,
    keep: bool,
    owner: str,
) -> Sequence[Augmentation] | None:
    """The steps of an affine map of which only one kind is random, where they act one by one."""
    if not active or active == ["angle"]:
        return [Warped(Rotation(how), angle, owner)]
    if active == ["shifts"]:
        return [ShiftStep("x", shifts[0], how, owner), ShiftStep("y", shifts[1], how, owner)]
    if active == ["factors"]:
        if keep:
            return [Warped(Zoom("xy", how), factors[0], owner)]
        return [
            Warped(Zoom(axis, how), law, owner)
            for axis, law in zip(_AXES, factors, strict=True)
            if _moves(law, 1)
        ]
    slanted = [
        Warped(Shear(axis, how), law, owner)
        for axis, law in zip(_AXES, shears, strict=True)
        if _moves(law, 0)
    ]
    return slanted if active == ["shears"] and len(slanted) == 1 else None


def _moves(law: Law, rest: float) -> bool:
    return not is_constant(law) or law.mean != rest


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


def _matrices(rows: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Tensor:
    """Matrices ``(B, 2, 2)`` of elements ``(B,)``."""
    return torch.stack([torch.stack(row, -1) for row in rows], -2)
