"""Converters of flips, rotations, shifts, shears, affine maps and perspective."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from augmoments.adapters.kornia.laws import is_constant, number, rounded, sampled, scaled
from augmoments.adapters.kornia.steps import Drawing, name_of, refuse, sometimes
from augmoments.adapters.kornia.warps import Affine, Perspective
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.compose import Compose
from augmoments.laws import Discrete, Law, Uniform
from augmoments.laws.independent import Independent
from augmoments.laws.joint import JointLaw
from augmoments.laws.scaled import rescaled_law
from augmoments.operators.base import Operator, Shape
from augmoments.operators.flip import Flip
from augmoments.operators.warp import Axis, Resampling, Rotation, Shear, Translation, Zoom

Pair = tuple[Operator, "Law | JointLaw | Share"]


@dataclass(frozen=True)
class Share:
    """A law of shares of the image's width or height, as a law of pixels."""

    law: Law
    axis: Axis

    def __call__(self, shape: Shape) -> Law:
        return scaled(self.law, shape[2] if self.axis == "x" else shape[1])

    def scaled(self, strength: float) -> Share:
        """The same with shares ``strength`` times as large."""
        return Share(rescaled_law(self.law, 0.0, strength), self.axis)


def resampling_of(module: Any) -> Resampling:
    """How a geometric module interpolates and what it reads outside the image."""
    flags = module.flags
    mode = flags["resample"].name.lower()
    if mode not in ("nearest", "bilinear"):
        raise refuse(module, f"resample={mode!r}", "resample='bilinear' or 'nearest'")
    padding = flags.get("padding_mode")
    padding = "zeros" if padding is None else padding.name.lower()
    if padding not in ("zeros", "fill"):
        raise refuse(module, f"padding_mode={padding!r}", "padding_mode='zeros' or 'fill'")
    fill = [0.0]
    if padding == "fill" and flags.get("fill_value") is not None:
        value = torch.as_tensor(flags["fill_value"])
        if value.ndim > 1:
            raise refuse(module, "a fill_value with several axes", "one value, or one a channel")
        fill = [float(v) for v in value.reshape(-1)]
    return Resampling.of(mode, fill, "zeros")


def warped(module: Any, pairs: list[Pair], resampling: Resampling) -> Augmentation:
    """One operator after the other, as one augmentation of ``module``."""
    laws = [law.law if isinstance(law, Share) else law for _, law in pairs]
    fixed = all(isinstance(law, Law) and is_constant(law) for law in laws)
    if fixed and resampling.interpolation == "nearest":
        why = "resample='nearest' with fixed parameters, where rounding picks one of two pixels"
        raise refuse(module, why, "resample='bilinear'")
    smallest = 2 if module.flags["align_corners"] else 1
    steps = [Drawing(operator, law, name_of(module), smallest) for operator, law in pairs]
    return sometimes(module, steps[0] if len(steps) == 1 else Compose(steps))


def along(module: Any, laws: tuple[Law, Law], resampling: Resampling) -> Augmentation:
    """Shifts by shares of the image along x and y."""
    pairs: list[Pair] = [
        (Translation(axis, resampling), Share(law, axis))
        for axis, law in zip(("x", "y"), laws, strict=True)
        if not is_constant(law, 0)
    ]
    return warped(module, pairs or [(Rotation(resampling), Discrete([0.0]))], resampling)


def sheared(module: Any, laws: tuple[Law, Law], resampling: Resampling) -> Augmentation:
    """Shears along x and y by angles in degrees."""
    if any(law.support[0] <= -90 or law.support[1] >= 90 for law in laws):
        raise refuse(module, "shears of 90 degrees or more", "angles between -90 and 90 degrees")
    moving = [axis for axis, law in zip("xy", laws, strict=True) if not is_constant(law, 0)]
    if len(moving) < 2:
        axis: Axis = "y" if moving == ["y"] else "x"
        pair: Pair = (Shear(axis, resampling), laws[axis == "y"])
        return warped(module, [pair], resampling)
    zero, one = Discrete([0.0]), Discrete([1.0])
    law = Independent((zero, zero, zero, one, *laws))
    return warped(module, [(Affine(resampling, isotropic=True), law)], resampling)


def zoomed(module: Any, factors: tuple[Law, ...], resampling: Resampling) -> Augmentation:
    """Factors along both axes together, or along x and y."""
    if len(factors) == 1:
        return warped(module, [(Zoom("xy", resampling), factors[0])], resampling)
    pairs: list[Pair] = [
        (Zoom("x", resampling), factors[0]),
        (Zoom("y", resampling), factors[1]),
    ]
    return warped(module, pairs, resampling)


def random_affine(module: Any) -> Augmentation:
    """``RandomAffine``: piecewise exact where only one of its four parts moves."""
    generator, resampling = module._param_generator, resampling_of(module)
    angle = sampled(generator.degree_sampler)
    shifts = sampled(generator.translate_x_sampler), sampled(generator.translate_y_sampler)
    shears = sampled(generator.shear_x_sampler), sampled(generator.shear_y_sampler)
    given = [s for s in (generator.scale_2_sampler, generator.scale_4_sampler) if s is not None]
    factors = tuple(sampled(s) for s in given) or (Discrete([1.0]),)
    if any(factor.support[0] <= 0 for factor in factors):
        raise refuse(module, "a scale of 0", "positive scales")
    still = [
        is_constant(angle, 0),
        all(is_constant(law, 0) for law in shifts),
        all(is_constant(law, 1) for law in factors),
        all(is_constant(law, 0) for law in shears),
    ]
    if still[1:] == [True] * 3:
        return warped(module, [(Rotation(resampling), scaled(angle, -1.0))], resampling)
    if still[0] and still[2:] == [True] * 2:
        return along(module, shifts, resampling)
    if still == [True, True, False, True]:
        return zoomed(module, factors, resampling)
    if all(still[:3]):
        return sheared(module, shears, resampling)
    law = Independent((angle, *shifts, *factors, *shears))
    return warped(module, [(Affine(resampling, len(factors) == 1), law)], resampling)


def random_translate(module: Any) -> Augmentation:
    """``RandomTranslate``."""
    generator = module._param_generator
    laws = sampled(generator.translate_x_sampler), sampled(generator.translate_y_sampler)
    return along(module, laws, resampling_of(module))


def random_shear(module: Any) -> Augmentation:
    """``RandomShear``."""
    generator = module._param_generator
    laws = sampled(generator.shear_x_sampler), sampled(generator.shear_y_sampler)
    return sheared(module, laws, resampling_of(module))


def random_rotation(module: Any) -> Augmentation:
    """``RandomRotation``, counter-clockwise."""
    resampling = resampling_of(module)
    law = sampled(module._param_generator.sampler_dict["degrees"])
    return warped(module, [(Rotation(resampling), law)], resampling)


def random_rotation90(module: Any) -> Augmentation:
    """``RandomRotation90``: a whole number of quarter turns."""
    resampling = resampling_of(module)
    if resampling.interpolation == "nearest":
        why = "resample='nearest', where rounding picks one of two pixels in images not square"
        raise refuse(module, why, "resample='bilinear'")
    sampler = module._param_generator.sampler_dict["times"]
    turns = rounded(number(sampler.low), number(sampler.high))
    return warped(module, [(Rotation(resampling), scaled(turns, 90.0))], resampling)


def random_perspective(module: Any) -> Augmentation:
    """``RandomPerspective``."""
    generator, resampling = module._param_generator, resampling_of(module)
    scale = number(generator._distortion_scale)
    operator = Perspective(resampling, scale, generator.sampling_method == "area_preserving")
    return warped(module, [(operator, Independent((Uniform(0.0, 1.0),) * 8))], resampling)


def random_horizontal_flip(module: Any) -> Augmentation:
    """``RandomHorizontalFlip``."""
    return _flip(module, "x")


def random_vertical_flip(module: Any) -> Augmentation:
    """``RandomVerticalFlip``."""
    return _flip(module, "y")


def _flip(module: Any, axis: Axis) -> Augmentation:
    p = float(module.p) * float(module.p_batch)
    return Drawing(Flip(axis), Discrete([0.0, 1.0], [1 - p, p]), name_of(module))


CONVERTERS = {
    "RandomAffine": random_affine,
    "RandomHorizontalFlip": random_horizontal_flip,
    "RandomPerspective": random_perspective,
    "RandomRotation": random_rotation,
    "RandomRotation90": random_rotation90,
    "RandomShear": random_shear,
    "RandomTranslate": random_translate,
    "RandomVerticalFlip": random_vertical_flip,
}
