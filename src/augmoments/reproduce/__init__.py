"""The paper's experiments, one module each, and what runs them and writes down what they found."""

from __future__ import annotations

from importlib import import_module

from augmoments.checks import did_you_mean
from augmoments.errors import ConfigError
from augmoments.reproduce.context import Context
from augmoments.reproduce.experiment import Experiment, Findings

NAMES = (
    "expected-images",
    "tangent-directions",
    "convergence",
    "linear-regression",
    "saliency-alignment",
    "tangent-prop",
    "alignment-over-training",
    "taylor",
    "policies-compared",
)
"""The experiments, in the order in which they are run and told."""

__all__ = ["NAMES", "Context", "Experiment", "Findings", "experiment", "named"]


def named(names: list[str] | tuple[str, ...] = ()) -> tuple[str, ...]:
    """The experiments that are asked for, in order and each once; all for ``"all"`` or nothing.

    Raises:
        ConfigError: There is no such experiment.

    >>> named(["taylor", "convergence", "taylor"])
    ('convergence', 'taylor')
    """
    for name in names:
        if name not in (*NAMES, "all"):
            raise ConfigError(
                f"there is no experiment {name!r}{did_you_mean(name, NAMES)}: choose from "
                f"{', '.join(NAMES)}, or all."
            )
    return tuple(name for name in NAMES if not names or "all" in names or name in names)


def experiment(name: str) -> Experiment:
    """The experiment of that name; its module is imported now."""
    home = f"augmoments.reproduce.experiments.{name.replace('-', '_')}"
    return import_module(home).EXPERIMENT
