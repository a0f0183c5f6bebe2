"""The arrays of one image that a report shows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from augmoments.alignment import Sensitivity
from augmoments.calculus.covariance import Covariance
from augmoments.calculus.moments import Moments
from augmoments.reporting.request import Subject
from augmoments.reporting.results import Array, Picture, numbers
from augmoments.reporting.task import Task

_EIGEN_IMAGES = 4
_DRAWS = 2
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
    generator = torch.Generator().manual_seed(task.options.seed)
    return Picture(
        index=int(task.used[place]),
        label=_label(task.subject, int(task.used[place])),
        eigenvalues=numbers(values[0]),
        variance_share=numbers(values[0].double() / total),
        directions_for_90=_directions(covariance),
        image=_array(image),
        draws=_array(task.policy(image.expand(_DRAWS, *image.shape), generator=generator)),
        mean=_array(found.mean[place]),
        std=_array(covariance.diagonal()[0].sqrt()),
        eigen_images=_array(vectors[0, :few] * scale),
        saliency=None if alignment is None else _array(alignment.saliency[place]),
    )


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
