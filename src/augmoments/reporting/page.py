"""The report as one HTML page that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from augmoments.reporting import figures, words
from augmoments.reporting.gallery import FRAMES, SHEET_COLUMNS, Gallery
from augmoments.reporting.pagetable import PageTable
from augmoments.reporting.results import Results, SubjectResult
from augmoments.reporting.worst import demanding, lossy

_FILTERS = ("number", "count", "percent", "share", "middle", "average", "beside", "directions")


def render(results: Results) -> str:
    """The page's text; whatever comes from outside is escaped by the template."""
    environment = Environment(
        loader=PackageLoader("augmoments.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({name: getattr(words, name) for name in _FILTERS})
    environment.filters["size"] = words.size
    script = _text("report.js")
    return environment.get_template("report.html.jinja").render(
        results=results,
        sections=[_section(subject, place) for place, subject in enumerate(results.subjects)],
        policy=yaml.safe_dump({"policy": results.policy}, sort_keys=False, width=88),
        config=yaml.safe_dump(results.config, sort_keys=False, width=88),
        css=Markup(_text("tokens.css") + _text("report.css")),
        script=Markup(script),
        script_hash=_hash(script),
        frames=FRAMES,
        sheet_columns=SHEET_COLUMNS,
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
        "gallery": Gallery(subject),
        "steps": _steps(subject),
        "charts": {key: Markup(svg) for key, svg in charts.items()},
        "table": PageTable.of(subject),
        "demanding": demanding(subject),
        "lossy": lossy(subject),
    }


def _steps(subject: SubjectResult) -> list[list[dict[str, Any]]]:
    """The rows of the explanation, step by step."""
    steps: list[list[dict[str, Any]]] = [[] for _ in subject.walk]
    for row in subject.explanation:
        steps[row["position"]].append(row)
    return steps


def _text(name: str) -> str:
    return (files("augmoments.reporting") / "templates" / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """What a content security policy calls the one script that may run."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
