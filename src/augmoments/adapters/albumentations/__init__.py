"""Transforms of albumentations 2.0.8 as augmentations, for float images in [0, 1].

The package reads the attributes of the objects that it is given; it never imports albumentations
or OpenCV. Transforms are told by their class's name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from augmoments.adapters.albumentations import (
    affine,
    blur,
    color,
    compose,
    dropout,
    noise,
    perspective,
    resizing,
    symmetry,
    values,
    windows,
)
from augmoments.adapters.albumentations.compose import nothing, sometimes
from augmoments.adapters.albumentations.sampling import CUBIC
from augmoments.adapters.unsupported import unsupported
from augmoments.augmentations.base import Augmentation

VERSION = "2.0.8"

LEAVES: dict[str, Callable[[Any], Augmentation]] = {
    "Affine": affine.affine,
    "Blur": blur.box,
    "CenterCrop": windows.crop,
    "ChannelDropout": values.drop,
    "ChannelShuffle": values.shuffle,
    "CoarseDropout": dropout.coarse_dropout,
    "ColorJitter": color.jitter,
    "Crop": windows.fixed_crop,
    "D4": symmetry.square,
    "Equalize": values.equalize,
    "Erasing": dropout.erasing,
    "GaussNoise": noise.gaussian,
    "GaussianBlur": blur.gaussian,
    "HorizontalFlip": symmetry.horizontal_flip,
    "InvertImg": values.invert,
    "MedianBlur": blur.median,
    "MotionBlur": blur.motion,
    "NoOp": lambda transform: nothing(),
    "Normalize": color.normalize,
    "Pad": windows.pad,
    "PadIfNeeded": windows.pad_if_needed,
    "Perspective": perspective.perspective,
    "Posterize": values.posterize,
    "RGBShift": values.shift,
    "RandomBrightnessContrast": color.brightness_contrast,
    "RandomCrop": windows.crop,
    "RandomGamma": values.gamma,
    "RandomResizedCrop": resizing.resized_crop,
    "RandomRotate90": symmetry.quarter_turns,
    "RandomSizedCrop": resizing.sized_crop,
    "Resize": resizing.resize,
    "Rotate": affine.rotate,
    "SafeRotate": affine.safe_rotate,
    "ShiftScaleRotate": affine.affine,
    "Solarize": values.solarize,
    "SquareSymmetry": symmetry.square,
    "ToFloat": lambda transform: nothing(),
    "ToGray": color.to_gray,
    "ToTensorV2": lambda transform: nothing(),
    "Transpose": symmetry.transpose,
    "VerticalFlip": symmetry.vertical_flip,
}
"""What a transform does when it is applied, by its class's name."""

COMPOSITIONS: dict[str, Callable[[Any, compose.Build], Augmentation]] = {
    "Compose": compose.sequence,
    "OneOf": compose.one_of,
    "OneOrOther": compose.one_or_other,
    "RandomOrder": compose.random_order,
    "ReplayCompose": compose.sequence,
    "Sequential": compose.sequence,
    "SomeOf": compose.some_of,
}

_OWN_COIN = {"OneOrOther"}
_NEVER_FORCED = {"RandomOrder", "SomeOf"}
_UNIT_RANGE_ONLY = {
    "ColorJitter",
    "GaussianBlur",
    "MotionBlur",
    "RandomGamma",
    "Solarize",
    "ToGray",
}


def convert(transform: Any) -> Augmentation:
    """The augmentation that does, with the same probabilities, what ``transform`` does.

    Args:
        transform: A transform or a composition of albumentations 2.0.8, for float32 images with
            values in [0, 1].

    Raises:
        PolicyError: A transform or an option that is not supported, which the message names; a
            composition with a seed; or another version of albumentations.

    Example:
        >>> import albumentations as A
        >>> print(convert(A.HorizontalFlip(p=0.5)).explain((3, 8, 8)).rows[0].law)
        probability 0.5
    """
    _check_version(transform)
    _check_range(transform)
    return _build(transform, False)


def _build(transform: Any, forced: bool) -> Augmentation:
    name = type(transform).__name__
    if type(transform).__module__.split(".")[0] == "albumentations":
        if name in LEAVES:
            sure = forced and transform.p > 0
            return sometimes(LEAVES[name](transform), 1.0 if sure else transform.p)
        if name in COMPOSITIONS:
            _check_streams(transform)
            inner = COMPOSITIONS[name](transform, _build)
            if name in _OWN_COIN or (forced and name not in _NEVER_FORCED):
                return inner
            return sometimes(inner, transform.p)
    known = ", ".join(sorted({*LEAVES, *COMPOSITIONS}))
    raise unsupported(transform, "it has no counterpart here", f"use one of {known}")


def _check_version(transform: Any) -> None:
    """Refuse other versions, whose laws may differ under the same names."""
    found = getattr(sys.modules.get("albumentations"), "__version__", VERSION)
    if found != VERSION:
        raise unsupported(
            transform,
            f"the laws of albumentations {found} were not checked",
            f"use albumentations {VERSION}",
        )


def _check_streams(composition: Any) -> None:
    """Refuse compositions whose steps draw the same random numbers, so that they depend."""
    if composition.seed is None:
        return
    for child in composition.transforms:
        if child.py_random is not composition.py_random:
            raise unsupported(
                composition,
                f"seed={composition.seed} gives all steps the same random numbers, so that "
                "they are not independent",
                "use seed=None, or set_random_state(numpy.random.default_rng(seed), "
                "random.Random(seed)), which lets the steps share one stream",
            )


def _check_range(transform: Any) -> None:
    """Refuse steps that clip to [0, 1], or need such values, after one that leaves that range."""
    left = None
    for leaf in _in_order(transform):
        if left is not None and type(leaf).__name__ in _UNIT_RANGE_ONLY:
            raise unsupported(
                leaf,
                f"it takes values in [0, 1], which {left} leaves",
                f"put {type(leaf).__name__} before {left}",
            )
        if _leaves_range(leaf):
            left = type(leaf).__name__


def _in_order(transform: Any) -> Iterator[Any]:
    """All transforms that are no compositions, twice where they may come in any order."""
    children = getattr(transform, "transforms", None)
    if type(transform).__name__ not in COMPOSITIONS or children is None:
        yield transform
        return
    for _ in range(2 if type(transform).__name__ == "RandomOrder" else 1):
        for child in children:
            yield from _in_order(child)


def _leaves_range(leaf: Any) -> bool:
    if type(leaf).__name__ == "Normalize" or getattr(leaf, "interpolation", None) == CUBIC:
        return True
    fill = getattr(leaf, "fill", 0.0)
    if isinstance(fill, str) or fill is None:
        return False
    return any(not 0 <= v <= 1 for v in (fill if isinstance(fill, tuple | list) else (fill,)))


__all__ = ["convert"]
