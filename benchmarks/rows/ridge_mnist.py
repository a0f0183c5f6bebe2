"""Ridge on MNIST under infinite translation, against sampled passes by kornia.

The weights are compared with an independent computation: dense convolution matrices, integrated by
Gauss-Legendre nodes, in NumPy. A sampled pass is one augmented copy of each image and its share of
the Gram matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from _data import data_folder
from _timing import paired
from torch import Tensor
from torch.nn.functional import one_hot

import augmoments as am
from rows.row import Found, Least, Row, Skipped, Target, extrapolated

ALPHA = 1e-3
REACH = 2.0
COPIES = (1, 2, 5)


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


def reference(images: Tensor, targets: Tensor) -> np.ndarray:
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


def load(count: int) -> tuple[Tensor, Tensor]:
    """Images and one-hot classes."""
    folder = data_folder() / "mnist"
    if not folder.is_dir():
        raise Skipped(f"no MNIST in {folder}; set AUGMOMENTS_DATA")
    images, labels = am.data.mnist(folder)
    return images[:count], one_hot(labels[:count], 10).double()


def fit(images: Tensor, targets: Tensor) -> am.AugmentedRidge:
    """Everything: sums, the policy, the solution."""
    policy = am.RandomTranslation(x=am.Uniform(-REACH, REACH), y=am.Uniform(-REACH, REACH))
    return am.AugmentedRidge(policy, alpha=ALPHA).fit(images, targets)


def copy_pass(draw: Callable[[Tensor], Tensor], images: Tensor, targets: Tensor) -> Tensor:
    """One augmented copy of each image and its Gram matrix, with a column of ones."""
    size = images[0].numel() + targets.shape[1] + 1
    gram = torch.zeros(size, size)
    for x, y in zip(images.split(1000), targets.float().split(1000), strict=True):
        rows = torch.cat([draw(x).flatten(1), y, y.new_ones(len(y), 1)], 1)
        gram.addmm_(rows.T, rows)
    return gram


def weights(gram: Tensor, count: int, classes: int) -> np.ndarray:
    """Ridge weights from an accumulated Gram matrix."""
    second = gram.double().numpy() / count
    mean = second[-1]
    centred = second - np.outer(mean, mean)
    pixels = len(second) - classes - 1
    system = centred[:pixels, :pixels] + ALPHA * np.eye(pixels)
    return np.linalg.solve(system, centred[:pixels, pixels:-1]).T


def measure(quick: bool) -> Found:
    """Paired with passes of kornia."""
    from _peers import translation

    images, targets = load(6000 if quick else 60_000)
    draw = translation(REACH, 28)
    model, truth = fit(images, targets), reference(images, targets)

    def error(found: np.ndarray) -> float:
        return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))

    found = paired(
        lambda: fit(images, targets), lambda: copy_pass(draw, images, targets), repeats=3
    )
    torch.manual_seed(0)
    gram, errors = torch.zeros(795, 795), []
    for done in range(1, COPIES[-1] + 1):
        gram += copy_pass(draw, images, targets)
        if done in COPIES:
            errors.append(error(weights(gram, done * len(images), 10)))
    some = [n for n in (6000, 20_000, 60_000) if n < len(images)]
    growth = [
        (
            n,
            paired(
                lambda n=n: fit(images[:n], targets[:n]),
                lambda n=n: copy_pass(draw, images[:n], targets[:n]),
                repeats=3,
            ).ratio,
        )
        for n in some
    ]
    off = error(model.coef_)
    return Found(
        {"images": len(images)},
        {"passes": found.ratio, "seconds": found.ours},
        off,
        float(model.error_),
        {"kornia": found.peer / len(images)},
        extrapolated(COPIES, errors, off),
        {"images": [*growth, (len(images), found.ratio)]},
        least(images[0].numel(), found.ours / len(images)),
    )


def least(values: int, took: float) -> Least:
    """A row of the Gram matrix, which is symmetric."""
    how = f"{values:,}² / 2 products and sums in double precision; the policy on it, once, on top"
    return Least(took, 2 * values**2, 8 * values, how)


def work(setting: dict[str, Any]) -> object:
    """The fit."""
    return fit(*load(setting["images"]))


ROWS = {
    "ridge-mnist": Row(
        "ridge on MNIST, translation U(-2, 2) on both axes",
        "exact",
        (Target("passes", 1),),
        measure,
        work,
    )
}
