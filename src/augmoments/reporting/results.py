"""What a report says, as values; nothing here computes or draws.

:meth:`Results.to_dict` is what ``results.json`` has. Its ``schema`` is ``augmoments.results/1``:
keys are only ever added to it, and a change of meaning raises the number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from augmoments.reporting.plain import plain

SCHEMA = "augmoments.results/1"
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Obtained:
    """How a number was obtained, and how far it may be off."""

    quantity: str
    """What was obtained."""
    method: str
    """``"exact"``, ``"cubature"``, ``"quasi-monte-carlo"`` or ``"monte-carlo"``; or in words."""
    error: float | None
    """Largest error bound over the images; None where there is none of its own."""
    error_is: str
    """``"relative"`` or ``"absolute"``; empty where there is no error."""
    nodes: int | None
    """Evaluations an image; None where there are none."""
    seconds: float
    """What it took."""


@dataclass(frozen=True)
class MomentsResult:
    """Mean and covariance of every image, in numbers."""

    norm_of_mean: list[float]
    """``||mu||``, one an image."""
    total_variance: list[float]
    """``tr V``."""
    pixel_std: list[float]
    """Root mean square of the pixels' standard deviations, on the images' scale."""
    variance_share: list[float]
    """``tr V / (tr V + ||mu||^2)``."""
    mean_error: list[float]
    """Relative error bounds of the mean images, and so of their norms."""
    variance_error: list[float]
    """Relative error bounds of the total variances."""
    converged: bool
    """Whether every image reached the tolerance."""
    tol: float
    """Relative error that was asked for."""


@dataclass(frozen=True)
class Picture:
    """One image with its moments, as they are drawn."""

    index: int
    """Its place in the source."""
    label: str
    """The name of its class; empty if it has none."""
    eigenvalues: list[float]
    """Leading eigenvalues of V, descending."""
    variance_share: list[float]
    """Each as a share of ``tr V``."""
    directions_for_90: int | None
    """Eigenvectors that hold 90% of the variance; None where too many are needed to be found."""
    sampled_draws: int
    """Draws of the sampled mean that is shown."""
    sampled_difference: float | None
    """Its distance from the mean, relative to the norm of the mean."""
    sampled_predicted: float | None
    """The root mean square that this has, ``sqrt(tr V / n) / ||mu||``."""
    image: Array = field(metadata={"drawn": True})
    sampled: Array = field(metadata={"drawn": True})
    mean: Array = field(metadata={"drawn": True})
    std: Array = field(metadata={"drawn": True})
    eigen_images: Array = field(metadata={"drawn": True})
    saliency: Array | None = field(metadata={"drawn": True})


@dataclass(frozen=True)
class Curve:
    """Error after n draws: as predicted, and as observed in the policy's own samples."""

    of: str
    """The quantity: ``"mean"``, ``"covariance"`` or ``"loss"``."""
    image: int
    """The image it is about, as its place in the source."""
    n: list[int]
    """Numbers of draws."""
    predicted: list[float]
    """Relative root-mean-square error after so many draws."""
    observed: list[float]
    """The same over repetitions of the policy's own draws."""
    low: list[float]
    """The error that 5% of the repetitions stay below."""
    high: list[float]
    """The error that 95% of the repetitions stay below."""
    repetitions: int
    """How often so many draws were made."""


@dataclass(frozen=True)
class Samples:
    """Draws of each image that are needed for ``rel_error``."""

    of: str
    """The quantity: ``"mean"``, ``"covariance"`` or ``"loss"``."""
    n: list[float]
    """One an image; None where no number of draws is enough."""
    error: list[float]
    """Relative error bounds of ``n``."""
    rel_error: float
    """Relative error of the sampled quantity that was asked for."""
    confidence: float | None
    """Of a scalar; None for images and matrices, whose error is a root mean square."""
    bound: str | None
    """What the confidence rests on; None as above."""


@dataclass(frozen=True)
class EveryImage:
    """Mean and total variance of every image that is quantified, where these are many."""

    used: list[int]
    """Their places in the source."""
    norm_of_mean: list[float]
    """``||mu||``, one an image."""
    total_variance: list[float]
    """``tr V``."""
    draws: list[float]
    """Draws needed for a mean that is right to ``rel_error``."""
    mean_error: list[float]
    """Relative error bounds of the mean images, and so of their norms."""
    variance_error: list[float]
    """Those of the total variances."""
    draws_error: list[float]
    """Those of the draws."""
    rel_error: float
    """Relative error of a sampled mean that was asked for."""
    converged: bool
    """Whether every image reached the tolerance."""
    tol: float
    """Relative error of the total variance that was asked for."""
    method: str
    """How they were obtained: ``"exact"``, ``"cubature"``, ``"quasi-monte-carlo"`` or
    ``"monte-carlo"``."""
    nodes: int
    """Evaluations an image, the most over the images."""
    seconds: float
    """What it took."""


@dataclass(frozen=True)
class LossResult:
    """Expected loss of every image with its second-order account."""

    loss: str
    """``"cross_entropy"`` or ``"squared_error"``."""
    value: list[float]
    """Expected loss of every image."""
    error: list[float]
    """Absolute error bounds of ``value``."""
    at_mean: list[float]
    """Loss at the mean image."""
    regularizer: list[float]
    """Explicit regularizer: half the trace of the loss's curvature times the covariance."""
    residual: list[float]
    """What the two leave out of ``value``."""
    variance: list[float]
    """Variance of the loss over the augmentation."""
    unaugmented: list[float] | None
    """Loss of the images themselves; None where the policy changes their shape."""
    accuracy: float | None
    """Share of the images themselves that are classified right; None as above, or of no classes."""


@dataclass(frozen=True)
class AlignmentResult:
    """Saliency maps against the eigenvectors of V."""

    mean_alignment: list[float]
    """Share of the saliency's energy along each eigenvector, mean over the images."""
    ratio: list[float]
    """``g^T V g / (lambda_1 ||g||^2)``, one an image."""
    isotropic: list[float]
    """The same for a direction at random."""
    linearized_variance: list[float]
    """``g^T V g``: the variance of the loss to first order."""
    variance: list[float]
    """The variance of the loss without approximation."""
    dimension: int
    """Values of an augmented image."""


@dataclass(frozen=True)
class SubjectResult:
    """All that was found out about one source of images."""

    name: str
    """What the images are called."""
    shape: tuple[int, int, int]
    """Channels, height and width of the images."""
    output_shape: tuple[int, int, int]
    """Of augmented images."""
    available: int
    """How many images the source has."""
    used: list[int]
    """The images whose covariance was found, by their place in the source."""
    classes: list[str]
    """Names of the classes."""
    labels: list[int] | None
    """Classes of the images of ``used``; None if they have none."""
    sha256: str
    """Of the quantified images: shape, and values as little-endian float32."""
    skipped: list[dict[str, str]]
    """Files that could not be read: ``file`` and ``reason``."""
    explanation: list[dict[str, Any]]
    """A row for every random number of the policy: its step, law and route, why that route, and of
    the step at ``position`` the shares of the variance ``alone`` and ``beyond`` the others and the
    ``evaluations`` of an image."""
    moments: MomentsResult
    """Mean and covariance."""
    samples: list[Samples]
    """Draws that are needed, by quantity."""
    curves: list[Curve]
    """Errors against the number of draws, for the first of the pictures."""
    pictures: list[Picture]
    """The images that the report shows."""
    loss: LossResult | None
    """Expected loss; None without a model."""
    alignment: AlignmentResult | None
    """Saliency; None without a model."""
    obtained: list[Obtained]
    """How each quantity was obtained, with the largest error bound over the images."""
    model: str | None
    """What the model is called; None without one."""
    no_loss_because: str | None
    """Why there is no model."""
    walk: list[Array] = field(metadata={"drawn": True})
    """A few draws ``(K, C, H, W)`` of the first picture after each step of the policy."""
    thumbnails: dict[int, Array] = field(metadata={"drawn": True})
    """Small versions of images, by their place in the source."""
    every: EveryImage | None = None
    """All images that were quantified, where they are more than those used."""

    @property
    def converged(self) -> bool:
        """Whether all images reached the tolerance: their covariances, or the totals of many."""
        return self.moments.converged if self.every is None else self.every.converged


@dataclass(frozen=True)
class Results:
    """All that a report says."""

    created: str
    """When, in UTC (ISO 8601)."""
    command: str
    """The command line; empty from Python."""
    config: dict[str, Any]
    """The configuration that the command came to; empty from Python."""
    versions: dict[str, str]
    """Versions of Python and of the packages that results depend on."""
    policy: list[Any]
    """The steps of the policy, as a policy file has them."""
    subjects: list[SubjectResult]
    """What was found out about each source of images."""
    verdict: list[str]
    """Three sentences."""
    warnings: list[str]
    """What to know before reading on; empty if there is nothing."""
    seconds: float
    """What all of it took."""
    schema: str = SCHEMA
    """``"augmoments.results/1"``."""

    def to_dict(self) -> dict[str, Any]:
        """Values for JSON; what is not a finite number becomes None."""
        return {"schema": self.schema, **plain(self)}


def numbers(values: torch.Tensor) -> list[float]:
    """A tensor ``(N,)`` as a list of floats."""
    return values.detach().cpu().double().tolist()
