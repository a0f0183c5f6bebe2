"""What ``augmoments fit`` found, as a table and as files."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from rich.text import Text

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.dataset import DatasetMoments
from augmoments.calculus.dataset.augmented import AugmentedMoments
from augmoments.calculus.dataset.ridge import RidgeSolution
from augmoments.cli.fit_judge import Judge, Judged
from augmoments.cluster.files import write_atomically
from augmoments.data import Skipped, Stream
from augmoments.linear.module import linear_module
from augmoments.reporting.environment import versions
from augmoments.reporting.plain import steps_of
from augmoments.reporting.words import number, size

SCHEMA = "augmoments.fit/1"


@dataclass(frozen=True)
class Fit:
    """Everything that a fit has found."""

    command: str
    options: dict[str, Any]
    policy: Augmentation
    data: DatasetMoments
    moments: AugmentedMoments
    judge: Judge
    skipped: tuple[Skipped, ...]
    alphas: tuple[float, ...]
    judged: tuple[Judged, ...]

    @property
    def best(self) -> int:
        """The place of the chosen solution: the most right in validation, the smallest if equal."""
        if len(self.judged) == 1:
            return 0
        return max(range(len(self.judged)), key=lambda k: (self.judged[k].validation or 0.0, -k))

    @property
    def converged(self) -> bool:
        """Whether the tolerance that was asked for is met."""
        return self.moments.error <= self.options["tol"]

    @property
    def warnings(self) -> list[str]:
        """Sentences about what is not as it should be."""
        found = []
        if self.skipped:
            first, count = self.skipped[0], len(self.skipped)
            which = "1 file was skipped" if count == 1 else f"{count} files were skipped, the first"
            found.append(f"{which}: {first.path} {first.reason}.")
        if not self.converged:
            found.append(
                f"the tolerance of {self.options['tol']:g} was not reached; the relative error of "
                f"the covariance may be {self.moments.error:.2g}. Allow more nodes (--nodes, "
                "--max-nodes)."
            )
        if self.judge.why_not:
            found.append(self.judge.why_not)
        return found


def tables(fit: Fit) -> Iterator[Table | Text]:
    """What was fitted, a row for each strength of the penalty, and how they were found."""
    training = fit.judge.training
    yield Text(
        f"{training.name}: {fit.data.count:,} images of {size(training.shape)}, "
        f"{len(training.classes)} classes, infinitely many augmented samples of each image",
        style="bold",
    )
    yield _rows(fit)
    yield Text(
        f"Moments: {fit.moments.method}, relative error of the covariance "
        f"{fit.moments.error:.1e}. Accuracies are on the images as they are.",
        style="dim",
    )


def _rows(fit: Fit) -> Table:
    grid = Table(header_style="dim", pad_edge=False, box=None)
    names = ("alpha", "expected squared error", "norm of W", "error of W", "training", "validation")
    for name in names:
        grid.add_column(name, justify="right")
    grid.add_column("")
    for place, (alpha, judged) in enumerate(zip(fit.alphas, fit.judged, strict=True)):
        found = judged.solution
        shares = ("" if share is None else f"{share:.2%}" for share in judged[1:])
        chosen = "chosen" if len(fit.judged) > 1 and place == fit.best else ""
        cells = (number(found.loss), number(float(found.coef.norm())), f"{found.error:.1e}")
        grid.add_row(f"{alpha:g}", *cells, *shares, chosen)
    return grid


def write(fit: Fit, folder: Path, seconds: float) -> dict[str, Path]:
    """Write the classifier, the moments and ``fit.json`` into a folder, over those of a former run.

    Raises:
        OutputError: They cannot be written.
    """
    files = {
        "model": folder / "model.pt2",
        "moments": folder / "moments.safetensors",
        "results": folder / "fit.json",
    }
    program = _program(fit.judged[fit.best].solution, fit.data.output_shape)
    hashes = {
        "moments": write_atomically(files["moments"], fit.data.save),
        "model": write_atomically(files["model"], lambda path: _write(path, program)),
    }
    text = to_json(
        fit, seconds, {name: [files[name].name, found] for name, found in hashes.items()}
    )
    write_atomically(files["results"], lambda path: _write(path, text.encode()))
    return files


def to_json(fit: Fit, seconds: float, files: dict[str, Any]) -> str:
    """What ``fit.json`` has."""
    validation = fit.judge.validation
    content = {
        "schema": SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": fit.command,
        "options": fit.options,
        "versions": versions(),
        "policy": steps_of(fit.policy),
        "images": {**_about(fit.judge.plain), "count": fit.data.count},
        "classes": fit.judge.training.classes,
        "skipped": [{"file": str(path), "reason": reason} for path, reason in fit.skipped],
        "validation": None if validation is None else _about(validation),
        "moments": {
            "method": fit.moments.method,
            "error": fit.moments.error,
            "nodes": fit.moments.nodes,
            "output_shape": fit.data.output_shape,
            "fingerprint": fit.data.fingerprint,
        },
        "solutions": [_solution(*row) for row in zip(fit.alphas, fit.judged, strict=True)],
        "alpha": fit.alphas[fit.best],
        "no_accuracy_because": fit.judge.why_not or None,
        "warnings": fit.warnings,
        "files": files,
        "seconds": seconds,
    }
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _about(images: Stream) -> dict[str, Any]:
    return {
        "name": images.name,
        "listed": images.count,
        "shape": images.shape,
        "fingerprint": images.fingerprint,
    }


def _solution(alpha: float, judged: Judged) -> dict[str, Any]:
    found = judged.solution
    return {
        "alpha": alpha,
        "loss": found.loss,
        "loss_error": found.loss_error,
        "error": found.error,
        "coef_norm": float(found.coef.norm()),
        "intercept": found.intercept.tolist(),
        "training_accuracy": judged.training,
        "validation_accuracy": judged.validation,
    }


def _program(solution: RidgeSolution, shape: tuple[int, int, int] | None) -> bytes:
    """The classifier as a ``torch.export`` program for any number of images."""
    assert shape is not None
    model = linear_module(solution.coef.cpu().numpy(), solution.intercept.cpu().numpy())
    dynamic = ({0: torch.export.Dim.AUTO},)
    program = torch.export.export(model, (torch.zeros(2, *shape),), dynamic_shapes=dynamic)
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
