"""Converters of crops, resizing and blur."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from augmoments.adapters.kornia.laws import number, sampled
from augmoments.adapters.kornia.steps import Drawing, name_of, refuse, sometimes
from augmoments.adapters.kornia.windows import FramedCrop, MiddleCrop, SidedResize
from augmoments.augmentations.base import Augmentation
from augmoments.laws import Discrete
from augmoments.laws.boxes import BoxLaw
from augmoments.laws.crops import kornia_resized_crop_law
from augmoments.laws.independent import Independent
from augmoments.operators.averages import expected_blur, expected_crop, expected_crop_resize
from augmoments.operators.base import Shape
from augmoments.operators.blur import Blur
from augmoments.operators.crop import Crop, Padding, PaddingMode
from augmoments.operators.interpolation import Interpolation
from augmoments.operators.kronecker import KroneckerSum
from augmoments.operators.resize import CropResize

_PADDING: dict[str, PaddingMode] = {
    "constant": "constant",
    "replicate": "edge",
    "reflect": "reflect",
}
_MODES = {"NEAREST": "nearest-exact", "BILINEAR": "bilinear", "BICUBIC": "bicubic"}


@dataclass(frozen=True)
class Corners:
    """The uniform law of the corner of a crop."""

    crop: Crop

    def __call__(self, shape: Shape) -> Independent:
        self.crop.check_shape(shape)
        return Independent(tuple(Discrete(range(n)) for n in self.crop.corners(shape)))


@dataclass(frozen=True)
class Boxes:
    """The law of the box of a resized crop."""

    scale: tuple[float, float]
    ratio: tuple[float, float]

    def __call__(self, shape: Shape) -> BoxLaw:
        return _box_law(shape[1], shape[2], self.scale, self.ratio)


_box_law = lru_cache(maxsize=256)(kornia_resized_crop_law)
_average_box = lru_cache(maxsize=8)(expected_crop_resize)
_average_blur = lru_cache(maxsize=8)(expected_blur)


@lru_cache(maxsize=8)
def _average_corner(crop: Crop, law: Independent, shape: Shape) -> KroneckerSum:
    return expected_crop(crop, shape)


def random_crop(module: Any) -> Augmentation:
    """``RandomCrop``; both ways to cut read the same pixels where the crop fits."""
    flags = module.flags
    mode = _PADDING.get(flags["padding_mode"])
    if mode is None:
        why = f"padding_mode={flags['padding_mode']!r}"
        raise refuse(module, why, "padding_mode='constant', 'replicate' or 'reflect'")
    fill = flags["fill"]
    values = float(fill) if isinstance(fill, int | float) else tuple(float(v) for v in fill)
    crop = FramedCrop(
        _pair(flags["size"]), _frame(flags["padding"]), values, mode, bool(flags["pad_if_needed"])
    )
    return sometimes(module, Drawing(crop, Corners(crop), name_of(module), average=_average_corner))


def _frame(padding: Any) -> Padding:
    """Widths on the left, top, right and bottom."""
    if padding is None:
        return 0, 0, 0, 0
    if isinstance(padding, int):
        return padding, padding, padding, padding
    across, down, *others = padding
    right, bottom = others or (across, down)
    return across, down, right, bottom


def center_crop(module: Any) -> Augmentation:
    """``CenterCrop``."""
    return sometimes(module, Drawing(MiddleCrop(_pair(module.size)), None, name_of(module)))


def resize(module: Any) -> Augmentation:
    """``Resize``, ``LongestMaxSize`` and ``SmallestMaxSize``."""
    flags = module.flags
    if flags["antialias"]:
        raise refuse(module, "antialias=True", "antialias=False")
    size = flags["size"]
    pair = size if isinstance(size, int) else _pair(size)
    operator = SidedResize(pair, _interpolation(module, flags["align_corners"]), side=flags["side"])
    return sometimes(module, Drawing(operator, None, name_of(module)))


def random_resized_crop(module: Any) -> Augmentation:
    """``RandomResizedCrop``; to resample a crop is to interpolate it with aligned corners."""
    flags, generator = module.flags, module._param_generator
    size, corners = _pair(flags["size"]), flags["align_corners"]
    if flags["cropping_mode"] == "resample":
        if flags["resample"].name != "BILINEAR" or min(size) < 2:
            why = "cropping_mode='resample' other than bilinear, or to a side of one pixel"
            raise refuse(module, why, "cropping_mode='slice'")
        corners = True
    law = Boxes(_range(generator.scale), _range(generator.ratio))
    operator = CropResize(size, _interpolation(module, corners))
    return sometimes(module, Drawing(operator, law, name_of(module), average=_average_box))


def random_gaussian_blur(module: Any) -> Augmentation:
    """``RandomGaussianBlur``: one standard deviation for both axes."""
    border = module.flags["border_type"].name.lower()
    if border != "reflect":
        raise refuse(module, f"border_type={border!r}", "border_type='reflect'")
    law = sampled(module._param_generator.sigma_sampler)
    if law.support[0] <= 0:
        raise refuse(module, "a sigma of 0", "a positive range of sigma")
    size = module.flags["kernel_size"]
    down, across = (size, size) if isinstance(size, int) else size
    drawing = Drawing(Blur((across, down)), law, name_of(module), average=_average_blur)
    return sometimes(module, drawing)


def _pair(size: Any) -> tuple[int, int]:
    height, width = size
    return int(height), int(width)


def _range(values: Any) -> tuple[float, float]:
    low, high = values
    return number(low), number(high)


def _interpolation(module: Any, align_corners: bool) -> Interpolation:
    return Interpolation.of(_MODES[module.flags["resample"].name], False, align_corners)


CONVERTERS = {
    "CenterCrop": center_crop,
    "LongestMaxSize": resize,
    "RandomCrop": random_crop,
    "RandomGaussianBlur": random_gaussian_blur,
    "RandomResizedCrop": random_resized_crop,
    "Resize": resize,
    "SmallestMaxSize": resize,
}
