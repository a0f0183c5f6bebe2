"""The arrays of one image that a report shows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from augmoments.alignment import Sensitivity
from augmoments.augmentations.base import Augmentation
from augmoments.calculus.covariance import Covariance
from augmoments.calculus.explain import steps_of
from augmoments.calculus.moments import Moments
from augmoments.reporting.request import Subject
from augmoments.reporting.results import Array, EveryImage, Picture, numbers
from augmoments.reporting.task import Task

_EIGEN_IMAGES = 4
_DRAWS = 8
_SAMPLED = (1000, 500, 200, 100, 50, 20, 10)
_SAMPLED_VALUES = 2**24
_THUMBNAIL = 32
_DEMANDING = 6
_MOST_VALUES = 2048


def picture(task: Task, found: Moments, alignment: Sensitivity | None, place: int) -> Picture:
    r"""The image at ``place`` of those that are quantified, with its moments.

    Eigen-images come as one standard deviation along each direction,
    :math:`\sqrt{\lambda_j} q_j`, on the scale of the images.
    """
    covariance = found.covariance[place : place + 1]
    image = task.images[place]
    values, vectors, _ = covariance.eigh(min(task.options.eigenvectors, found.mean[place].numel()))
    total = covariance.trace()[0].double().clamp_min(torch.finfo(torch.float64).tiny)
    few = min(_EIGEN_IMAGES, values.shape[1])
    scale = values[0, :few].sqrt().reshape(-1, 1, 1, 1)
    mean = found.mean[place].double()
    n = _draws(max(image.numel(), mean.numel()))
    sampled = _sampled_mean(task.policy, image, n, task.options.seed)
    norm = float(mean.norm())
    return Picture(
        index=int(task.used[place]),
        label=_label(task.subject, int(task.used[place])),
        eigenvalues=numbers(values[0]),
        variance_share=numbers(values[0].double() / total),
        directions_for_90=_directions(covariance),
        sampled_draws=n,
        sampled_difference=float((sampled - mean).norm()) / norm if norm else None,
        sampled_predicted=float((total / n).sqrt()) / norm if norm else None,
        image=_array(image),
        sampled=_array(sampled),
        mean=_array(found.mean[place]),
        std=_array(covariance.diagonal()[0].sqrt()),
        eigen_images=_array(vectors[0, :few] * scale),
        saliency=None if alignment is None else _array(alignment.saliency[place]),
    )


def _draws(values: int) -> int:
    """How many draws of an image of so many values are averaged."""
    return next((n for n in _SAMPLED if n * values <= _SAMPLED_VALUES), _SAMPLED[-1])


def walk(task: Task, place: int) -> list[Array]:
    """A few draws of the image at ``place``, after each step of the policy."""
    image = task.images[place]
    batch = image.expand(_DRAWS, *image.shape)
    generator = torch.Generator().manual_seed(task.options.seed)
    stages = []
    for step in steps_of(task.policy):
        batch = step(batch, generator=generator)
        stages.append(_array(batch))
    return stages


def thumbnails(task: Task, every: EveryImage | None) -> dict[int, Array]:
    """Small versions of the images that tables show.

    These are the ones whose covariance is found, and those of all that need the most draws.
    """
    places = set(task.used.tolist())
    if every is not None:
        places.update(every.used[i] for i in most(every.draws, _DEMANDING))
    images = task.subject.dataset.images
    return {index: _array(smaller(images[index], _THUMBNAIL)) for index in sorted(places)}


def most(values: list[float], count: int) -> list[int]:
    """The places of the largest values, the largest first.

    >>> most([1.0, 3.0, 2.0], 2)
    [1, 2]
    """
    return sorted(range(len(values)), key=lambda i: -values[i])[:count]


def smaller(values: Tensor, side: int) -> Tensor:
    """An image ``(..., C, H, W)`` of which no side is longer than ``side``, by area averages."""
    height, width = values.shape[-2:]
    longest = max(height, width)
    if longest <= side:
        return values
    rows, columns = (max(1, round(s * side / longest)) for s in (height, width))
    return functional.adaptive_avg_pool2d(values, (rows, columns))


def _sampled_mean(policy: Augmentation, image: Tensor, n: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed + 2)
    total = torch.zeros((), dtype=torch.float64)
    for count in (n // 10,) * 10:
        draws = policy(image.expand(count, *image.shape), generator=generator)
        total = total + draws.double().sum(0) / n
    return total


def _directions(covariance: Covariance) -> int | None:
    """How many eigenvectors hold 90% of the variance; ``None`` if too costly to find."""
    every = _spectrum(covariance.to(torch.float64))
    if every is None:
        return None
    below = int((every.cumsum(0) < 0.9 * every.sum()).sum())
    return min(below + 1, len(every))


def _spectrum(covariance: Covariance) -> Tensor | None:
    """All eigenvalues that can differ from zero, descending, of one covariance."""
    flat, noise = covariance.factor[0].flatten(1), covariance.noise
    if noise is not None and noise.min() < noise.max() * (1 - 1e-6):
        if flat.shape[1] > _MOST_VALUES:
            return None
        return torch.linalg.eigvalsh(covariance.dense()[0]).flip(0).clamp_min(0)
    gram = flat @ flat.mT if flat.shape[0] <= flat.shape[1] else flat.mT @ flat
    values = torch.linalg.eigvalsh(gram).flip(0).clamp_min(0)
    if noise is None:
        return values
    missing = flat.shape[1] - len(values)
    return torch.nn.functional.pad(values, (0, missing)) + noise.mean()


def _label(subject: Subject, index: int) -> str:
    labels, classes = subject.dataset.labels, subject.dataset.classes
    if labels is None or labels.is_floating_point():
        return ""
    label = int(labels[index])
    return classes[label] if label < len(classes) else str(label)


def _array(values: Tensor) -> Array:
    return np.asarray(values.detach().cpu().double().numpy())
