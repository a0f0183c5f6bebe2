"""Ridge regression from the moments of images and targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from augmoments.calculus.dataset.augmented import AugmentedMoments
from augmoments.calculus.dataset.joint import JointMoments
from augmoments.errors import InputError
from augmoments.options import check_penalty

_ROUNDING = 8 * torch.finfo(torch.float64).eps


@dataclass(frozen=True)
class RidgeSolution:
    """A linear model ``x -> coef x + intercept``.

    Attributes:
        coef: ``(K, D)``, float64.
        intercept: ``(K,)``, float64.
        loss: Expected squared error at the solution, without the penalty.
        error: Relative error bound of ``coef`` in Frobenius norm.
        loss_error: Absolute error bound of ``loss``.
    """

    coef: Tensor
    intercept: Tensor
    loss: float
    error: float
    loss_error: float


class RidgePath:
    """Ridge solutions for any strength of the penalty, from moments that are known once."""

    def __init__(self, moments: AugmentedMoments) -> None:
        self.moments = moments

    @cached_property
    def spectrum(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues ``(D,)``, ascending, and eigenvectors ``(D, D)`` of the covariance."""
        return torch.linalg.eigh(self.moments.covariance)

    def solutions(self, alphas: Sequence[float]) -> tuple[RidgeSolution, ...]:
        """One solution for each of ``alphas``: several from one eigendecomposition.

        Raises:
            InputError: One is negative or not finite, or 0 with a singular covariance.
        """
        for alpha in alphas:
            check_penalty(alpha)
        return tuple(self._solution(alpha, len(alphas) > 1) for alpha in alphas)

    def _solution(self, alpha: float, decomposed: bool) -> RidgeSolution:
        m = self.moments
        coef = self._from_spectrum(alpha) if decomposed else _coefficients(m, alpha)
        bound = m.bound(lambda part: _coefficients(part, alpha))
        norm = float(coef.detach().norm().clamp_min(torch.finfo(coef.dtype).tiny))
        return RidgeSolution(
            coef=coef,
            intercept=m.target_mean - coef @ m.mean.flatten(),
            loss=float(_loss(m, coef).detach()),
            error=bound / norm + self._rounding(alpha),
            loss_error=m.bound(lambda part: _loss(part, _coefficients(part, alpha)))
            + _ROUNDING * float(m.target_covariance.detach().trace()),
        )

    def _from_spectrum(self, alpha: float) -> Tensor:
        values, vectors = self.spectrum
        shifted = values + alpha
        if not shifted[0] > _ROUNDING * shifted[-1]:
            raise _singular(alpha)
        return ((self.moments.cross.T @ vectors) / shifted) @ vectors.T

    def _rounding(self, alpha: float) -> float:
        """Relative error of the weights by rounding: that of the matrix times its condition."""
        largest = float(self.moments.covariance.detach().norm()) + alpha
        smallest = alpha or float(self.spectrum[0][0].detach())
        return _ROUNDING * largest / smallest


def _coefficients(moments: JointMoments, alpha: float) -> Tensor:
    eye = torch.eye(len(moments.covariance)).to(moments.covariance)
    root, failed = torch.linalg.cholesky_ex(moments.covariance + alpha * eye)
    if failed:
        raise _singular(alpha)
    return torch.cholesky_solve(moments.cross, root).T


def _loss(moments: JointMoments, coef: Tensor) -> Tensor:
    """Expected squared error of a linear model with the best intercept."""
    fitted = coef @ moments.covariance
    trace = moments.target_covariance.trace()
    return trace - (coef * (2 * moments.cross.T - fitted)).sum()


def _singular(alpha: float) -> InputError:
    return InputError(
        f"The covariance of the augmented images is singular and alpha is {alpha!r}: take a larger "
        "alpha, such as 1e-3."
    )
