"""The total variance of augmented images alone: no covariance, so little memory and few nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import qmc
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.sequence import Chain
from augmoments.calculus.nodes import REPLICATES
from augmoments.calculus.plan import shapes_along
from augmoments.errors import PolicyError
from augmoments.operators.base import Shape, outer

_AT_ONCE = 2**23  # values of augmented images


class Variance(NamedTuple):
    r"""The mean variance of a value, :math:`\mathrm{tr} V / D`, over all images."""

    value: float
    single: Tensor
    """What each replicate says by itself, ``(R,)``; they agree where all outcomes were met."""


class Draws:
    """Scrambled Sobol points of all numbers of a policy, in replicates.

    Policies of some of the steps get the same numbers, so that their variances are off together.
    """

    def __init__(self, steps: Sequence[Augmentation], images: Tensor, seed: int, log2: int) -> None:
        self.steps = steps
        self.images = images
        self.most = REPLICATES * 2**log2
        self._shape: Shape = tuple(images.shape[1:])  # type: ignore[assignment]
        self._widths = [
            sum(parameter.dimension for parameter in step.parameters(here))
            for step, here in zip(steps, shapes_along(steps, self._shape), strict=True)
        ]
        ends = np.cumsum(self._widths)
        replicates = [
            qmc.Sobol(
                max(int(ends[-1]), 1), scramble=True, rng=np.random.default_rng([seed, replicate])
            ).random_base2(log2)
            for replicate in range(REPLICATES)
        ]
        self._uniform = np.split(np.concatenate(replicates), ends[:-1], axis=1)

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
        squares: list[Tensor] = []
        means: list[Tensor] = []
        centre: Tensor | None = None
        for block, shares in zip(theta.chunk(blocks), weights.chunk(blocks), strict=True):
            square, mean = torch.zeros(()), torch.zeros(())
            for some, share in zip(block.split(at_once), shares.split(at_once), strict=True):
                moved = policy.apply(outer(self.images, len(some)), some)
                centre = moved[0] if centre is None else centre
                gaps, share = (moved - centre).flatten(1), blocks * share.to(moved)
                square = square + share @ gaps.square().mean(1)
                mean = mean + share @ gaps
            squares.append(square.double())
            means.append(mean.double())
        return _combine(torch.stack(squares), torch.stack(means))


def _combine(squares: Tensor, means: Tensor) -> Variance:
    """From mean squares ``(R,)`` and means ``(R, D)`` of replicates.

    Unbiased: of products of means, those of different replicates count.
    """
    inner, blocks = means @ means.mT / means.shape[1], len(means)
    if blocks == 1:
        value = float((squares - inner[0]).clamp_min(0))
        return Variance(value, torch.full((REPLICATES,), value, dtype=torch.float64))
    between = (inner.sum() - inner.diagonal().sum()) / (blocks * (blocks - 1))
    single = squares - 2 * inner.mean(1) + inner.mean()
    return Variance(float((squares.mean() - between).clamp_min(0)), single)
