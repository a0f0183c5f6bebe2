r"""Tangents of an augmentation: how an image begins to move along each parameter.

Central differences at the neutral draw. Where the action has a kink there (bilinear interpolation
does at whole pixels) they are the mean of the two one-sided derivatives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.parameters import Parameter
from augmoments.errors import PolicyError
from augmoments.laws import Law
from augmoments.laws.independent import Independent
from augmoments.laws.sobol import sobol
from augmoments.operators.base import Shape, outer
from augmoments.rules import MOST_ATOMS

_STEP = 1e-4  # of a standard deviation
_LOG2_POINTS = 14
_PROBES = 16
_SMALL = 1e-3  # what the draws that test the tangents are scaled by
_CLOSE = 0.05
_ROUGH = 10  # times the linear part, what kinks may add to it


@dataclass(frozen=True)
class Tangents:
    """The parameters of a policy that move images of one shape, and how they vary."""

    policy: Augmentation
    neutral: Tensor
    """``(P,)``, float64."""
    columns: Tensor
    """Those of the parameters that move images, ``(j,)``."""
    step: Tensor
    """Half the distance of the central differences, ``(j,)``."""
    shift: Tensor
    """Means of these parameters, from the neutral draw on, ``(j,)``."""
    root: Tensor
    """Root of their covariance, ``(j, j)``."""

    @classmethod
    def of(cls, policy: Augmentation, shape: Shape) -> Tangents:
        """The tangents for images of ``shape``.

        Raises:
            PolicyError: No draw leaves images as they are, or small changes of some parameter do
                not move images a little (flips, nearest neighbours, what is done or not).
        """
        neutral = policy.neutral(shape)
        parameters = policy.parameters(shape)
        known = [_mean_and_covariance(parameter) for parameter in parameters]
        mean = torch.cat([torch.zeros(0), *(m for m, _ in known)]).double()
        covariance = torch.block_diag(*(c for _, c in known)).double()
        deviation = covariance.diagonal().clamp_min(0).sqrt()
        varying = deviation.nonzero()[:, 0]
        probe = 0.25 + torch.rand(1, *shape, generator=_generator(), dtype=torch.float64) / 2
        trial = cls(policy, neutral, varying, _STEP * deviation[varying], mean, covariance)
        size = (trial.vectors(probe)[0].flatten(1) * deviation[varying, None]).norm(dim=1)
        columns = varying[size > 1e-9 * probe.norm()]
        values, vectors = torch.linalg.eigh(covariance[columns][:, columns])
        found = cls(
            policy,
            neutral,
            columns,
            _STEP * deviation[columns],
            (mean - neutral)[columns],
            vectors * values.clamp_min(0).sqrt(),
        )
        endless = torch.tensor([p.count == np.inf for p in parameters for _ in range(p.width)])
        if bool(endless[varying].sum() > endless[columns].sum()) or not found.hold_for(probe):
            raise PolicyError(
                f"TangentProp: small changes of the parameters of {policy} do not move an image "
                "a little (flips, nearest neighbours and what is done or not jump): use "
                'ExplicitRegularizer or ExpectedLoss, or interpolation="bilinear".'
            )
        return found

    def vectors(self, images: Tensor) -> Tensor:
        """Derivatives along the parameters that move, ``(N, j, C, H, W)``, float64."""
        change = torch.zeros(len(self.columns), len(self.neutral), dtype=torch.float64)
        change[torch.arange(len(self.columns)), self.columns] = self.step
        theta = torch.cat([self.neutral + change, self.neutral - change])
        if not len(theta):
            return images.new_zeros(len(images), 0, *images.shape[1:], dtype=torch.float64)
        ahead, behind = self.policy.apply(outer(images.double(), len(theta)), theta).chunk(2)
        length = 2 * self.step.to(images.device)[:, None, None, None, None]
        return ((ahead - behind) / length).transpose(0, 1)

    def hold_for(self, images: Tensor) -> bool:
        """Whether draws that are scaled down move these images as the tangents say.

        What is odd in the draw is compared with the tangents, so that kinks do no harm; what is
        even must vanish. Parameters that do not move images stay as they were drawn.
        """
        drawn = self.policy.draw(tuple(images.shape[1:]), _PROBES, _generator())  # type: ignore[arg-type]
        gap = _SMALL * (drawn - self.neutral)[:, self.columns]
        pair = []
        for sign in (1, -1):
            theta = drawn.clone()
            theta[:, self.columns] = self.neutral[self.columns] + sign * gap
            pair.append(self.policy.apply(outer(images, _PROBES), theta))
        odd, even = (pair[0] - pair[1]) / 2, (pair[0] + pair[1]) / 2 - images
        linear = torch.einsum("dj,njchw->dnchw", gap, self.vectors(images))
        allowed = _CLOSE * linear.norm() + 1e-9 * images.norm()
        return bool(
            (odd - linear).norm() <= allowed and even.norm() <= _ROUGH * linear.norm() + allowed
        )


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _mean_and_covariance(parameter: Parameter) -> tuple[Tensor, Tensor]:
    """``(width,)`` and ``(width, width)``, float64."""
    law = parameter.law
    if isinstance(law, Law):
        laws = (law,)
    elif isinstance(law, Independent):
        laws = law.laws
    else:
        return _of_points(parameter)
    mean = torch.tensor([one.mean for one in laws], dtype=torch.float64)
    variance = [max(one.expect(2) - one.mean**2, 0.0) for one in laws]
    return mean, torch.tensor(variance, dtype=torch.float64).diag()


def _of_points(parameter: Parameter) -> tuple[Tensor, Tensor]:
    """From all outcomes, or from Sobol points where they are many."""
    if parameter.count <= MOST_ATOMS:
        points, weights = parameter.atoms()
    else:
        points = parameter.ppf(sobol(parameter.dimension, _LOG2_POINTS, 0))
        weights = np.full(len(points), 1 / len(points))
    mean = weights @ points
    gaps = points - mean
    covariance = gaps.T @ (weights[:, None] * gaps)
    return torch.from_numpy(mean), torch.from_numpy(covariance)
