"""The geometric families: translation, shear, zoom, rotation and mirror images."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from numbers import Real
from typing import Any, ClassVar

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.elementary import Elementary, Step
from augmoments.augmentations.scaling import scaled_probability
from augmoments.augmentations.sequence import Sequence
from augmoments.errors import LawError, PolicyError
from augmoments.laws import Law, LawLike, as_law, bernoulli
from augmoments.laws.joint import JointLaw
from augmoments.laws.scaled import rescaled_law
from augmoments.operators.base import Operator
from augmoments.operators.flip import Flip
from augmoments.operators.warp import Axis, Fill, Resampling, Rotation, Shear, Translation, Zoom


@dataclass(frozen=True)
class RandomTranslation(Sequence):
    r"""Shift by random distances along x and y, independently.

    :math:`T(x)(u, v) = x(u - t_x, v - t_y)`; positive distances move the image right and down.
    Bilinear translation is linear between whole distances, so its moments are exact by expansion
    in whole shifts; with nearest neighbours it is a finite law.

    Args:
        x: Law of the distance along x in pixels, a range ``(low, high)`` or a constant.
        y: The same along y.
        interpolation: ``"bilinear"`` or ``"nearest"`` (torchvision's enum is read too).
        fill: Value outside the image, one or one a channel.
        border: ``"zeros"`` or ``"torchvision"`` (attenuates bilinear border pixels twice).

    Raises:
        LawError: A range that is empty or not finite.

    Example:
        >>> import torch, augmoments as am
        >>> policy = am.RandomTranslation(x=am.Uniform(-1, 1))
        >>> am.expected_operator(policy, (1, 1, 3)) @ torch.tensor([[[[0.0, 1.0, 0.0]]]])
        tensor([[[[0.2500, 0.5000, 0.2500]]]])

    Reference:
        Balestriero, Misra, LeCun (2022), section 2: translation convolves with the density.
    """

    x: LawLike = 0.0
    y: LawLike = 0.0
    _: KW_ONLY
    interpolation: Any = "bilinear"
    fill: Fill = 0.0
    border: str = "zeros"

    def __post_init__(self) -> None:
        resampling = _resampling(self)
        if resampling.masks_twice and resampling.fill != 0.0:
            raise PolicyError(
                'RandomTranslation: border="torchvision" with a fill value does not separate into '
                'x and y; use fill=0 or border="zeros".'
            )
        _ = self.steps

    @property
    def steps(self) -> tuple[Augmentation, ...]:
        resampling = _resampling(self)
        return tuple(
            Step(Translation(axis, resampling), law, "RandomTranslation")
            for axis, law in _axis_laws(self)
        )

    def _scaled(self, strength: float) -> Augmentation:
        laws = {axis: rescaled_law(law, 0.0, strength) for axis, law in _axis_laws(self)}
        return replace(self, **laws)


@dataclass(frozen=True)
class RandomShear(Sequence):
    r"""Shear by random angles about the image's centre, along x and then along y.

    The shear along x reads the input at :math:`(u + \tan(s)(v - c_v), v)`, torchvision's sign.
    Two shears are two resamplings, one after the other.

    Args:
        x: Law of the angle along x in degrees, inside (-90, 90).
        y: The same along y.
        interpolation: ``"bilinear"`` or ``"nearest"``.
        fill: Value outside the image, one or one a channel.
        border: ``"zeros"`` or ``"torchvision"``.

    Raises:
        LawError: An angle of 90 degrees or more can occur.

    Example:
        >>> import augmoments as am
        >>> am.expected_operator(am.RandomShear(x=(-10, 10)), (1, 8, 8)).matrix().shape
        (64, 64)
    """

    x: LawLike = 0.0
    y: LawLike = 0.0
    _: KW_ONLY
    interpolation: Any = "bilinear"
    fill: Fill = 0.0
    border: str = "zeros"

    def __post_init__(self) -> None:
        for axis, law in _axis_laws(self):
            low, high = law.support
            if low <= -90 or high >= 90:
                raise LawError(
                    f"RandomShear: angles along {axis} must stay inside (-90, 90) degrees, "
                    f"these reach from {low:g} to {high:g}."
                )
        _ = self.steps

    @property
    def steps(self) -> tuple[Augmentation, ...]:
        resampling = _resampling(self)
        return tuple(
            Step(Shear(axis, resampling), law, "RandomShear") for axis, law in _axis_laws(self)
        )

    def _scaled(self, strength: float) -> Augmentation:
        laws = {axis: rescaled_law(law, 0.0, strength) for axis, law in _axis_laws(self)}
        return replace(self, **laws)


@dataclass(frozen=True)
class RandomZoom(Sequence):
    r"""Enlarge by a random factor about the image's centre, isotropic or per axis.

    Reads the input at :math:`c + (u - c) / s`; factors above 1 enlarge.

    Args:
        factor: Law of the factor along both axes together. Give either this or ``x`` and ``y``.
        x: Law of the factor along x alone.
        y: The same along y, independent of x.
        interpolation: ``"bilinear"`` or ``"nearest"``.
        fill: Value outside the image, one or one a channel.
        border: ``"zeros"`` or ``"torchvision"``.

    Raises:
        LawError: A factor of zero or less can occur.
        PolicyError: Both ``factor`` and one of ``x``, ``y`` are given, or none of them.

    Example:
        >>> import augmoments as am
        >>> am.RandomZoom(am.LogUniform(0.8, 1.25)).explain((1, 8, 8)).rows[0].route
        'cubature'
    """

    factor: LawLike | None = None
    x: LawLike | None = None
    y: LawLike | None = None
    _: KW_ONLY
    interpolation: Any = "bilinear"
    fill: Fill = 0.0
    border: str = "zeros"

    def __post_init__(self) -> None:
        given = [name for name in ("factor", "x", "y") if getattr(self, name) is not None]
        if not given or ("factor" in given and len(given) > 1):
            raise PolicyError(
                f"RandomZoom: give either factor, or x and y; got {', '.join(given) or 'none'}."
            )
        resampling = _resampling(self)
        if len(given) == 2 and resampling.masks_twice and resampling.fill != 0.0:
            raise PolicyError(
                'RandomZoom: border="torchvision" with a fill value does not separate into x and '
                'y; use fill=0 or border="zeros".'
            )
        for step in self.steps:
            low, high = _support(step.drawn)
            if low <= 0:
                raise LawError(
                    f"RandomZoom: factors must be positive, these reach from {low:g} to {high:g}."
                )

    @property
    def steps(self) -> tuple[Step, ...]:
        resampling = _resampling(self)
        if self.factor is not None:
            return (Step(Zoom("xy", resampling), as_law(self.factor, "factor"), "RandomZoom"),)
        return tuple(
            Step(Zoom(axis, resampling), law, "RandomZoom") for axis, law in _axis_laws(self)
        )

    def _scaled(self, strength: float) -> Augmentation:
        if self.factor is not None:
            return replace(self, factor=rescaled_law(as_law(self.factor, "factor"), 1.0, strength))
        return replace(self, **{a: rescaled_law(law, 1.0, strength) for a, law in _axis_laws(self)})


@dataclass(frozen=True)
class RandomRotation(Elementary):
    """Rotate by a random angle, counter-clockwise, as torchvision does.

    Args:
        degrees: Law of the angle in degrees, a range, or a number ``d`` for ``Uniform(-d, d)``.
        interpolation: ``"nearest"`` (torchvision's default) or ``"bilinear"``.
        expand: Not supported; the output keeps the input's size.
        center: ``(x, y)`` from the upper left corner; the image's centre by default.
        fill: Value outside the image, one or one a channel.
        border: ``"zeros"`` or ``"torchvision"``; they differ for bilinear only.

    Raises:
        LawError: A negative number of degrees, or an empty range.
        PolicyError: ``expand=True``.

    Example:
        >>> import torch, augmoments as am
        >>> policy = am.RandomRotation(180, interpolation="bilinear")
        >>> image = torch.zeros(1, 1, 3, 3)
        >>> image[..., 1, 1] = 1
        >>> am.moments(image, policy).mean[0, 0, 1, 1]
        tensor(1.)
    """

    degrees: LawLike
    interpolation: Any = "nearest"
    expand: bool = False
    center: tuple[float, float] | None = None
    fill: Fill = 0.0
    border: str = "zeros"

    def __post_init__(self) -> None:
        if self.expand:
            raise PolicyError("RandomRotation: expand=True is not supported; it changes the size.")
        _ = self.operator, self.law

    @property
    def operator(self) -> Operator:
        centre = None if self.center is None else (float(self.center[0]), float(self.center[1]))
        return Rotation(_resampling(self), centre)

    @property
    def law(self) -> Law:
        if isinstance(self.degrees, Real):
            most = float(self.degrees)
            if not most >= 0:
                raise LawError(
                    f"RandomRotation: degrees must not be negative, got {self.degrees}; "
                    "give a range (low, high) for a one-sided law."
                )
            return as_law((-most, most), "degrees")
        return as_law(self.degrees, "degrees")

    def _scaled(self, strength: float) -> Augmentation:
        return replace(self, degrees=rescaled_law(self.law, 0.0, strength))


class _RandomFlip(Elementary):
    """Mirror along ``axis`` with probability ``p``."""

    axis: ClassVar[Axis]
    p: float

    def __post_init__(self) -> None:
        _ = self.law

    @property
    def operator(self) -> Operator:
        return Flip(self.axis)

    @property
    def law(self) -> Law:
        return bernoulli(self.p)

    def _scaled(self, strength: float) -> Augmentation:
        return replace(self, p=scaled_probability(self.p, strength))  # type: ignore[type-var]


@dataclass(frozen=True)
class RandomHorizontalFlip(_RandomFlip):
    """Mirror left and right with probability ``p``: two atoms, exact.

    Raises:
        LawError: ``p`` lies outside [0, 1].

    Example:
        >>> import torch, augmoments as am
        >>> am.moments(torch.tensor([[[[0.0, 1.0]]]]), am.RandomHorizontalFlip()).mean
        tensor([[[[0.5000, 0.5000]]]])
    """

    axis = "x"
    p: float = 0.5


@dataclass(frozen=True)
class RandomVerticalFlip(_RandomFlip):
    """Mirror up and down with probability ``p``: two atoms, exact.

    Raises:
        LawError: ``p`` lies outside [0, 1].

    Example:
        >>> import torch, augmoments as am
        >>> am.moments(torch.tensor([[[[0.0], [1.0]]]]), am.RandomVerticalFlip(0.2)).mean.flatten()
        tensor([0.2000, 0.8000])
    """

    axis = "y"
    p: float = 0.5


def _support(law: Law | JointLaw | None) -> tuple[float, float]:
    assert isinstance(law, Law)
    return law.support


def _resampling(augmentation: Any) -> Resampling:
    return Resampling.of(augmentation.interpolation, augmentation.fill, augmentation.border)


def _does_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, Real) and value == 0)


def _axis_laws(augmentation: Any) -> list[tuple[Any, Law]]:
    """The laws along x and y that are given and do something."""
    found = []
    for axis in ("x", "y"):
        value = getattr(augmentation, axis)
        if not _does_nothing(value):
            found.append((axis, as_law(value, axis)))
    return found


__all__ = [
    "RandomHorizontalFlip",
    "RandomRotation",
    "RandomShear",
    "RandomTranslation",
    "RandomVerticalFlip",
    "RandomZoom",
]
