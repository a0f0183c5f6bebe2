"""The report as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import mean, median
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from augmoments.reporting import figures, tiles
from augmoments.reporting.results import Results, SubjectResult


def render(results: Results) -> str:
    """The page's text; whatever comes from outside is escaped by the template."""
    environment = Environment(
        loader=PackageLoader("augmoments.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.filters["count"] = count
    environment.filters["percent"] = percent
    environment.filters["share"] = share
    environment.filters["middle"] = middle
    environment.filters["average"] = average
    environment.filters["beside"] = beside
    environment.filters["directions"] = directions
    environment.filters["size"] = size
    return environment.get_template("report.html.jinja").render(
        results=results,
        sections=[_section(subject, place) for place, subject in enumerate(results.subjects)],
        policy=yaml.safe_dump({"policy": results.policy}, sort_keys=False, width=88),
        config=yaml.safe_dump(results.config, sort_keys=False, width=88),
    )


def _section(subject: SubjectResult, place: int) -> dict[str, Any]:
    """A subject with its pictures and charts."""
    name = f"s{place}"
    loss, alignment = subject.loss, subject.alignment
    charts = {
        "spectrum": figures.spectrum(subject, f"{name}-spectrum"),
        "errors": figures.errors(subject.curves, subject.samples, f"{name}-errors"),
        "needed": figures.needed(subject.samples, f"{name}-needed"),
        "loss": figures.second_order(loss, f"{name}-loss") if loss else "",
        "classes": figures.by_class(subject, loss, f"{name}-classes") if loss else "",
        "alignment": figures.alignment(alignment, f"{name}-alignment") if alignment else "",
        "variances": figures.variances(alignment, f"{name}-variances") if alignment else "",
    }
    return {
        "id": name,
        "subject": subject,
        "rows": tiles.rows(subject),
        "legends": tiles.legends(subject),
        "charts": {key: Markup(svg) for key, svg in charts.items()},
    }


def number(value: float, digits: int = 3) -> str:
    """Few digits: ``0.0123``, ``1.2e-06``, ``12,300``."""
    if value != value:
        return "–"
    if value < 0:
        return f"−{number(-value, digits)}"
    if value and (abs(value) < 1e-4 or abs(value) >= 1e9):
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{digits}g}" if abs(value) < 1000 else f"{value:,.0f}"


def beside(value: float, scale: float) -> str:
    """A number, or 0 where it is nothing beside the other."""
    return "0" if abs(value) < 1e-6 * abs(scale) else number(value)


def count(value: float) -> str:
    """A whole number; infinite where no number of draws is enough."""
    return "∞" if value == float("inf") else f"{value:,.0f}"


def percent(value: float) -> str:
    """``12%``, ``0.34%``, ``< 0.01%``."""
    if 0 < value < 1e-4:
        return "< 0.01%"
    return f"{100 * value:.0f}%" if abs(value) >= 0.1 else f"{100 * value:.2g}%"


def directions(value: int | None) -> str:
    """How many directions, as far as that is known."""
    return "more than are shown" if value is None else f"{value:,}"


def size(shape: tuple[int, int, int]) -> str:
    """``3 × 24 × 32``."""
    return " × ".join(map(str, shape))


def share(value: float | None) -> str:
    """A share in percent, maybe negative; a dash where there is none."""
    if value is None:
        return "–"
    return f"−{percent(-value)}" if value < 0 else percent(value)


def middle(values: Iterable[float]) -> float:
    """The median."""
    return median(values)


def average(values: Iterable[float]) -> float:
    """The mean."""
    return mean(values)
