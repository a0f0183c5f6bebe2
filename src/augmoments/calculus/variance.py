"""Total variances alone: no covariance, so little memory and few nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.sequence import Chain
from augmoments.calculus.integrate import Indexed
from augmoments.calculus.nodes import REPLICATES
from augmoments.calculus.plan import shapes_along
from augmoments.errors import PolicyError
from augmoments.laws.sobol import sobol
from augmoments.operators.base import Shape, outer

_AT_ONCE = 2**18  # values of augmented images, so that they stay in the cache
_IMAGES_AT_ONCE = 8192


class Variance(NamedTuple):
    r"""Variances of several quantities, each the mean over its values.

    Of images there is one, :math:`\mathrm{tr} V / D` over all of them.
    """

    value: Tensor
    """``(G,)``, float64."""
    single: Tensor
    """What each replicate says by itself, ``(R, G)``; they agree where all outcomes were met."""


class Draws:
    """Scrambled Sobol points of all numbers of a policy, in replicates.

    Policies of some of the steps get the same numbers, so that their variances are off together.

    Args:
        steps: The policy.
        images: ``(N, C, H, W)``.
        seed: Seed of the scrambling.
        log2: Two to the power of it are the points of a replicate.
        fn: Maps augmented images and their places in the batch to ``(n, Q)``, whose ``N * Q``
            variances are wanted; without it, it is the one of the images themselves.
    """

    def __init__(
        self,
        steps: Sequence[Augmentation],
        images: Tensor,
        seed: int,
        log2: int,
        fn: Indexed | None = None,
    ) -> None:
        self.steps = steps
        self.images = images
        self._fn = fn
        self.most = REPLICATES * 2**log2
        self._shape: Shape = tuple(images.shape[1:])  # type: ignore[assignment]
        self._widths = [
            sum(parameter.dimension for parameter in step.parameters(here))
            for step, here in zip(steps, shapes_along(steps, self._shape), strict=True)
        ]
        ends = np.cumsum([0, *self._widths])
        replicates = [
            sobol(max(int(ends[-1]), 1), log2, [seed, replicate]) for replicate in range(REPLICATES)
        ]
        self._uniform = np.split(np.concatenate(replicates), ends[1:-1], axis=1)

    def variance(self, kept: Sequence[int]) -> Variance:
        """The variance of the policy of some of the steps.

        Raises:
            PolicyError: They do not follow each other.
        """
        policy = Chain(tuple(self.steps[place] for place in kept))
        if policy.outcomes(self._shape) <= self.most:
            points, weights = policy.atoms(self._shape)
            return self._estimate(policy, torch.from_numpy(points), torch.from_numpy(weights), 1)
        columns = [np.zeros((self.most, 0))]
        for place, here in zip(kept, shapes_along(policy.steps, self._shape), strict=True):
            columns += self._columns(place, here)
        theta = torch.from_numpy(np.concatenate(columns, 1).astype(float))
        weights = torch.full((self.most,), 1 / self.most, dtype=torch.float64)
        return self._estimate(policy, theta, weights, REPLICATES)

    def _columns(self, place: int, here: Shape) -> list[np.ndarray]:
        """Parameters of a step for images of another shape than in the whole policy, maybe."""
        parameters = self.steps[place].parameters(here)
        if sum(parameter.dimension for parameter in parameters) != self._widths[place]:
            raise PolicyError("A step takes other numbers for images of another shape.")
        ends = np.cumsum([parameter.dimension for parameter in parameters])[:-1]
        own = np.split(self._uniform[place], ends, axis=1) if len(parameters) else []
        return [parameter.ppf(u) for parameter, u in zip(parameters, own, strict=True)]

    def _estimate(
        self, policy: Augmentation, theta: Tensor, weights: Tensor, blocks: int
    ) -> Variance:
        """Sums of differences to one draw, so that nothing cancels."""
        at_once = max(1, _AT_ONCE // self.images.numel())
        if self._fn is not None:
            at_once = max(1, min(at_once, _IMAGES_AT_ONCE // len(self.images)))
        squares: list[Tensor] = []
        means: list[Tensor] = []
        centre: Tensor | None = None
        for block, shares in zip(theta.chunk(blocks), weights.chunk(blocks), strict=True):
            square, mean = torch.zeros(()), torch.zeros(())
            for some, share in zip(block.split(at_once), shares.split(at_once), strict=True):
                values = self._values(policy, some)
                centre = values[0] if centre is None else centre
                gaps, share = values - centre, blocks * share.to(values)
                square = square + share @ gaps.square().mean(2)
                mean = mean + (share @ gaps.flatten(1)).reshape(gaps.shape[1:])
            squares.append(square.double())
            means.append(mean.double())
        return _combine(torch.stack(squares), torch.stack(means))

    def _values(self, policy: Augmentation, theta: Tensor) -> Tensor:
        """The values of G quantities at every draw, ``(k, G, P)``."""
        moved = policy.apply(outer(self.images, len(theta)), theta)
        if self._fn is None:
            return moved.flatten(1)[:, None]
        index = torch.arange(len(self.images), device=moved.device).repeat(len(theta))
        values = self._fn(moved.flatten(0, 1), index)
        return values.unflatten(0, (len(theta), -1)).flatten(1)[..., None]


def _combine(squares: Tensor, means: Tensor) -> Variance:
    """From mean squares ``(R, G)`` and means ``(R, G, P)`` of replicates.

    Unbiased: of products of means, those of different replicates count.
    """
    blocks, _, size = means.shape
    inner = torch.einsum("rgp,sgp->grs", means, means) / size
    if blocks == 1:
        value = (squares[0] - inner[:, 0, 0]).clamp_min(0)
        return Variance(value, value.expand(REPLICATES, -1))
    between = (inner.sum((1, 2)) - inner.diagonal(dim1=1, dim2=2).sum(1)) / (blocks * (blocks - 1))
    single = squares - 2 * inner.mean(2).T + inner.mean((1, 2))
    return Variance((squares.mean(0) - between).clamp_min(0), single)
