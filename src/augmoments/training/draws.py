r"""The draws of one training step: few an image, well spread over the whole batch.

A batch of B images with k draws each takes the first :math:`B k` points of a Sobol sequence that
is scrambled anew in every step: blocks of k that follow each other, dealt to the images at random.
Every scrambled point is uniform by itself, so that the mean over the draws is unbiased at any k.
If k is a power of two, each image's points are a scrambled net of their own, and the points of all
images together are well spread too: what the images have in common is integrated with
:math:`B k` points. (Dealt in order, images beside each other would get opposite points in every
step, and where their gradients are opposite as well, that adds variance.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.errors import PolicyError
from augmoments.estimate import Method
from augmoments.laws.joint import Seed
from augmoments.laws.sobol import sobol
from augmoments.operators.base import Shape, outer


@dataclass(frozen=True)
class Draws:
    """``k`` draws for each of ``B`` images, or the same ``k`` for all of them."""

    theta: Tensor
    """``(B, k, P)``, or ``(k, P)`` if all images have the same."""
    weights: Tensor
    """``(k,)``, float64, sums to 1."""
    method: Method

    def __len__(self) -> int:
        return len(self.weights)

    def apply(self, policy: Augmentation, images: Tensor) -> Tensor:
        """All augmented images ``(B k, C', H', W')``, those of one image side by side."""
        if self.theta.ndim == 2:
            moved = policy.apply(outer(images, len(self)), self.theta)
            return moved.transpose(0, 1).flatten(0, 1)
        groups = images.repeat_interleave(len(self), 0)[:, None]
        return policy.apply(groups, self.theta.flatten(0, 1))[:, 0]


def step_draws(
    policy: Augmentation, shape: Shape, count: int, nodes: int, seed: tuple[int, int]
) -> Draws:
    """The draws of a step for ``count`` images, ``nodes`` each at most.

    A finite law with no more outcomes than ``nodes`` is enumerated.
    """
    if policy.outcomes(shape) <= nodes:
        points, weights = policy.atoms(shape)
        return Draws(torch.from_numpy(points), torch.from_numpy(weights), "exact")
    parameters = policy.parameters(shape)
    ends = np.cumsum([0, *(parameter.dimension for parameter in parameters)]).tolist()
    rng = np.random.default_rng(seed)
    points = sobol(ends[-1], int(np.ceil(np.log2(count * nodes))), rng)[: count * nodes]
    u = points.reshape(count, nodes, -1)[rng.permutation(count)].reshape(count * nodes, -1)
    columns = [p.ppf(u[:, i:j]) for p, i, j in zip(parameters, ends[:-1], ends[1:], strict=True)]
    theta = torch.from_numpy(np.concatenate(columns, 1).astype(float))
    own = any(isinstance(parameter.law, Seed) for parameter in parameters)
    weights = torch.full((nodes,), 1 / nodes, dtype=torch.float64)
    method: Method = "monte-carlo" if own else "quasi-monte-carlo"
    return Draws(theta.unflatten(0, (count, nodes)), weights, method)


def refuse_mixing(policy: Augmentation, owner: str) -> None:
    """Refuse policies that blend the images of a batch.

    Raises:
        PolicyError: It does; the message names the step.
    """
    for position, part in enumerate(policy.parts):
        if part.couples:
            raise PolicyError(
                f"{owner}: step {position}, {part}, mixes the images and labels of a batch with "
                "each other, so there is no expected loss of one image. Leave it out here and mix "
                "the batch beforehand with its .mix(images, labels)."
            )
