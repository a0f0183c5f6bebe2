"""What is seen of a model at one step of its training."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AlignmentRecord:
    r"""What :class:`AlignmentMonitor` saw at one step. All are means over the probe images.

    Attributes:
        step: The step, as it was given.
        loss: Loss at the mean image.
        ratio: :math:`g^\top V g / (\lambda_1 \|g\|^2)`.
        isotropic: What ``ratio`` would be for directions at random.
        pooled_ratio: :math:`\sum g^\top V g / \sum \lambda_1 \|g\|^2` over the probe images, in
            which an image counts by its gradient.
        pooled_isotropic: What ``pooled_ratio`` would be for gradients as large in directions at
            random.
        alignment: :math:`(q_j \cdot g)^2 / \|g\|^2`, k numbers.
        explained: Share of :math:`g^\top V g` along :math:`q_j`, k numbers.
        linearized_variance: :math:`g^\top V g`.
        energy: Share of the saliency's energy in each band of spatial frequencies.
        low: Share of it below a quarter of the Nyquist frequency.
        high: Share of it from there on.
        mean_frequency: Its mean frequency, 1 is Nyquist.
        variance: Variance of the loss itself; ``None`` for records in which it was not asked for.
        variance_error: Error bound of ``variance``.
    """

    step: float
    loss: float
    ratio: float
    isotropic: float
    pooled_ratio: float
    pooled_isotropic: float
    alignment: tuple[float, ...]
    explained: tuple[float, ...]
    linearized_variance: float
    energy: tuple[float, ...]
    low: float
    high: float
    mean_frequency: float
    variance: float | None
    variance_error: float | None
