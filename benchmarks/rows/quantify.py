"""``augmoments quantify`` on CIFAR-10 under SimCLR's pipeline, in a process."""

from __future__ import annotations

import json
import tempfile
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from _data import data_folder
from _process import in_process

import augmoments as am
from rows.row import Found, Row, Skipped, Target, distance, sampling

COUNT, QUICK, LOOKED_AT = 10_000, 500, 3
NODES = 512
LIMIT = 300.0  # seconds
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


def run(count: int) -> tuple[dict[str, Any], float, float]:
    """What the program says about each of ``count`` images; seconds and peak GB of its process."""
    with tempfile.TemporaryDirectory() as folder:
        policy = Path(folder, "policy.yaml")
        policy.write_text(POLICY, encoding="utf-8")
        given = ["quantify", "--images", archive(), "--policy", policy, "--model", "none"]
        given += ["--limit", count, "--max-nodes", NODES, "--out", Path(folder, "report")]
        start = perf_counter()
        answer = in_process("work", "quantify", [str(part) for part in (*given, "--quiet")], LIMIT)
        took = perf_counter() - start
        if "failed" in answer:
            raise Skipped(f"{count:,} images: {answer['failed']}")
        results = json.loads(Path(folder, "report", "results.json").read_text(encoding="utf-8"))
    return results["subjects"][0]["every"], took, answer["peak GB"]


def measure(quick: bool) -> Found:
    """All images in one process; the errors of three are looked at."""
    from _peers import draws, fastest, simclr

    from rows.simclr import least, reference

    count = QUICK if quick else COUNT
    found, took, peak = run(count)
    images, pipelines = am.data.load(str(archive())).images, simclr()
    draw = fastest(pipelines, images[0])
    some = images[torch.tensor(found["used"][:LOOKED_AT])]
    mean, trace = reference(some, pipelines["torchvision"], 2**12 if quick else 2**15)
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
    each = found["seconds"] / count
    return Found(
        {"images": count},
        {
            "draws": each / min(draw.seconds.values()),
            "images a second": 1 / each,
            "minutes in all": took / 60,
            "peak GB": peak,
        },
        off,
        max(max(found[name][:LOOKED_AT]) for name in ("variance_error", "draws_error")),
        draw.seconds,
        sampled,
        {},
        least(found["nodes"], images[0].numel(), each),
    )


def work(given: list[str]) -> None:
    """The program."""
    from augmoments.cli import app

    with redirect_stdout(StringIO()):
        app(given, standalone_mode=False)


ROWS = {
    "quantify": Row(
        "augmoments quantify, CIFAR-10 under SimCLR's pipeline, 3 x 32 x 32",
        f"at most {NODES} nodes an image",
        (Target("images a second", 100, at_least=True),),
        measure,
        work,
    )
}
