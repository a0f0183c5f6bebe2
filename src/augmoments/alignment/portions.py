"""Shares of the steps of a policy in the variance of a loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from augmoments.estimate import Method


class Portion(NamedTuple):
    """Shares of a variance with their 99.5% bounds, of each image and of all of them.

    0 where there is no variance.
    """

    value: Tensor
    """``(N,)``."""
    error: Tensor
    """``(N,)``."""
    pooled: float
    """Of the mean variance over the images."""
    pooled_error: float


@dataclass(frozen=True)
class StepShare:
    r"""What one step of a policy has of the variance of the loss.

    Attributes:
        name: The step.
        alone: Share that is there where only this step is random. ``None`` if what is left of the
            policy does not fit the model.
        beyond: Share that goes away without the step; negative for a step that evens out what
            others do. ``None`` as above.
        linearized: What the linearization says for ``alone``: the share of
            :math:`g^\top V g`, with the same saliency map g.
    """

    name: str
    alone: Portion | None
    beyond: Portion | None
    linearized: Portion | None


@dataclass(frozen=True)
class StepShares:
    """Shares of every step of a policy in the variance of the loss.

    Attributes:
        steps: One :class:`StepShare` a step.
        variance: The variance of the loss that they are shares of, ``(N,)``; 0 where it is within
            rounding.
        method: How the variances behind them were obtained.
        nodes: Draws of each policy an image.
    """

    steps: tuple[StepShare, ...]
    variance: Tensor
    method: Method
    nodes: int

    @property
    def interaction(self) -> float | None:
        """What the pooled shares alone leave of 1: not 0 where steps interact.

        ``None`` if one of them is missing, or there is no variance.
        """
        portions = [step.alone for step in self.steps]
        known = [portion.pooled for portion in portions if portion is not None]
        if len(known) < len(portions) or not self.variance.any():
            return None
        return 1 - sum(known)

    def __str__(self) -> str:
        head = ("step", "alone", "linearized", "beyond")
        rows = [
            (step.name, *map(_text, (step.alone, step.linearized, step.beyond)))
            for step in self.steps
        ]
        wide = [max(len(row[i]) for row in (head, *rows)) for i in range(4)]
        lines = [
            "  ".join([row[0].ljust(wide[0]), *(row[i].rjust(wide[i]) for i in (1, 2, 3))])
            for row in (head, *rows)
        ]
        if self.interaction is not None:
            lines.append(
                f"The shares alone sum to {_percent(1 - self.interaction)}; what that is off 100% "
                "is the interaction of the steps."
            )
        return "\n".join(lines)


def _text(portion: Portion | None) -> str:
    if portion is None:
        return "-"
    return f"{_percent(portion.pooled)} ± {_percent(portion.pooled_error)}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"
