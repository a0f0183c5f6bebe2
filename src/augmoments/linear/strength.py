"""How strong an augmentation should be: the model in closed form at every strength."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from augmoments.adapters import Policy, as_policy
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.sequence import Chain
from augmoments.calculus.dataset import DatasetMoments
from augmoments.calculus.dataset.joint import JointMoments
from augmoments.calculus.dataset.ridge import RidgePath
from augmoments.errors import InputError, InputTypeError, OutputError
from augmoments.estimate import Method
from augmoments.linear.validation import Judged
from augmoments.options import check_penalty

AtStrength = Callable[[float], Policy]


@dataclass(frozen=True)
class StrengthPoint:
    """The model at one strength.

    Attributes:
        strength: The strength.
        score: Accuracy on the images for validation; for real targets R^2.
        validation_loss: Mean squared error there, summed over targets.
        validation_error: Absolute error bound of it, as far as it comes from nodes.
        training_loss: Expected squared error on the augmented images for training.
        norm: Frobenius norm of the weights.
        error: Relative error bound of the weights.
        method: How the moments were obtained.
    """

    strength: float
    score: float
    validation_loss: float
    validation_error: float
    training_loss: float
    norm: float
    error: float
    method: Method


@dataclass(frozen=True)
class StrengthCurve:
    """The closed-form model at several strengths of a policy, see :func:`strength_curve`.

    What a :class:`StrengthPoint` has, the curve has as an array: ``curve.score``.

    Attributes:
        points: One for each strength, in the order given.
        score_name: ``"accuracy"`` or ``"R^2"``.
        alpha: The penalty.
    """

    points: tuple[StrengthPoint, ...]
    score_name: str
    alpha: float

    def __getattr__(self, name: str) -> np.ndarray:
        if name.startswith("_") or name not in StrengthPoint.__dataclass_fields__:
            raise AttributeError(f"StrengthCurve has no attribute {name!r}.")
        return np.array([getattr(point, name) for point in self.points])

    @property
    def best(self) -> StrengthPoint:
        """The point with the best score; of equal ones that with the least loss."""
        return max(self.points, key=lambda point: (point.score, -point.validation_loss))

    def __repr__(self) -> str:
        rows = [f"strength  {self.score_name:>8}  loss      within    weights  error    method"]
        for p in self.points:
            mark = "  <- best" if p is self.best else ""
            rows.append(
                f"{p.strength:8.4g}  {p.score:8.4f}  {p.validation_loss:.6f}  "
                f"{p.validation_error:.1e}  {p.norm:7.3g}  {p.error:.1e}  {p.method}{mark}"
            )
        return "\n".join(rows)

    def plot(self, path: str | Path) -> None:
        """Draw score and validation loss against the strength, to a file of any usual format.

        Raises:
            OutputError: The file cannot be written.
        """
        from matplotlib.figure import Figure

        order = np.argsort([point.strength for point in self.points])
        points = [self.points[i] for i in order]
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.add_subplot()
        other = axes.twinx()
        x = [point.strength for point in points]
        axes.plot(x, [point.score for point in points], "o-", color="#1f5fa8")
        other.plot(x, [point.validation_loss for point in points], "s--", color="#b5651d", ms=4)
        axes.axvline(self.best.strength, color="#999999", lw=1, zorder=0)
        axes.set(xlabel="strength", title=f"best at {self.best.strength:g}")
        axes.set_ylabel(f"{self.score_name} on validation images", color="#1f5fa8")
        other.set_ylabel("squared error on validation images", color="#b5651d")
        try:
            figure.savefig(path, dpi=120)
        except (OSError, ValueError) as error:
            raise OutputError(f"Cannot write the figure to {path}: {error}") from error


def strength_curve(
    images: Tensor | np.ndarray,
    targets: Any,
    policy: Policy | AtStrength,
    strengths: Sequence[float],
    *,
    validation: tuple[Any, Any],
    alpha: float = 1e-3,
    tol: float = 1e-3,
    seed: int = 0,
    nodes: int = 256,
) -> StrengthCurve:
    r"""How good the linear model of infinitely many augmented samples is, strength by strength.

    At every strength s the model of :class:`AugmentedRidge` is solved in closed form,

    .. math:: \min_{W, b} \frac1N \sum_n E\|y_n - W T_s(x_n) - b\|^2 + \alpha \|W\|_F^2 ,

    and judged on images that were set aside. No sampling noise is between one strength and the
    next. Policies that are affine share one pass over the images: a further strength costs the
    same for 100 images as for millions.

    Args:
        images: ``(N, C, H, W)`` in [0, 1], for training.
        targets: Classes ``(N,)`` (whole numbers or strings), or real numbers ``(N,)``, ``(N, K)``.
        policy: An augmentation or a pipeline, whose :meth:`~augmoments.Augmentation.scaled` says
            what a strength means; or a function from a strength to a policy.
        strengths: What to try, numbers of at least 0.
        validation: Images and targets that were set aside; the images as they are.
        alpha: Penalty of the weights.
        tol: Relative error of the augmented covariance, where the policy needs nodes.
        seed: Seed of scrambled nodes.
        nodes: Evaluations of an image by steps that are not affine.

    Raises:
        InputError: Images, targets or strengths that are not what was meant.
        InputTypeError: ``policy`` is neither a policy nor a function.
        PolicyError: A step has no strength, or changes the shape of all images or their values
            alike, so that the images for validation are not like those of training.

    Example:
        >>> import augmoments as am
        >>> from augmoments.linear.strength import strength_curve
        >>> images, labels = am.data.digits()
        >>> train, held = (images[::4], labels[::4]), (images[1::4], labels[1::4])
        >>> shift = am.RandomTranslation(x=(-1, 1), y=(-1, 1))
        >>> curve = strength_curve(*train, shift, [0, 0.5, 1, 2], validation=held)
        >>> curve.best.strength, curve.score.shape
        (0.5, (4,))
    """
    chosen = [float(strength) for strength in strengths]
    if not chosen or not all(0 <= strength < float("inf") for strength in chosen):
        raise InputError(f"strengths must be numbers of at least 0, at least one, got {strengths}.")
    check_penalty(alpha)
    judged = Judged.of(images, targets, validation)
    at = _at_strength(policy)
    policies = [as_policy(at(strength)) for strength in chosen]
    for found in policies:
        judged.check(found)
    source = _Source(judged, {"tol": tol, "seed": seed, "nodes": nodes})
    points = tuple(
        _point(strength, source.of(found), judged, alpha)
        for strength, found in zip(chosen, policies, strict=True)
    )
    return StrengthCurve(points, "R^2" if judged.classes is None else "accuracy", alpha)


class _Source:
    """Moments of the same images under one policy after the other."""

    def __init__(self, judged: Judged, options: dict[str, Any]) -> None:
        self.judged = judged
        self.options = options
        self._sums: DatasetMoments | None = None

    def of(self, policy: Augmentation) -> DatasetMoments:
        """The accumulator of ``policy``: from the shared sums if it is affine."""
        images, targets = self.judged.images, self.judged.targets
        if not policy.affine:
            return DatasetMoments(policy, **self.options).update(images, targets)
        if self._sums is None:
            self._sums = DatasetMoments(Chain(()), **self.options).update(images, targets)
        return self._sums.with_policy(policy)


def _point(strength: float, data: DatasetMoments, judged: Judged, alpha: float) -> StrengthPoint:
    moments = data.moments()
    solution = RidgePath(moments).solutions([alpha])[0]

    def validation_loss(part: JointMoments) -> Tensor:
        return judged.squared_error(*ridge(part, alpha))

    return StrengthPoint(
        strength=strength,
        score=judged.score(solution.coef, solution.intercept),
        validation_loss=float(judged.squared_error(solution.coef, solution.intercept)),
        validation_error=moments.bound(validation_loss),
        training_loss=solution.loss,
        norm=float(solution.coef.norm()),
        error=solution.error,
        method=moments.method,
    )


def ridge(moments: JointMoments, alpha: float) -> tuple[Tensor, Tensor]:
    """Weights ``(K, D)`` and intercepts ``(K,)`` of the ridge solution, with gradients.

    Raises:
        InputError: The covariance is singular.
    """
    size = len(moments.covariance)
    eye = torch.eye(size, dtype=torch.float64, device=moments.covariance.device)
    root, failed = torch.linalg.cholesky_ex(moments.covariance + alpha * eye)
    if failed:
        raise InputError(
            f"The covariance of the augmented images is singular and alpha is {alpha!r}: take a "
            "larger alpha, such as 1e-3."
        )
    coef = torch.cholesky_solve(moments.cross, root).T
    return coef, moments.target_mean - coef @ moments.mean.flatten()


def _at_strength(policy: Policy | AtStrength) -> AtStrength:
    try:
        found = as_policy(cast("Policy", policy))
    except InputTypeError:
        if not callable(policy):
            raise
        return cast("AtStrength", policy)
    return found.scaled
