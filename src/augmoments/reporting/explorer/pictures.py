"""The images that a page of the explorer has to choose from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from augmoments.checks import check_images
from augmoments.data import Dataset, digits, lfw, photo, resize
from augmoments.errors import InputError
from augmoments.reporting.task import spread

MOST_PIXELS = 48
"""The longest side that a browser keeps up with."""
_FEWEST_PIXELS = 3
_DIGITS = (3, 4, 8)
_GRAY = (("camera", 32), ("coins", 32))
_COLOUR = (("cat", 32), ("astronaut", 32), ("coffee", 32), ("flower", 48))


@dataclass(frozen=True, eq=False)
class Picture:
    """An image with the name that the page calls it.

    Attributes:
        name: What the page calls it.
        image: ``(C, H, W)`` in [0, 1] with 1 or 3 channels, sides of 3 to 48 pixels.

    Raises:
        InputError: Images of another shape or range.
    """

    name: str
    image: Tensor

    def __post_init__(self) -> None:
        check_images(self.image)
        channels, height, width = self.image.shape
        if channels not in (1, 3):
            raise InputError(
                f"{self.name} has {channels} channels: the explorer shows 1 (gray) or 3 (RGB)."
            )
        if not _FEWEST_PIXELS <= min(height, width) <= max(height, width) <= MOST_PIXELS:
            raise InputError(
                f"{self.name} has {height} x {width} pixels: the explorer takes sides of "
                f"{_FEWEST_PIXELS} to {MOST_PIXELS}, so that a browser keeps up; resize them, as "
                "by --size 32."
            )


def embedded() -> list[Picture]:
    """Digits of scikit-learn, enlarged on 28 x 28, a face, and photos of 32 or 48 pixels.

    >>> [picture.name for picture in embedded()][:4]
    ['digit 3', 'digit 4', 'digit 8', 'face']
    """
    images, labels = digits()
    chosen = [int((labels == digit).nonzero()[0]) for digit in _DIGITS]
    enlarged = functional.pad(resize(images[torch.tensor(chosen)], 20), (4, 4, 4, 4))
    found = [Picture(f"digit {d}", x) for d, x in zip(_DIGITS, enlarged, strict=True)]
    found.append(Picture("face", lfw()[0][0]))
    return found + [Picture(name, photo(name, size)[0]) for name, size in (*_GRAY, *_COLOUR)]


def pictures_of(dataset: Dataset, limit: int = 8) -> list[Picture]:
    """At most ``limit`` images of a dataset, evenly spread.

    Raises:
        InputError: Images of more than 48 pixels a side, or of other than 1 or 3 channels.

    >>> import augmoments as am
    >>> [picture.name for picture in pictures_of(am.data.load("digits"), 2)]
    ['digits 0: 0', 'digits 898: 8']
    """
    used = spread(len(dataset), limit).tolist()
    return [Picture(_name(dataset, index), dataset.images[index]) for index in used]


def _name(dataset: Dataset, index: int) -> str:
    name = dataset.name if len(dataset) == 1 else f"{dataset.name} {index}"
    if dataset.labels is None or not dataset.classes:
        return name
    return f"{name}: {dataset.classes[int(dataset.labels[index])]}"
