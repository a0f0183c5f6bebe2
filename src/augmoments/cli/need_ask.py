"""One quantity after the other is asked of :func:`augmoments.samples_needed`."""

from __future__ import annotations

from time import perf_counter
from typing import Any, get_args

from torch import Tensor, nn

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.moments import Moments, moments
from augmoments.errors import InputError
from augmoments.reporting.judges import NO_LABELS, NO_MODEL
from augmoments.reporting.request import Subject
from augmoments.reporting.task import spread
from augmoments.sample_size import SampleSize, samples_needed
from augmoments.sample_size.result import Quantity

QUANTITIES: tuple[str, ...] = get_args(Quantity)
MOST_FITTED = 2048


class Inquiry:
    """The images of a subject under a policy, and whatever else the quantities take.

    Args:
        policy: The augmentation.
        subject: The images with the model that they are judged by.
        model: A model, which may do without labels.
        used: The images that are asked about, by their place in the source.
        common: Arguments of :func:`samples_needed` for all quantities.
        own: Arguments of single quantities.
    """

    def __init__(
        self,
        policy: Augmentation,
        subject: Subject,
        model: nn.Module | None,
        used: Tensor,
        common: dict[str, Any],
        own: dict[str, dict[str, Any]],
    ) -> None:
        self.policy, self.subject, self.model, self.used = policy, subject, model, used
        self._common, self._own = common, own
        self._moments: tuple[Moments, float] | None = None

    def answer(self, of: str) -> tuple[SampleSize, float]:
        """Draws needed, and the seconds that it took to find out.

        Raises:
            AugmomentsError: The quantity needs what is not there, or cannot be answered.
        """
        images, seconds = self.subject.dataset.images[self.used], 0.0
        own = dict(self._own.get(of, {}))
        if of in ("mean", "covariance"):
            own["given"], seconds = self._shared_moments(images)
        elif of in ("loss", "gradient"):
            own |= self._judged()
        elif of == "prediction":
            own |= self._predictor()
        elif of == "parameters":
            images, own["targets"] = self._labelled()
        start = perf_counter()
        size = samples_needed(images, self.policy, of, **self._common, **own)  # type: ignore[arg-type]
        return size, seconds + perf_counter() - start

    def images_of(self, of: str) -> int:
        """How many images an answer is about."""
        return len(self._fitted()) if of == "parameters" else len(self.used)

    def _shared_moments(self, images: Tensor) -> tuple[Moments, float]:
        """Moments of the images and the seconds they took, found once."""
        if self._moments is None:
            numerics = {name: self._common[name] for name in ("tol", "seed", "max_nodes")}
            start = perf_counter()
            found = moments(images, self.policy, **numerics)
            self._moments = found, perf_counter() - start
        return self._moments

    def _judged(self) -> dict[str, Any]:
        judge = self.subject.judge
        if judge is None:
            raise InputError(self.subject.no_judge_because or NO_MODEL)
        return {"model": judge.model, "loss": judge.loss, "targets": judge.targets[self.used]}

    def _predictor(self) -> dict[str, Any]:
        """The model; what is fitted by squared errors gives scores and no probabilities."""
        judge = self.subject.judge
        if self.model is None:
            raise InputError(self.subject.no_judge_because or NO_MODEL)
        scores = judge is not None and judge.loss == "squared_error"
        return {"model": self.model, "average": "outputs" if scores else "probabilities"}

    def _labelled(self) -> tuple[Tensor, Tensor]:
        """Images to fit to, which is what parameters are about, with their labels."""
        dataset, places = self.subject.dataset, self._fitted()
        if dataset.labels is None:
            raise InputError(NO_LABELS)
        return dataset.images[places], dataset.labels[places]

    def _fitted(self) -> Tensor:
        return spread(len(self.subject.dataset), MOST_FITTED)
