"""Sums of a dataset in files, so that what does not belong together is never merged."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.errors import DataError, OutputError

FORMAT = "augmoments.DatasetMoments/1"
_ABOUT = "augmoments"


def fingerprint(policy: Augmentation, seed: int, nodes: int) -> str:
    """Hash of what sums have to have in common: format, policy, seed and nodes."""
    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):
        text = f"{FORMAT}|{policy!r}|seed={seed}|nodes={nodes}"
    return hashlib.sha256(text.encode()).hexdigest()


def write(path: str | Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write tensors and facts to ``path`` all at once: a file that is there is whole.

    Raises:
        OutputError: The file cannot be written.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        content = save(whole, {_ABOUT: json.dumps({"format": FORMAT, **facts}, sort_keys=True)})
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written: {error}") from error


def read(path: str | Path, expected: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts from ``path``.

    Args:
        path: What :func:`write` wrote.
        expected: The fingerprint that its facts must have.

    Raises:
        DataError: The file cannot be read, or has another format or fingerprint.
    """
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise DataError(f"{path} is no file: expected one that DatasetMoments.save wrote.")
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {}).get(_ABOUT, "{}"))
            if not isinstance(facts, dict) or facts.get("format") != FORMAT:
                found = facts.get("format") if isinstance(facts, dict) else None
                raise DataError(f"{path} is no {FORMAT} file; its format is {str(found)[:60]!r}.")
            if facts["fingerprint"] != expected:
                raise DataError(
                    f"{path} holds the moments of another policy, seed or number of nodes: load it "
                    "with those that it was made with."
                )
            _check_facts(path, facts)
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.") from error
    except (OSError, SafetensorError, KeyError, ValueError, RecursionError, RuntimeError) as error:
        if isinstance(error, DataError):
            raise
        reason = str(error)[:300]
        raise DataError(f"{path} cannot be read as {FORMAT}: {reason}. Save it again.") from error


def _check_facts(path: str | Path, facts: dict[str, Any]) -> None:
    """Refuse facts that are not those of sums: three sides, and two numbers of at least 0."""
    shape = facts.get("shape")
    sides = shape if isinstance(shape, list) else []
    known = len(sides) == 3 and all(type(side) is int and side > 0 for side in sides)
    for name in ("count", "columns"):
        known = known and type(facts.get(name)) is int and facts[name] >= 0
    if not known:
        told = {name: facts.get(name) for name in ("shape", "count", "columns")}
        raise DataError(f"{path} tells of impossible sums, {str(told)[:200]}: write it again.")


def check_tensors(path: str | Path, tensors: dict[str, Tensor], like: dict[str, Tensor]) -> None:
    """Refuse a file whose tensors have other names or shapes, or values that are not finite.

    Raises:
        DataError: They have.
    """
    for name in sorted({*tensors, *like}):
        found, meant = (group.get(name) for group in (tensors, like))
        shapes = [None if tensor is None else tuple(tensor.shape) for tensor in (found, meant)]
        if shapes[0] != shapes[1]:
            raise DataError(f"{path}: {name} has the shape {shapes[0]}, expected {shapes[1]}.")
        if found is not None and not (found.dtype == torch.float64 and found.isfinite().all()):
            raise DataError(f"{path}: {name} has values that are not finite float64 numbers.")
