"""Test-time augmentation in the limit, beside as many forward passes over draws of kornia."""

from __future__ import annotations

from statistics import median
from typing import Any

import torch
from _data import data_folder
from _timing import paired, seconds
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

import augmoments as am
from rows.row import Found, Least, Row, Skipped, Target, sampling

DIGITS, NODES, LOOKED_AT = 64, 2048, 8
BATCHES = (64, 256, 1024)
SHIFT = 0.1


def digits() -> tuple[Tensor, Tensor]:
    """Images and classes."""
    folder = data_folder() / "mnist"
    if not folder.is_dir():
        raise Skipped(f"no MNIST in {folder}; set AUGMOMENTS_DATA")
    return am.data.mnist(folder)


def network(images: Tensor, labels: Tensor) -> nn.Module:
    """Two convolutions, trained for a hundred steps."""
    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * 7 * 7, 10)),
    )
    steps = torch.optim.Adam(model.parameters(), 3e-3)
    for x, y in list(zip(images.split(128), labels.split(128), strict=True))[:100]:
        steps.zero_grad()
        cross_entropy(model(x), y).backward()
        steps.step()
    return model.eval().requires_grad_(False)


def operations(model: nn.Module) -> int:
    """Those of a forward pass."""
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 1, 28, 28))
    return counter.get_total_flops()


def policy() -> am.Augmentation:
    """An affine map of four numbers."""
    return am.RandomAffine(15, (SHIFT, SHIFT), (0.9, 1.1), interpolation="bilinear")


def solve(model: nn.Module, images: Tensor, nodes: int) -> am.AveragedPrediction:
    """The limit of infinitely many passes."""
    return am.tta(model, images, policy(), tol=1e-9, max_nodes=nodes)


def measure(quick: bool) -> Found:
    """A draw is one augmented image of kornia and a forward pass, in the best size of a batch."""
    import kornia.augmentation as K
    from _peers import affine, draws

    images, labels = digits()
    model = network(images, labels)
    nodes, count = (512, 16) if quick else (NODES, DIGITS)
    some, draw = images[:count], K.RandomAffine(15.0, (SHIFT, SHIFT), (0.9, 1.1), p=1.0)

    def passes(size: int) -> Tensor:
        with torch.inference_mode():
            return model(draw(some.repeat(-(-size // count), 1, 1, 1)[:size])).softmax(1)

    took = {n: median([seconds(lambda n=n: passes(n)) for _ in range(9)]) / n for n in BATCHES}
    size = min(took, key=took.__getitem__)
    answers = []
    timed = paired(
        lambda: answers.append(solve(model, some, nodes)), lambda: passes(size), repeats=2
    )
    found = answers[-1]

    def probabilities(drawn: Tensor) -> Tensor:
        return model(drawn).softmax(1).double()

    truths = [
        am.expectation(
            probabilities, some[:LOOKED_AT], policy(), 1e-9, seed=seed, max_nodes=4 * nodes
        ).value
        for seed in (101, 102)
    ]
    truth = (truths[0] + truths[1]) / 2
    off = float((found.mean[:LOOKED_AT] - truth).abs().max())
    views = draws(affine(4)["torchvision"], images[0], 1024).unflatten(1, images.shape[1:]).float()
    sampled = sampling(
        probabilities(views),
        (64, 128, 256),
        lambda group: float((group.mean(0) - truth[0]).abs().max()),
        off,
    )
    values, forward = some[0].numel(), operations(model)
    how = (
        f"{nodes:,} nodes x {forward:,} operations of a forward pass, and 8 to interpolate each of "
        f"{values} values"
    )
    return Found(
        {"count": count, "nodes": nodes},
        {"draws": timed.ratio / count * size},
        off,
        float(found.error.max()),
        {"kornia": timed.peer / size},
        sampled,
        {},
        Least(timed.ours / count, nodes * (forward + 8 * values), 8 * values * nodes, how),
    )


def work(setting: dict[str, Any]) -> object:
    """Network and answer."""
    images, labels = digits()
    return solve(network(images, labels), images[: setting["count"]], setting["nodes"])


ROWS = {
    "tta": Row(
        f"average prediction at test time, {DIGITS} digits of MNIST, small convolutional network",
        f"{NODES:,} nodes",
        (Target("draws", NODES),),
        measure,
        work,
    )
}
