"""``augmoments compare``."""

from __future__ import annotations

import json as json_format
import math
from typing import Any

from rich.table import Table
from rich.text import Text

from augmoments.cli.console import bars, results
from augmoments.comparison import Bounded, Comparison, compare, spread
from augmoments.config import load_policy
from augmoments.data import load
from augmoments.reporting.task import spread as places
from augmoments.reporting.words import number


def run(
    a: str,
    b: str,
    images: str,
    size: int | None,
    limit: int,
    json: bool,
    quiet: bool,
    numerics: dict[str, Any],
) -> None:
    """Compare two policies on some of the images, and print how far apart they are."""
    first, second = load_policy(a), load_policy(b)
    with bars(quiet) as tell:
        tell(f"reading {images}", 0, 1)
        dataset = load(images, size=size)
        used = places(len(dataset), limit)
        tell("comparing", 0, 1)
        found = compare(dataset.images[used], first, second, **numerics)
    console = results()
    if json:
        about = {"a": a, "b": b, "images": dataset.name, "used": used.tolist()}
        console.out(json_format.dumps({**about, **_plain(found)}, indent=1))
        return
    title = f"{dataset.name}: {len(used)} of {len(dataset):,} images; a is {a}, b is {b}"
    console.print(_table(found, title))
    console.print(Text("Median and range over the images; largest error bounds.", style="dim"))
    console.print(Text(found.summary()))


def _table(found: Comparison, title: str) -> Table:
    table = Table(
        title=Text(title),
        title_justify="left",
        title_style="bold",
        header_style="dim",
        pad_edge=False,
        box=None,
    )
    table.add_column("")
    for name in ("median", "range", "error"):
        table.add_column(name, justify="right")
    for name, bounded in found.rows:
        middle, low, high, error = spread(bounded)
        ends = "" if low == high else f"{number(low)} – {number(high)}"
        table.add_row(name, number(middle), ends, f"± {error:.1e}")
    return table


def _plain(found: Comparison) -> dict[str, Any]:
    """Lists by image; what is not finite is null."""
    plain = {}
    for name, value in vars(found).items():
        if isinstance(value, Bounded):
            plain[name] = {kind: _finite(part.tolist()) for kind, part in value._asdict().items()}
        else:
            plain[name] = value
    return plain


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return value if math.isfinite(value) else None
