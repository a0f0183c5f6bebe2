"""Moments of images and their targets together, over a dataset and over the augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from augmoments.augmentations.mixing import Mixing
from augmoments.calculus.dataset.dense import DenseState, over_channels
from augmoments.calculus.expected_operator import ExpectedOperator
from augmoments.calculus.state import propagate
from augmoments.operators.base import Shape
from augmoments.rules import Rule


@dataclass(frozen=True)
class JointMoments:
    """Mean and covariance of images and targets that are drawn together, float64.

    Attributes:
        mean: Mean image, ``(C, H, W)``.
        covariance: Covariance of the images, ``(D, D)``.
        cross: Covariance of the images with the targets, ``(D, K)``.
        target_mean: ``(K,)``.
        target_covariance: ``(K, K)``.
    """

    mean: Tensor
    covariance: Tensor
    cross: Tensor
    target_mean: Tensor
    target_covariance: Tensor

    @classmethod
    def of(cls, mean: Tensor, covariance: Tensor, shape: Shape) -> JointMoments:
        """From moments of rows ``(image, targets)``: ``(D + K,)`` and ``(D + K, D + K)``."""
        size = shape[0] * shape[1] * shape[2]
        return cls(
            mean[:size].reshape(shape),
            covariance[:size, :size],
            covariance[:size, size:],
            mean[size:],
            covariance[size:, size:],
        )

    def through(self, rule: Rule, average: ExpectedOperator) -> JointMoments:
        """After one more independent step, with the average that is known best."""
        moved = propagate(rule, DenseState(self.mean, self.covariance))
        cross = moved.covariance.new_zeros(len(moved.covariance), self.cross.shape[1])
        if cross.numel():
            cross = average.linear(self.cross.T.reshape(-1, *self.mean.shape)).flatten(1).T
        return replace(
            self,
            mean=average.apply(self.mean[None])[0],
            covariance=moved.covariance,
            cross=cross,
        )

    def mixed(self, mixing: Mixing, between: Tensor, count: int, terms: int) -> JointMoments:
        r"""After each image and target is blended with those of another one.

        The partner is each of the ``count - 1`` others with the same probability, as in batches of
        shuffled images. With the weights b of the partner in image and target,
        :math:`K = E[(1 - b)(1 - b)^\top + b b^\top]`, the covariance :math:`\Sigma` and the
        covariance B of the means of the images,

        .. math:: K \circ \Sigma - (1 - K) \circ B / (N - 1) .

        Args:
            mixing: MixUp, CutMix or a choice of them.
            between: Covariance of the mean images, ``(D, D)``.
            count: How many images there are.
            terms: Terms of the field of weights, where it is not exact.
        """
        if count == 1:
            return self
        shape: Shape = tuple(self.mean.shape)  # type: ignore[assignment]
        field, share = mixing.field(shape, terms), mixing.share(shape)
        weight, root = field.mean.flatten(), field.root.flatten(1)
        second = root.T @ root + torch.outer(weight, weight)
        kept = (1 - weight[:, None] - weight + 2 * second).to(self.covariance)
        kept_cross = 1 - weight - share.mean + 2 * share.product.flatten()
        kept_cross = kept_cross.repeat(shape[0])[:, None].to(self.cross)
        kept_targets = 1 - 2 * share.mean + 2 * share.square
        others = -1 / (count - 1)

        def blend(keep: Tensor | float, own: Tensor, pairs: Tensor) -> Tensor:
            return keep * own + (1 - keep) * others * pairs

        return replace(
            self,
            covariance=over_channels(kept, self.covariance)
            + others * over_channels(1 - kept, between),
            cross=blend(kept_cross, self.cross, self.cross),
            target_covariance=blend(kept_targets, self.target_covariance, self.target_covariance),
        )


def pooled(parts: Sequence[JointMoments]) -> JointMoments:
    """The moments of the mixture of ``parts`` in equal shares."""
    mean, targets = _average([p.mean for p in parts]), _average([p.target_mean for p in parts])
    covariances, crosses, squares = [], [], []
    for part in parts:
        gap, shift = (part.mean - mean).flatten(), part.target_mean - targets
        covariances.append(part.covariance + torch.outer(gap, gap))
        crosses.append(part.cross + torch.outer(gap, shift))
        squares.append(part.target_covariance + torch.outer(shift, shift))
    return JointMoments(mean, _average(covariances), _average(crosses), targets, _average(squares))


def _average(parts: list[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total / len(parts)
