"""What ``augmoments tta`` found, as tables."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.averaging import AveragedPrediction
from augmoments.data import Dataset
from augmoments.reporting.words import number, size
from augmoments.sample_size import SampleSize

_STYLE: dict[str, Any] = {"header_style": "dim", "pad_edge": False, "box": None}


@dataclass(frozen=True)
class Found:
    """Averaged predictions, and the passes that are needed for them if that was asked."""

    command: str
    options: dict[str, Any]
    policy: Augmentation
    dataset: Dataset
    model: str
    used: Tensor
    prediction: AveragedPrediction
    needed: SampleSize | None

    @property
    def warnings(self) -> list[str]:
        """Sentences about what is not as it should be."""
        found, skipped = [], self.dataset.skipped
        open_ = int((~self.prediction.settled).sum())
        if skipped:
            which = "1 file was" if len(skipped) == 1 else f"{len(skipped)} files were"
            found.append(f"{which} skipped, the first: {skipped[0].path} {skipped[0].reason}.")
        if open_:
            found.append(
                f"{open_} of {len(self.used)} images have no class ahead beyond the integration "
                "error. Allow more nodes (--max-nodes) and a smaller --tol, or see their margin."
            )
        return found


def tables(found: Found, top: int) -> Iterator[Table | Text]:
    """Accuracy or agreement by passes, and the images that need most of them."""
    prediction, dataset = found.prediction, found.dataset
    _, channels, height, width = dataset.images.shape
    yield Text(
        f"{dataset.name}: {len(found.used):,} of {len(dataset):,} images of "
        f"{size((channels, height, width))}, model {found.model}",
        style="bold",
    )
    yield _by_passes(prediction)
    yield Text(
        f"Agreement with the class of the limit; the limit: {prediction.method}, "
        f"{prediction.nodes:,} passes an image at most, error {float(prediction.error.max()):.1e}.",
        style="dim",
    )
    yield Text(prediction.summary())
    if found.needed is not None:
        yield Text(found.needed.summary())
    hardest = prediction.more_than(prediction.passes[-1])[:top].tolist()
    if hardest:
        yield Text(f"Images that need more than {prediction.passes[-1]} passes", style="bold")
        yield _hardest(found, hardest)


def _by_passes(prediction: AveragedPrediction) -> Table:
    grid = Table(**_STYLE)
    for name in ("passes", "agreement", "accuracy", "error"):
        grid.add_column(name, justify="right")
    if prediction.plain is not None:
        agrees = (prediction.plain.argmax(1) == prediction.prediction).double().mean()
        grid.add_row("no augmentation", f"{agrees:.2%}", _share(prediction.plain_accuracy), "")
    for place, n in enumerate(prediction.passes):
        accuracy, error = prediction.passes_accuracy, prediction.passes_accuracy_error
        row = (None, None) if accuracy is None or error is None else (accuracy[place], error[place])
        off = "" if row[1] is None else f"± {float(row[1]):.1e}"
        agrees = prediction.agreement[:, place].mean()
        grid.add_row(f"{n:,}", f"{agrees:.2%}", _share(row[0]), off)
    grid.add_row("limit", "100.00%", _share(prediction.accuracy), "")
    return grid


def _share(value: Any) -> str:
    return "" if value is None else f"{float(value):.2%}"


def _hardest(found: Found, places: list[int]) -> Table:
    prediction, grid = found.prediction, Table(**_STYLE)
    names = ["image", "label", "limit", "runner-up", "margin", "agreement"]
    for name in [*names, "needs"] if found.needed is not None else names:
        grid.add_column(name, justify="right")
    for place in places:
        targets = prediction.targets
        cells = [
            str(int(found.used[place])),
            "" if targets is None else str(int(targets[place])),
            str(int(prediction.prediction[place])),
            str(int(prediction.runner_up[place])),
            f"{number(float(prediction.margin[place]))} "
            f"± {float(prediction.margin_error[place]):.0e}",
            f"{prediction.agreement[place, -1]:.1%}",
        ]
        if found.needed is not None:
            n = float(found.needed.n[place])
            cells.append(f"{n:,.0f}" if math.isfinite(n) else "not known")
        grid.add_row(*cells)
    return grid
