"""What is known about every image, column by column: the table of a report, and ``images.csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from augmoments.reporting.results import Results, SubjectResult

CSV = (
    *("norm_of_mean", "mean_error", "total_variance", "variance_error", "draws", "draws_error"),
    *("draws_covariance", "draws_covariance_error", "draws_loss", "draws_loss_error"),
    *("expected_loss", "expected_loss_error", "at_mean", "regularizer", "residual"),
    *("variance_of_loss", "saliency_ratio"),
)
"""The numbers of a row of ``images.csv``, after the subject, the image and its label."""
TITLES = {
    "norm_of_mean": "norm of mean",
    "total_variance": "total variance",
    "draws": "draws, mean",
    "draws_covariance": "draws, covariance",
    "draws_loss": "draws, loss",
    "expected_loss": "expected loss",
    "regularizer": "regularizer",
    "residual": "residual",
    "saliency_ratio": "saliency ratio",
}
"""What the table of a report calls those that it shows."""


@dataclass(frozen=True)
class Rows:
    """The images of a subject with their numbers; None where one was not found.

    Attributes:
        images: Places in the source, ascending.
        labels: Names of the classes; None without.
        numbers: Columns by the names of :data:`CSV`, those alone that have any number.
    """

    images: list[int]
    labels: list[str] | None
    numbers: dict[str, list[float | None]]


def rows(subject: SubjectResult) -> Rows:
    """All images that were quantified."""
    every = subject.every
    images = subject.used if every is None else every.used
    place = {image: i for i, image in enumerate(images)}
    numbers: dict[str, list[float | None]] = {}
    for name, values in _detailed(subject):
        column = numbers.setdefault(name, [None] * len(images))
        for image, value in zip(subject.used, values, strict=True):
            column[place[image]] = value
    if every is not None:
        for name in CSV[:6]:
            numbers[name] = list(getattr(every, name))
    return Rows(images, _labels(subject, images, place), numbers)


def _detailed(subject: SubjectResult) -> Iterator[tuple[str, Sequence[float]]]:
    moments, loss, alignment = subject.moments, subject.loss, subject.alignment
    for name in CSV[:4]:
        yield name, getattr(moments, name)
    for size in subject.samples:
        name = "draws" if size.of == "mean" else f"draws_{size.of}"
        yield name, size.n
        yield f"{name}_error", size.error
    if loss is not None:
        yield "expected_loss", loss.value
        yield "expected_loss_error", loss.error
        yield "variance_of_loss", loss.variance
        for name in ("at_mean", "regularizer", "residual"):
            yield name, getattr(loss, name)
    if alignment is not None:
        yield "saliency_ratio", alignment.ratio


def _labels(subject: SubjectResult, images: list[int], place: dict[int, int]) -> list[str] | None:
    if subject.labels is None:
        return None
    found = [""] * len(images)
    for image, label in zip(subject.used, subject.labels, strict=True):
        known = label < len(subject.classes)
        found[place[image]] = subject.classes[label] if known else str(label)
    return found


def to_csv(results: Results) -> str:
    """A row for every image that was quantified; a cell is empty where a number was not found."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("subject", "image", "label", *CSV))
    for subject in results.subjects:
        found = rows(subject)
        blank: list[float | None] = [None] * len(found.images)
        labels = found.labels or [""] * len(found.images)
        columns = (found.numbers.get(name, blank) for name in CSV)
        for image, label, *numbers in zip(found.images, labels, *columns, strict=True):
            writer.writerow((subject.name, image, label, *numbers))
    return text.getvalue()
