"""Transforms of torchvision on their own, with options that matter, and images to try them on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torchvision import transforms as v1
from torchvision import tv_tensors
from torchvision.transforms import v2

Shape = tuple[int, int, int]
SHAPES: tuple[Shape, ...] = ((3, 12, 10), (1, 9, 14), (3, 8, 8))
LARGER: tuple[Shape, ...] = ((3, 20, 18), (1, 24, 17), (3, 16, 20))
OTHER: tuple[Shape, ...] = ((3, 6, 5), (2, 5, 7), (4, 4, 4))


class Case(NamedTuple):
    build: Callable[[], object]
    shapes: tuple[Shape, ...] = SHAPES
    tol: float = 1e-3


def bilinear(cls: type, *args: object, **options: object) -> object:
    """A transform that interpolates, by the enum as in version 1."""
    return cls(*args, interpolation=v2.InterpolationMode.BILINEAR, **options)


def _geometric() -> dict[str, Case]:
    images_only = {tv_tensors.Image: 0.4, tv_tensors.Mask: 0}
    return {
        "RandomHorizontalFlip": Case(lambda: v2.RandomHorizontalFlip(0.3)),
        "RandomVerticalFlip": Case(v2.RandomVerticalFlip),
        "RandomRotation": Case(lambda: v2.RandomRotation(40)),
        "RandomRotation-bilinear": Case(lambda: bilinear(v2.RandomRotation, (-10, 30))),
        "RandomRotation-no-fill": Case(lambda: bilinear(v2.RandomRotation, 25, fill=None)),
        "RandomRotation-centre": Case(lambda: bilinear(v2.RandomRotation, 25, center=[2, 5])),
        "RandomRotation-fill": Case(
            lambda: v2.Compose([v2.ToImage(), v2.RandomRotation(30, "bilinear", fill=images_only)])
        ),
        "RandomAffine-angle": Case(lambda: bilinear(v2.RandomAffine, (-5, 25))),
        "RandomAffine-shift": Case(lambda: v2.RandomAffine(0, translate=(0.2, 0.11), fill=0.8)),
        "RandomAffine-scale": Case(lambda: bilinear(v2.RandomAffine, 0, scale=(0.7, 1.6))),
        "RandomAffine-shear": Case(lambda: bilinear(v2.RandomAffine, 0, shear=20, fill=None)),
        "RandomAffine-shear-y": Case(lambda: v2.RandomAffine(0, shear=(0, 0, -20, 35))),
        "RandomAffine-centre": Case(
            lambda: bilinear(v2.RandomAffine, 10, scale=(0.8, 0.9), center=(3, 1.5))
        ),
        "RandomAffine": Case(lambda: v2.RandomAffine(15, (0.1, 0.2), (0.8, 1.2), (-5, 9, 3, 8))),
        "RandomPerspective": Case(lambda: v2.RandomPerspective(0.3, p=0.8)),
        "RandomPerspective-nearest": Case(
            lambda: v2.RandomPerspective(0.3, interpolation=0, fill=0.3)
        ),
        "ElasticTransform": Case(lambda: v2.ElasticTransform(12.0, 1.0), tol=0.05),
    }


def _cropping() -> dict[str, Case]:
    return {
        "RandomResizedCrop": Case(lambda: v2.RandomResizedCrop(7)),
        "RandomResizedCrop-wide": Case(lambda: v2.RandomResizedCrop((5, 9), (0.3, 0.8), (0.5, 3))),
        "RandomResizedCrop-bicubic": Case(lambda: v2.RandomResizedCrop(9, interpolation="bicubic")),
        "RandomResizedCrop-nearest": Case(lambda: v2.RandomResizedCrop(6, interpolation="nearest")),
        "RandomResizedCrop-aliased": Case(lambda: v2.RandomResizedCrop(5, antialias=False)),
        "RandomCrop": Case(lambda: v2.RandomCrop(8, padding=2)),
        "RandomCrop-frame": Case(lambda: v2.RandomCrop((7, 8), padding=[1, 2, 3, 0], fill=0.6)),
        "RandomCrop-if-needed": Case(
            lambda: v2.RandomCrop(11, pad_if_needed=True, padding_mode="reflect")
        ),
    }


def _colour() -> dict[str, Case]:
    return {
        "ColorJitter-brightness": Case(lambda: v2.ColorJitter(brightness=0.7)),
        "ColorJitter-contrast": Case(lambda: v2.ColorJitter(contrast=(0.5, 1.9))),
        "ColorJitter-saturation": Case(lambda: v2.ColorJitter(saturation=0.9)),
        "ColorJitter-hue": Case(lambda: v2.ColorJitter(hue=0.3)),
        "ColorJitter": Case(lambda: v2.ColorJitter(0.4, 0.4, 0.4, 0.1)),
        "RandomGrayscale": Case(lambda: v2.RandomGrayscale(0.4)),
        "RandomPhotometricDistort": Case(v2.RandomPhotometricDistort),
        "RandomChannelPermutation": Case(v2.RandomChannelPermutation, OTHER),
        "RandomInvert": Case(v2.RandomInvert),
        "RandomSolarize": Case(lambda: v2.RandomSolarize(0.6, 0.7)),
        "RandomPosterize": Case(lambda: v2.RandomPosterize(2, 0.2)),
        "RandomAutocontrast": Case(v2.RandomAutocontrast),
        "RandomEqualize": Case(v2.RandomEqualize, LARGER),
        "RandomAdjustSharpness": Case(lambda: v2.RandomAdjustSharpness(2.5)),
        "GaussianBlur": Case(lambda: v2.GaussianBlur((5, 3))),
        "GaussianBlur-sigma": Case(lambda: v2.RandomApply([v2.GaussianBlur(3, 1.5)], 0.3)),
        "GaussianNoise": Case(lambda: v2.GaussianNoise(0.05, 0.3)),
        "GaussianNoise-unclipped": Case(lambda: v2.GaussianNoise(clip=False)),
        "RandomErasing": Case(lambda: v2.RandomErasing(value=0.5)),
        "RandomErasing-noise": Case(lambda: v2.RandomErasing(0.8, (0.1, 0.5), value="random")),
    }


def _automatic() -> dict[str, Case]:
    policies = v2.AutoAugmentPolicy
    return {
        "RandAugment": Case(lambda: v2.RandAugment(fill=0.5)),
        "RandAugment-bilinear": Case(lambda: v2.RandAugment(1, 14, interpolation="bilinear")),
        "TrivialAugmentWide": Case(v2.TrivialAugmentWide),
        "AutoAugment-imagenet": Case(v2.AutoAugment, LARGER),
        "AutoAugment-cifar10": Case(lambda: v2.AutoAugment(policies.CIFAR10)),
        "AutoAugment-svhn": Case(lambda: v2.AutoAugment(policies.SVHN)),
        "AugMix": Case(v2.AugMix),
    }


def _composed() -> dict[str, Case]:
    flips = [v2.RandomHorizontalFlip(0.3), v2.RandomVerticalFlip()]
    return {
        "RandomApply": Case(lambda: v2.RandomApply(nn.ModuleList(flips), 0.6)),
        "RandomChoice": Case(lambda: v2.RandomChoice([*flips, v2.RandomInvert(1.0)], [1, 2, 3])),
        "RandomOrder": Case(
            lambda: v2.RandomOrder([v2.RandomInvert(0.3), v2.RandomCrop(8, padding=1), flips[0]])
        ),
        "Sequential": Case(lambda: nn.Sequential(*flips, v2.RandomPosterize(1))),
    }


def _first_version() -> dict[str, Case]:
    steps = [v1.RandomHorizontalFlip(0.8), v1.RandomResizedCrop(8), v1.RandomCrop(8, 1)]
    return {
        "v1-RandomRotation": Case(lambda: bilinear(v1.RandomRotation, 30)),
        "v1-RandomRotation-none": Case(lambda: bilinear(v1.RandomRotation, 30, fill=None)),
        "v1-RandomAffine": Case(lambda: bilinear(v1.RandomAffine, 9, (0.1, 0), fill=0.7)),
        "v1-RandomPerspective": Case(lambda: v1.RandomPerspective(0.3)),
        "v1-ElasticTransform": Case(lambda: v1.ElasticTransform(12.0, 1.0), tol=0.05),
        "v1-ColorJitter": Case(lambda: v1.ColorJitter((0.5, 1.0), 0, 0.4, 0.2)),
        "v1-RandomSolarize": Case(lambda: v1.RandomSolarize(0.4)),
        "v1-RandomAdjustSharpness": Case(lambda: v1.RandomAdjustSharpness(0.3)),
        "v1-RandomErasing": Case(lambda: v1.RandomErasing(0.7, value="random")),
        "v1-GaussianBlur": Case(lambda: v1.GaussianBlur(3, 0.7)),
        "v1-RandomCrop": Case(lambda: v1.RandomCrop((11, 7), 1, pad_if_needed=True, fill=0.2)),
        "v1-RandomOrder": Case(lambda: v1.RandomOrder(steps)),
        "v1-RandomChoice": Case(lambda: v1.RandomChoice(steps[1:], p=[3, 1])),
        "v1-RandomApply": Case(lambda: v1.RandomApply([v1.RandomAutocontrast(0.5)], 0.5)),
    }


SINGLES: dict[str, Case] = {
    **_geometric(),
    **_cropping(),
    **_colour(),
    **_automatic(),
    **_composed(),
    **_first_version(),
}
"""Random transforms, by name."""


def fixed() -> dict[str, tuple[object, tuple[Shape, ...]]]:
    """Transforms that are not random, and images that they take."""
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(60, 60, generator=generator)
    whitening = v2.LinearTransformation(matrix, torch.rand(60, generator=generator))
    coloured = ((3, 9, 8), (1, 5, 7))
    presets = v1._presets
    return {
        "CenterCrop": (v2.CenterCrop((5, 11)), SHAPES),
        "Pad-edge": (v2.Pad((1, 4), padding_mode="edge"), SHAPES),
        "Pad-symmetric": (v2.Pad([1, 0, 2, 3], padding_mode="symmetric"), SHAPES),
        "Pad-fill": (v2.Pad(2, fill=(0.125, 0.25, 0.5)), ((3, 4, 5),)),
        "v1-Pad": (v1.Pad((2, 1), fill=0.4), SHAPES),
        "Resize": (v2.Resize(6), SHAPES),
        "Resize-most": (v2.Resize(None, max_size=7), SHAPES),
        "Resize-both": (v2.Resize((13, 4), interpolation=3, antialias=False), SHAPES),
        "v1-Resize": (v1.Resize(5, max_size=6), SHAPES),
        "Normalize": (v2.Normalize([0.1, 0.2, 0.3], [0.5, 0.6, 0.7], inplace=True), ((3, 4, 5),)),
        "v1-Normalize": (v1.Normalize((0.5,), (0.3,)), SHAPES),
        "Grayscale": (v2.Grayscale(), coloured),
        "Grayscale-three": (v2.Grayscale(3), coloured),
        "v1-Grayscale": (v1.Grayscale(), coloured),
        "v1-Grayscale-three": (v1.Grayscale(3), coloured),
        "RGB": (v2.RGB(), (*coloured, (5, 3, 3))),
        "LinearTransformation": (whitening, ((3, 4, 5), (1, 10, 6))),
        "v1-LinearTransformation": (v1.LinearTransformation(matrix, matrix[0]), ((3, 5, 4),)),
        "ToImage": (v2.ToImage(), SHAPES),
        "ToDtype": (v2.ToDtype({tv_tensors.Image: torch.float64, "others": None}), SHAPES),
        "nothing": (v2.RandomApply([v2.Identity(), v2.ToPureTensor()]), SHAPES),
        "ImageClassification": (
            presets.ImageClassification(crop_size=6, resize_size=7),
            coloured[:1],
        ),
        "SemanticSegmentation": (presets.SemanticSegmentation(resize_size=6), coloured[:1]),
    }
