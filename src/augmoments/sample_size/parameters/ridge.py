r"""How far ridge weights from n augmented copies of every image are from those of all copies.

To first order in 1/n, with :math:`r = y - W t - b`, :math:`u = C_\alpha^{-1} (t - m)` and
:math:`C_\alpha` the centred second moment of augmented images t plus :math:`\alpha I`,

.. math:: W_n - W = \frac{1}{n N} \sum_{ij} \left(r_{ij} u_{ij}^\top - E[r_i u_i^\top]\right).

In other norms of the rows u, their inner product changes: with :math:`\Sigma = C_\alpha - \alpha I`
for predictions; for the intercept the row is the number :math:`1 - m^\top u`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.dataset.joint import JointMoments
from augmoments.errors import InputError
from augmoments.operators.base import outer
from augmoments.sample_size.parameters.spans import Span

NORMS = ("weights", "predictions", "intercept")


@dataclass(frozen=True)
class Ridge:
    """The ridge problem of a whole augmented dataset, solved; float64."""

    mean: Tensor
    """(D,)."""
    inverse: Tensor
    """The inverse of the regularised covariance, ``(D, D)``."""
    coef: Tensor
    """(K, D)."""
    target_mean: Tensor
    """(K,)."""
    alpha: float
    scales: Tensor
    """Squares of the weights, the predictions about their mean, and the intercept, ``(3,)``."""
    rounding: float
    """Relative error of the inverse by rounding."""

    @classmethod
    def of(cls, moments: JointMoments, alpha: float) -> Ridge:
        """Solve for one penalty.

        Raises:
            InputError: The covariance is singular and ``alpha`` is 0.
        """
        covariance, mean = moments.covariance, moments.mean.flatten()
        shifted = covariance + alpha * torch.eye(len(mean)).to(mean)
        root, failed = torch.linalg.cholesky_ex(shifted)
        if failed:
            raise InputError(
                f"The covariance of the augmented images is singular and alpha is {alpha!r}: take "
                "a larger alpha, such as 1e-3."
            )
        inverse = torch.cholesky_inverse(root)
        coef = torch.cholesky_solve(moments.cross, root).T
        intercept = moments.target_mean - coef @ mean
        predicted = (coef @ covariance * coef).sum()
        scales = torch.stack([coef.square().sum(), predicted, intercept.square().sum()])
        rounding = 16 * torch.finfo(mean.dtype).eps * float(shifted.norm() * inverse.norm())
        return cls(mean, inverse, coef, moments.target_mean, alpha, scales, rounding)

    @property
    def dimension(self) -> float:
        """Effective number of dimensions, the trace of the covariance times the inverse."""
        return len(self.mean) - self.alpha * float(self.inverse.trace())


class Rows(NamedTuple):
    """Of the images of a span, ``(N, B, ...)``: t - m, u, r and 1 - m^T u."""

    gaps: Tensor
    solved: Tensor
    residuals: Tensor
    pull: Tensor

    @classmethod
    def of(
        cls, ridge: Ridge, policy: Augmentation, images: Tensor, targets: Tensor, span: Span
    ) -> Rows:
        moved = policy.apply(outer(images.double(), len(span.points)), span.points)
        gaps = moved.flatten(2).transpose(0, 1).contiguous() - ridge.mean
        solved = gaps @ ridge.inverse
        residuals = (targets - ridge.target_mean)[:, None] - gaps @ ridge.coef.T
        return cls(gaps, solved, residuals, 1 - solved @ ridge.mean[:, None])


@dataclass(frozen=True)
class Sums:
    """Sums over images by replicate of nodes, for each of :data:`NORMS`."""

    squares: Tensor
    """``E[|r|^2 |u|^2]``, ``(3, R)``."""
    pairs: Tensor
    """Inner products of ``E[r u^T]`` by one and by another replicate, ``(3, R, R)``."""

    @classmethod
    def of(cls, rows: Rows, span: Span, alpha: float) -> Sums:
        gaps, solved, residuals, pull = rows
        own = span.products(residuals, residuals)
        lengths = span.products(solved, solved)
        fitted = span.products(solved, gaps) - alpha * lengths
        squares = [own * v for v in (lengths, fitted, span.products(pull, pull))]
        mixed = span.averages(residuals, solved)
        seen = span.averages(residuals, gaps) - alpha * mixed
        offset = span.averages(residuals, pull)
        pairs = [_inner(mixed, mixed), _inner(mixed, seen), _inner(offset, offset)]
        return cls(span.means(torch.stack(squares)).sum(1), torch.stack(pairs))

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.squares + other.squares, self.pairs + other.pairs)

    def variance(self) -> Tensor:
        """``sum_i E[|r|^2 |u|^2] - |E[r u^T]|^2``, without bias from the replicates, ``(3,)``."""
        count = self.pairs.shape[1]
        found = self.pairs.sum((1, 2))
        if count > 1:
            own = self.pairs.diagonal(dim1=1, dim2=2).sum(1)
            found = (found - own) / (count * (count - 1))
        return (self.squares.mean(1) - found).clamp_min(0)

    def without(self, replicate: int) -> Sums:
        """Leave one replicate out."""
        keep = torch.arange(self.pairs.shape[1], device=self.pairs.device) != replicate
        return Sums(self.squares[:, keep], self.pairs[:, keep][:, :, keep])


def _inner(a: Tensor, b: Tensor) -> Tensor:
    """Inner products of replicates, summed over images, ``(R, R)``."""
    return a.transpose(0, 1).flatten(1) @ b.transpose(0, 1).flatten(1).T


def fluctuation(rows: Rows, span: Span) -> Tensor:
    """``sum_i E[q^2] - |E[s s^T]|_F^2``, s the whitened image and q its square."""
    square = (span.weights.to(rows.gaps) * span.products(rows.solved, rows.gaps).square()).sum()
    left = span.weighted(rows.gaps)
    few = left.shape[1] <= left.shape[2]
    product = left @ rows.solved.mT if few else rows.solved.mT @ left
    return square - (product * product.mT).sum()
