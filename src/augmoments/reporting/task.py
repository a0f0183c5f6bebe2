"""The state of measuring one subject: what it is about, and a log of how numbers were obtained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.checks import check_images
from augmoments.operators.base import Shape
from augmoments.reporting.request import Options, Progress, Subject
from augmoments.reporting.results import Obtained

Tell = Callable[[int, int], None]


@dataclass
class Task:
    """One subject on its way through the stages.

    Attributes:
        subject: The images and their judge.
        policy: The augmentation.
        options: How exactly.
        progress: Told of every stage.
        every: The images that are quantified, by their place in the source.
        used: Those whose covariance is found.
        images: These images.
        log: How the numbers so far were obtained.
    """

    subject: Subject
    policy: Augmentation
    options: Options
    progress: Progress
    every: Tensor = field(init=False)
    used: Tensor = field(init=False)
    images: Tensor = field(init=False)
    log: list[Obtained] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.every = spread(len(self.subject.dataset), self.options.limit)
        most = len(self.every)
        if self.many:
            size = self.subject.dataset.images[0].numel()
            some = max(self.options.detailed_values // size, self.options.shown)
            most = min(some, self.options.few)
        self.used = self.every[spread(len(self.every), most)]
        self.images = check_images(self.subject.dataset.images[self.used])

    @property
    def many(self) -> bool:
        """Whether the images are too many for all their covariances."""
        return len(self.every) > self.options.few

    @property
    def output_shape(self) -> Shape:
        """Of augmented images, ``(C', H', W')``."""
        return self.policy.output_shape(tuple(self.images.shape[1:]))  # type: ignore[arg-type]

    @property
    def numerics(self) -> dict[str, Any]:
        """The arguments that all computations on ``images`` share."""
        options = self.options
        nodes = min(options.max_nodes, options.detailed_nodes) if self.many else options.max_nodes
        return {"seed": options.seed, "max_nodes": nodes}

    @contextmanager
    def stage(self, name: str) -> Iterator[Tell]:
        """A stage that is told to the user; gives what its progress goes to."""
        title = f"{self.subject.dataset.name}: {name}"
        self.progress(title, 0, 1)
        self._start = perf_counter()
        yield lambda done, total: self.progress(title, done, total)
        self.progress(title, 1, 1)

    def note(
        self,
        quantity: str,
        method: str,
        error: Tensor | None = None,
        scale: str = "",
        nodes: int | None = None,
    ) -> None:
        """Log how a number was obtained; its time is that since the stage or the last note."""
        now = perf_counter()
        worst = None if error is None else float(error.max())
        self.log.append(Obtained(quantity, method, worst, scale, nodes, now - self._start))
        self._start = now


def spread(count: int, most: int) -> Tensor:
    """At most ``most`` places out of ``count``, evenly spread, the first one always among them.

    >>> spread(10, 4)
    tensor([0, 2, 5, 7])
    """
    if count <= most:
        return torch.arange(count)
    return torch.arange(most) * count // most
