"""Reading the images that a command is about, with progress."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from augmoments.cli.console import Stages
from augmoments.data import Dataset, load


def read(options: Any, tell: Stages) -> Dataset:
    """The images of ``--images``, as ``--size``, ``--split``, ``--key`` and ``--label-key`` say."""
    stage = f"reading {options.images}"
    tell(stage, 0, 1)
    dataset = load(
        options.images,
        size=options.size,
        split=options.split,
        key=options.key,
        label_key=options.label_key,
        progress=lambda done, total: tell(stage, done, total),
    )
    tell(stage, 1, 1)
    return replace(dataset, name=dataset.name or options.images)
