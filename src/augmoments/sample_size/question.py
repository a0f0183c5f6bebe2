"""What is asked, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.moments import Moments
from augmoments.checks import did_you_mean
from augmoments.errors import InputError
from augmoments.sample_size.result import Bound
from augmoments.sample_size.views.result import PairLoss


@dataclass(frozen=True, kw_only=True)
class Question:
    """Images, a policy, and the error that is asked for.

    Attributes:
        images: ``(N, C, H, W)``, checked.
        policy: The augmentation.
        rel_error: Relative error asked for.
        confidence: How sure to be of a scalar.
        bound: What that rests on.
        simultaneous: Whether to be sure of all images at once.
        model: A model, where the quantity needs one.
        loss: Its loss.
        targets: What the loss compares with.
        loss_range: Smallest and largest value of the loss, where they are known.
        given: Moments of these images, where they are known.
        tol: Relative error asked of the moments behind the answer.
        seed: Seed of the scrambling.
        max_nodes: Most evaluations an image.
        batch_size: Images of a mini-batch, for ``views``.
        views: Views of an image: how many, or how many of which policy.
        pair_loss: A loss of two views.
        until: What the passes of a prediction are needed for.
        average: What of the model's outputs is averaged for it.
        alpha: Strength of the penalty of ridge regression.
    """

    images: Tensor
    policy: Augmentation
    rel_error: float
    confidence: float
    bound: Bound
    simultaneous: bool
    model: Any
    loss: Any
    targets: Any
    loss_range: tuple[float, float] | None
    given: Moments | None
    tol: float
    seed: int
    max_nodes: int
    batch_size: int = 1
    views: int | Sequence[tuple[Augmentation, int]] | None = None
    pair_loss: PairLoss | None = None
    until: Any = "error"
    average: Any = "probabilities"
    alpha: float = 1e-3

    @property
    def risk(self) -> float:
        """Probability with which the error of one image may be exceeded: the union bound."""
        return (1 - self.confidence) / (len(self.images) if self.simultaneous else 1)

    def need(self, of: str, *names: str) -> None:
        """Refuse the question if one of ``names`` was not given."""
        missing = [f"{name}=" for name in names if getattr(self, name) is None]
        if missing:
            wanted = " and ".join([", ".join(f"{n}=" for n in names[:-1]), f"{names[-1]}="])
            raise InputError(f'of="{of}" needs {wanted.removeprefix(" and ")}.')


def check_choice(name: str, value: object, known: tuple[str, ...]) -> None:
    """Refuse a value that is none of those known."""
    if value not in known:
        raise InputError(f"{name}={value!r} is none of {known}.{did_you_mean(str(value), known)}")
