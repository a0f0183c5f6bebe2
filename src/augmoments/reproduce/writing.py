"""What an experiment leaves: figure, numbers and text, written so that halves are never trusted."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from augmoments.reporting.environment import versions
from augmoments.reporting.output import replace
from augmoments.reproduce.experiment import Experiment, Findings

SCHEMA = 1
_DPI = 150
_FILES = ("figure.png", "figure.svg", "text.md")
_PACKAGES = ("augmoments", "torch", "numpy", "scipy", "scikit-learn", "scikit-image", "matplotlib")
_HEAD = """# The paper's experiments, reproduced

R. Balestriero, I. Misra, Y. LeCun, *A Data-Augmentation Is Worth A Thousand Samples: Exact
Quantification From Analytical Augmented Sample Moments*, 2022, arXiv:2202.08325. For each claim:
what the paper says, what was measured here, and where the two differ. All figures of a text are in
the `numbers.json` beside it.
"""


def save(folder: Path, about: dict[str, Any], done: Experiment, found: Findings) -> dict[str, Any]:
    """Write the files of an experiment, ``numbers.json`` last, and return what that has.

    Args:
        folder: Of the experiment; there, and with nothing in it that is to be kept.
        about: Effort, seed, fingerprint and sources.
        done: The experiment.
        found: What it found.

    Raises:
        OutputError: A file cannot be written.
        ValueError: The numbers are not ready for JSON.
    """
    record = {
        "schema": SCHEMA,
        "experiment": done.name,
        "title": done.title,
        "claim": done.claim,
        **about,
        "numbers": found.numbers,
        "measured": found.measured,
        "differs": found.differs,
    }
    text = to_json(record) + "\n"
    (folder / "numbers.json").unlink(missing_ok=True)
    replace(folder / "figure.png", _encoded(found.figure, "png", done.name))
    replace(folder / "figure.svg", _encoded(found.figure, "svg", done.name))
    replace(folder / "text.md", f"# {done.title}\n\n{paragraphs(record, 'figure.svg')}")
    replace(folder / "numbers.json", text)
    return record


def kept(folder: Path, fingerprint: str | None = None) -> dict[str, Any] | None:
    """What a finished experiment left, or ``None`` if it is not all there or of another run."""
    try:
        record = json.loads((folder / "numbers.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        return None
    if fingerprint not in (None, record.get("fingerprint")):
        return None
    return record if all((folder / name).is_file() for name in _FILES) else None


def paragraphs(record: dict[str, Any], figure: str) -> str:
    """Claim, figure, what was measured and where it differs, in Markdown."""
    return (
        f"**The paper.** {record['claim']}\n\n![{record['title']}]({figure})\n\n"
        f"**Measured.** {record['measured']}\n\n**Where it differs.** {record['differs']}\n"
    )


def write_page(out: Path, names: tuple[str, ...]) -> None:
    """``README.md`` with all finished experiments, and ``environment.json``.

    Raises:
        OutputError: One of them cannot be written.
    """
    parts = [_HEAD]
    for name in names:
        record = kept(out / name)
        if record is not None:
            images = ", ".join(source["name"] for source in record["sources"])
            effort = "quick" if record["quick"] else "full"
            about = f"*{effort} run on {images}; seed {record['seed']}; `{name}/numbers.json`*\n"
            text = paragraphs(record, f"{name}/figure.png")
            parts.append(f"## {record['title']}\n\n{text}\n{about}")
    replace(out / "README.md", "\n".join(parts))
    replace(out / "environment.json", to_json({"versions": versions(_PACKAGES)}) + "\n")


def to_json(value: Any) -> str:
    """JSON that any reader takes: NaN and infinities are refused."""
    return json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False)


def _encoded(figure: Figure, form: str, name: str) -> bytes:
    """The same bytes for the same figure."""
    buffer = io.BytesIO()
    metadata = {"Date": None} if form == "svg" else {"Software": None}
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format=form, dpi=_DPI, metadata=metadata)
    return buffer.getvalue()
