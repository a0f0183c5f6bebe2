"""All numbers about one subject."""

from __future__ import annotations

from dataclasses import asdict

import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.explain import explain
from augmoments.calculus.moments import Moments, moments
from augmoments.losses.expected_loss import LossEstimate
from augmoments.operators.base import Shape
from augmoments.reporting.environment import digest
from augmoments.reporting.every import every_image
from augmoments.reporting.judged import (
    alignment_result,
    judged_alignment,
    judged_loss,
    loss_result,
    per_image,
)
from augmoments.reporting.observed import observed_errors
from augmoments.reporting.pictures import picture, thumbnails, walk
from augmoments.reporting.request import Judge, Options, Progress, Subject
from augmoments.reporting.results import Curve, MomentsResult, Samples, SubjectResult, numbers
from augmoments.reporting.task import Task, spread
from augmoments.sample_size import SampleSize, samples_needed

_EXPLAINED = 4  # images that the shares of the variance are about


def measure(
    subject: Subject, policy: Augmentation, options: Options, progress: Progress
) -> SubjectResult:
    """Moments, draws needed, expected loss and alignment of a subject's images."""
    task = Task(subject, policy, options, progress)
    shape: Shape = tuple(task.images.shape[1:])  # type: ignore[assignment]
    with task.stage("shares of the steps"):
        rows = explain(policy, task.images[:_EXPLAINED], seed=options.seed).rows
    found = _moments(task)
    sizes = [_samples(task, of, found) for of in ("mean", "covariance")]
    judge, loss, alignment = subject.judge, None, None
    if judge is not None:
        loss = judged_loss(task, judge, found)
        sizes.append(_samples(task, "loss", found, judge))
        alignment = judged_alignment(task, judge, found)
    shown = spread(len(task.used), options.shown).tolist()
    every = every_image(task) if task.many else None
    return SubjectResult(
        name=subject.dataset.name,
        shape=shape,
        output_shape=task.output_shape,
        available=len(subject.dataset),
        used=task.used.tolist(),
        classes=list(subject.dataset.classes),
        labels=_labels(task),
        sha256=digest(task.images),
        skipped=[{"file": str(s.path), "reason": s.reason} for s in subject.dataset.skipped],
        explanation=[asdict(row) for row in rows],
        moments=_summary(found),
        samples=[_sample_result(size) for size in sizes],
        curves=_curves(task, found, sizes, loss, shown[0]),
        pictures=[picture(task, found, alignment, place) for place in shown],
        loss=loss_result(task, judge, loss) if judge and loss else None,
        alignment=alignment_result(alignment) if alignment else None,
        obtained=task.log,
        model=judge.name if judge else None,
        no_loss_because=subject.no_judge_because,
        walk=walk(task, shown[0]),
        thumbnails=thumbnails(task, every),
        every=every,
    )


def _labels(task: Task) -> list[int] | None:
    labels = task.subject.dataset.labels
    if labels is None or labels.is_floating_point():
        return None
    return labels[task.used].tolist()


def _moments(task: Task) -> Moments:
    with task.stage("mean and covariance") as tell:
        found = moments(
            task.images,
            task.policy,
            task.options.tol,
            progress=tell,
            **task.numerics,
        )
        task.note("mean", found.mean_method, found.error.mean, "relative")
        task.note("covariance", found.method, found.error.covariance, "relative", found.nodes)
    return found


def _summary(found: Moments) -> MomentsResult:
    norm = found.mean.double().flatten(1).norm(dim=1)
    trace = found.covariance.trace().double()
    energy = (trace + norm.square()).clamp_min(torch.finfo(torch.float64).tiny)
    return MomentsResult(
        norm_of_mean=numbers(norm),
        total_variance=numbers(trace),
        pixel_std=numbers((trace / found.mean[0].numel()).sqrt()),
        variance_share=numbers(trace / energy),
        mean_error=numbers(found.error.mean),
        variance_error=numbers(found.error.trace),
        converged=found.converged,
        tol=found.tol,
    )


def _samples(task: Task, of: str, found: Moments, judge: Judge | None = None) -> SampleSize:
    options = task.options
    with task.stage(f"draws needed for the {of}"):
        size = samples_needed(
            task.images,
            task.policy,
            of,  # type: ignore[arg-type]
            options.rel_error,
            options.confidence,
            model=judge.model if judge else None,
            loss=judge.loss if judge else None,
            targets=judge.targets[task.used] if judge else None,
            given=found,
            tol=options.tol,
            **task.numerics,
        )
        task.note(f"draws for the {of}", size.method, size.error, "relative")
    return size


def _sample_result(size: SampleSize) -> Samples:
    scalar = size.of == "loss"
    return Samples(
        of=size.of,
        n=numbers(size.n),
        error=numbers(size.error),
        rel_error=size.rel_error,
        confidence=size.confidence if scalar else None,
        bound=size.bound if scalar else None,
    )


def _curves(
    task: Task, found: Moments, sizes: list[SampleSize], loss: LossEstimate | None, place: int
) -> list[Curve]:
    judge = task.subject.judge
    with task.stage("predicted against observed errors") as tell:
        labels = judge.targets[task.used[place], None] if judge else None
        observed = observed_errors(
            task.images[place],
            task.policy,
            found.mean[place],
            found.covariance[place : place + 1],
            per_image(judge, labels) if judge and isinstance(labels, Tensor) else None,
            1.0 if loss is None else float(loss.value[place]),
            task.options.seed + 1,
            tell,
        )
    return [
        Curve(
            of=size.of,
            image=int(task.used[place]),
            n=(kept := [n for n in observed.n if n > 1 or size.of != "covariance"]),
            predicted=[float(size.predicted_error(n)[place]) for n in kept],
            repetitions=observed.repetitions,
            **observed.of(size.of, len(kept)),
        )
        for size in sizes
    ]
