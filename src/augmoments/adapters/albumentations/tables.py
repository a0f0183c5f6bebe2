"""What reads each transform, by its class's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from augmoments.adapters.albumentations import (
    affine,
    blur,
    channels,
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
from augmoments.augmentations.base import Augmentation

LEAVES: dict[str, Callable[[Any], Augmentation]] = {
    "Affine": affine.affine,
    "Blur": blur.box,
    "CenterCrop": windows.crop,
    "ChannelDropout": channels.drop,
    "ChannelShuffle": channels.shuffle,
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
    "LongestMaxSize": resizing.max_size,
    "MedianBlur": blur.median,
    "MotionBlur": blur.motion,
    "NoOp": lambda transform: compose.NOTHING,
    "Normalize": color.normalize,
    "Pad": windows.pad,
    "PadIfNeeded": windows.pad_if_needed,
    "Perspective": perspective.perspective,
    "Posterize": values.posterize,
    "RGBShift": channels.shift,
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
    "SmallestMaxSize": resizing.max_size,
    "Solarize": values.solarize,
    "SquareSymmetry": symmetry.square,
    "ToFloat": lambda transform: compose.NOTHING,
    "ToGray": color.to_gray,
    "ToTensorV2": lambda transform: compose.NOTHING,
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
