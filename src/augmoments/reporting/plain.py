"""What results are made of, as values that JSON has."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.config import policy_to_dict
from augmoments.errors import PolicyError


def plain(value: Any) -> Any:
    """Lists, dicts and numbers; what is not a finite number becomes None.

    Fields of dataclasses whose metadata say ``drawn`` are left out.

    >>> plain({"n": (1, float("inf"))})
    {'n': [1, None]}
    """
    if isinstance(value, Tensor):
        return plain(value.tolist())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: plain(getattr(value, f.name))
            for f in dataclasses.fields(value)
            if not f.metadata.get("drawn")
        }
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def steps_of(policy: Augmentation) -> list[Any]:
    """The steps of a policy as a configuration has them, or as text where it has no words."""
    try:
        return policy_to_dict(policy)["policy"]
    except PolicyError:
        return [str(policy)]
