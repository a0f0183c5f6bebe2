"""What a report is asked about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from augmoments.adapters import Policy
from augmoments.data import Dataset

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, how much of it is done, and how much there is."""


@dataclass(frozen=True)
class Judge:
    """A model with the loss that it is judged by.

    Attributes:
        model: Maps augmented images ``(N, C', H', W')`` to outputs ``(N, K)``.
        name: What the report calls it.
        loss: ``"cross_entropy"`` or ``"squared_error"``.
        targets: Of all images of the subject: classes ``(N,)`` by the model's own indices.
    """

    model: nn.Module
    name: str
    loss: str
    targets: Tensor


@dataclass(frozen=True)
class Subject:
    """Images, and the model for them if there is one."""

    dataset: Dataset
    judge: Judge | None = None
    no_judge_because: str | None = None


@dataclass(frozen=True)
class Options:
    """How exactly, and how much of it."""

    tol: float = 1e-2
    seed: int = 0
    rel_error: float = 0.01
    confidence: float = 0.95
    max_nodes: int = 4096
    limit: int = 64
    """Most images of a subject that are quantified, spread evenly over it."""
    few: int = 64
    """As many images get their covariances. Of more, all get mean and total variance, to a
    tolerance of ``rough`` at best, and covariances are found of images spread evenly over them,
    which have ``detailed_values`` values together, with ``detailed_nodes`` evaluations at most."""
    detailed_values: int = 2**15
    detailed_nodes: int = 512
    rough: float = 0.2
    shown: int = 3
    """Most images of a subject that are shown."""
    eigenvectors: int = 16


@dataclass(frozen=True)
class Request:
    """Everything that :func:`quantify` needs to know."""

    subjects: tuple[Subject, ...]
    policy: Policy
    options: Options = Options()
    command: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
