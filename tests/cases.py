"""Every augmentation, under every law, on awkward images: what the kit is run over."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

import torch

import augmoments as am
from augmoments.augmentations.base import Augmentation
from augmoments.laws import Law


class Case(NamedTuple):
    name: str
    policy: Augmentation
    shape: tuple[int, int, int]


def laws(low: float, high: float) -> dict[str, Law]:
    """Laws on [low, high], most of them lopsided."""
    width = high - low
    found: dict[str, Law] = {
        "uniform": am.Uniform(low, high),
        "normal": am.Normal(low + 0.45 * width, width / 20),
        "truncated": am.TruncatedNormal(low + 0.8 * width, 0.3 * width, low, high),
        "tail": am.TruncatedNormal(low - 0.3 * width, 0.1 * width, low, high),
        "triangular": am.Triangular(low, high, low + 0.1 * width),
        "ramp": am.Triangular(low, high, high),
        "beta": am.Beta(2, 3, low, high),
        "singular": am.Beta(0.2, 0.7, low, high),
        "narrow": am.Beta(200, 300, low, high),
        "discrete": am.Discrete([low, low + 0.3 * width, high], [0.2, 0.7, 0.1]),
    }
    if low > 0:
        found["log-uniform"] = am.LogUniform(low, high)
    return found


SHAPES = ((1, 5, 4), (3, 4, 6), (1, 7, 1), (2, 1, 6), (1, 1, 1), (1, 6, 6), (3, 3, 5))


def _geometric() -> Iterator[Case]:
    """Each family under each law; interpolation, border, fill and shape take turns."""
    turn = count()
    families = {
        "rotation": (-20, 35),
        "rotation-off-centre": (-70, -10),
        "shear-x": (-30, 50),
        "shear-y": (-10, 45),
        "shear": (5, 40),
        "zoom": (0.6, 1.7),
        "zoom-x": (0.7, 2.5),
        "zoom-y": (0.4, 1.1),
        "zoom-xy": (0.5, 1.5),
        "translation-x": (-0.4, 1.7),
        "translation-y": (-2.2, 0.3),
        "translation": (0.3, 1.9),
    }
    for position, (family, (low, high)) in enumerate(families.items()):
        for name, law in laws(low, high).items():
            k = next(turn) + position
            shape = SHAPES[k % len(SHAPES)]
            options: dict = {
                "interpolation": ("bilinear", "nearest", "bilinear")[k % 3],
                "border": ("zeros", "torchvision")[k % 2],
                "fill": (0.0, 0.0, 0.6, tuple(0.2 + 0.3 * c for c in range(shape[0])))[k % 4],
            }
            other = laws(low, high)[("uniform", "beta", "discrete")[k % 3]]
            if options["border"] == "torchvision" and family in ("zoom-xy", "translation"):
                options["fill"] = 0.0
            if family in ("translation-x", "translation-y") and options["border"] == "torchvision":
                options["fill"] = 0.0
            yield Case(f"{family}-{name}", _family(family, law, other, options), shape)


def _family(family: str, law: Law, other: Law, options: dict) -> Augmentation:
    match family:
        case "rotation":
            return am.RandomRotation(law, **options)
        case "rotation-off-centre":
            return am.RandomRotation(law, center=(-0.7, 3.2), **options)
        case "shear-x":
            return am.RandomShear(x=law, **options)
        case "shear-y":
            return am.RandomShear(y=law, **options)
        case "shear":
            return am.RandomShear(x=law, y=other, **options)
        case "zoom":
            return am.RandomZoom(law, **options)
        case "zoom-x":
            return am.RandomZoom(x=law, **options)
        case "zoom-y":
            return am.RandomZoom(y=law, **options)
        case "zoom-xy":
            return am.RandomZoom(x=law, y=other, **options)
        case "translation-x":
            return am.RandomTranslation(x=law, **options)
        case "translation-y":
            return am.RandomTranslation(y=law, **options)
        case "translation":
            return am.RandomTranslation(x=law, y=other, **options)
    raise KeyError(family)


def _colour() -> Iterator[Case]:
    for name, law in laws(0.5, 1.8).items():
        channels = 1 if name in ("uniform", "tail", "ramp") else 3
        shape = (channels, 3, 4)
        yield Case(f"brightness-{name}", am.ColorJitter(law, clamp=False), shape)
        yield Case(f"contrast-{name}", am.ColorJitter(contrast=law, clamp=False), shape)
        yield Case(f"saturation-{name}", am.ColorJitter(saturation=law, clamp=False), shape)
        yield Case(f"brightness-clamped-{name}", am.ColorJitter(law), shape)
        yield Case(f"contrast-clamped-{name}", am.ColorJitter(contrast=law), shape)
    three = {"brightness": 0.4, "contrast": am.Beta(2, 1, 0.3, 1.2), "saturation": (0.2, 1.9)}
    yield Case("jitter", am.ColorJitter(**three, clamp=False), (3, 3, 4))
    yield Case("jitter-gray", am.ColorJitter(**three, clamp=False), (1, 4, 3))
    yield Case("jitter-clamped", am.ColorJitter(**three), (3, 3, 4))
    yield Case("jitter-nothing", am.ColorJitter(), (3, 3, 4))
    yield Case("grayscale", am.RandomGrayscale(0.3), (3, 4, 3))
    yield Case("grayscale-one-channel", am.RandomGrayscale(0.3), (1, 4, 3))
    yield Case("grayscale-always", am.RandomGrayscale(1.0), (3, 1, 5))
    yield Case("normalize", am.Normalize((0.2, 0.5, 0.7), (0.3, 2.0, 1.0)), (3, 3, 4))
    yield Case("normalize-one-number", am.Normalize(0.5, 0.25), (2, 3, 4))


def _composed() -> Iterator[Case]:
    rotation = am.RandomRotation(am.Uniform(-25, 10), "bilinear")
    shift = am.RandomTranslation(x=am.Uniform(-0.7, 1.2), y=am.Triangular(-1, 1, 0.6))
    jitter = am.ColorJitter(0.5, am.Uniform(0.4, 1.3), clamp=False)
    clamped = am.ColorJitter(0.5, am.Uniform(0.4, 1.3))
    flips = am.Compose([am.RandomHorizontalFlip(0.3), am.RandomVerticalFlip(0.8)])
    normalize = am.Normalize(0.4, 0.3)
    yield Case("flip-x", am.RandomHorizontalFlip(0.3), (1, 4, 5))
    yield Case("flip-y", am.RandomVerticalFlip(0.8), (3, 5, 2))
    yield Case("flip-never", am.RandomHorizontalFlip(0.0), (1, 4, 5))
    yield Case("flip-one-pixel-wide", am.RandomHorizontalFlip(0.4), (1, 5, 1))
    yield Case("flips", flips, (1, 5, 4))
    yield Case("nothing", am.RandomTranslation(), (1, 4, 5))
    yield Case("out-of-sight", am.RandomTranslation(x=am.Uniform(20, 30)), (1, 4, 5))
    yield Case("rotation-translation", am.Compose([rotation, shift]), (1, 5, 6))
    yield Case("translation-rotation", am.Compose([shift, rotation]), (1, 6, 5))
    yield Case("finite", am.Compose([flips, shift, jitter, normalize]), (3, 3, 4))
    yield Case("everything", am.Compose([flips, rotation, jitter, shift, normalize]), (3, 4, 4))
    yield Case("apply", am.RandomApply([rotation, shift], 0.35), (1, 5, 4))
    yield Case("apply-always", am.RandomApply(rotation, 1.0), (1, 5, 4))
    yield Case("apply-never", am.RandomApply(rotation, 0.0), (1, 5, 4))
    yield Case("apply-flip", am.RandomApply(am.RandomHorizontalFlip(), 0.5), (1, 3, 4))
    yield Case("apply-normalize", am.RandomApply(normalize, 0.5), (2, 3, 3))
    yield Case(
        "apply-inside", am.Compose([shift, am.RandomApply([jitter, flips], 0.6), shift]), (1, 4, 4)
    )
    yield Case("clamped-last", am.Compose([rotation, clamped]), (1, 4, 5))
    yield Case("clamped-first", am.Compose([clamped, rotation, normalize]), (1, 4, 5))
    yield Case("clamped-between", am.Compose([flips, clamped, shift]), (3, 3, 4))
    yield Case(
        "clamped-after-translation",
        am.Compose([am.RandomTranslation(x=(-1, 1)), am.ColorJitter(brightness=(1.6, 1.6))]),
        (1, 4, 5),
    )
    yield Case("clamped-apply", am.RandomApply([clamped, normalize], 0.3), (1, 4, 4))


def _warps() -> Iterator[Case]:
    """Resamplings with several parameters at once."""
    square, wide = (3, 5, 5), (1, 4, 6)
    bilinear: dict = {"interpolation": "bilinear"}
    yield Case("affine-rotation", am.RandomAffine(20), wide)
    yield Case("affine-rotation-bilinear", am.RandomAffine((-10, 25), **bilinear), wide)
    yield Case("affine-shift", am.RandomAffine(0, translate=(0.3, 0.2)), wide)
    yield Case("affine-zoom", am.RandomAffine(0, scale=(0.7, 1.3), **bilinear), square)
    yield Case("affine-shear", am.RandomAffine(0, shear=(-20, 30), **bilinear), square)
    both = am.RandomAffine(15, translate=(0.2, 0.2), fill=(0.3, 0.6, 0.9))
    yield Case("affine-rotation-shift", both, square)
    shears = (am.Uniform(-10, 20), am.Normal(0, 5))
    everything = am.RandomAffine(
        15, (0.2, 0.1), (0.8, 1.2), shears, border="torchvision", fill=0.5, **bilinear
    )
    yield Case("affine-everything", everything, wide)
    centred = am.RandomAffine(
        am.Discrete([-30, 0, 20]), scale=am.Discrete([0.8, 1.1]), center=(1, 3)
    )
    yield Case("affine-finite-off-centre", centred, wide)
    yield Case("perspective", am.RandomPerspective(0.3), (1, 8, 9))
    yield Case("perspective-nearest", am.RandomPerspective(0.5, 1.0, "nearest", 0.4), (1, 8, 7))
    yield Case("elastic", am.ElasticTransform(6.0, 0.5), (1, 5, 6))
    yield Case("elastic-nearest", am.ElasticTransform((3.0, 8.0), (0.4, 0.6), "nearest"), square)


def _resized() -> Iterator[Case]:
    """Steps that may change the size."""
    turns = am.RandomRotation(20, "bilinear")
    whole = am.RandomResizedCrop(5, (0.5, 1.0))
    yield Case("resized-crop", am.RandomResizedCrop(4), (1, 5, 6))
    yield Case("resized-crop-same-size", am.RandomResizedCrop((6, 5), (0.3, 0.9)), (3, 6, 5))
    nearest = am.RandomResizedCrop((3, 7), (0.2, 0.5), (0.5, 2.0), "nearest")
    yield Case("resized-crop-nearest", nearest, (1, 6, 6))
    yield Case(
        "resized-crop-bicubic", am.RandomResizedCrop(4, (0.3, 0.8), (1, 1), "bicubic"), (1, 5, 7)
    )
    yield Case(
        "resized-crop-plain", am.RandomResizedCrop(4, (0.4, 0.9), antialias=False), (3, 6, 6)
    )
    yield Case("crop", am.RandomCrop((3, 4)), (1, 5, 6))
    yield Case("crop-padded", am.RandomCrop(5, padding=(1, 2), fill=0.4), (3, 5, 5))
    yield Case("crop-reflected", am.RandomCrop(4, 2, padding_mode="reflect"), (1, 4, 5))
    yield Case("crop-edge", am.RandomCrop((6, 5), (0, 1, 2, 3), padding_mode="edge"), (1, 4, 5))
    yield Case("crop-symmetric", am.RandomCrop(5, 3, padding_mode="symmetric"), (1, 4, 5))
    yield Case("crop-if-needed", am.RandomCrop(6, pad_if_needed=True), (1, 4, 7))
    yield Case("crop-centre", am.CenterCrop((3, 6)), (3, 5, 4))
    yield Case("pad", am.Pad((1, 0, 2, 1), 0.3), (1, 3, 4))
    yield Case("pad-reflected", am.Pad(2, padding_mode="reflect"), (3, 4, 3))
    yield Case("resize", am.Resize(3), (1, 5, 6))
    yield Case("resize-larger", am.Resize((7, 8), "bicubic"), (3, 5, 4))
    yield Case("rotation-crop", am.Compose([turns, am.CenterCrop(3)]), (1, 5, 5))
    yield Case("resize-rotation", am.Compose([am.Resize((5, 4)), turns]), (1, 7, 7))
    yield Case("crop-translation", am.Compose([whole, am.RandomTranslation(x=(-1, 1))]), (1, 6, 6))
    yield Case(
        "pad-rotation-crop-flip",
        am.Compose([am.Pad(1, 0.2), turns, am.RandomCrop(4), am.RandomHorizontalFlip(0.3)]),
        (1, 4, 5),
    )
    yield Case("crop-clamped", am.Compose([whole, am.ColorJitter(0.4, 0.3)]), (3, 6, 6))
    choice = am.RandomChoice([whole, am.RandomCrop(5), am.CenterCrop(5)], p=(0.5, 0.3, 0.2))
    yield Case("choice-of-crops", choice, (1, 6, 7))


def _values() -> Iterator[Case]:
    """Blur, noise, erasing and fixed changes of the values."""
    turns = am.RandomRotation(20, "bilinear")
    noise, unclipped = am.GaussianNoise(0.1, 0.2), am.GaussianNoise(0.1, (0.1, 0.3), clip=False)
    yield Case("blur", am.GaussianBlur(3), (3, 5, 4))
    yield Case("blur-wide", am.GaussianBlur((3, 5), am.LogUniform(0.3, 2.0)), (1, 4, 6))
    yield Case("blur-fixed", am.GaussianBlur(5, 1.0), (1, 5, 4))
    yield Case("noise", noise, (1, 3, 4))
    yield Case("noise-random-sigma", am.GaussianNoise(0.0, (0.05, 0.4)), (3, 3, 3))
    yield Case("noise-unclipped", am.GaussianNoise(0.0, 0.3, clip=False), (1, 3, 4))
    yield Case("noise-unclipped-random-sigma", unclipped, (3, 2, 4))
    yield Case("rotation-noise", am.Compose([turns, noise]), (1, 4, 5))
    yield Case("rotation-noise-unclipped", am.Compose([turns, unclipped]), (1, 4, 5))
    yield Case("noise-rotation", am.Compose([noise, turns]), (1, 4, 4))
    yield Case("noise-unclipped-rotation", am.Compose([unclipped, turns]), (1, 4, 4))
    yield Case("jitter-noise", am.Compose([am.ColorJitter(0.4), noise]), (1, 4, 4))
    yield Case(
        "apply-noise", am.RandomApply(am.GaussianNoise(0.0, 0.2, clip=False), 0.3), (1, 3, 4)
    )
    yield Case("apply-noise-clipped", am.RandomApply([turns, noise], 0.6), (1, 3, 4))
    yield Case("crop-noise", am.Compose([am.RandomResizedCrop(3), unclipped]), (1, 5, 5))
    for name, value in (("zero", 0.0), ("colour", (0.2, 0.7, 1.0)), ("noise", "random")):
        erasing = am.RandomErasing(0.6, (0.1, 0.4), value=value)
        yield Case(f"erasing-{name}", erasing, (3, 5, 6))
        yield Case(f"erasing-{name}-rotation", am.Compose([erasing, turns]), (3, 4, 4))
        yield Case(f"rotation-erasing-{name}", am.Compose([turns, erasing]), (3, 4, 5))
    yield Case("erasing-always", am.RandomErasing(1.0, (0.2, 0.2), (1, 1)), (1, 6, 5))
    yield Case("invert", am.RandomInvert(0.3), (3, 4, 3))
    yield Case("solarize", am.RandomSolarize(0.6, 0.3), (1, 4, 5))
    yield Case("posterize", am.RandomPosterize(2, 0.7), (3, 4, 3))
    yield Case("autocontrast", am.RandomAutocontrast(0.4), (3, 4, 5))
    yield Case("equalize", am.RandomEqualize(0.6), (1, 5, 4))
    yield Case("sharpness", am.RandomAdjustSharpness(1.7, 0.5), (3, 5, 4))
    yield Case("blurred", am.RandomAdjustSharpness(0.2, 0.5), (1, 5, 4))
    yield Case("pixelwise-rotation", am.Compose([am.RandomSolarize(0.5), turns]), (1, 4, 4))
    yield Case("hue", am.ColorJitter(hue=0.2), (3, 3, 4))
    yield Case("jitter-hue", am.ColorJitter(0.3, 0.2, (0.6, 1.5), am.Uniform(-0.1, 0.3)), (3, 3, 3))
    yield Case("jitter-hue-unclamped", am.ColorJitter(0.3, hue=0.1, clamp=False), (3, 3, 3))
    yield Case("dtype", am.ToDtype(torch.float64, scale=True), (3, 4, 3))


def _choices() -> Iterator[Case]:
    """Random choices and orders, and the policies that are made of them."""
    turns = am.RandomRotation(20, "bilinear")
    shift, clamped = am.RandomTranslation(x=(-1, 1)), am.ColorJitter(0.6)
    yield Case(
        "choice", am.RandomChoice([turns, shift, am.RandomVerticalFlip()], (2, 1, 1)), (1, 4, 5)
    )
    yield Case("choice-clamped", am.RandomChoice([turns, clamped]), (1, 4, 5))
    yield Case(
        "choice-finite", am.RandomChoice([am.RandomInvert(), am.RandomEqualize()]), (1, 4, 4)
    )
    inside = am.Compose([shift, am.RandomChoice([turns, am.RandomApply(shift)])])
    yield Case("choice-inside", inside, (1, 4, 4))
    yield Case("order", am.RandomOrder([turns, shift]), (1, 4, 4))
    yield Case("order-clamped", am.RandomOrder([clamped, am.RandomErasing(), shift]), (1, 4, 4))
    yield Case("rand-augment", am.RandAugment(1, 12), (3, 5, 6))
    yield Case("rand-augment-two", am.RandAugment(fill=0.5), (1, 5, 4))
    yield Case("trivial-augment", am.TrivialAugmentWide(), (3, 5, 4))
    yield Case("trivial-augment-coarse", am.TrivialAugmentWide(5, "bilinear", 0.4), (1, 6, 5))
    for name in ("imagenet", "cifar10", "svhn"):
        yield Case(f"auto-augment-{name}", am.AutoAugment(name), (3, 5, 4))
    yield Case("augmix", am.AugMix(mixture_width=2), (3, 5, 4))
    yield Case("augmix-short", am.AugMix(7, 1, 1, 0.5, False), (1, 5, 4))


CASES = [
    *_geometric(),
    *_colour(),
    *_composed(),
    *_warps(),
    *_resized(),
    *_values(),
    *_choices(),
]
