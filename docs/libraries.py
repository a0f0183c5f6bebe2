"""Measure how far apart the same pipelines of three libraries are, on embedded photos.

python docs/libraries.py                print the tables as Markdown (minutes)
python docs/libraries.py --only blur    the settings (or tables) whose name contains "blur"
python docs/libraries.py --write        put the tables that are complete into libraries.md

The code in the tables is what is run: it is evaluated as it stands.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import os
import re
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import torch
from torch import nn

import augmoments as am

PAGE = Path(__file__).with_name("libraries.md")
PHOTOS = ("astronaut", "cat", "coffee")
LIBRARIES = ("torchvision", "kornia", "albumentations")
LEADING = 2
Number = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Setting:
    """One configuration in the libraries that have it.

    Photos are ``side`` pixels wide; ``max_nodes`` are taken at most.
    """

    name: str
    torchvision: str | None = None
    kornia: str | None = None
    albumentations: str | None = None
    side: int = 24
    max_nodes: int = 4096

    @property
    def code(self) -> dict[str, str]:
        """The code by library."""
        return {name: code for name in LIBRARIES if (code := getattr(self, name))}


SETTINGS = {
    "As they are written": (
        Setting(
            "horizontal flip",
            "T.RandomHorizontalFlip()",
            "K.RandomHorizontalFlip()",
            "A.HorizontalFlip()",
        ),
        Setting(
            "rotation",
            "T.RandomRotation(15)",
            "K.RandomRotation(15.0)",
            "A.Rotate(limit=15)",
        ),
        Setting(
            "affine",
            "T.RandomAffine(15, translate=(0.1, 0.1), scale=(0.9, 1.1), shear=10)",
            "K.RandomAffine(15.0, translate=(0.1, 0.1), scale=(0.9, 1.1), shear=10.0)",
            "A.Affine(rotate=(-15, 15), translate_percent=(-0.1, 0.1), scale=(0.9, 1.1), "
            "shear=(-10, 10))",
        ),
        Setting(
            "resized crop",
            "T.RandomResizedCrop(24, scale=(0.08, 1))",
            "K.RandomResizedCrop((24, 24), scale=(0.08, 1.0))",
            "A.RandomResizedCrop((24, 24), scale=(0.08, 1))",
            max_nodes=2**15,
        ),
        Setting(
            "resized crop, 48 to 24",
            "T.RandomResizedCrop(24, scale=(0.2, 1))",
            "K.RandomResizedCrop((24, 24), scale=(0.2, 1.0))",
            "A.RandomResizedCrop((24, 24), scale=(0.2, 1))",
            side=48,
            max_nodes=2**15,
        ),
        Setting(
            "colour jitter",
            "T.ColorJitter(0.4, 0.4, 0.4, 0.1)",
            "K.ColorJitter(0.4, 0.4, 0.4, 0.1)",
            "A.ColorJitter(0.4, 0.4, 0.4, 0.1)",
        ),
        Setting(
            "blur",
            "T.GaussianBlur(5, sigma=(0.1, 2))",
            "K.RandomGaussianBlur((5, 5), sigma=(0.1, 2.0))",
            "A.GaussianBlur(blur_limit=5, sigma_limit=(0.1, 2))",
        ),
        Setting(
            "erasing",
            "T.RandomErasing()",
            "K.RandomErasing()",
            "A.Erasing()",
        ),
        Setting(
            "noise",
            "T.GaussianNoise(sigma=0.1)",
            "K.RandomGaussianNoise(std=0.1)",
            "A.GaussNoise(std_range=(0.1, 0.1))",
        ),
        Setting(
            "two views",
            "T.Compose([T.RandomResizedCrop(24, scale=(0.2, 1)), T.RandomHorizontalFlip(), "
            "T.RandomApply([T.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8), T.RandomGrayscale(0.2)])",
            "nn.Sequential(K.RandomResizedCrop((24, 24), scale=(0.2, 1.0)), "
            "K.RandomHorizontalFlip(), K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8), "
            "K.RandomGrayscale(p=0.2))",
            "A.Compose([A.RandomResizedCrop((24, 24), scale=(0.2, 1)), A.HorizontalFlip(), "
            "A.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8), A.ToGray(p=0.2)])",
        ),
    ),
    "With the same probability": (
        Setting(
            "rotation",
            "T.RandomRotation(15)",
            "K.RandomRotation(15.0, p=1.0)",
            "A.Rotate(limit=15, p=1)",
        ),
        Setting(
            "rotation, bilinear",
            'T.RandomRotation(15, interpolation="bilinear")',
            "K.RandomRotation(15.0, p=1.0)",
            "A.Rotate(limit=15, p=1)",
        ),
        Setting(
            "affine",
            "T.RandomAffine(15, translate=(0.1, 0.1), scale=(0.9, 1.1), shear=10)",
            "K.RandomAffine(15.0, translate=(0.1, 0.1), scale=(0.9, 1.1), shear=10.0, p=1.0)",
            "A.Affine(rotate=(-15, 15), translate_percent=(-0.1, 0.1), scale=(0.9, 1.1), "
            "shear=(-10, 10), p=1)",
        ),
        Setting(
            "shift",
            "T.RandomAffine(0, translate=(0.1, 0.1))",
            "K.RandomAffine(0.0, translate=(0.1, 0.1), p=1.0)",
            "A.Affine(translate_percent=(-0.1, 0.1), p=1)",
        ),
        Setting(
            "colour jitter",
            "T.ColorJitter(0.4, 0.4, 0.4, 0.1)",
            "K.ColorJitter(0.4, 0.4, 0.4, 0.1)",
            "A.ColorJitter(0.4, 0.4, 0.4, 0.1, p=1)",
        ),
        Setting(
            "blur",
            "T.GaussianBlur(5, sigma=(0.1, 2))",
            "K.RandomGaussianBlur((5, 5), sigma=(0.1, 2.0), p=1.0)",
            "A.GaussianBlur(blur_limit=5, sigma_limit=(0.1, 2), p=1)",
        ),
        Setting(
            "noise",
            "T.GaussianNoise(sigma=0.1)",
            "K.RandomGaussianNoise(std=0.1, p=1.0)",
            "A.GaussNoise(std_range=(0.1, 0.1), p=1)",
        ),
    ),
    "As near as they come": (
        Setting(
            "rotation",
            'T.RandomRotation(15, interpolation="bilinear", fill=None)',
            "K.RandomRotation(15.0, p=1.0)",
            "A.Rotate(limit=15, p=1)",
        ),
        Setting(
            "affine, neither shift nor shear",
            'T.RandomAffine(15, scale=(0.9, 1.1), interpolation="bilinear", fill=None)',
            "K.RandomAffine(15.0, scale=(0.9, 1.1), p=1.0)",
            "A.Affine(rotate=(-15, 15), scale=(0.9, 1.1), keep_ratio=True, p=1)",
        ),
        Setting(
            "affine, no shift",
            'T.RandomAffine(15, scale=(0.9, 1.1), shear=10, interpolation="bilinear", fill=None)',
            "K.RandomAffine(15.0, scale=(0.9, 1.1), shear=10.0, p=1.0)",
            "A.Affine(rotate=(-15, 15), scale=(0.9, 1.1), keep_ratio=True, "
            'shear={"x": (-10, 10), "y": (0, 0)}, p=1)',
        ),
        Setting(
            "whole shifts",
            "T.RandomCrop(24, padding=3)",
            "K.RandomCrop((24, 24), padding=3)",
            "A.Compose([A.Pad(3), A.RandomCrop(24, 24)])",
        ),
        Setting(
            "resized crop, 48 to 24",
            "T.RandomResizedCrop(24, scale=(0.2, 1), antialias=False)",
            "K.RandomResizedCrop((24, 24), scale=(0.2, 1.0), align_corners=False)",
            "A.RandomResizedCrop((24, 24), scale=(0.2, 1))",
            side=48,
            max_nodes=2**15,
        ),
        Setting(
            "saturation alone",
            "T.ColorJitter(saturation=0.4)",
            "K.ColorJitter(saturation=0.4)",
            "A.ColorJitter((1, 1), (1, 1), 0.4, (0, 0), p=1)",
        ),
        Setting(
            "blur",
            "T.GaussianBlur(5, sigma=(0.1, 2))",
            "K.RandomGaussianBlur((5, 5), sigma=(0.1, 2.0), p=1.0)",
            "A.GaussianBlur(blur_limit=(5, 5), sigma_limit=(0.1, 2), p=1)",
        ),
        Setting(
            "erasing, squares",
            "T.RandomErasing(ratio=(1, 1))",
            "K.RandomErasing(ratio=(1.0, 1.0))",
            "A.Erasing(ratio=(1, 1))",
        ),
        Setting(
            "noise, clipped",
            "T.GaussianNoise(sigma=0.1)",
            None,
            "A.GaussNoise(std_range=(0.1, 0.1), p=1)",
        ),
        Setting(
            "noise, not clipped",
            "T.GaussianNoise(sigma=0.1, clip=False)",
            "K.RandomGaussianNoise(std=0.1, p=1.0)",
        ),
    ),
}
"""Settings by the table that they stand in."""

HEAD = (
    "| a | b | mean | covariance | variance of a / b | angle, degrees | Wasserstein |\n"
    "| --- | --- | --- | --- | --- | --- | --- |"
)


def photos(side: int) -> torch.Tensor:
    """The photos, float64, ``(N, 3, side, side)``."""
    return torch.cat([am.data.photo(name, size=side) for name in PHOTOS]).double()


@lru_cache(maxsize=1)
def libraries() -> dict[str, Any]:
    """What the code refers to."""
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    importlib.import_module("conftest")  # lets torchvision be imported beside a CPU build of torch
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import albumentations
        import kornia.augmentation
        import torchvision.transforms.v2 as transforms

    return {"nn": nn, "T": transforms, "K": kornia.augmentation, "A": albumentations}


def pipeline(code: str) -> Any:
    """What the code builds."""
    return eval(code, dict(libraries()))


def bounded(value: float, error: float) -> str:
    """A number and its error bound."""
    return f"{0 if value < 1e-12 else value:.3g} ± {error:.0e}".replace("e-0", "e-")


def median(number: Number) -> str:
    """Median over the photos, and the largest error bound."""
    value, error = number
    return bounded(float(value.median()), float(error.max()))


def ratio(a: Number, b: Number) -> Number:
    """``a / b`` with the bound that follows."""
    quotient = a[0] / b[0]
    return quotient, (a[1] + quotient * b[1]) / (b[0] - b[1])


def angle(number: Number) -> str:
    """The largest principal angle, unless eigenvalues coincide within their errors."""
    value, error = (part[:, -1] for part in number)
    return "not determined" if float(error.max()) >= 45 else median((value, error))


def row(images: torch.Tensor, a: str, b: str, setting: Setting) -> str:
    """One line of a table."""
    first, second = (pipeline(setting.code[name]) for name in (a, b))
    found = am.compare(images, first, second, k=LEADING, max_nodes=setting.max_nodes)
    return " | ".join(
        [
            f"| {a}",
            b,
            median(found.mean),
            median(found.covariance),
            median(ratio(found.trace_a, found.trace_b)),
            angle(found.angles),
            f"{median(found.relative_wasserstein)} |",
        ]
    )


def table(setting: Setting) -> str:
    """Code and numbers of one setting."""
    torch.manual_seed(0)
    images, code = photos(setting.side), setting.code
    pairs = [(a, b) for b, a in itertools.combinations(code, 2)]
    rows = [row(images, a, b, setting) for a, b in pairs]
    lines = [*map(_wrapped, code.values())]
    return "\n".join([f"**{setting.name}**", "", "```", *lines, "```", "", HEAD, *rows])


def _wrapped(code: str, width: int = 88) -> str:
    """Long pipelines with one step a line."""
    if len(code) <= width:
        return code
    return re.sub(r"(?<=\)), (?=[TKA]\.)", ",\n    ", code)


def tables(settings: Iterable[Setting]) -> str:
    found = []
    for setting in settings:
        found.append(table(setting))
        print(found[-1], end="\n\n", flush=True)
    return "\n\n".join(found)


def written(page: str, title: str, text: str) -> str:
    """The page with new tables under ``title``."""
    start, end = f"<!-- tables: {title} -->\n", f"<!-- end: {title} -->"
    before, rest = page.split(start)
    return f"{before}{start}\n{text}\n\n{rest[rest.index(end) :]}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="part of the names of tables or settings")
    parser.add_argument("--write", action="store_true", help="put whole tables into libraries.md")
    options = parser.parse_args()
    for title, settings in SETTINGS.items():
        chosen = [s for s in settings if options.only in title or options.only in s.name]
        if not chosen:
            continue
        print(f"## {title}", end="\n\n")
        text = tables(chosen)
        if options.write and len(chosen) == len(settings):
            PAGE.write_text(written(PAGE.read_text(), title, text))


if __name__ == "__main__":
    main()
