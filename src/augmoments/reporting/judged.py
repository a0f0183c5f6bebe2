"""What a model makes of augmented images: expected loss, and alignment of its saliency."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor

from augmoments.alignment import Sensitivity, sensitivity
from augmoments.calculus.moments import Moments
from augmoments.losses.expected_loss import LossEstimate, expected_loss
from augmoments.losses.loss import as_loss
from augmoments.reporting.request import Judge
from augmoments.reporting.results import AlignmentResult, LossResult, numbers
from augmoments.reporting.task import Task


def judged_loss(task: Task, judge: Judge, given: Moments) -> LossEstimate:
    """Expected loss of every image."""
    with task.stage("expected loss") as tell:
        found = expected_loss(
            judge.model,
            judge.loss,
            task.images,
            judge.targets[task.used],
            task.policy,
            task.options.tol,
            progress=tell,
            given=given,
            **task.numerics,
        )
        task.note("expected loss", found.method, found.error, "absolute", found.nodes)
        task.note("variance of the loss", found.variance_method, found.variance_error, "absolute")
    return found


def judged_alignment(task: Task, judge: Judge, given: Moments) -> Sensitivity:
    """Saliency of every image, and the eigenvectors that it is held against."""
    with task.stage("saliency and alignment"):
        found = sensitivity(
            judge.model,
            judge.loss,
            task.images,
            judge.targets[task.used],
            task.policy,
            min(task.options.eigenvectors, prod(task.output_shape)),
            task.options.tol,
            given=given,
            **task.numerics,
        )
        task.note("saliency and alignment", "at the mean, with the covariance's eigenvectors")
    return found


def loss_result(task: Task, judge: Judge, found: LossEstimate) -> LossResult:
    """The same in plain numbers, beside what the images themselves give if they fit the model."""
    labels = judge.targets[task.used]
    unaugmented, right = None, None
    if task.output_shape == tuple(task.images.shape[1:]):
        unaugmented = numbers(per_image(judge, labels)(task.images))
        if not labels.is_floating_point():
            with torch.no_grad():
                right = float((judge.model(task.images).argmax(1) == labels).double().mean())
    return LossResult(
        loss=judge.loss,
        value=numbers(found.value),
        error=numbers(found.error),
        at_mean=numbers(found.at_mean),
        regularizer=numbers(found.regularizer),
        residual=numbers(found.residual),
        variance=numbers(found.variance),
        unaugmented=unaugmented,
        accuracy=right,
    )


def alignment_result(found: Sensitivity) -> AlignmentResult:
    """The same in plain numbers."""
    return AlignmentResult(
        mean_alignment=numbers(found.alignment.mean(0)),
        ratio=numbers(found.ratio),
        isotropic=numbers(found.isotropic),
        linearized_variance=numbers(found.linearized_variance),
        variance=numbers(found.variance),
        dimension=found.saliency[0].numel(),
    )


def per_image(judge: Judge, labels: Tensor) -> Callable[[Tensor], Tensor]:
    """The loss of images ``(n, C, H, W)``, ``(n,)``; one label for all, or one for each."""
    sampled = as_loss(judge.loss)

    def loss(images: Tensor) -> Tensor:
        with torch.no_grad():
            outputs = judge.model(images)
        each = labels.expand(len(images), *labels.shape[1:])
        return sampled.per_sample(
            outputs, sampled.check_targets(each, len(images), outputs.shape[1])
        )

    return loss
