"""What a draw costs on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from augmoments.augmentations.base import Augmentation
from augmoments.losses.loss import as_loss
from augmoments.reporting.request import Judge
from augmoments.reporting.words import number

_IMAGES = 64
_MOST_VALUES = 2**24
_SECONDS = 0.2
_FEWEST = 5


@dataclass(frozen=True)
class Costs:
    """Seconds of one image, in batches; ``None`` where it cannot be done."""

    draw: float
    """A draw of the policy."""
    forward: float | None = None
    """A pass through the model."""
    backward: float | None = None
    """The gradient of its loss with respect to the parameters, the forward pass included."""
    batch: int = _IMAGES
    threads: int = 1

    def of(self, quantity: str) -> float:
        """Seconds of one draw with what a quantity takes beside it."""
        beside = {
            "loss": self.forward,
            "prediction": self.forward,
            "gradient": self.backward,
        }
        return self.draw + (beside.get(quantity) or 0.0)


def costs(
    policy: Augmentation, images: Tensor, model: nn.Module | None, judge: Judge | None
) -> Costs:
    """Measure them: medians over a fifth of a second, after one that is not counted."""
    count = max(1, min(_IMAGES, _MOST_VALUES // prod(images.shape[1:])))
    places = torch.arange(count) % len(images)
    batch, generator = images[places], torch.Generator().manual_seed(0)
    drawn = policy(batch, generator)
    draw = _seconds(lambda: policy(batch, generator)) / count
    forward = backward = None
    if model is not None:
        with torch.no_grad():
            forward = _seconds(lambda: model(drawn)) / count
    if judge is not None:
        gradient = _gradient(judge, drawn, judge.targets[places])
        backward = None if gradient is None else _seconds(gradient) / count
    return Costs(draw, forward, backward, count, torch.get_num_threads())


def _gradient(judge: Judge, drawn: Tensor, targets: Tensor) -> Callable[[], object] | None:
    """The gradient of the mean loss; ``None`` for a model without parameters to train."""
    weights = [p for p in judge.model.parameters() if p.requires_grad]
    if not weights:
        return None
    loss: Any = as_loss(judge.loss)
    with torch.no_grad():
        outputs = judge.model(drawn).shape[1]
    fitting = loss.check_targets(targets, len(drawn), outputs)

    def gradient() -> object:
        value = loss.per_sample(judge.model(drawn), fitting).mean()
        return torch.autograd.grad(value, weights, allow_unused=True)

    return gradient


def _seconds(work: Callable[[], object]) -> float:
    work()
    times: list[float] = []
    while len(times) < _FEWEST or sum(times) < _SECONDS:
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return median(times)


def duration(seconds: float) -> str:
    """In the unit that suits it.

    >>> [duration(s) for s in (4.2e-5, 3e-4, 0.0123, 0.7, 93, 41760, 3e6, float("inf"))]
    ['42 µs', '0.3 ms', '12 ms', '0.7 s', '1.6 min', '11.6 h', '34.7 days', '∞']
    """
    if seconds == float("inf"):
        return "∞"
    for limit, scale, unit in ((1e-4, 1e-6, "µs"), (0.1, 1e-3, "ms")):
        if seconds < limit:
            return f"{number(seconds / scale, 2)} {unit}"
    for limit, scale, unit in ((90, 1, "s"), (5400, 60, "min"), (129600, 3600, "h")):
        if seconds < limit:
            return f"{seconds / scale:.1f} {unit}"
    return f"{seconds / 86400:,.1f} days" if seconds < 1e9 else f"{seconds / 31557600:,.0f} years"
