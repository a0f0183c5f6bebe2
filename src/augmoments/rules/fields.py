r"""Second moments of blends :math:`y = x_0 + B\,(x_1 - x_0)` with a random field of weights B.

Erasing blends with a constant, MixUp and CutMix with another image. With :math:`E[B] = m` and
:math:`\mathrm{Cov}[B] = \sum_k f_k f_k^\top` the blend has the moments of
:math:`x_0 + (m + \sum_k \varphi_k f_k)(x_1 - x_0)` with uncorrelated :math:`\varphi_k` of mean 0
and variance 1: a quadratic rule whose Gram matrix is the identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from scipy.stats import qmc
from torch import Tensor

from augmoments.laws.boxes import BoxLaw
from augmoments.operators.fields import FieldExpansion, box_masks
from augmoments.operators.piecewise import SpatialMean
from augmoments.rules.build import MOST_ATOMS
from augmoments.rules.quadratic import QuadraticRule

MOST_PIXELS = 1600
"""Up to how many pixels the covariance of a random box is decomposed into eigenfields."""
_NEGLIGIBLE = 1e-15


@dataclass(frozen=True, eq=False)
class RandomField:
    """Mean and covariance of random weights of the pixels, float64."""

    mean: Tensor
    """E[B], ``(H, W)``."""
    root: Tensor
    """The fields f_k with ``Cov[B] = sum_k f_k f_k^T``, ``(K, H, W)``."""
    exact: bool = True
    """Whether the covariance is; the mean always is."""

    @property
    def variance(self) -> Tensor:
        """Var[B] pixel by pixel, ``(H, W)``."""
        return self.root.square().sum(0)

    @classmethod
    def mixed(cls, weights: Sequence[float], fields: Sequence[RandomField]) -> RandomField:
        """The field that is one of ``fields``, drawn with probabilities ``weights``."""
        pairs = [(w, field) for w, field in zip(weights, fields, strict=True) if w]
        mean = torch.stack([w * field.mean for w, field in pairs]).sum(0)
        within = [w**0.5 * field.root for w, field in pairs]
        between = torch.stack([w**0.5 * (field.mean - mean) for w, field in pairs])
        return cls(mean, torch.cat([*within, between]), all(field.exact for _, field in pairs))


def has_exact_field(law: BoxLaw) -> bool:
    """Whether the covariance of the boxes of ``law`` is known exactly at a bearable cost."""
    height, width = law.image
    return height * width <= MOST_PIXELS or law.count <= MOST_ATOMS


def box_field(law: BoxLaw, n: int) -> RandomField:
    """The field that is 1 in a random box and 0 elsewhere.

    Args:
        law: The law of the box.
        n: Nodes for the covariance where it is not exact, see :func:`has_exact_field`.
    """
    mean = torch.from_numpy(np.ascontiguousarray(law.coverage()))
    if mean.numel() <= MOST_PIXELS:
        flat = mean.flatten()
        joint = torch.from_numpy(law.joint_coverage())
        values, vectors = torch.linalg.eigh(joint - torch.outer(flat, flat))
        keep = values > _NEGLIGIBLE * values[-1].clamp_min(0)
        root = (vectors[:, keep] * values[keep].sqrt()).T
        return RandomField(mean, root.reshape(-1, *mean.shape))
    exact = has_exact_field(law)
    points, weights = map(torch.from_numpy, law.atoms() if exact else _nodes(law, n))
    masks = box_masks(points, *law.image)
    return RandomField(mean, weights.sqrt()[:, None, None] * (masks - mean), exact)


def erasing_rule(
    field: RandomField, value: tuple[float, ...], noise: bool = False
) -> QuadraticRule:
    """The rule of ``x + B (v - x)``.

    Args:
        field: Mean and covariance of B.
        value: The constant v, one number or one a channel.
        noise: Whether standard normal noise is added to v, drawn for every value by itself; B is
            0 or 1.
    """
    count = 1 + len(field.root)
    weights = torch.zeros(count, dtype=torch.float64)
    weights[0] = 1
    kept = 1 - field.mean.flatten().numpy()
    return QuadraticRule(
        FieldExpansion(torch.cat([field.mean[None], field.root]), value),
        torch.arange(count, dtype=torch.float64)[:, None],
        weights,
        torch.eye(count, dtype=torch.float64),
        "expansion" if field.exact else "cubature",
        expectation=lambda: SpatialMean(sp.csr_array(sp.diags_array(kept)), kept),
        noise=field.mean[None] if noise else None,
    )


def _nodes(law: BoxLaw, n: int) -> tuple[np.ndarray, np.ndarray]:
    power = max(0, n - 1).bit_length()
    u = qmc.Sobol(law.dimension, rng=np.random.default_rng(0)).random_base2(power)
    return law.ppf(u), np.full(len(u), 1 / len(u))
