"""Charts as inline SVG that takes its colours from the page, light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

# Colours that stand for the page's own; no other element has them.
INK, FAINT = "#010203", "#040506"
SERIES = ("#010101", "#020202", "#030303")
MARKERS = ("o", "s", "^")
_VARIABLES = {INK: "var(--ink)", FAINT: "var(--rule)"} | {
    color: f"var(--series-{place + 1})" for place, color in enumerate(SERIES)
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
}


@contextmanager
def chart(into: list[str], name: str) -> Iterator[Axes]:
    """Axes to draw on; the SVG is appended to ``into``. Equal charts give equal text."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(4.7, 3.3), layout="constrained")
        axes = figure.subplots()
        yield axes
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    into.append(_themed(buffer.getvalue(), name))


def _themed(svg: str, name: str) -> str:
    """The element alone, with the page's colours and font, and ids that no other chart has."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'(xlink:href="|url\()#', rf"\1#{name}-", svg)
    svg = re.sub(r"'DejaVu Sans'[^;\"]*", "var(--font)", svg)
    for color, variable in _VARIABLES.items():
        svg = svg.replace(color, variable)
    return svg


def plain_ticks(axes: Axes) -> None:
    """Plain numbers at the ticks of both axes."""
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(plain_number))
        axis.set_minor_formatter(NullFormatter())


def short(text: str) -> str:
    """A class's name that fits beside an axis, with nothing that Matplotlib would typeset."""
    return (text if len(text) <= 14 else text[:13] + "…").replace("$", r"\$")


def plain_number(value: float, _: object = None) -> str:
    """``0.01``, ``10``, ``1,000``, ``10k``, ``2M``."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= size:
            unit = 1e3 if letter == "k" else size
            return f"{value / unit:g}{letter}"
    return f"{value:,g}"
