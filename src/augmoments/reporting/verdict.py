"""Three sentences with the numbers that matter most."""

from __future__ import annotations

from math import prod
from statistics import mean, median

from augmoments.reporting.results import Samples, SubjectResult


def verdict(subjects: list[SubjectResult], seconds: float) -> list[str]:
    """What the augmentation does, what sampling it costs, and what it means for the loss."""
    main = next((s for s in subjects if s.loss is not None), subjects[0])
    return [_spread(main), _cost(main, subjects, seconds), _loss(main)]


def _spread(subject: SubjectResult) -> str:
    moved = median(subject.moments.pixel_std)
    share = median(subject.moments.variance_share)
    found = [p.directions_for_90 for p in subject.pictures if p.directions_for_90 is not None]
    directions = f"{median(found):.0f}" if found else "more than can be shown"
    size = prod(subject.output_shape)
    return (
        f"This policy moves a pixel of {subject.name} by {moved:.2g} (root mean square, on a scale "
        f"from 0 to 1) and turns {share:.0%} of the images' energy into variance, 90% of which "
        f"lies in {directions} of {size:,} directions."
    )


def _cost(main: SubjectResult, subjects: list[SubjectResult], seconds: float) -> str:
    sizes = {size.of: size for size in main.samples}
    first = sizes["mean"]
    draws = first.n if main.every is None else main.every.draws
    text = (
        f"By sampling, a mean image right to {100 * first.rel_error:.3g}% takes "
        f"{median(draws):,.0f} "
        f"draws of each image of {main.name} and a covariance {_draws(sizes['covariance'])}"
    )
    if "loss" in sizes:
        loss = sizes["loss"]
        text += f", the loss {_draws(loss)} at {loss.confidence:.0%} confidence"
    others = [s for s in subjects if s is not main]
    for other in others:
        pair = {size.of: size for size in other.samples}
        text += f" ({other.name}: {_draws(pair['mean'])} and {_draws(pair['covariance'])})"
    count = sum(len(s.used if s.every is None else s.every.used) for s in subjects)
    images = f"{count:,} images" if count > 1 else "one image"
    return f"{text}; the limits of all that were found in {seconds:.0f} s for {images}."


def _loss(subject: SubjectResult) -> str:
    if subject.loss is None or subject.alignment is None:
        reason = subject.no_loss_because or "there is no model or no labels."
        return f"Nothing is said about a loss: {reason}"
    loss, alignment = subject.loss, subject.alignment
    value, at_mean, hidden = mean(loss.value), mean(loss.at_mean), mean(loss.regularizer)
    ratio, chance = median(alignment.ratio), median(alignment.isotropic)
    return (
        f"Training with it minimizes a loss of {value:.3g}: {at_mean:.3g} at the mean images, "
        f"{_small(hidden, value)} of explicit regularizer ({hidden / (value or 1):.0%}) and "
        f"{_small(mean(loss.residual), value)} beyond the second order; the model's saliency "
        f"{_avoids(ratio, chance)} the directions in which the policy moves the images, with "
        f"{ratio:.1%} of the largest variance (a direction at random: {chance:.1%})."
    )


def _avoids(ratio: float, chance: float) -> str:
    if ratio > 2 * chance:
        return "follows"
    return "avoids" if ratio < chance / 2 else "neither follows nor avoids"


def _draws(size: Samples) -> str:
    return f"{median(size.n):,.0f}"


def _small(value: float, scale: float) -> str:
    return "0" if abs(value) < 1e-5 * abs(scale) else f"{value:.2g}".replace("-", "−")
