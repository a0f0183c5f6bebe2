"""Policies from the pipelines of other libraries.

The libraries are never imported here: their objects are told by their modules' names, and read.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Literal

from augmoments.adapters.sampled import Calling, Draw, Sampled
from augmoments.augmentations.base import Augmentation
from augmoments.errors import InputError, InputTypeError, PolicyError

Policy = Any
"""An augmentation of augmoments, or a pipeline of another library that :func:`as_policy` takes."""
OnUnsupported = Literal["error", "monte-carlo"]
Convert = Callable[[Any], Augmentation]
LIBRARIES = ("torchvision", "kornia", "albumentations")


def as_policy(pipeline: Any, on_unsupported: OnUnsupported = "error") -> Augmentation:
    """The policy that a pipeline of torchvision, kornia or albumentations is.

    Laws, defaults and arithmetic are those of the library that the pipeline comes from. Images
    are floating point in [0, 1]; conversions from other types are left out. :func:`moments` and
    all others take pipelines directly and call this.

    Args:
        pipeline: A transform, module or composition of one of the three libraries (the v1 and v2
            classes of torchvision), a ``torch.nn.Sequential`` of them, or an augmentation of
            augmoments, which is returned as it is.
        on_unsupported: What to do where a step is not understood: ``"error"``, or
            ``"monte-carlo"`` to sample just that step, which makes every number that it touches
            a Monte Carlo estimate, labelled as such.

    Raises:
        InputTypeError: Not a pipeline of these libraries.
        PolicyError: A step or an option that is not understood; the message names it and the
            alternatives.

    Example:
        >>> import augmoments as am
        >>> am.as_policy(am.RandomHorizontalFlip())
        RandomHorizontalFlip(p=0.5)
    """
    if on_unsupported not in ("error", "monte-carlo"):
        raise InputError(
            f'on_unsupported must be "error" or "monte-carlo", got {on_unsupported!r}.'
        )
    if isinstance(pipeline, Augmentation):
        return pipeline
    library = _library(pipeline)
    if library is None:
        kind = type(pipeline)
        raise InputTypeError(
            f"a policy is an augmentation of augmoments, such as Compose([RandomRotation(15)]), or "
            f"a pipeline of {', '.join(LIBRARIES)}; got {kind.__module__}.{kind.__qualname__}."
        )
    adapter = import_module(f"augmoments.adapters.{library}")
    if on_unsupported == "error":
        return adapter.convert(pipeline)
    return adapter.convert(pipeline, partial(_sampled, adapter.draw))


def _sampled(draw: Draw, step: Any, _: PolicyError) -> Augmentation:
    """What stands for a step that is not understood."""
    return Sampled(Calling(step, draw))


def _library(pipeline: Any) -> str | None:
    """Which library an object is from, its own class or a base of it."""
    for kind in type(pipeline).__mro__:
        name = kind.__module__.partition(".")[0]
        if name in LIBRARIES:
            return name
    steps = (
        list(pipeline)
        if type(pipeline).__module__.startswith("torch.nn") and hasattr(pipeline, "__iter__")
        else []
    )
    found = {_library(step) for step in steps}
    return found.pop() if len(found) == 1 else None
