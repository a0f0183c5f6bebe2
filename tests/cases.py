"""Every augmentation, under every law, on awkward images: what the kit is run over."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

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


CASES = [*_geometric(), *_colour(), *_composed()]
