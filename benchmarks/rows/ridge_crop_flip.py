"""Ridge on images of CIFAR's size under a padded crop and a flip.

Synthetic images of 3 x 32 x 32 with the spectrum of natural ones, so that the row runs anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import _timing  # noqa: F401 - sets two threads
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

import augmoments as am
from augmoments.calculus.reference import reference_images
from rows.ridge_mnist import copy_pass, least, weights
from rows.row import Found, Row, Target, extrapolated

ALPHA = 1e-3
COUNTS = (10_000, 50_000)
COPIES = (1, 2, 4)


def dataset(count: int, side: int) -> tuple[Tensor, Tensor]:
    """Images that are blends of smooth ones and noise, with classes at random."""
    generator = torch.Generator().manual_seed(0)
    base = reference_images((3, side, side)).float()
    images = torch.empty(count, 3, side, side)
    for part in images.split(5000):
        torch.rand(part.shape, generator=generator, out=part)
        part.mul_(0.3).add_(0.7 * base[torch.randint(len(base), (len(part),), generator=generator)])
    labels = torch.randint(10, (count,), generator=generator)
    return images.clamp_(0, 1), one_hot(labels, 10).double()


def fit(images: Tensor, targets: Tensor) -> am.AugmentedRidge:
    """Everything: sums, the policy, the solution."""
    policy = am.Compose([am.RandomCrop(images.shape[-1], padding=4), am.RandomHorizontalFlip()])
    return am.AugmentedRidge(policy, alpha=ALPHA).fit(images, targets)


def normal_residual(coef: np.ndarray, images: Tensor, targets: Tensor) -> float:
    """How far the weights are from solving their equations, enumerating all outcomes.

    162 outcomes of each image: 81 windows, mirrored or not; relative to the right-hand side.
    """
    size, side, count = images[0].numel(), images.shape[-1], 162 * len(images)
    second, cross, total = torch.zeros(size, size).double(), 0.0, 0.0
    padded = torch.nn.functional.pad(images, (4, 4, 4, 4)).double()
    for place in range(81):
        window = padded[..., place // 9 :, place % 9 :][..., :side, :side]
        for view in (window, window.flip(-1)):
            rows = view.flatten(1)
            second.addmm_(rows.T, rows)
            cross, total = cross + rows.T @ targets, total + rows.sum(0)
    mean = total / count
    centred = second / count - torch.outer(mean, mean)
    right = cross / count - torch.outer(mean, targets.mean(0))
    weights = torch.from_numpy(coef).double()
    left = weights @ centred + ALPHA * weights
    return float((left - right.T).norm() / right.norm())


def measure(quick: bool) -> Found:
    """The fit once for each number of images, and passes of kornia over the fewest."""
    from _peers import crop_flip

    side = 16 if quick else 32
    draw, small = crop_flip(side), dataset(64, side)
    off = normal_residual(fit(*small).coef_, *small)
    growth: list[tuple[float, float]] = []
    for count in (2000,) if quick else COUNTS:
        images, targets = dataset(count, side)
        start = perf_counter()
        model = fit(images, targets)
        took = perf_counter() - start
        if not growth:
            a_pass, errors = passes(draw, images, targets, model.coef_)
        growth.append((count, took / (a_pass * count)))
    return Found(
        {"images": int(growth[-1][0]), "side": side},
        {"passes": growth[-1][1], "minutes": took / 60},
        off,
        float(model.error_),
        {"kornia": a_pass},
        extrapolated(COPIES, errors, off) | {"images": int(growth[0][0])},
        {"images": growth},
        least(3 * side**2, took / count),
    )


def passes(
    draw: Callable[[Tensor], Tensor], images: Tensor, targets: Tensor, truth: np.ndarray
) -> tuple[float, list[float]]:
    """Seconds an image of a sampled pass, and the errors of the weights after some."""
    torch.manual_seed(0)
    gram, errors, times = torch.zeros(()), [], []
    for done in range(1, COPIES[-1] + 1):
        start = perf_counter()
        gram = gram + copy_pass(draw, images, targets)
        times.append(perf_counter() - start)
        if done in COPIES:
            found = weights(gram, done * len(images), targets.shape[1])
            errors.append(float(np.linalg.norm(found - truth) / np.linalg.norm(truth)))
    return median(times) / len(images), errors


def work(setting: dict[str, Any]) -> object:
    """The fit, with its images."""
    return fit(*dataset(setting["images"], setting["side"]))


ROWS = {
    "ridge-crop-flip": Row(
        "ridge on 50,000 images of 3 x 32 x 32, padded crop and flip",
        "exact",
        (Target("minutes", 4), Target("peak GB", 6)),
        measure,
        work,
    )
}
