"""``augmoments explain``."""

from __future__ import annotations

import json as json_format
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text
from torch import Tensor

from augmoments.augmentations.explanation import Explanation
from augmoments.calculus.explain import explain
from augmoments.cli.console import results
from augmoments.config import load_policy
from augmoments.data import load
from augmoments.errors import ConfigError
from augmoments.reporting.task import spread

_IMAGES = 4


def run(
    policy: str,
    shape: str | None,
    images: str | None,
    size: int | None,
    json: bool,
    numerics: dict[str, Any],
) -> None:
    """Print the rows of a policy."""
    found = explain(load_policy(policy), _subject(shape, images, size), **numerics)
    console = results()
    if json:
        console.out(json_format.dumps([asdict(row) for row in found.rows], indent=1))
        return
    console.print(_table(found))
    console.print(Text(found.note, style="dim"))


def _table(found: Explanation) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("step", "what is random", "law", "route", "exact", "why"):
        table.add_column(name, no_wrap=name == "exact")
    for name in ("alone", "beyond", "evals"):
        table.add_column(name, no_wrap=True, justify="right")
    for cells in found.cells:
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _subject(shape: str | None, images: str | None, size: int | None) -> Any:
    """A shape, or a few images of a source."""
    if (shape is None) == (images is None):
        raise ConfigError("explain takes either --shape C,H,W or --images SOURCE.")
    if shape is not None:
        return _shape(shape)
    found: Tensor = load(images or "", size=size).images
    return found[spread(len(found), _IMAGES)]


def _shape(text: str) -> tuple[int, int, int]:
    parts = text.replace("x", ",").split(",")
    if len(parts) != 3 or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise ConfigError(f"--shape {text}: expected C,H,W as in 3,32,32.")
    channels, height, width = (int(part) for part in parts)
    return channels, height, width
