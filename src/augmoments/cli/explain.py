"""``augmoments explain``."""

from __future__ import annotations

import json as json_format
from dataclasses import asdict

from rich.table import Table
from rich.text import Text

from augmoments.cli.console import results
from augmoments.config import load_policy
from augmoments.errors import ConfigError


def run(policy: str, shape: str, json: bool) -> None:
    """Print the rows of a policy."""
    rows = load_policy(policy).explain(_shape(shape)).rows
    console = results()
    if json:
        console.out(json_format.dumps([asdict(row) for row in rows], indent=1))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("step", "what is random", "law", "route", "exact", "why"):
        table.add_column(name, no_wrap=name != "why")
    for row in rows:
        exact = "yes" if row.exact else "no"
        cells = (row.step, row.parameter, row.law, row.route, exact, row.why)
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)


def _shape(text: str) -> tuple[int, int, int]:
    parts = text.replace("x", ",").split(",")
    if len(parts) != 3 or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise ConfigError(f"--shape {text}: expected C,H,W as in 3,32,32.")
    channels, height, width = (int(part) for part in parts)
    return channels, height, width
