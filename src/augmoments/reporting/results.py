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
    method: str
    error: float | None
    """Largest error bound over the images; None where there is none of its own."""
    error_is: str
    """``"relative"`` or ``"absolute"``."""
    nodes: int | None
    """Evaluations an image; None where there are none."""
    seconds: float


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
    converged: bool
    tol: float


@dataclass(frozen=True)
class Picture:
    """One image with its moments, as they are drawn."""

    index: int
    """Its place in the source."""
    label: str
    eigenvalues: list[float]
    """Leading eigenvalues of V, descending."""
    variance_share: list[float]
    """Each as a share of ``tr V``."""
    directions_for_90: int | None
    """Eigenvectors that hold 90% of the variance; None where too many are needed to be found."""
    image: Array = field(metadata={"drawn": True})
    draws: Array = field(metadata={"drawn": True})
    mean: Array = field(metadata={"drawn": True})
    std: Array = field(metadata={"drawn": True})
    eigen_images: Array = field(metadata={"drawn": True})
    saliency: Array | None = field(metadata={"drawn": True})


@dataclass(frozen=True)
class Curve:
    """Error after n draws: as predicted, and as observed in the policy's own samples."""

    of: str
    image: int
    """The image it is about, as its place in the source."""
    n: list[int]
    predicted: list[float]
    """Relative root-mean-square error."""
    observed: list[float]
    repetitions: int


@dataclass(frozen=True)
class Samples:
    """Draws of each image that are needed for ``rel_error``."""

    of: str
    n: list[float]
    rel_error: float
    confidence: float | None
    """Of a scalar; None for images and matrices, whose error is a root mean square."""
    bound: str | None


@dataclass(frozen=True)
class EveryImage:
    """Mean and total variance of every image that is quantified, where these are many."""

    used: list[int]
    """Their places in the source."""
    norm_of_mean: list[float]
    total_variance: list[float]
    draws: list[float]
    """Draws needed for a mean that is right to ``rel_error``."""
    mean_error: list[float]
    """Relative error bounds of the mean images, and so of their norms."""
    variance_error: list[float]
    """Those of the total variances."""
    draws_error: list[float]
    rel_error: float
    converged: bool
    tol: float
    method: str
    nodes: int
    """Evaluations an image, the most over the images."""
    seconds: float


@dataclass(frozen=True)
class LossResult:
    """Expected loss of every image with its second-order account."""

    loss: str
    value: list[float]
    at_mean: list[float]
    regularizer: list[float]
    residual: list[float]
    variance: list[float]
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
    variance: list[float]
    dimension: int


@dataclass(frozen=True)
class SubjectResult:
    """All that was found out about one source of images."""

    name: str
    shape: tuple[int, int, int]
    output_shape: tuple[int, int, int]
    """Of augmented images."""
    available: int
    used: list[int]
    """The images whose covariance was found, by their place in the source."""
    classes: list[str]
    labels: list[int] | None
    """Classes of the quantified images."""
    sha256: str
    """Of the quantified images: shape, and values as little-endian float32."""
    skipped: list[dict[str, str]]
    explanation: list[dict[str, Any]]
    moments: MomentsResult
    samples: list[Samples]
    curves: list[Curve]
    pictures: list[Picture]
    loss: LossResult | None
    alignment: AlignmentResult | None
    obtained: list[Obtained]
    model: str | None
    no_loss_because: str | None
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
    command: str
    config: dict[str, Any]
    versions: dict[str, str]
    policy: list[Any]
    subjects: list[SubjectResult]
    verdict: list[str]
    warnings: list[str]
    seconds: float
    schema: str = SCHEMA

    def to_dict(self) -> dict[str, Any]:
        """Values for JSON; what is not a finite number becomes None."""
        return {"schema": self.schema, **plain(self)}


def numbers(values: torch.Tensor) -> list[float]:
    """A tensor ``(N,)`` as a list of floats."""
    return values.detach().cpu().double().tolist()
