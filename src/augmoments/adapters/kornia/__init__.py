"""Policies from the modules of kornia 0.9, read from their attributes: kornia is not imported."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from torch import nn

from augmoments.adapters.kornia import (
    channels,
    color,
    containers,
    crops,
    erasing,
    geometry,
    intensity,
    policies,
)
from augmoments.adapters.kornia.drawing import draw
from augmoments.adapters.kornia.selection import NOTHING
from augmoments.adapters.kornia.steps import name_of, refuse
from augmoments.augmentations.base import Augmentation
from augmoments.errors import PolicyError

_STEPS = (
    channels.CONVERTERS
    | color.CONVERTERS
    | crops.CONVERTERS
    | erasing.CONVERTERS
    | geometry.CONVERTERS
    | intensity.CONVERTERS
)
_CONTAINERS = containers.CONVERTERS | policies.CONVERTERS


Fallback = Callable[[Any, PolicyError], Augmentation]


def convert(module: Any, fallback: Fallback | None = None) -> Augmentation:
    """The policy that a kornia module is, with kornia's own arithmetic and laws.

    kornia draws anew for every image; ``same_on_batch`` changes nothing for one image. Sequences
    are kornia's containers or :class:`torch.nn.Sequential`.

    Args:
        module: An augmentation of ``kornia.augmentation``, or a container of such.
        fallback: Takes every innermost module that is not understood, with the reason, and gives
            what stands for it.

    Raises:
        PolicyError: A module or an option that is not supported, by name, or another version of
            kornia, whose arithmetic may differ.
    """
    try:
        return _build(module, fallback)
    except PolicyError as error:
        if fallback is None:
            raise
        return fallback(module, error)


def _build(module: Any, fallback: Fallback | None) -> Augmentation:
    if isinstance(module, Augmentation):
        return module

    def build(inner: Any) -> Augmentation:
        return convert(inner, fallback)

    kind = type(module)
    if kind is nn.Sequential:
        return containers.sequential(module, build)
    if kind is nn.Identity:
        return NOTHING
    name, ours = name_of(module), kind.__module__.startswith("kornia.augmentation.")
    if ours and not _installed().startswith("0.9."):
        raise refuse(module, f"kornia {_installed()}", "kornia 0.9")
    if ours and name in _CONTAINERS:
        return _CONTAINERS[name](module, build)
    if ours and name in _STEPS:
        return _STEPS[name](module)
    raise refuse(module, "this module", f"one of {', '.join(sorted(_STEPS | _CONTAINERS))}")


@lru_cache(maxsize=1)
def _installed() -> str:
    """The version of kornia that is installed."""
    try:
        return version("kornia")
    except PackageNotFoundError:
        return "of unknown version"


__all__ = ["convert", "draw"]
