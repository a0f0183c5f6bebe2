"""Converters of flips, warps, crops and automatic augmentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from augmoments.adapters.torchvision.reading import fill, interpolation, is_first_version, outside
from augmoments.adapters.unsupported import unsupported
from augmoments.augmentations.affine import RandomAffine
from augmoments.augmentations.augmix import AugMix
from augmoments.augmentations.automatic import AutoAugment, RandAugment, TrivialAugmentWide
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.crops import CenterCrop, Pad, RandomCrop, RandomResizedCrop, Resize
from augmoments.augmentations.elastic import ElasticTransform
from augmoments.augmentations.geometric import (
    RandomHorizontalFlip,
    RandomRotation,
    RandomVerticalFlip,
)
from augmoments.augmentations.perspective import RandomPerspective


def random_rotation(step: Any) -> Augmentation:
    """``RandomRotation``."""
    if step.expand:
        raise unsupported(
            step, "expand=True makes the output's size random", "use expand=False, or pad before"
        )
    return RandomRotation(
        tuple(step.degrees),
        interpolation(step),
        center=_maybe_tuple(step.center),
        **outside(step),
    )


def random_affine(step: Any) -> Augmentation:
    """``RandomAffine``."""
    return RandomAffine(
        tuple(step.degrees),
        _maybe_tuple(step.translate),
        _maybe_tuple(step.scale),
        _maybe_tuple(step.shear),
        interpolation(step),
        center=_maybe_tuple(step.center),
        **outside(step),
    )


def random_perspective(step: Any) -> Augmentation:
    """``RandomPerspective``."""
    return RandomPerspective(step.distortion_scale, step.p, interpolation(step), **outside(step))


def elastic_transform(step: Any) -> Augmentation:
    """``ElasticTransform``."""
    return ElasticTransform(
        tuple(step.alpha), tuple(step.sigma), interpolation(step), **outside(step)
    )


def random_resized_crop(step: Any) -> Augmentation:
    """``RandomResizedCrop``."""
    return RandomResizedCrop(
        tuple(step.size),
        tuple(step.scale),
        tuple(step.ratio),
        interpolation(step),
        step.antialias,
    )


def random_crop(step: Any) -> Augmentation:
    """``RandomCrop``, whose frame is kept as left, right, top, bottom in version 2.

    Version 1 frames once for ``padding``, and once more where the window would not fit.
    """
    frame = step.padding
    if is_first_version(step):
        twice = frame is not None and step.pad_if_needed
        if twice and step.padding_mode in ("reflect", "symmetric"):
            raise unsupported(
                step,
                f"padding_mode={step.padding_mode!r} mirrors twice if both padding and "
                "pad_if_needed are given",
                "use v2.RandomCrop",
            )
        frame = tuple(frame) if isinstance(frame, list) else frame
    elif frame is not None:
        left, right, top, bottom = frame
        frame = left, top, right, bottom
    return RandomCrop(tuple(step.size), frame, step.pad_if_needed, fill(step), step.padding_mode)


def pad(step: Any) -> Augmentation:
    """``Pad``."""
    frame = step.padding if isinstance(step.padding, int) else tuple(step.padding)
    return Pad(frame, fill(step), step.padding_mode)


def resize(step: Any) -> Augmentation:
    """``Resize``."""
    size = step.size if step.size is None or isinstance(step.size, int) else tuple(step.size)
    return Resize(size, interpolation(step), step.max_size, step.antialias)


def auto_augment(step: Any) -> Augmentation:
    """``AutoAugment``."""
    return AutoAugment(step.policy.value, interpolation(step), fill(step))


def rand_augment(step: Any) -> Augmentation:
    """``RandAugment``."""
    return RandAugment(
        step.num_ops, step.magnitude, step.num_magnitude_bins, interpolation(step), fill(step)
    )


def trivial_augment(step: Any) -> Augmentation:
    """``TrivialAugmentWide``."""
    return TrivialAugmentWide(step.num_magnitude_bins, interpolation(step), fill(step))


def aug_mix(step: Any) -> Augmentation:
    """``AugMix``."""
    return AugMix(
        step.severity,
        step.mixture_width,
        step.chain_depth,
        step.alpha,
        step.all_ops,
        interpolation(step),
        fill(step),
    )


def _maybe_tuple(value: Any) -> Any:
    return None if value is None else tuple(value)


STEPS: dict[str, Callable[[Any], Augmentation]] = {
    "AugMix": aug_mix,
    "AutoAugment": auto_augment,
    "CenterCrop": lambda step: CenterCrop(tuple(step.size)),
    "ElasticTransform": elastic_transform,
    "Pad": pad,
    "RandAugment": rand_augment,
    "RandomAffine": random_affine,
    "RandomCrop": random_crop,
    "RandomHorizontalFlip": lambda step: RandomHorizontalFlip(step.p),
    "RandomPerspective": random_perspective,
    "RandomResizedCrop": random_resized_crop,
    "RandomRotation": random_rotation,
    "RandomVerticalFlip": lambda step: RandomVerticalFlip(step.p),
    "Resize": resize,
    "TrivialAugmentWide": trivial_augment,
}
