"""Conversions of the type, which change nothing in floating-point images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from augmoments.adapters.torchvision.containers import NOTHING, in_order
from augmoments.adapters.torchvision.reading import entries_of_images, interpolation
from augmoments.adapters.unsupported import unsupported
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.color import Normalize
from augmoments.augmentations.crops import CenterCrop, Resize

_EXACT = (torch.float32, torch.float64)


def nothing(step: Any) -> Augmentation:
    """Steps that act on other types, on boxes or not at all."""
    return NOTHING


def to_dtype(step: Any) -> Augmentation:
    """``ToDtype`` and ``ConvertImageDtype``."""
    found = entries_of_images(step.dtype) if isinstance(step.dtype, dict) else [step.dtype]
    wrong = [dtype for dtype in found if dtype not in (None, *_EXACT)]
    if wrong:
        raise unsupported(
            step,
            f"arithmetic in {', '.join(map(str, wrong))} rounds, which is not modelled",
            "convert to torch.float32 with scale=True before all other steps",
        )
    return NOTHING


def classification(step: Any) -> Augmentation:
    """The preset that comes with weights: resize, crop and normalise."""
    return in_order(
        [
            Resize(tuple(step.resize_size), interpolation(step), antialias=step.antialias),
            CenterCrop(tuple(step.crop_size)),
            Normalize(tuple(step.mean), tuple(step.std)),
        ]
    )


def segmentation(step: Any) -> Augmentation:
    """The preset that comes with weights: resize, if a size is given, and normalise."""
    normalize = Normalize(tuple(step.mean), tuple(step.std))
    if not isinstance(step.resize_size, list):
        return normalize
    resize = Resize(tuple(step.resize_size), interpolation(step), antialias=step.antialias)
    return in_order([resize, normalize])


STEPS: dict[str, Callable[[Any], Augmentation]] = {
    "ClampBoundingBoxes": nothing,
    "ClampKeyPoints": nothing,
    "ConvertBoundingBoxFormat": nothing,
    "ConvertImageDtype": to_dtype,
    "Identity": nothing,
    "ImageClassification": classification,
    "ObjectDetection": nothing,
    "PILToTensor": nothing,
    "SanitizeBoundingBoxes": nothing,
    "SanitizeKeyPoints": nothing,
    "SemanticSegmentation": segmentation,
    "SetClampingMode": nothing,
    "ToDtype": to_dtype,
    "ToImage": nothing,
    "ToPureTensor": nothing,
    "ToTensor": nothing,
}
