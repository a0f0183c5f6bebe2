"""How many augmented copies ridge regression on MNIST needs: predicted, and by sampled training.

    python benchmarks/parameter_copies.py [DIR]

DIR holds the four IDX files, AUGMOMENTS_DATA/mnist by default. 5,000 images under translation
U(-2, 2)^2, penalty 1e-3. Sampled: n copies of every image, normal equations in NumPy; the mean
square over three repetitions, one for 20 copies and more.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from _data import mnist_folder
from torch import Tensor
from torch.nn.functional import one_hot

import augmoments as am

ALPHA = 1e-3
COPIES = (1, 2, 5, 10, 20, 50)
POLICY = am.RandomTranslation(x=(-2, 2), y=(-2, 2))


def sampled(images: Tensor, targets: np.ndarray, n: int, generator: torch.Generator) -> np.ndarray:
    """Ridge weights from n copies of every image."""
    size, mean = images[0].numel(), targets.mean(0)
    second, cross, total = np.zeros((size, size)), np.zeros((size, targets.shape[1])), 0.0
    for _ in range(n):
        rows = POLICY(images, generator=generator).flatten(1).numpy()
        second += rows.T @ rows
        cross += rows.T @ (targets - mean)
        total = total + rows.sum(0)
    count = n * len(images)
    covariance = second / count - np.outer(total, total) / count**2
    return np.linalg.solve(covariance + ALPHA * np.eye(size), cross / count).T


def main() -> None:
    torch.set_num_threads(2)
    images, labels = am.data.mnist(mnist_folder())
    images, labels = images[:5000].double(), labels[:5000]
    targets = one_hot(labels, 10).double()
    start = time.perf_counter()
    size = am.samples_needed(images, POLICY, of="parameters", targets=labels, alpha=ALPHA)
    seconds = time.perf_counter() - start
    print(f"{size.summary()}\n{seconds:.1f} s, {torch.get_num_threads()} threads")
    print(f"the law is taken to hold to 10% from {size.valid_from} copies on")
    data = am.DatasetMoments(POLICY).update(images, targets)
    limit, covariance = data.solve(ALPHA).coef.numpy(), data.moments().covariance.numpy()
    scales = np.sum(limit**2), np.sum(limit @ covariance * limit)
    generator = torch.Generator().manual_seed(0)
    print("copies   weights: predicted  observed   predictions: predicted  observed")
    for n in COPIES:
        squares = []
        for _ in range(3 if n < 20 else 1):
            gap = sampled(images, targets.numpy(), n, generator) - limit
            squares.append([np.sum(gap**2), np.sum(gap @ covariance * gap)])
        seen = np.sqrt(np.mean(squares, 0) / scales)
        law = [float(size.parts[name].predicted_error(n)) for name in ("weights", "predictions")]
        print(f"{n:6}{law[0]:20.3f}{seen[0]:10.3f}{law[1]:25.3f}{seen[1]:10.3f}")


if __name__ == "__main__":
    main()
