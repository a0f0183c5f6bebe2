"""``augmoments doctor``: what is there, and whether it computes rightly."""

from __future__ import annotations

import json as json_format
import os
from typing import Any

import torch
import typer
from rich.table import Table

from augmoments.augmentations.geometric import RandomTranslation
from augmoments.calculus.moments import moments
from augmoments.checks import available_memory
from augmoments.cli.console import results
from augmoments.cli.failures import Exit
from augmoments.reporting.environment import versions

_OPTIONAL = ("torchvision", "kornia", "albumentations")


def run(json: bool) -> None:
    """Print what was found; exit code 1 if a known answer is missed."""
    found = examine()
    console = results()
    if json:
        console.out(json_format.dumps(found, indent=1))
    else:
        table = Table(box=None, pad_edge=False, show_header=False)
        for name, value in found.items():
            shown = (
                ", ".join(f"{k} {v}" for k, v in value.items())
                if isinstance(value, dict)
                else value
            )
            table.add_row(name.replace("_", " "), str(shown))
        console.print(table)
    if not found["known_answer_met"]:
        raise typer.Exit(int(Exit.CHECK_FAILED))


def examine() -> dict[str, Any]:
    """Versions, resources, and a moment whose value is known."""
    memory = available_memory()
    image = torch.tensor([[[[0.0, 1.0, 0.0]]]], dtype=torch.float64)
    mean = moments(image, RandomTranslation(x=(-1, 1))).mean.flatten()
    error = float((mean - torch.tensor([0.25, 0.5, 0.25], dtype=torch.float64)).abs().max())
    optional = versions(_OPTIONAL)
    del optional["python"]
    return {
        "versions": versions(),
        "optional": optional,
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_available_gb": None if memory is None else round(memory / 1e9, 1),
        "cuda": torch.cuda.is_available(),
        "known_answer_met": error < 1e-12,
    }
