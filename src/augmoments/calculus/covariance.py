r"""Implicit covariance matrices, one an image, held by a factor: :math:`V = F F^\top`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator
from torch import Tensor

from augmoments.checks import check_memory
from augmoments.errors import InputError


class Eigenpairs(NamedTuple):
    """Leading eigenpairs of a batch of covariances."""

    values: Tensor
    """Eigenvalues ``(N, k)``, descending."""
    vectors: Tensor
    """Orthonormal eigenvectors as images, ``(N, k, C, H, W)``."""


class Covariance:
    r"""The covariances of N augmented images, each ``(D, D)`` with ``D = C H W``.

    Never formed: :math:`V_n = F_n F_n^\top` with a factor of J columns. Symmetric and positive
    semidefinite by construction.

    Attributes:
        factor: The columns of F as images, shape ``(N, J, C, H, W)``.
    """

    def __init__(self, factor: Tensor) -> None:
        self.factor = factor

    def __repr__(self) -> str:
        return f"Covariance(shape={tuple(self.shape)}, rank<={min(self._flat.shape[1:])})"

    @property
    def shape(self) -> torch.Size:
        """``(N, D, D)``."""
        count, _, size = self._flat.shape
        return torch.Size((count, size, size))

    @property
    def _flat(self) -> Tensor:
        return self.factor.flatten(2)

    def __matmul__(self, z: Tensor) -> Tensor:
        """``V z`` for vectors ``(N, D)``, matrices ``(N, D, k)`` or images ``(N, C, H, W)``."""
        count, size, _ = self.shape
        images = self.factor.shape[2:]
        if z.shape == (count, *images):
            return (self @ z.flatten(1)).reshape(z.shape)
        if z.shape == (count, size):
            return (self @ z[..., None])[..., 0]
        if z.ndim != 3 or z.shape[:2] != (count, size):
            raise InputError(
                f"V @ z takes z of shape ({count}, {size}), ({count}, {size}, k) or "
                f"{(count, *images)}, got {tuple(z.shape)}."
            )
        return self._flat.mT @ (self._flat @ z)

    def diagonal(self) -> Tensor:
        """Variance of every pixel, ``(N, C, H, W)``."""
        return self.factor.square().sum(1)

    def trace(self) -> Tensor:
        """Total variance ``tr V``, ``(N,)``."""
        return self.factor.square().flatten(1).sum(1)

    def frobenius_norm(self) -> Tensor:
        """``||V||_F``, ``(N,)``."""
        flat = self._flat
        gram = flat @ flat.mT if flat.shape[1] <= flat.shape[2] else flat.mT @ flat
        return gram.square().sum((1, 2)).sqrt()

    def root(self) -> Tensor:
        """A root ``F`` with ``V = F F^T``, shape ``(N, D, J)``."""
        return self._flat.mT

    def dense(self) -> Tensor:
        """The matrices themselves, ``(N, D, D)``.

        Raises:
            NotEnoughMemoryError: They do not fit.
        """
        count, size, _ = self.shape
        needed = count * size**2 * self.factor.element_size()
        check_memory(needed, "the dense covariance", "V @ z, V.eigh(k), V.diagonal() or V.root()")
        return self._flat.mT @ self._flat

    def eigh(self, k: int | None = None) -> Eigenpairs:
        """The ``k`` leading eigenpairs (all ``D`` by default), from the smaller Gram matrix.

        Eigenvalues below the rounding of the largest one are returned as they come out, not
        negative, with vectors that complete an orthonormal set.

        Raises:
            InputError: ``k`` is not between 1 and D.
        """
        flat = self._flat
        count, columns, size = flat.shape
        k = size if k is None else k
        if not 1 <= k <= size:
            raise InputError(f"k must lie between 1 and D = {size}, got {k}.")
        work = flat.double()
        if size <= columns:
            values, vectors = torch.linalg.eigh(work.mT @ work)
            values, vectors = values.flip(-1)[:, :k], vectors.flip(-1)[..., :k]
        else:
            values, mix = torch.linalg.eigh(work @ work.mT)
            values, mix = values.flip(-1)[:, :k], mix.flip(-1)[..., :k]
            vectors, values = _complete(work.mT @ mix, values, k)
        images = vectors.mT.reshape(count, k, *self.factor.shape[2:])
        return Eigenpairs(values.clamp_min(0).to(flat.dtype), images.to(flat.dtype))

    def to_scipy(self, n: int = 0) -> LinearOperator:
        """Covariance of image ``n`` as a SciPy operator ``(D, D)``, for its iterative solvers."""
        flat = self._flat[n].detach().cpu()
        flat = (flat if flat.dtype == torch.float64 else flat.float()).numpy()
        return _SciPyCovariance(flat)


class _SciPyCovariance(LinearOperator):
    def __init__(self, factor: np.ndarray) -> None:
        size = factor.shape[1]
        super().__init__(factor.dtype, (size, size))
        self._factor = factor

    def _matmat(self, X: np.ndarray) -> np.ndarray:
        return self._factor.T @ (self._factor @ X)

    def _rmatmat(self, X: np.ndarray) -> np.ndarray:
        return self._matmat(X)


def _complete(vectors: Tensor, values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Orthonormalise ``vectors`` ``(N, D, j)`` and add to them until there are ``k``."""
    count, size, found = vectors.shape
    eps = torch.finfo(values.dtype).eps
    good = values > 1e4 * eps * values[:, :1].clamp_min(1e-300)
    norms = values.clamp_min(1e-300).sqrt()
    vectors = torch.where(good[:, None], vectors / norms[:, None], 0.0)
    values = torch.nn.functional.pad(values, (0, k - found))
    filler = torch.randn(size, k, generator=torch.Generator().manual_seed(0), dtype=vectors.dtype)
    filler = filler.to(vectors.device).expand(count, -1, -1)
    spanned = torch.nn.functional.pad(vectors, (0, k - found))
    empty = torch.nn.functional.pad(~good, (0, k - found), value=True)
    candidates = torch.where(empty[:, None], filler - spanned @ (spanned.mT @ filler), spanned)
    basis, triangle = torch.linalg.qr(candidates)
    sign = triangle.diagonal(dim1=1, dim2=2).sign()
    return basis * torch.where(sign == 0, 1.0, sign)[:, None], values
