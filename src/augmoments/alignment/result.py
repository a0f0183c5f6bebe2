"""What is known of the sensitivity of a loss, image by image."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from augmoments.alignment.pooled import PooledSensitivity, pooled
from augmoments.alignment.portions import StepShares
from augmoments.estimate import Method


@dataclass(frozen=True)
class Sensitivity:
    r"""Saliency maps against the directions in which an augmentation moves images.

    Images whose saliency map or covariance is zero have zeros throughout, never NaN.

    Attributes:
        saliency: Gradient g of the loss with respect to the image, at the mean image,
            ``(N, C', H', W')`` as the policy gives them.
        spectrum: Leading eigenvalues of V, descending, ``(N, k)``.
        spectrum_error: Absolute error bound of each of them, ``(N,)``. An eigenvector is off by an
            angle whose sine is at most this over the gap to the next eigenvalue.
        vectors: The eigenvectors :math:`q_j`, ``(N, k, C', H', W')``; ``None`` without
            ``keep_vectors``.
        alignment: :math:`(q_j \cdot g)^2 / \|g\|^2`, ``(N, k)``; the sum is at most 1.
        explained: Share of ``linearized_variance`` that an eigenvector carries,
            :math:`\lambda_j (q_j \cdot g)^2 / (g^\top V g)`, ``(N, k)``; the sum is at most 1, and
            is 1 for all D eigenvectors.
        ratio: :math:`g^\top V g / (\lambda_1 \|g\|^2)` in [0, 1], ``(N,)``: 1 if the saliency is
            the direction of largest variance, 0 if the augmentation leaves it alone.
        isotropic: What ``ratio`` is on average for a direction at random,
            :math:`\mathrm{tr} V / (D \lambda_1)`, ``(N,)``.
        linearized_variance: :math:`g^\top V g`, the variance of the loss to first order, ``(N,)``.
        linearized_error: Absolute error bound of it for this saliency map, from that of V,
            ``(N,)``. It says nothing about the linearization: ``variance`` does.
        covariance_method: How V was obtained.
        expected: The expected loss, ``(N,)``.
        expected_error: Absolute error bound of ``expected``, ``(N,)``.
        variance: The variance of the loss itself, ``(N,)``.
        variance_error: Absolute error bound of ``variance``, ``(N,)``.
        method: How ``variance`` and ``expected`` were obtained.
        nodes: Evaluations of the model behind them, an image.
        steps: Shares of the steps of the policy; ``None`` unless asked for.
    """

    saliency: Tensor
    spectrum: Tensor
    spectrum_error: Tensor
    vectors: Tensor | None
    alignment: Tensor
    explained: Tensor
    ratio: Tensor
    isotropic: Tensor
    linearized_variance: Tensor
    linearized_error: Tensor
    covariance_method: Method
    expected: Tensor
    expected_error: Tensor
    variance: Tensor
    variance_error: Tensor
    method: Method
    nodes: int
    steps: StepShares | None = None

    def pooled(self) -> PooledSensitivity:
        """The figures of the dataset: sums over the images of what the figures are quotients of."""
        return pooled(
            power=self.saliency.flatten(1).double().square().sum(1),
            alignment=self.alignment,
            explained=self.explained,
            ratio=self.ratio,
            isotropic=self.isotropic,
            top=self.spectrum[:, 0],
            linearized=self.linearized_variance,
            expected=self.expected,
            variance=self.variance,
            variance_error=self.variance_error,
            method=self.method,
        )

    def summary(self) -> str:
        """The dataset in a few lines, with the steps if they were asked for."""
        pooled = str(self.pooled())
        return pooled if self.steps is None else f"{pooled}\n\n{self.steps}"
