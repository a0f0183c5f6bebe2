"""Figures of one style: axes without global state, images, heat maps, plain numbers at ticks.

Colours are those of Okabe and Ito (2008), told apart by readers who are colour-blind; images take
scales that are perceptually uniform.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler
from matplotlib.ticker import FuncFormatter, NullFormatter
from numpy.typing import NDArray
from torch import Tensor

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Blue, vermilion, green, purple, orange, sky, black."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, FAINT = "#222222", "#d9d9d9"
SEQUENTIAL, DIVERGING = "cividis", "RdBu_r"

_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 9,
    "figure.facecolor": "white",
    "figure.titlesize": 11,
    "figure.titleweight": "bold",
    "axes.facecolor": "white",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=list(COLORS)),
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.7,
    "lines.markersize": 4.5,
    "svg.fonttype": "path",
}


@contextmanager
def style() -> Iterator[None]:
    """Everything drawn inside has the style; experiments are run inside of it."""
    with mpl.rc_context(_STYLE):
        yield


def figure(
    rows: int = 1,
    columns: int = 1,
    *,
    size: tuple[float, float] | None = None,
    title: str | None = None,
    **options: Any,
) -> tuple[Figure, NDArray[Any]]:
    """A figure and its axes, ``(rows, columns)``, laid out so that nothing overlaps.

    Args:
        rows: Rows of axes.
        columns: Columns of axes.
        size: Width and height in inches; 3.6 x 2.9 for each of the axes by default.
        title: Over all of them.
        options: Of Matplotlib's ``Figure.subplots`` (``sharex``, ``width_ratios``, ...).
    """
    with style():
        made = Figure(figsize=size or (3.6 * columns, 2.9 * rows), layout="constrained")
        axes = made.subplots(rows, columns, squeeze=False, **options)
        if title is not None:
            made.suptitle(title, x=0.01, ha="left")
    return made, axes


def show_image(
    axis: Axes,
    image: Tensor,
    title: str = "",
    *,
    kind: Literal["image", "spread", "signed"] = "image",
    end: float | None = None,
) -> None:
    """Show an image without axes.

    Args:
        axis: Where.
        image: ``(C, H, W)`` or ``(1, C, H, W)``.
        title: Over it.
        kind: ``"image"``, values in [0, 1] as they are; ``"spread"``, root mean square over the
            channels from 0 to ``end``; ``"signed"``, from -``end`` to ``end``, colours about grey.
        end: Of the scale; the largest absolute value by default.
    """
    values = image.detach().cpu().double().reshape(image.shape[-3:]).numpy()
    end = end or float(np.abs(values).max()) or 1.0
    colored = len(values) >= 3
    if kind == "spread":
        shown = np.sqrt(np.square(values).mean(0))
        axis.imshow(shown, cmap=SEQUENTIAL, vmin=0, vmax=end)
    elif colored:
        pixels = values[:3] if kind == "image" else 0.5 + 0.5 * values[:3] / end
        axis.imshow(np.moveaxis(pixels, 0, -1).clip(0, 1))
    elif kind == "signed":
        axis.imshow(values[0], cmap=DIVERGING, vmin=-end, vmax=end)
    else:
        axis.imshow(values[0], cmap="gray", vmin=0, vmax=1)
    hide_axis(axis)
    if title:
        axis.set_title(title, fontsize=8, loc="center")


def heat_map(
    axis: Axes,
    values: Sequence[Sequence[float | None]],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    form: str = "{:.2g}",
    low: float | None = None,
    high: float | None = None,
    colors: str = SEQUENTIAL,
) -> None:
    """A table of numbers on a colour scale; ``None`` stays empty."""
    table = np.array([[np.nan if v is None else v for v in line] for line in values], dtype=float)
    low = float(np.nanmin(table)) if low is None else low
    high = float(np.nanmax(table)) if high is None else high
    axis.imshow(table, cmap=colors, vmin=low, vmax=high, aspect="auto")
    palette = mpl.colormaps[colors]
    for (row, column), value in np.ndenumerate(table):
        if np.isnan(value):
            continue
        red, green, blue, _ = palette((value - low) / ((high - low) or 1.0))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
        color = "white" if dark else INK
        text = form.format(value)
        axis.text(column, row, text, ha="center", va="center", fontsize=8, color=color)
    axis.set_xticks(range(len(columns)), columns, rotation=35, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(rows)), rows)
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)


def hide_axis(axis: Axes) -> None:
    """No ticks, no frame, no grid; a label stays."""
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)


def plain_ticks(axis: Axes, which: Literal["x", "y", "both"] = "both") -> None:
    """Numbers such as 0.01, 100 and 10k at the ticks, for logarithmic scales."""
    for name, one in (("x", axis.xaxis), ("y", axis.yaxis)):
        if which in (name, "both"):
            one.set_major_formatter(FuncFormatter(plain_number))
            one.set_minor_formatter(NullFormatter())


def plain_number(value: float, _: object = None) -> str:
    """A number as short as it can be read.

    >>> [plain_number(value) for value in (0.01, 1000, 20000, 3e6)]
    ['0.01', '1,000', '20k', '3M']
    """
    for size, letter, unit in ((1e9, "G", 1e9), (1e6, "M", 1e6), (1e4, "k", 1e3)):
        if abs(value) >= size:
            return f"{value / unit:g}{letter}"
    return f"{value:,g}"
