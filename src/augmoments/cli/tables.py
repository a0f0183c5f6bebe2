"""The results as tables for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import mean, median

from rich.table import Table
from rich.text import Text

from augmoments.reporting.results import Obtained, Results, SubjectResult
from augmoments.reporting.words import beside, count, number, percent, size


def tables(results: Results) -> Iterator[Table | Text]:
    """A table a subject, and the verdict."""
    yield from (_subject(subject) for subject in results.subjects)
    note = "Median and range over the images; largest error bounds, relative or (±) absolute."
    yield Text(note, style="dim")
    yield from (Text(sentence) for sentence in results.verdict)


def _subject(subject: SubjectResult) -> Table:
    used, available = len(subject.used), subject.available
    images = f"{used} of {available:,}" if used < available else f"{used:,}"
    if subject.every is not None and len(subject.every.used) < available:
        images = f"{used} of {len(subject.every.used):,} of {available:,}"
    noun = "image" if available == 1 else "images"
    changed = subject.output_shape != subject.shape
    change = f", augmented to {size(subject.output_shape)}" if changed else ""
    grid = Table(
        title=Text(f"{subject.name}: {images} {noun} of {size(subject.shape)}{change}"),
        title_justify="left",
        title_style="bold",
        header_style="dim",
        pad_edge=False,
        box=None,
    )
    grid.add_column("")
    grid.add_column("median", justify="right")
    grid.add_column("range", justify="right")
    grid.add_column("method")
    grid.add_column("error", justify="right")
    how = {obtained.quantity: obtained for obtained in subject.obtained}
    for name, values, source in _rows(subject):
        found = how.get(source)
        grid.add_row(name, *_spread(values), found.method if found else "", _error(found))
    return grid


def _rows(subject: SubjectResult) -> Iterator[tuple[str, list[str], str]]:
    """Name, the median with both ends, and the quantity that says how it was obtained."""
    found, every = subject.moments, subject.every
    if every is not None:
        name = f"all {len(every.used):,}, draws: mean to {percent(every.rel_error)}"
        yield name, _three(every.draws, count), "draws for the mean of all images"
    yield "mean image, norm", _three(found.norm_of_mean, number), "mean"
    yield "std of a pixel", _three(found.pixel_std, number), "covariance"
    yield "variance / energy", _three(found.variance_share, percent), "covariance"
    for needed in subject.samples:
        sure = f", {needed.confidence:.0%}" if needed.confidence else ""
        name = f"draws: {needed.of} to {percent(needed.rel_error)}{sure}"
        yield name, _three(needed.n, count), f"draws for the {needed.of}"
    if subject.loss is not None:
        loss, scale = subject.loss, mean(subject.loss.value)
        yield "expected loss", _three(loss.value, number), "expected loss"
        for name, terms in (
            ("at the mean image", loss.at_mean),
            ("explicit regularizer", loss.regularizer),
            ("residual", loss.residual),
        ):
            yield f"  {name}", _three(terms, lambda value: beside(value, scale)), ""
        yield "variance of the loss", _three(loss.variance, number), "variance of the loss"
    if subject.alignment is not None:
        yield "saliency / largest", _three(subject.alignment.ratio, percent), ""


def _three(values: list[float], spell: Callable[[float], str]) -> list[str]:
    return [spell(value) for value in (median(values), min(values), max(values))]


def _spread(values: list[str]) -> tuple[str, str]:
    middle, low, high = values
    return middle, "" if low == high else f"{low} – {high}"


def _error(obtained: Obtained | None) -> str:
    if obtained is None or obtained.error is None:
        return ""
    sign = "± " if obtained.error_is == "absolute" else ""
    return f"{sign}{obtained.error:.1e}"
