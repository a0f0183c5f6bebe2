"""The limit of test-time augmentation, and how far a few passes are from it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from augmoments.errors import InputError
from augmoments.estimate import Method


@dataclass(frozen=True)
class AveragedPrediction:
    """What a model says on average over an augmentation, and how soon passes agree with it.

    Attributes:
        mean: Output averaged over the whole augmentation, ``(N, K)``.
        error: Absolute error bound of ``mean``, ``(N, K)``.
        variance: Variance of the output of one pass, ``(N, K)``.
        prediction: Class with the largest average, ``(N,)``.
        runner_up: The next one, ``(N,)``.
        margin: By how much it is behind, ``(N,)``.
        margin_error: Absolute error bound of ``margin``, ``(N,)``.
        settled: Whether ``prediction`` is ahead of all other classes by more than the integration
            error, ``(N,)``.
        plain: Output for the image itself, ``(N, K)``: the random steps are left out, the others
            stay; ``None`` where these do not give images of the shape that the model takes.
        passes: Numbers of passes.
        agreement: Probability that the average of so many passes has the class ``prediction``,
            ``(N, P)``.
        agreement_error: Absolute error bound of it.
        right: Probability that it has the class of the targets, ``(N, P)``; ``None`` without them.
        right_error: Absolute error bound of it.
        passes_accuracy: Expected share of images that the average of so many passes gets right,
            ``(P,)``; ``None`` without targets.
        passes_accuracy_error: Absolute error bound of it.
        targets: The classes, ``(N,)``; ``None`` if none were given.
        confidence: How sure :meth:`more_than` wants to be.
        method: How the average was obtained; what is said of 2 passes and more is drawn from
            the nodes besides.
        nodes: Passes that were run for an image, at most.
    """

    mean: Tensor
    error: Tensor
    variance: Tensor
    prediction: Tensor
    runner_up: Tensor
    margin: Tensor
    margin_error: Tensor
    settled: Tensor
    plain: Tensor | None
    passes: tuple[int, ...]
    agreement: Tensor
    agreement_error: Tensor
    right: Tensor | None
    right_error: Tensor | None
    passes_accuracy: Tensor | None
    passes_accuracy_error: Tensor | None
    targets: Tensor | None
    confidence: float
    method: Method
    nodes: int

    @property
    def accuracy(self) -> float | None:
        """Share of images whose limit has the right class; ``None`` without targets."""
        return self._accuracy(self.prediction)

    @property
    def plain_accuracy(self) -> float | None:
        """The same for one pass without augmentation; ``None`` where there is none."""
        return self._accuracy(None if self.plain is None else self.plain.argmax(1))

    def _accuracy(self, classes: Tensor | None) -> float | None:
        if classes is None or self.targets is None:
            return None
        return float((classes == self.targets).double().mean())

    def more_than(self, k: int) -> Tensor:
        """Places of the images that need more than ``k`` passes, those that agree least first.

        After ``k`` passes these have the class of the limit with less than ``confidence``, or
        their limit is not settled.

        Raises:
            InputError: ``k`` is none of ``passes``.
        """
        if k not in self.passes:
            raise InputError(f"k={k!r} is none of passes={self.passes}: ask for it in passes.")
        share = self.agreement[:, self.passes.index(k)]
        wanting = ((share < self.confidence) | ~self.settled).nonzero().flatten()
        return wanting[torch.argsort(share[wanting], stable=True)]

    def summary(self) -> str:
        """A sentence or two."""
        last = self.passes[-1]
        count, open_ = len(self.mean), int((~self.settled).sum())
        parts = [
            f"{len(self.more_than(last))} of {count} images need more than {last} passes for "
            f"{self.confidence:.0%} confidence ({self.method})"
        ]
        if open_:
            parts.append(f"{open_} of them have no class ahead beyond the integration error")
        if self.accuracy is not None:
            parts.append(f"accuracy of the limit {self.accuracy:.2%}")
        if self.plain_accuracy is not None:
            parts.append(f"without augmentation {self.plain_accuracy:.2%}")
        return "; ".join(parts) + "."

    def __repr__(self) -> str:
        return (
            f"AveragedPrediction(images={len(self.mean)}, classes={self.mean.shape[1]}, "
            f"settled={int(self.settled.sum())}, error<={float(self.error.max()):.2g}, "
            f"method={self.method!r}, nodes={self.nodes})"
        )
