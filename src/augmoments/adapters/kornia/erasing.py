"""Converter of random erasing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from augmoments.adapters.kornia.laws import ends, number
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.erasing import Erasing, Value
from augmoments.augmentations.scaling import scaled_probability
from augmoments.laws.boxes import BoxLaw
from augmoments.laws.erasing import kornia_erasing_law
from augmoments.operators.base import Shape

Range = tuple[float, float]
_box_law = lru_cache(maxsize=256)(kornia_erasing_law)


@dataclass(frozen=True)
class RandomErasing(Erasing):
    """Erase a box of kornia's law with probability ``p``."""

    p: float
    scale: Range
    ratio: Range
    value: float

    @property
    def erased(self) -> Value:
        return (self.value,)

    def _scaled(self, strength: float) -> RandomErasing:
        return replace(self, p=scaled_probability(self.p, strength))

    def law_for(self, shape: Shape) -> BoxLaw:
        return _box_law(shape[1], shape[2], self.p, self.scale, self.ratio)


def random_erasing(module: Any) -> Augmentation:
    """``RandomErasing``."""
    generator = module._param_generator
    low, high = (number(v) for v in generator.ratio)
    p = float(module.p) * float(module.p_batch)
    return RandomErasing(p, ends(generator.scale_sampler), (low, high), float(module.value))


CONVERTERS = {"RandomErasing": random_erasing}
