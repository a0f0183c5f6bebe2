"""Train a small network with an augmentation in several ways, at equal numbers of passes.

python docs/training_cnn.py --data DIR            print the tables as Markdown (about 15 minutes)
python docs/training_cnn.py --data DIR --write    put them into training.md, with the figure

DIR has the four IDX files of MNIST or of one of its relatives. Two processes, one thread each.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import augmoments as am
from augmoments.training import Expansion, ExpectedLoss, ExplicitRegularizer, TangentProp

PAGE = Path(__file__).with_name("training.md")
FIGURE = Path(__file__).parent / "_static" / "training.png"
POLICY = am.Compose(
    [
        am.RandomRotation(15, interpolation="bilinear"),
        am.RandomTranslation(x=am.Uniform(-2, 2), y=am.Uniform(-2, 2)),
    ]
)
IMAGES, BATCH, PASSES, SEEDS = 1000, 50, 400_000, 5
RATE = 2e-3
REPEATS, BATCHES, PROBED = 150, 10, 64
PROCESSES = 2
Step = Callable[[nn.Module, Tensor], Tensor]
"""The loss of some of the training images."""


class Data(NamedTuple):
    """Training images, and all test images as they are and after a draw each."""

    images: Tensor
    labels: Tensor
    test: Tensor
    moved: Tensor
    test_labels: Tensor


class Way(NamedTuple):
    """A way of training, and the passes that an image takes in a step."""

    name: str
    passes: int
    step: Callable[[Data, int], Step]


class Result(NamedTuple):
    """What one training run came to, and by when."""

    way: str
    accuracy: float
    loss: float
    moved_accuracy: float
    moved_loss: float
    at_mean_image: float
    at_mean_output: float
    seconds: float
    curve: list[tuple[int, float]]


def load(root: Path) -> Data:
    images, labels = am.data.mnist(root, "train")
    test, test_labels = am.data.mnist(root, "test")
    moved = POLICY(test, torch.Generator().manual_seed(0))
    return Data(images[:IMAGES], labels[:IMAGES], test, moved, test_labels)


def network(seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 8, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * 49, 10),
        )


def unaugmented(data: Data, seed: int) -> Step:
    return lambda model, index: F.cross_entropy(model(data.images[index]), data.labels[index])


def drawn(count: int, data: Data, seed: int) -> Step:
    generator = torch.Generator().manual_seed(seed)

    def step(model: nn.Module, index: Tensor) -> Tensor:
        index = index.repeat_interleave(count)
        moved = POLICY(data.images[index], generator)
        return F.cross_entropy(model(moved), data.labels[index])

    return step


def at_nodes(count: int, data: Data, seed: int) -> Step:
    criterion = ExpectedLoss("cross_entropy", POLICY, nodes=count, seed=seed)
    return lambda model, index: criterion(model, data.images[index], data.labels[index])


def expanded(known: Expansion, data: Data, seed: int) -> Step:
    criterion = ExplicitRegularizer(POLICY, check_every=0)
    return lambda model, index: criterion.total(
        model, data.images[index], data.labels[index], known[index]
    )


def ways(data: Data) -> tuple[list[Way], dict[int, float]]:
    """All of them, and what the expansions took: seconds an image by rank."""
    found = [
        Way("no augmentation", 1, unaugmented),
        Way("1 draw", 1, partial(drawn, 1)),
        Way("4 draws", 4, partial(drawn, 4)),
        Way("`ExpectedLoss`, 1 node", 1, partial(at_nodes, 1)),
        Way("`ExpectedLoss`, 4 nodes", 4, partial(at_nodes, 4)),
    ]
    seconds = {}
    for rank in (3, 7):
        start = time.perf_counter()
        known = ExplicitRegularizer(POLICY, rank=rank).expansion(data.images)
        seconds[rank] = (time.perf_counter() - start) / len(data.images)
        share = float(known.explained.mean())
        name = f"`ExplicitRegularizer`, rank {rank} ({share:.0%} of tr V)"
        found.append(Way(name, 1 + rank, partial(expanded, known)))
    known = TangentProp(POLICY).expansion(data.images)
    found.append(Way("`TangentProp`", 1 + known.directions.shape[1], partial(expanded, known)))
    return found, seconds


def batches(seed: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield from torch.randperm(IMAGES, generator=generator).split(BATCH)


def train(data: Data, way: Way, seed: int) -> Result:
    torch.set_num_threads(1)
    model, step = network(seed), way.step(data, seed)
    steps = PASSES // (BATCH * way.passes)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    curve, spent = [], 0.0
    for number, index in zip(range(1, steps + 1), batches(seed), strict=False):
        start = time.perf_counter()
        optimizer.zero_grad()
        step(model, index).backward()
        optimizer.step()
        schedule.step()
        spent += time.perf_counter() - start
        if number % (steps // 10) == 0:
            curve.append((number * BATCH * way.passes, test(model, data.test, data)[1]))
    found = (*test(model, data.test, data), *test(model, data.moved, data))
    return Result(way.name, *found, *expansions(model, data), spent, curve)


@torch.no_grad()
def test(model: nn.Module, images: Tensor, data: Data) -> tuple[float, float]:
    """Accuracy in % and loss."""
    outputs = torch.cat([model(part) for part in images.split(1000)])
    hits = (outputs.argmax(1) == data.test_labels).double().mean()
    return 100 * float(hits), float(F.cross_entropy(outputs, data.test_labels))


def expansions(model: nn.Module, data: Data) -> tuple[float, float]:
    """Second orders at the mean image and at the mean output over the expected loss.

    Of training images.
    """
    images, labels = data.images[:PROBED], data.labels[:PROBED]
    found = am.expected_loss(model.eval(), "cross_entropy", images, labels, POLICY, 0.05)
    criterion = ExpectedLoss("cross_entropy", POLICY, method="second_order", nodes=256)
    with torch.no_grad():
        at_mean_output = criterion(model, images, labels)
    model.train()
    value = found.value.mean()
    return float((found.at_mean + found.regularizer).mean() / value), float(at_mean_output / value)


def gradient(model: nn.Module, loss: Tensor) -> Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])


def variance(model: nn.Module, step: Step, indices: list[Tensor]) -> float:
    """Of the gradient of one step, summed over the parameters."""
    found = torch.stack([gradient(model, step(model, index)) for index in indices])
    return float(found.var(0).sum())


def reductions(data: Data) -> str:
    """How much less a step's gradient varies with nodes than with as many draws."""
    lines = [
        "| network | passes an image | variance with draws / with nodes | augmentation's share of "
        "the variance with draws |",
        "| --- | --- | --- | --- |",
    ]
    trained, step = network(0), at_nodes(4, data, 0)
    optimizer = torch.optim.Adam(trained.parameters(), lr=RATE)
    for _, index in zip(range(1000), batches(0), strict=False):
        optimizer.zero_grad()
        step(trained, index).backward()
        optimizer.step()
    for name, model in (("untrained", network(0)), ("after 1,000 steps", trained)):
        for count in (1, 2, 4, 16):
            kinds = drawn(count, data, 1), at_nodes(count, data, 1)
            totals = [0.0, 0.0]
            for _, index in zip(range(BATCHES), batches(2), strict=False):
                for i, kind in enumerate(kinds):
                    totals[i] += variance(model, kind, [index] * (REPEATS // BATCHES)) / BATCHES
            many = [index for _, index in zip(range(REPEATS), batches(3), strict=False)]
            share = totals[0] / variance(model, kinds[0], many)
            ratio = totals[0] / totals[1]
            lines.append(f"| {name} | {count} | {ratio:.2f} | {share:.0%} |")
    return "\n".join(lines)


def spread(values: list[float], digits: int) -> str:
    """Mean and its standard error."""
    found = torch.tensor(values, dtype=torch.float64)
    error = float(found.std()) / len(values) ** 0.5
    return f"{float(found.mean()):.{digits}f} ± {error:.{digits}f}"


def table(found: dict[str, list[Result]], passes: dict[str, int]) -> str:
    lines = [
        "| training | passes an image and step | steps | accuracy, % | loss | accuracy moved, % | "
        "loss moved | at the mean image | at the mean output | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, runs in found.items():
        cells = [
            name,
            str(passes[name]),
            f"{PASSES // (BATCH * passes[name]):,}",
            spread([run.accuracy for run in runs], 2),
            spread([run.loss for run in runs], 3),
            spread([run.moved_accuracy for run in runs], 2),
            spread([run.moved_loss for run in runs], 3),
            spread([run.at_mean_image for run in runs], 2),
            spread([run.at_mean_output for run in runs], 2),
            f"{sum(run.seconds for run in runs) / len(runs):.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(found: dict[str, list[Result]], title: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for name, runs in found.items():
        passes = [point[0] / 1000 for point in runs[0].curve]
        losses = torch.tensor([[point[1] for point in run.curve] for run in runs])
        middle, error = losses.mean(0), losses.std(0) / len(runs) ** 0.5
        (line,) = axis.plot(passes, middle, label=name.replace("`", ""))
        axis.fill_between(passes, middle - error, middle + error, color=line.get_color(), alpha=0.2)
    axis.set(
        xlabel="passes of single images, thousands", ylabel="test loss", yscale="log", title=title
    )
    axis.legend(fontsize=8, bbox_to_anchor=(1.01, 1), loc="upper left")
    figure.savefig(FIGURE, dpi=110)


def written(page: str, title: str, text: str) -> str:
    """The page with new numbers under ``title``."""
    start, end = f"<!-- numbers: {title} -->\n", f"<!-- end: {title} -->"
    before, rest = page.split(start)
    return f"{before}{start}\n{text}\n\n{rest[rest.index(end) :]}"


def run(data: Data) -> tuple[str, dict[str, list[Result]]]:
    chosen, seconds = ways(data)
    jobs = [(way, seed) for way in chosen for seed in range(SEEDS)]
    with ProcessPoolExecutor(PROCESSES, get_context("forkserver")) as pool:
        running = [pool.submit(train, data, way, seed) for way, seed in jobs]
        results = []
        for (way, seed), future in zip(jobs, running, strict=True):
            results.append(future.result())
            print(way.name, seed, *(f"{v:.4g}" for v in results[-1][1:-1]), flush=True)
    found = {w.name: [r for r in results if r.way == w.name] for w in chosen}
    took = ", ".join(f"{1000 * s:.0f} ms at rank {rank}" for rank, s in seconds.items())
    text = table(found, {way.name: way.passes for way in chosen})
    return f"{text}\n\nThe expansion of a training image took {took}, once.", found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="folder of IDX files")
    parser.add_argument("--write", action="store_true", help="put the numbers into training.md")
    options = parser.parse_args()
    data = load(options.data)
    gains = reductions(data)
    print(gains, flush=True)
    text, found = run(data)
    print(text)
    if options.write:
        name = options.data.resolve().name
        draw(found, f"{name}, {IMAGES:,} training images, {SEEDS} seeds")
        page = written(PAGE.read_text(), "variance", gains)
        PAGE.write_text(written(page, "training", text))


if __name__ == "__main__":
    main()
