"""Ridge on MNIST under infinite translation against one sampled pass, and against a peer.

    python benchmarks/ridge_mnist.py [DIR]

DIR holds the four IDX files, AUGMOMENTS_DATA/mnist by default. Ours: fit of AugmentedRidge,
everything included. One sampled pass: one augmented copy of each image, accumulated into the Gram
matrix. The weights are compared with an independent computation: dense convolution matrices,
integrated by Gauss-Legendre nodes, in NumPy.
"""

from __future__ import annotations

import resource

import numpy as np
import torch
from _data import mnist_folder
from _timing import paired
from torch.nn.functional import one_hot

import augmoments as am

ALPHA = 1e-3
REACH = 2.0


def shifts(size: int) -> list[tuple[float, np.ndarray]]:
    """Weights and dense interpolation matrices of shifts, exact for products of two."""
    points, weights = np.polynomial.legendre.leggauss(3)
    found = []
    for cell in np.arange(-REACH, REACH):
        for point, weight in zip(points, weights, strict=True):
            position = np.arange(size) - (cell + (point + 1) / 2)
            matrix = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(size)))
            found.append((weight / 2 / (2 * REACH), matrix))
    return found


def reference(images: torch.Tensor, targets: torch.Tensor) -> np.ndarray:
    """The ridge weights without augmoments: uncentred second moments with a column of ones."""
    x = images.double().flatten(1).numpy()
    y = targets.numpy()
    count, size = len(x), images.shape[-1]
    gram = (x.T @ x / count).reshape(size, size, size, size)
    mean = x.mean(0).reshape(size, size)
    cross = (x.T @ y / count).reshape(size, size, -1)
    rows = shifts(size)
    average = sum(w * m for w, m in rows)
    gram = sum(w * np.einsum("ai,bk,ijkl->ajbl", m, m, gram, optimize=True) for w, m in rows)
    gram = sum(w * np.einsum("bj,dl,ajcl->abcd", m, m, gram, optimize=True) for w, m in rows)
    gram = gram.reshape(size**2, size**2)
    mean = (average @ mean @ average.T).ravel()
    cross = np.einsum("ai,bj,ijk->abk", average, average, cross).reshape(size**2, -1)
    gram -= np.outer(mean, mean)
    cross -= np.outer(mean, y.mean(0))
    return np.linalg.solve(gram + ALPHA * np.eye(size**2), cross).T


def main() -> None:
    images, labels = am.data.mnist(mnist_folder())
    targets = one_hot(labels, 10).double()
    policy = am.RandomTranslation(x=am.Uniform(-REACH, REACH), y=am.Uniform(-REACH, REACH))
    generator = torch.Generator().manual_seed(0)

    def fit() -> am.AugmentedRidge:
        return am.AugmentedRidge(policy, alpha=ALPHA).fit(images, targets)

    def sampled_pass() -> torch.Tensor:
        gram = torch.zeros(794, 794, dtype=torch.float64)
        for x, y in zip(images.split(4096), targets.split(4096), strict=True):
            rows = torch.cat([policy(x, generator=generator).double().flatten(1), y], 1)
            gram += rows.T @ rows
        return gram

    weights = fit().coef_
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    truth = reference(images, targets)
    off = np.linalg.norm(weights - truth) / np.linalg.norm(truth)
    found = paired(fit, sampled_pass, repeats=5)
    print(
        f"{len(images):,} images, {torch.get_num_threads()} threads: fit {found.ours:.2f} s, one "
        f"sampled pass {found.peer:.2f} s, ratio {found.ratio:.2f} (median of {found.repeats} "
        f"pairs); peak memory of the fit {peak:.2f} GiB; weights off by {off:.1e} (relative)"
    )


if __name__ == "__main__":
    main()
