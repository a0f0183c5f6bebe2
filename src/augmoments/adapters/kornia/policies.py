"""Converters of kornia's automatic augmentation: AutoAugment, RandAugment and TrivialAugment."""

from __future__ import annotations

from dataclasses import dataclass
from math import perm
from typing import Any

import torch

from augmoments.adapters.kornia.containers import MOST_SEQUENCES
from augmoments.adapters.kornia.geometry import Share
from augmoments.adapters.kornia.laws import (
    is_constant,
    number,
    rounded,
    sampled,
    scaled,
    uniform,
)
from augmoments.adapters.kornia.selection import NOTHING, RandomSequence, weighted_sequences
from augmoments.adapters.kornia.steps import Convert, Drawing, name_of, refuse, sometimes
from augmoments.adapters.kornia.tones import Gain, Hue, Offset, Saturation
from augmoments.adapters.kornia.values import ClampedSharpness, Posterize, Solarize
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.choice import RandomChoice
from augmoments.augmentations.compose import Compose
from augmoments.laws import Discrete, Law
from augmoments.laws.independent import Independent
from augmoments.operators.warp import Resampling, Rotation, Shear, Translation

_BILINEAR = Resampling()
_PIXELWISE = {
    "Brightness": Offset(),
    "Contrast": Gain(),
    "Hue": Hue(),
    "Saturate": Saturation(),
    "Sharpness": ClampedSharpness(),
}
_WARPS = {
    "Rotate": Rotation(_BILINEAR),
    "ShearX": Shear("x", _BILINEAR),
    "ShearY": Shear("y", _BILINEAR),
    "TranslateX": Translation("x", _BILINEAR),
    "TranslateY": Translation("y", _BILINEAR),
}
_FIXED = ("AutoContrast", "Equalize", "Gray", "HorizontalFlip", "Invert", "VerticalFlip")


@dataclass(frozen=True)
class _Operation:
    """One of kornia's operations, with the magnitude that a policy gives it, if it does."""

    module: Any
    magnitude: float | None = None

    def law(self, sampler: Any) -> Law:
        """The law of the magnitude, before it is scaled or given a sign."""
        return sampled(sampler) if self.magnitude is None else Discrete([self.magnitude])

    def signed(self, law: Law) -> Law:
        """With a random sign where the operation has one."""
        if not self.module.symmetric_megnitude or is_constant(law, 0):
            return law
        low, high = law.support
        if low == high:
            return Discrete([-high, high])
        if low != 0:
            raise refuse(self.module, "a random sign of magnitudes not from 0", "a range from 0")
        return uniform(-high, high)

    def convert(self, convert: Convert) -> Augmentation:
        """The augmentation that this operation is."""
        module, name = self.module, name_of(self.module)
        if name in _FIXED:
            return convert(module.op)
        if module._magnitude is not None:
            raise refuse(module, "an initial magnitude", "a policy, which draws magnitudes")
        generator = module.op._param_generator
        if name == "Posterize":
            law = self._bits(generator.bit_sampler)
            return self._step(Drawing(Posterize(), law, name))
        if name in ("Solarize", "SolarizeAdd"):
            laws = [sampled(generator.sampler_dict[key]) for key in ("thresholds", "additions")]
            place = name == "SolarizeAdd"
            laws[place] = laws[place] if self.magnitude is None else Discrete([self.magnitude])
            return self._step(Drawing(Solarize(), Independent(tuple(laws)), name))
        if name in _PIXELWISE:
            law = self.law(generator.sampler_dict[module._factor_name])
            return self._step(Drawing(_PIXELWISE[name], self.signed(law), name))
        if name in _WARPS:
            return self._step(Drawing(_WARPS[name], self._movement(name, generator), name, 2))
        raise refuse(module, "this operation", "the operations of kornia's own policies")

    def _step(self, drawing: Drawing) -> Augmentation:
        return sometimes(self.module.op, drawing)

    def _bits(self, sampler: Any) -> Discrete:
        if self.magnitude is not None:
            return Discrete([int(self.magnitude)])
        return rounded(number(sampler.low), number(sampler.high))

    def _movement(self, name: str, generator: Any) -> Law | Share:
        """The law of an angle in degrees, or of a shift."""
        factor = self.module._factor_name
        if name == "Rotate":
            return self.signed(self.law(generator.sampler_dict[factor]))
        law = self.signed(self.law(getattr(generator, f"{factor}_sampler")))
        if name.startswith("Shear"):
            law = scaled(law, 180.0)
            if max(map(abs, law.support)) >= 90:
                raise refuse(self.module, "a shear of 90 degrees or more", "magnitudes below 0.5")
            return law
        return Share(law, "x" if name == "TranslateX" else "y")


def policy_sequential(module: Any, convert: Convert) -> Augmentation:
    """``PolicySequential``: operations one after the other."""
    steps = [_Operation(child).convert(convert) for child in module.children()]
    return Compose(steps) if steps else NOTHING


def one_of(module: Any, convert: Convert) -> Augmentation:
    """``AutoAugment`` and ``TrivialAugment``: one sub-policy, drawn for all."""
    parts = [policy_sequential(child, convert) for child in module.children()]
    return RandomChoice(parts, [number(p) for p in module.rand_selector.probs])


def rand_augment(module: Any, convert: Convert) -> Augmentation:
    """``RandAugment``: different operations in random order, with one strength."""
    operations = [next(iter(child.children())) for child in module.children()]
    count = perm(len(operations), module.n)
    if count > MOST_SEQUENCES:
        why = f"n={module.n}, which means {count} sequences of operations,"
        raise refuse(module, why, "a smaller n")
    steps = [_Operation(o, _strength(o, module.m)).convert(convert) for o in operations]
    sequences = weighted_sequences([1.0] * len(steps), module.n, repeat=False)
    return RandomSequence.of(steps, sequences)


def _strength(operation: Any, m: int) -> float | None:
    """The magnitude ``m`` out of 30, computed in kornia's precision; fewer bits are stronger."""
    if operation.magnitude_range is None:
        return None
    share = torch.tensor(m / 30)
    low, high = operation.magnitude_range
    share = 1 - share if operation._factor_name == "bits_factor" else share
    return number(share * float(high - low) + low)


CONVERTERS = {
    "AutoAugment": one_of,
    "PolicySequential": policy_sequential,
    "RandAugment": rand_augment,
    "TrivialAugment": one_of,
}
