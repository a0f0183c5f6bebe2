"""``augmoments quantify`` on CIFAR-10 under SimCLR's pipeline, in a process."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from _data import data_folder

import augmoments as am
from rows.row import Found, Row, Skipped, Target, distance, sampling

FEWEST, COUNT, LOOKED_AT = 128, 10_000, 3
BUDGET = 100.0
POLICY = """
- RandomResizedCrop: {size: 32, scale: [0.2, 1.0]}
- RandomHorizontalFlip
- RandomApply:
    transforms: [{ColorJitter: {brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1}}]
    p: 0.8
- RandomGrayscale: {p: 0.2}
"""


def archive() -> Path:
    """CIFAR-10 as an archive of NumPy."""
    found = sorted((data_folder() / "cifar10").glob("*.npz"))
    if not found:
        raise Skipped(f"no CIFAR-10 in {data_folder() / 'cifar10'}; set AUGMOMENTS_DATA")
    return found[0]


def run(count: int) -> tuple[dict[str, Any], float]:
    """What the program says about each of ``count`` images, and the seconds of its process."""
    with tempfile.TemporaryDirectory() as folder:
        policy = Path(folder, "policy.yaml")
        policy.write_text(POLICY, encoding="utf-8")
        command = [sys.executable, "-c", "from augmoments.cli import main; main()", "quantify"]
        command += ["--images", archive(), "--policy", policy, "--model", "none", "--quiet"]
        command += ["--limit", count, "--out", Path(folder, "report")]
        start = perf_counter()
        subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
        took = perf_counter() - start
        results = json.loads(Path(folder, "report", "results.json").read_text(encoding="utf-8"))
    return results["subjects"][0]["every"], took


def measure(quick: bool) -> Found:
    """As many images as fit into the time, up to all; the errors of three are looked at."""
    from _peers import draws, fastest, simclr

    from rows.simclr import reference

    images, pipelines = am.data.load(str(archive())).images, simclr()
    draw = fastest(pipelines, images[0])
    each = min(draw.seconds.values())
    budget, count = (15.0 if quick else BUDGET), FEWEST
    found, took = run(count)
    growth = [(count, took / count / each)]
    while count < COUNT and took < budget / 4:
        count = min(COUNT, 4 * count)
        found, took = run(count)
        growth.append((count, took / count / each))
    some = images[torch.tensor(found["used"][:LOOKED_AT])]
    mean, trace = reference(some, pipelines["torchvision"], 2**13 if quick else 2**15)
    truth = {
        "total_variance": trace,
        "draws": trace / (found["rel_error"] * mean.flatten(1).norm(dim=1)) ** 2,
    }
    off = max(
        distance(torch.tensor(found[name][:LOOKED_AT])[:, None], value[:, None])
        for name, value in truth.items()
    )
    sampled = sampling(
        draws(pipelines["torchvision"], some[0], 1024),
        (64, 128, 256, 512),
        lambda group: distance(group.var(0).sum().reshape(1, 1), trace[:1, None]),
        off,
    )
    return Found(
        {"images": count},
        {"draws": growth[-1][1], "images a second": count / took},
        off,
        max(max(found[name][:LOOKED_AT]) for name in ("variance_error", "draws_error")),
        draw.seconds,
        sampled,
        {"images": growth},
    )


def work(setting: dict[str, Any]) -> object:
    """The program, in this process, for its memory."""
    return run(setting["images"])


ROWS = {
    "quantify": Row(
        "augmoments quantify, CIFAR-10 under SimCLR's pipeline, 3 x 32 x 32",
        "as it states",
        (Target("images a second", 100, at_least=True),),
        measure,
        work,
        "evaluating the colours at the nodes, and the crops of the result",
    )
}
