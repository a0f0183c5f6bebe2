"""What the attributes of torchvision's transforms say."""

from __future__ import annotations

from typing import Any

import torch

from augmoments.adapters.unsupported import unsupported
from augmoments.operators.warp import Fill

_PILLOW = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}


def is_first_version(step: object) -> bool:
    """Whether the step is one of ``torchvision.transforms`` and not of its successor v2."""
    return ".v2" not in type(step).__module__


def interpolation(step: Any) -> str:
    """The name of the interpolation, which may be an enum's member or Pillow's number."""
    given = getattr(step.interpolation, "value", step.interpolation)
    return _PILLOW.get(given, str(given)) if isinstance(given, int) else given


def fill(step: Any) -> Fill | None:
    """The fill value of images; ``None`` means that nothing is filled in.

    Raises:
        PolicyError: A dictionary that has no single value for images.
    """
    value = step.fill
    if isinstance(value, dict):
        value = _of_images(step, value)
    return tuple(value) if isinstance(value, list) else value


def outside(step: Any) -> dict[str, Any]:
    """The arguments ``fill`` and ``border`` of a resampling.

    A fill value, even 0, makes torchvision multiply by the inside mask once more; version 1 takes
    ``None`` for 0.
    """
    value = fill(step)
    if value is None:
        return {"fill": 0.0, "border": "zeros"}
    return {"fill": value, "border": "torchvision"}


def _of_images(step: Any, values: dict[Any, Any]) -> Any:
    found = entries_of_images(values)
    if len(found) != 1:
        raise unsupported(
            step,
            f"fill={values!r} has {'several values' if found else 'no value'} for images",
            "give one number, one a channel, or a dictionary with tv_tensors.Image",
        )
    return found[0]


def entries_of_images(values: dict[Any, Any]) -> list[Any]:
    """The different entries of a dictionary by types that can be those of images."""
    named = [value for key, value in values.items() if key is torch.Tensor or _is_image(key)]
    if not named and "others" in values:
        return [values["others"]]
    return [value for i, value in enumerate(named) if value not in named[:i]]


def _is_image(key: Any) -> bool:
    return getattr(key, "__module__", "").startswith("torchvision.tv_tensors") and (
        getattr(key, "__name__", "") == "Image"
    )
