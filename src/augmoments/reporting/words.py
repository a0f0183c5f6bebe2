"""Numbers as few characters."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import mean, median


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
