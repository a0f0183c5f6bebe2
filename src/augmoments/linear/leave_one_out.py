r"""Leave-one-image-out predictions of augmented ridge regression, without refitting.

With :math:`h = (t - m, 1)`, m the mean augmented image, weights :math:`w_n` of sum W, the centred
covariance C and :math:`U_i U_i^\top = w_i E[h_i h_i^\top]`, the solution without image i is

.. math::
    \Theta_{-i} = \Big(\sum_n w_n y_n \bar h_n^\top - w_i y_i \bar h_i^\top\Big)
        \left(B_i - U_i U_i^\top\right)^{-1}, \quad
    B_i = \mathrm{diag}(W C + (W - w_i) \alpha I,\ W) .

In the eigenbasis of C the matrices :math:`B_i` are diagonal for every penalty, and what is left is
a system of the rank of :math:`U_i` (Woodbury).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.dataset.augmented import AugmentedMoments
from augmoments.calculus.dataset.ridge import RidgePath
from augmoments.calculus.moments import Moments, moments
from augmoments.errors import InputError

_BYTES_AT_ONCE = 128 * 2**20
_COLUMNS = 64  # of a factor, as a guess for how many images are taken at once


@dataclass(frozen=True)
class LeaveOneOut:
    """What models that have not seen an image make of it, for every strength of the penalty.

    Attributes:
        predictions: Outputs for the image itself, or, where the policy changes the shape, on
            average over its augmentations, ``(A, N, K)``.
        losses: Expected squared error over the image's augmentations, ``(A, N)``.
        error: Relative error bound of the covariances that they were computed from.
    """

    predictions: Tensor
    losses: Tensor
    error: float


def leave_one_out(
    images: Tensor,
    targets: Tensor,
    weights: Tensor | None,
    policy: Augmentation,
    path: RidgePath,
    alphas: Sequence[float],
    *,
    tol: float,
    seed: int,
    max_nodes: int = 4096,
) -> LeaveOneOut:
    """Predictions for each image by the ridge models that were fitted to all others.

    Args:
        images: ``(N, C, H, W)``, at least two.
        targets: ``(N, K)``.
        weights: ``(N,)``, all 1 if omitted.
        policy: Takes each image by itself.
        path: The ridge problem of all images.
        alphas: Strengths of the penalty.
        tol: Relative error asked of the covariances of single images.
        seed: Seed of scrambled nodes.
        max_nodes: Most evaluations of an image.

    Raises:
        InputError: There is one image only, or one has all the weight.
    """
    count = len(images)
    w = torch.ones(count, dtype=torch.float64) if weights is None else weights.double().cpu()
    if count < 2 or not bool((w < w.sum()).all()):
        raise InputError("Leaving one image out takes at least two images with a weight above 0.")
    problem = _Problem.of(path, float(w.sum()), alphas)
    size = prod(policy.output_shape(tuple(images.shape[1:])))  # type: ignore[arg-type]
    at_once = max(1, _BYTES_AT_ONCE // (8 * _COLUMNS * size))
    y = targets.double().cpu()
    parts, error = [], path.moments.error
    for index in torch.arange(count).split(at_once):
        batch = images[index].double()
        found = moments(batch, policy, tol, seed=seed, max_nodes=max_nodes, value_range=None)
        error = max(error, float(found.error.covariance.max()))
        parts.append(problem.leave_out(batch, found, y[index], w[index]))
    predictions, losses = (torch.cat(column, 1) for column in zip(*parts, strict=True))
    return LeaveOneOut(predictions, losses, error)


@dataclass(frozen=True)
class _Problem:
    """The normal equations of all images, in the eigenbasis of their covariance."""

    moments: AugmentedMoments
    values: Tensor
    vectors: Tensor
    right: Tensor
    """(K, D + 1)."""
    weight: float
    alphas: tuple[float, ...]

    @classmethod
    def of(cls, path: RidgePath, weight: float, alphas: Sequence[float]) -> _Problem:
        m = path.moments
        values, vectors = path.spectrum
        right = weight * torch.cat([m.cross.T @ vectors, m.target_mean[:, None]], 1)
        return cls(m, values, vectors, right, weight, tuple(alphas))

    def leave_out(
        self, images: Tensor, found: Moments, targets: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Predictions ``(A, n, K)`` and losses ``(A, n)`` of ``n`` images."""
        spread = torch.nn.functional.pad(found.covariance.root().mT @ self.vectors, (0, 1))
        centre = self._rows(found.mean)
        kept = images.shape == found.mean.shape
        asked = self._rows(images) if kept else centre
        columns = weights.sqrt()[:, None, None] * torch.cat([spread, centre[:, None]], 1)
        pull = weights[:, None, None] * targets[..., None] * centre[:, None]
        right = self.right - pull
        predictions, losses = [], []
        for alpha in self.alphas:
            penalty = torch.outer(self.weight - weights, torch.full_like(self.values, alpha))
            base = torch.cat(
                [self.weight * self.values + penalty, torch.full((len(images), 1), self.weight)], 1
            )
            scaled = columns / base[:, None]
            small = torch.eye(columns.shape[1]).to(columns) - columns @ scaled.mT
            solved = torch.linalg.solve(small, scaled)
            model = right / base[:, None] + (right @ scaled.mT) @ solved
            outputs = torch.einsum("nkd,njd->njk", model, torch.cat([spread, centre[:, None]], 1))
            gaps = targets - outputs[:, -1]
            losses.append(gaps.square().sum(1) + outputs[:, :-1].square().sum((1, 2)))
            predictions.append(torch.einsum("nkd,nd->nk", model, asked))
        return torch.stack(predictions), torch.stack(losses)

    def _rows(self, images: Tensor) -> Tensor:
        """Images as rows ``(n, D + 1)`` in the eigenbasis."""
        rows = (images - self.moments.mean).flatten(1) @ self.vectors
        return torch.nn.functional.pad(rows, (0, 1), value=1.0)
