"""How strong a shift should be on MNIST: ten closed-form models against one sampled training.

    python benchmarks/strength.py [DIR] [FIGURE]

DIR holds the four IDX files, AUGMOMENTS_DATA/mnist by default. For several numbers of training
images: the curve of ten strengths, everything included, judged on the last 10,000 training images.
One sampled training: the moments of ten augmented copies of each image at one strength, and the
same solve. FIGURE, if given, shows accuracy against strength.
"""

from __future__ import annotations

import sys
import time

import torch
from _data import mnist_folder
from matplotlib.figure import Figure
from torch.nn.functional import one_hot

import augmoments as am
from augmoments.linear.strength import StrengthCurve, strength_curve

torch.set_num_threads(1)
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
SIZES = (300, 1000, 10_000, 50_000)
COPIES = 10
SHIFT = am.RandomTranslation(x=am.Uniform(-1, 1), y=am.Uniform(-1, 1))


def sampled(images: torch.Tensor, labels: torch.Tensor, policy: am.Augmentation) -> torch.Tensor:
    """Weights of ridge on augmented copies."""
    generator = torch.Generator().manual_seed(0)
    data, targets = am.DatasetMoments(am.RandomTranslation()), one_hot(labels, 10).double()
    for _ in range(COPIES):
        for x, y in zip(images.split(4096), targets.split(4096), strict=True):
            data.update(policy(x, generator=generator).clamp(0, 1), y)
    return data.solve(1e-3).coef


def draw(curves: dict[int, StrengthCurve], path: str) -> None:
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for size, curve in curves.items():
        (line,) = axes.plot(curve.strength, curve.score, "o-", ms=3, label=f"{size:,} images")
        best = curve.best
        axes.plot(best.strength, best.score, "o", ms=9, mfc="none", color=line.get_color())
    axes.set(xlabel="largest shift, pixels", ylabel="accuracy on 10,000 other images")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    images, labels = am.data.mnist(mnist_folder())
    held = images[-10_000:], labels[-10_000:]
    curves = {}
    for size in SIZES:
        train = images[:size], labels[:size]
        start = time.perf_counter()
        curves[size] = strength_curve(*train, SHIFT, STRENGTHS, validation=held)
        ours = time.perf_counter() - start
        start = time.perf_counter()
        sampled(*train, SHIFT)
        peer = time.perf_counter() - start
        best = curves[size].best
        print(
            f"{size:6d} images: {len(STRENGTHS)} strengths {ours:.1f} s, one sampled training of "
            f"{COPIES} copies {peer:.1f} s; accuracy {curves[size].score[0]:.4f} without, "
            f"{best.score:.4f} at the best strength {best.strength:g}"
        )
    if len(sys.argv) > 2:
        draw(curves, sys.argv[2])


if __name__ == "__main__":
    main()
