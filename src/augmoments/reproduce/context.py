"""What experiments work with: images, effort, seed and progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from augmoments.data import digits, lfw, mnist, npz, photo
from augmoments.data.dataset import Dataset
from augmoments.reproduce.sources import CIFAR, Embedded, Source, present


def _silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Context:
    """The means of an experiment.

    Attributes:
        data: Folder with ``mnist/``, ``fashion-mnist/`` and ``cifar10/``, or ``None`` for the
            embedded data alone.
        quick: Whether to spend seconds on small embedded images instead of minutes on the datasets.
        seed: Of all randomness.
        tell: Called as ``tell(what, done, total)`` while the experiment goes on.
    """

    data: Path | None = None
    quick: bool = False
    seed: int = 0
    tell: Callable[[str, int, int], None] = field(default=_silent, repr=False)

    def generator(self, stream: int = 0) -> torch.Generator:
        """A generator of its own for every ``stream``."""
        return torch.Generator().manual_seed(1_000_003 * self.seed + stream)

    def sources(self) -> tuple[Source | Embedded, ...]:
        """Names of the labelled datasets that :meth:`labelled` has here."""
        embedded: tuple[Embedded, ...] = ("digits", "lfw")
        return embedded if self.data is None or self.quick else present(self.data) or embedded

    def labelled(
        self, source: str, count: int | None = None, split: Literal["train", "test"] = "train"
    ) -> Dataset:
        """The first images of a labelled dataset; embedded ones are split four to one.

        Args:
            source: One of :meth:`sources`.
            count: Most images; all by default.
            split: ``"train"`` or ``"test"``.
        """
        if source in ("digits", "lfw"):
            images, labels = digits() if source == "digits" else lfw()
            place = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
            cut = 4 * len(images) // 5
            place = place[:cut] if split == "train" else place[cut:]
            found = Dataset(images[place], labels[place], name=source)
        elif self.data is None:
            raise ValueError(f"{source} needs a folder of data.")
        elif source == "cifar10":
            found = npz(str(self.data / CIFAR), f"x_{split}", f"y_{split}")
        else:
            found = Dataset(*mnist(self.data / source, split), name=source)
        return Dataset(found.images[:count], _first(found.labels, count), found.classes, source)

    def photos(self, size: int) -> dict[str, Tensor]:
        """A few photos in colour, ``(1, 3, size, size)`` each."""
        return {name: photo(name, size=size) for name in ("astronaut", "cat", "coffee")}


def _first(labels: Tensor | None, count: int | None) -> Tensor | None:
    return None if labels is None else labels[:count]
