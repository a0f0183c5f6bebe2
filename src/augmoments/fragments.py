"""Pieces of HTML that show answers in a notebook, light or dark.

Everything is escaped; colours are those of the notebook's own text, more or less transparent.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

_LINE = "1px solid rgba(128, 128, 128, .35)"
_CELL = f"text-align: left; padding: .2em .9em .2em 0; border-bottom: {_LINE}"
_SHOWN = 4
_SIDE = 96


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], note: str = "") -> str:
    """A table with a caption above and a note below.

    >>> "&lt;b&gt;" in table("", ["step"], [["<b>"]])
    True
    """
    top = "".join(f'<th scope="col" style="{_CELL}">{escape(text)}</th>' for text in head)
    body = "".join(
        "<tr>" + "".join(f'<td style="{_CELL}">{escape(text)}</td>' for text in row) + "</tr>"
        for row in rows
    )
    return _box(
        f'<table style="border-collapse: collapse; background: none">{_caption(caption)}'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>{_note(note)}"
    )


def pairs(caption: str, values: Iterable[tuple[str, str]], note: str = "") -> str:
    """A table of names and values."""
    body = "".join(
        f'<tr><th scope="row" style="{_CELL}; font-weight: normal; opacity: .75">{escape(name)}'
        f'</th><td style="{_CELL}">{escape(value)}</td></tr>'
        for name, value in values
    )
    return _box(
        f'<table style="border-collapse: collapse; background: none">{_caption(caption)}'
        f"<tbody>{body}</tbody></table>{_note(note)}"
    )


def pictures(caption: str, rows: Sequence[tuple[str, Tensor]], note: str = "") -> str:
    """Rows of the first few of a batch ``(N, C, H, W)`` each, gray or in colour.

    Values are shown from 0 to 1, or on the range that they have where that is wider, and told.
    """
    cells = "".join(_row(title, batch[:_SHOWN].detach()) for title, batch in rows)
    table = f'<table style="background: none">{_caption(caption)}<tbody>{cells}</tbody></table>'
    return _box(table + _note(note))


def _row(title: str, batch: Tensor) -> str:
    low, high = min(float(batch.min()), 0.0), max(float(batch.max()), 1.0)
    if low < -1e-3 or high > 1 + 1e-3:
        title, batch = f"{title}, {low:.2g} to {high:.2g}", (batch - low) / (high - low)
    cells = "".join(_picture(image, f"{title} {i}") for i, image in enumerate(batch))
    style = f"{_CELL}; border: 0; font-weight: normal"
    return f'<tr><th scope="row" style="{style}">{escape(title)}</th>{cells}</tr>'


def _picture(image: Tensor, alt: str) -> str:
    values = image.detach().cpu().double().clamp(0, 1).numpy()
    channels = values[:3] if len(values) >= 3 else values[:1]
    pixels = np.round(255 * np.moveaxis(channels, 0, -1)).astype(np.uint8)
    return (
        f'<td style="padding: .2em .4em .2em 0; background: none"><img src="{png(pixels)}" '
        f'alt="{escape(alt)}" style="width: {_SIDE}px; image-rendering: pixelated"></td>'
    )


def png(pixels: NDArray[np.uint8]) -> str:
    """Pixels ``(H, W)`` or ``(H, W, 1 to 4)`` as a PNG in a data URI.

    >>> png(np.zeros((1, 1, 3), np.uint8))[:22]
    'data:image/png;base64,'
    """
    from PIL import Image

    if pixels.ndim == 3:
        gray = pixels.shape[2] >= 3 and bool((pixels[..., :3] == pixels[..., :1]).all())
        if gray:
            pixels = pixels[..., [0, *range(3, pixels.shape[2])]]
        if pixels.shape[2] == 1:
            pixels = pixels[..., 0]
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def spread(values: Tensor, digits: int = 3) -> str:
    """The median and the range of finitely many numbers, as text.

    >>> import torch
    >>> spread(torch.tensor([1.0, 2.0, 40.0]))
    '2 (1 to 40)'
    """
    flat = values.detach().double().flatten()
    if not flat.numel():
        return "none"
    middle, low, high = (_number(float(v), digits) for v in (flat.median(), flat.min(), flat.max()))
    return middle if low == high else f"{middle} ({low} to {high})"


def worst(error: Tensor) -> str:
    """The largest of several error bounds."""
    return f"{float(error.max()):.1e}" if error.numel() else "none"


def shape_of(values: Any) -> str:
    """``8 × 1 × 28 × 28``."""
    return " × ".join(map(str, values.shape)) or "a scalar"


def _number(value: float, digits: int) -> str:
    if value == float("inf"):
        return "∞"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def _box(inner: str) -> str:
    return f'<div style="overflow-x: auto; color: inherit">{inner}</div>'


def _caption(text: str) -> str:
    style = "text-align: left; caption-side: top; color: inherit; font-weight: 600; padding: .3em 0"
    return f'<caption style="{style}">{escape(text)}</caption>' if text else ""


def _note(text: str) -> str:
    return (
        f'<p style="font-size: .85em; opacity: .75; margin: .3em 0">{escape(text)}</p>'
        if text
        else ""
    )
