"""``augmoments doctor``: its options."""

from __future__ import annotations

from augmoments.cli import options
from augmoments.cli.failures import reported


def doctor(json: options.Json = False) -> None:
    """Versions, cores, memory, optional packages, and a check against a known answer."""
    with reported():
        from augmoments.cli.doctor import run

        run(json)
