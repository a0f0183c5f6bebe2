"""Moments against the random draws of the augmentation itself."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from augmoments.adapters import Policy, as_policy
from augmoments.calculus.covariance import Covariance
from augmoments.calculus.moments import moments
from augmoments.testing.common import require

LARGEST_PIXEL_SCORE = 6.0
"""Most standard errors that the sampled mean of a pixel may be off: 2e-9 for a Gaussian."""
LARGEST_SCORE = 4.5
"""Most standard errors for the trace and the leading eigenvalue: 7e-6 for a Gaussian."""


_OFTEN = 30  # how many events a sample shows for its mean to be nearly Gaussian


class SampleScores(NamedTuple):
    """How far sampled moments lie from computed ones, in standard errors; one an image."""

    rms: Tensor
    """Root mean square over the pixels, 1 on average whatever their correlation, ``(N,)``."""
    worst: Tensor
    """The largest over the pixels, ``(N,)``."""
    trace: Tensor
    """Of the trace of the covariance, signed, ``(N,)``."""
    eigenvalue: Tensor
    """Of the variance along the leading eigenvector, signed, ``(N,)``."""


def check_samples(
    policy: Policy,
    images: Tensor,
    *,
    samples: Tensor | None = None,
    draws: int = 4000,
    seed: int = 0,
    tol: float = 1e-3,
) -> SampleScores:
    r"""The policy's own random draws have the moments that were computed for it.

    In standard errors: every pixel of the sampled mean within :data:`LARGEST_PIXEL_SCORE`; the
    trace, and the variance along the leading eigenvector, within :data:`LARGEST_SCORE`. Where
    events are rare, Bernstein's inequality adds :math:`z^2 R / (6 n)` for values within R of
    their mean. The root mean square over the pixels, whose square is a weighted sum of
    :math:`\chi^2_1` with mean 1, lies within the bounds of Laurent and Massart (2000, lemma 1)
    at probability 2e-6.

    Args:
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations.
        images: ``(N, C, H, W)``.
        samples: Draws ``(n, N, C, H, W)`` from elsewhere to compare with, as those of another
            library; the policy's own if omitted.
        draws: Random draws an image.
        seed: Their seed.
        tol: Tolerance of the moments; their stated errors are allowed for.

    Returns:
        The scores of every image.

    Raises:
        AssertionError: One of them lies outside its limits.

    Example:
        >>> import augmoments as am
        >>> from augmoments.testing import check_samples, random_images
        >>> images = random_images((1, 5, 5))
        >>> scores = check_samples(am.RandomRotation(30), images, draws=1000)
        >>> len(scores.rms)
        2
    """
    policy = as_policy(policy)
    found = moments(images, policy, tol, seed=seed, value_range=None)
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for n, image in enumerate(images):
        if samples is None:
            sampled = policy(image.expand(draws, *image.shape), generator)
        else:
            sampled = samples[:, n]
        error = (float(found.error.mean[n]), float(found.error.covariance[n]))
        one = found.covariance[n : n + 1]
        scores = _score(sampled.double(), found.mean[n].double(), one, error)
        rows.append([scores[name] for name in SampleScores._fields])
        report = ", ".join(f"{name} {scores[name]:.2f}" for name in SampleScores._fields)
        low, high = scores["low"], scores["high"]
        require(
            low <= scores["rms"] <= high
            and scores["worst"] <= LARGEST_PIXEL_SCORE
            and max(abs(scores["trace"]), abs(scores["eigenvalue"])) <= LARGEST_SCORE,
            f"{len(sampled)} draws of {policy} disagree with the moments of image {n}, in standard "
            f"errors: {report} (rms must lie in [{low:.2f}, {high:.2f}]); the worst pixel is "
            f"{scores['pixel']}, sampled {scores['sampled']:.6g}, computed "
            f"{scores['computed']:.6g}",
        )
    return SampleScores(*torch.tensor(rows, dtype=torch.float64).T)


def _score(
    sampled: Tensor, mean: Tensor, covariance: Covariance, error: tuple[float, float]
) -> dict:
    """Scores of the draws ``(n, C, H, W)`` of one image, and what an error message tells."""
    n = len(sampled)
    centred = sampled - mean
    mean_slack = error[0] * mean.norm()
    slack = error[1] * float(covariance.frobenius_norm()) + 1e-12 * float(mean.norm()) ** 2
    variance = covariance.diagonal()[0].double()
    gap, reach = sampled.mean(0) - mean, centred.abs().amax(0)
    excess = (gap.abs() - mean_slack - LARGEST_PIXEL_SCORE**2 / (6 * n) * reach).clamp_min(0)
    pixels = excess / ((variance + slack) / n).sqrt().clamp_min(1e-12)
    worst = np.unravel_index(int(pixels.argmax()), mean.shape)
    often = variance * n > _OFTEN * reach.square()
    low, high, rms = 0.0, np.inf, torch.tensor(1.0)
    if often.any():
        z = ((gap.abs() - mean_slack).clamp_min(0) / (variance / n).sqrt())[often]
        rms = z.square().mean().sqrt()
        low, high = _rms_limits(covariance.root()[0].mT.reshape(-1, *mean.shape)[:, often].double())
        if mean_slack > 0.1 * float((variance / n)[often].mean().sqrt()):
            low = 0.0  # what is allowed for hides how far the pixels are off
    leading = covariance.eigh(1)
    total = centred.square().flatten(1).sum(1)
    along = (centred * leading.vectors[0, 0]).flatten(1).sum(1).square()
    unseen = _OFTEN / n * max(1.0, float(mean.abs().max())) ** 2
    trace = _mean_score(total, float(covariance.trace()), mean.numel() ** 0.5 * slack, unseen)
    return {
        "rms": float(rms),
        "worst": float(pixels[worst]),
        "trace": trace,
        "eigenvalue": _mean_score(along, float(leading.values[0, 0]), slack, unseen),
        "low": low,
        "high": high,
        "pixel": tuple(int(i) for i in worst),
        "sampled": float(sampled.mean(0)[worst]),
        "computed": float(mean[worst]),
    }


def _mean_score(values: Tensor, expected: float, slack: float, unseen: float) -> float:
    """Distance of a sample mean from its expectation, in standard errors, signed.

    An expectation below ``unseen`` may come from events that are too rare to be in the sample.
    """
    n = len(values)
    gap = float(values.mean()) - expected
    if gap < 0 and expected < unseen:
        return 0.0
    slack += LARGEST_SCORE**2 / (6 * n) * float((values - expected).abs().max())
    return np.sign(gap) * max(abs(gap) - slack, 0.0) / (float(values.std()) / n**0.5 + 1e-300)


def _rms_limits(factor: Tensor) -> tuple[float, float]:
    """Limits of the rms z-score of pixels with the covariance ``factor^T factor``."""
    unit = factor / factor.square().sum(0).sqrt()
    pixels = unit.shape[1]
    gram = unit @ unit.T if unit.shape[0] < pixels else unit.T @ unit
    norm, largest = float(gram.norm()), float(torch.linalg.eigvalsh(gram)[-1])
    t = -np.log(2e-6)
    below = 1 - 2 * norm / pixels * np.sqrt(t)
    above = 1 + 2 * norm / pixels * np.sqrt(t) + 2 * largest / pixels * t
    return float(np.sqrt(max(below, 0.0))), float(np.sqrt(above))
