"""Affine maps with several random parameters at once, as torchvision has them."""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from dataclasses import KW_ONLY, dataclass, replace
from numbers import Real
from typing import Any

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.elementary import Elementary, Step
from augmoments.augmentations.sequence import Sequence
from augmoments.errors import InputTypeError, LawError
from augmoments.laws import ContinuousLaw, Discrete, Law, LawLike, as_law
from augmoments.laws.independent import Independent
from augmoments.laws.scaled import rescaled_law
from augmoments.laws.shifts import torchvision_shift_law
from augmoments.operators.affine import Affine, Clockwise
from augmoments.operators.base import Operator, Shape
from augmoments.operators.crop import Crop
from augmoments.operators.warp import Fill, Resampling, Shear, Translation, Zoom

_NOTHING = (0.0, 1.0, 0.0, 0.0)


@dataclass(frozen=True)
class RandomAffine(Sequence):
    r"""Rotate, shift, enlarge and shear at random in one resampling, as torchvision does.

    Reads the input at the inverse of :math:`T C R S Y X C^{-1}`. Angles are clockwise, unlike
    :class:`RandomRotation`'s. Shifts are rounded to whole pixels. If only shifts are random, or one
    number of the others, the moments are as exact as those of the family with that number alone.

    Args:
        degrees: Law of the angle in degrees, a range, or a number ``d`` for ``Uniform(-d, d)``.
        translate: Largest shifts as shares of the width and the height, in [0, 1]: a shift is
            ``round(u)`` with ``u`` uniform up to that many pixels, to either side.
        scale: Law of the factor along both axes, or a range.
        shear: Law of the shear along x in degrees, or a number ``d`` for ``Uniform(-d, d)``, or a
            range; two laws, or the four ends of two ranges, shear along x and y.
        interpolation: ``"nearest"`` (torchvision's default) or ``"bilinear"``.
        fill: Value outside the image, one or one a channel.
        center: ``(x, y)`` from the upper left corner; the image's centre by default.
        border: ``"zeros"``, or ``"torchvision"`` for what torchvision does with bilinear
            interpolation whenever a fill value is given (0, by default): border pixels are
            attenuated twice.

    Raises:
        LawError: Negative numbers of degrees, empty ranges, factors of zero or less, shears of 90
            degrees or more, shares outside [0, 1].

    Example:
        >>> import augmoments as am
        >>> policy = am.RandomAffine(0, translate=(0.1, 0.1))
        >>> [parameter.count for parameter in policy.parameters((3, 32, 32))]
        [7, 7]

    Reference:
        ``torchvision.transforms.v2.RandomAffine``.
    """

    degrees: LawLike
    translate: SequenceOf[float] | None = None
    scale: LawLike | None = None
    shear: LawLike | SequenceOf[Law] | None = None
    interpolation: Any = "nearest"
    fill: Fill = 0.0
    center: tuple[float, float] | None = None
    _: KW_ONLY
    border: str = "zeros"

    def __post_init__(self) -> None:
        _check_shares(self.translate)
        _, factor, *shears = self.laws
        if factor.support[0] <= 0:
            raise LawError(
                f"RandomAffine: scale must be positive, it reaches down to {factor.support[0]:g}."
            )
        for law in shears:
            low, high = law.support
            if low <= -90 or high >= 90:
                raise LawError(
                    f"RandomAffine: shear must stay inside (-90, 90) degrees, it reaches from "
                    f"{low:g} to {high:g}."
                )
        _ = self.steps

    @property
    def laws(self) -> tuple[Law, Law, Law, Law]:
        """The laws of the angle, the factor, and the shears along x and y."""
        factor = as_law(1.0 if self.scale is None else self.scale, "scale")
        return (_around_zero(self.degrees, "degrees"), factor, *_shears(self.shear))

    @property
    def steps(self) -> tuple[Augmentation, ...]:
        resampling = Resampling.of(self.interpolation, self.fill, self.border)
        active = [i for i, law in enumerate(self.laws) if law != Discrete([_NOTHING[i]])]
        shares = (0.0, 0.0) if self.translate is None else tuple(map(float, self.translate))
        if not active and any(shares):
            nearest = Resampling("nearest", resampling.fill)
            return tuple(
                _WholeShift(Translation(axis, nearest), share)
                for axis, share in zip(("x", "y"), shares, strict=True)
            )
        if len(active) == 1 and not any(shares):
            law, operator = self.laws[active[0]], self._alone(active[0], resampling)
            if isinstance(law, ContinuousLaw) and operator is not None:
                return (Step(operator, law, "RandomAffine"),)
        return (_Joint(Affine(resampling, self._centre), self.laws, shares),)

    def _scaled(self, strength: float) -> Augmentation:
        angle, factor, *shears = self.laws
        shares = self.translate
        return replace(
            self,
            degrees=rescaled_law(angle, 0.0, strength),
            translate=None if shares is None else tuple(strength * share for share in shares),
            scale=None if self.scale is None else rescaled_law(factor, 1.0, strength),
            shear=None
            if self.shear is None
            else tuple(rescaled_law(s, 0.0, strength) for s in shears),
        )

    @property
    def _centre(self) -> tuple[float, float] | None:
        return None if self.center is None else (float(self.center[0]), float(self.center[1]))

    def _alone(self, index: int, resampling: Resampling) -> Operator | None:
        """The operator for one parameter, where there is one about this centre."""
        if index == 0:
            return Clockwise(resampling, self._centre)
        if self.center is not None:
            return None
        return (Zoom("xy", resampling), Shear("x", resampling), Shear("y", resampling))[index - 1]


@dataclass(frozen=True)
class _WholeShift(Elementary):
    """Shift along one axis by whole pixels, up to a share of the image."""

    translation: Translation
    share: float

    @property
    def operator(self) -> Operator:
        return self.translation

    def law_for(self, shape: Shape) -> Law:
        side = shape[2] if self.translation.axis == "x" else shape[1]
        return torchvision_shift_law(side, self.share)

    @property
    def family(self) -> str:
        return "RandomAffine"


@dataclass(frozen=True)
class _Joint(Elementary):
    """Several parameters at once."""

    action: Affine
    laws: tuple[Law, Law, Law, Law]
    shares: tuple[float, ...]

    @property
    def operator(self) -> Operator:
        return self.action

    def law_for(self, shape: Shape) -> Independent:
        angle, *others = self.laws
        x, y = (
            torchvision_shift_law(side, share)
            for side, share in zip((shape[2], shape[1]), self.shares, strict=True)
        )
        return Independent((angle, x, y, *others))

    def resolved(self, shape: Shape) -> tuple[Augmentation, ...]:
        """Shifts by whole pixels crop a wider result: a finite law, apart from the others."""
        angle, x, y, *others = self.law_for(shape).laws
        margin = tuple(int(max(law.support)) for law in (x, y))
        if not any(margin):
            return (self,)
        wide = replace(self.action, margin=margin)
        still = Independent((angle, Discrete([0.0]), Discrete([0.0]), *others))
        corners = Independent(tuple(_from_zero(law) for law in (y, x)))
        return (
            Step(wide, still, self.family),
            Step(Crop((shape[1], shape[2])), corners, self.family),
        )

    @property
    def family(self) -> str:
        return "RandomAffine"


def _from_zero(law: Law) -> Discrete:
    """A symmetric finite law, moved up until it begins at 0."""
    assert isinstance(law, Discrete)
    return Discrete([value - min(law.values) for value in law.values], law.probabilities)


def _around_zero(value: Any, name: str) -> Law:
    """Read a law, a range, or the half width of a range around 0."""
    if isinstance(value, Real):
        most = float(value)
        if not most >= 0:
            raise LawError(
                f"RandomAffine: {name} must not be negative, got {value}; give a range (low, high) "
                "for a one-sided law."
            )
        return as_law((-most, most), name)
    return as_law(value, name)


def _shears(value: Any) -> tuple[Law, Law]:
    """The laws along x and y."""
    nothing = Discrete([0.0])
    if value is None:
        return nothing, nothing
    if isinstance(value, SequenceOf) and len(value) == 4:
        return as_law(value[:2], "shear along x"), as_law(value[2:], "shear along y")
    if isinstance(value, SequenceOf) and any(isinstance(end, Law) for end in value):
        if len(value) != 2:
            raise LawError(f"RandomAffine: shear takes one law or two, got {len(value)}.")
        return as_law(value[0], "shear along x"), as_law(value[1], "shear along y")
    return _around_zero(value, "shear"), nothing


def _check_shares(translate: Any) -> None:
    if translate is None:
        return
    if not isinstance(translate, SequenceOf) or len(translate) != 2:
        raise InputTypeError(
            f"RandomAffine: translate must be two shares, of the width and the height, "
            f"got {translate!r}."
        )
    if not all(isinstance(share, Real) and 0 <= float(share) <= 1 for share in translate):
        raise LawError(f"RandomAffine: translate must lie in [0, 1], got {translate!r}.")
