r"""How far two covariances are apart, from their factors alone.

The roots of both are written in one orthonormal basis of what they span together, so that no
matrix is larger than the factors themselves, and nothing is a difference of large numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from augmoments.calculus.covariance import Covariance
from augmoments.checks import check_memory


class Roots(NamedTuple):
    """Roots of two covariances in one basis, float64: ``V = R R^T`` up to a common rotation."""

    a: Tensor
    """(N, r, J)."""
    b: Tensor
    """(N, r, K)."""
    size: int
    """Values an image has, D >= r."""


def common_roots(a: Covariance, b: Covariance) -> Roots:
    """Roots of two covariances in an orthonormal basis of what they span together.

    Raises:
        NotEnoughMemoryError: There is noise in one, and its root does not fit.
    """
    size = a.shape[1]
    roots = [covariance.to(torch.float64).root() for covariance in (a, b)]
    widths = [root.shape[2] for root in roots]
    if sum(widths) < size:
        roots = torch.linalg.qr(torch.cat(roots, 2), mode="r").R.split(widths, 2)
    return Roots(_narrow(roots[0]), _narrow(roots[1]), size)


def images_at_once(a: Covariance, b: Covariance, budget: int) -> int:
    """How many images :func:`common_roots` takes together within ``budget`` bytes.

    Raises:
        NotEnoughMemoryError: Not even one fits.
    """
    size = a.shape[1]
    columns = sum(c.factor.shape[1] + (size if c.noise is not None else 0) for c in (a, b))
    rank = min(columns, size)
    needed = 8 * (4 * columns * size + 8 * rank**2)
    check_memory(needed, "the comparison of two covariances", "smaller images")
    return max(1, budget // needed)


def frobenius_distance(roots: Roots) -> Tensor:
    """``||V_a - V_b||_F``, ``(N,)``."""
    return (roots.a @ roots.a.mT - roots.b @ roots.b.mT).flatten(1).norm(dim=1)


def bures_distance(roots: Roots) -> Tensor:
    r"""The Wasserstein-2 distance of centred Gaussians with these covariances, ``(N,)``.

    .. math:: \mathrm{tr} V_a + \mathrm{tr} V_b - 2 \|R_a^\top R_b\|_*
        = \min_Q \|R_a - R_b Q\|_F^2 ,

    the minimum over orthogonal matrices, which is what is computed: it does not cancel.
    """
    width = max(roots.a.shape[2], roots.b.shape[2])
    a, b = (
        torch.nn.functional.pad(root, (0, width - root.shape[2])) for root in (roots.a, roots.b)
    )
    left, _, right = torch.linalg.svd(b.mT @ a)
    return (a - b @ (left @ right)).flatten(1).norm(dim=1)


def leading_space(root: Tensor, size: int, k: int) -> tuple[Tensor, Tensor]:
    """The ``k`` leading eigenvectors ``(N, r, k)``, and the gap to the next eigenvalue ``(N,)``."""
    rows = max(root.shape[1], min(k + 1, size))
    root = torch.nn.functional.pad(root, (0, 0, 0, rows - root.shape[1]))
    values, vectors = torch.linalg.eigh(root @ root.mT)
    values, vectors = values.flip(-1), vectors.flip(-1)
    if rows == k:
        return vectors, torch.full_like(values[:, 0], torch.inf)
    return vectors[..., :k], values[:, k - 1] - values[:, k].clamp_min(0)


def principal_angles(first: Tensor, second: Tensor) -> Tensor:
    """Angles ``(N, k)`` between the spans of orthonormal columns ``(N, r, k)``, ascending.

    Reference:
        Björck, Golub (1973): small angles from sines, large ones from cosines.
    """
    inner = first.mT @ second
    sines = torch.linalg.svdvals(second - first @ inner).flip(-1)
    return torch.atan2(sines, torch.linalg.svdvals(inner))


def _narrow(root: Tensor) -> Tensor:
    """The same with no more columns than rows."""
    if root.shape[2] <= root.shape[1]:
        return root
    return torch.linalg.qr(root.mT, mode="r").R.mT
