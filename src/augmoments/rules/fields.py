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
from torch import Tensor

from augmoments.laws.boxes import BoxLaw
from augmoments.laws.profiles import Profile
from augmoments.operators.fields import FieldExpansion, box_masks
from augmoments.operators.kronecker import KroneckerSum
from augmoments.operators.piecewise import SpatialMean
from augmoments.rules.build import MOST_ATOMS
from augmoments.rules.quadratic import QuadraticRule

MOST_PIXELS = 1600
"""Up to how many pixels the covariance of a random box is decomposed into eigenfields."""
_NEGLIGIBLE = 1e-15
_OVERSAMPLING = 16
_ITERATIONS = 2


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
        n: Leading eigenfields of the covariance where it is not exact, see
            :func:`has_exact_field`.
    """
    mean = torch.from_numpy(np.ascontiguousarray(law.coverage()))
    if mean.numel() <= MOST_PIXELS:
        flat = mean.flatten()
        joint = torch.from_numpy(law.joint_coverage())
        return RandomField(mean, _scaled(joint - torch.outer(flat, flat), mean.shape))
    if has_exact_field(law):
        points, weights = map(torch.from_numpy, law.atoms())
        root = weights.sqrt()[:, None, None] * (box_masks(points, *law.image) - mean)
        return RandomField(mean, root)
    return RandomField(mean, _leading(law, mean, min(n, mean.numel())), exact=False)


def _scaled(covariance: Tensor, shape: torch.Size) -> Tensor:
    """Eigenvectors as images of ``shape``, times the roots of their eigenvalues, largest first."""
    values, vectors = (found.flip(-1) for found in torch.linalg.eigh(covariance))
    keep = values > _NEGLIGIBLE * values[0].clamp_min(0)
    return (vectors[:, keep] * values[keep].sqrt()).T.reshape(-1, *shape)


def _leading(law: BoxLaw, mean: Tensor, n: int) -> Tensor:
    """The ``n`` leading eigenfields, by subspace iteration (Halko, Martinsson, Tropp 2011)."""
    joint = KroneckerSum(*map(torch.from_numpy, _joint_terms(law)))
    flat = mean.flatten()

    def covariance(rows: Tensor) -> Tensor:
        moved = joint.apply(rows.reshape(-1, 1, *mean.shape)).flatten(1)
        return moved - torch.outer(rows @ flat, flat)

    generator = torch.Generator().manual_seed(0)
    count = min(n + _OVERSAMPLING, len(flat))
    rows = torch.randn(count, len(flat), generator=generator, dtype=torch.float64)
    for _ in range(_ITERATIONS):
        rows = torch.linalg.qr(covariance(rows).T).Q.T
    small = covariance(rows) @ rows.T
    return (_scaled((small + small.T) / 2, torch.Size([count]))[:n] @ rows).reshape(-1, *mean.shape)


def _joint_terms(law: BoxLaw) -> tuple[np.ndarray, np.ndarray]:
    r"""Matrices R ``(r, H, H)`` and C ``(r, W, W)`` with :math:`E[B B^\top] = \sum R \otimes C`."""
    sides = (law.heights, law.tops), (law.widths, law.lefts)
    (down, i), (across, j) = (
        np.unique(np.column_stack(side), axis=0, return_inverse=True) for side in sides
    )
    table = np.zeros((len(down), len(across)))
    np.add.at(table, (i.reshape(-1), j.reshape(-1)), law.probabilities)
    rows = Profile(*down.T).both_covered(law.image[0])
    return rows, np.tensordot(table, Profile(*across.T).both_covered(law.image[1]), 1)


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
