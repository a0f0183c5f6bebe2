r"""Implicit covariance matrices, one an image: :math:`V = F F^\top + \mathrm{diag}(d)`."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from augmoments import fragments
from augmoments.checks import check_memory
from augmoments.errors import InputError
from augmoments.options import check_count

_SMALL = 1024
_BYTES_AT_ONCE = 2**22
_LABOUR = 1e10  # multiplications from which on a few eigenpairs are found by Lanczos


class Eigenpairs(NamedTuple):
    """Leading eigenpairs of a batch of covariances."""

    values: Tensor
    """Eigenvalues ``(N, k)``, descending."""
    vectors: Tensor
    """Orthonormal eigenvectors as images, ``(N, k, C, H, W)``."""
    error: Tensor
    """Bound of the error of every eigenvalue, ``(N,)``: that of V in spectral norm (Weyl). An
    eigenvector is off by an angle whose sine is at most this over the gap to the next eigenvalue
    (Davis and Kahan)."""


class Covariance:
    r"""The covariances of N augmented images, each ``(D, D)`` with ``D = C H W``.

    Never formed: :math:`V_n = F_n F_n^\top + \mathrm{diag}(d_n)` with a factor of J columns, and a
    diagonal if the augmentation adds independent noise to every value. Symmetric and positive
    semidefinite by construction.

    Attributes:
        noise: The diagonal d as images, ``(N, C, H, W)``, or ``None``.
        error: Bound of the error of V in spectral norm, ``(N,)``.
    """

    def __init__(
        self, factor: Tensor, noise: Tensor | None = None, error: Tensor | None = None
    ) -> None:
        self._factor = factor
        self.noise = noise
        self.error = factor.new_zeros(len(factor)) if error is None else error

    def __repr__(self) -> str:
        rank = self._flat.shape[2] if self.noise is not None else min(self._flat.shape[1:])
        return f"Covariance(shape={tuple(self.shape)}, rank<={rank})"

    def _repr_html_(self) -> str:
        return fragments.pairs(
            f"Covariance of {fragments.shape_of(self)}",
            [
                ("images", " × ".join(map(str, self.image_shape))),
                ("total variance", fragments.spread(self.trace())),
                ("error in spectral norm", fragments.worst(self.error)),
            ],
            "Median (range) over the images. Never formed: use V @ z, eigh, trace, diagonal.",
        )

    def __getitem__(self, index: Tensor | slice) -> Covariance:
        """The covariances of some of the images."""
        noise = None if self.noise is None else self.noise[index]
        return Covariance(self.factor[index], noise, self.error[index])

    def to(self, dtype: torch.dtype) -> Covariance:
        """The same in another floating-point type."""
        if dtype == self.factor.dtype:
            return self
        noise = None if self.noise is None else self.noise.to(dtype)
        return Covariance(self.factor.to(dtype), noise, self.error.to(dtype))

    @property
    def factor(self) -> Tensor:
        """The columns of F as images, shape ``(N, J, C, H, W)``."""
        return self._factor

    @property
    def image_shape(self) -> torch.Size:
        """``(C, H, W)``."""
        return self._factor.shape[2:]

    @property
    def nbytes(self) -> int:
        """Bytes that the columns take."""
        return self._factor.nbytes

    @property
    def shape(self) -> torch.Size:
        """``(N, D, D)``."""
        size = self.image_shape.numel()
        return torch.Size((len(self.error), size, size))

    @property
    def _flat(self) -> Tensor:
        return self.factor.flatten(2)

    def __matmul__(self, z: Tensor) -> Tensor:
        """``V z`` for vectors ``(N, D)``, matrices ``(N, D, k)`` or images ``(N, C, H, W)``."""
        count, size, _ = self.shape
        images = self.image_shape
        if z.shape == (count, *images):
            return (self @ z.flatten(1)).reshape(z.shape)
        if z.shape == (count, size):
            return (self @ z[..., None])[..., 0]
        if z.ndim != 3 or z.shape[:2] != (count, size):
            raise InputError(
                f"V @ z takes z of shape ({count}, {size}), ({count}, {size}, k) or "
                f"{(count, *images)}, got {tuple(z.shape)}."
            )
        out = self._product(z)
        return out if self.noise is None else out + self.noise.flatten(1)[..., None] * z

    def _product(self, z: Tensor) -> Tensor:
        """``F F^T z`` for matrices ``(N, D, k)``."""
        return self._flat.mT @ (self._flat @ z)

    def diagonal(self) -> Tensor:
        """Variance of every pixel, ``(N, C, H, W)``."""
        return self._diagonal

    @cached_property
    @torch.enable_grad()
    def _diagonal(self) -> Tensor:
        at_once = max(1, _BYTES_AT_ONCE // max(self.factor[:, :1].nbytes, 1))
        squares = sum(part.square().sum(1) for part in self.factor.split(at_once, 1))
        assert isinstance(squares, Tensor)
        return squares if self.noise is None else squares + self.noise

    def trace(self) -> Tensor:
        """Total variance ``tr V``, ``(N,)``."""
        return self.diagonal().flatten(1).sum(1)

    def frobenius_norm(self) -> Tensor:
        """``||V||_F``, ``(N,)``."""
        return self._frobenius_norm

    @cached_property
    @torch.enable_grad()
    def _frobenius_norm(self) -> Tensor:
        flat = self._flat
        gram = flat @ flat.mT if flat.shape[1] <= flat.shape[2] else flat.mT @ flat
        square = gram.square().sum((1, 2))
        if self.noise is not None:
            noise = self.noise.flatten(1)
            square = square + (noise * (2 * flat.square().sum(1) + noise)).sum(1)
        return square.sqrt()

    @cached_property
    def gram(self) -> Tensor:
        """The smaller one of ``F^T F`` and ``F F^T``, ``(N, J, J)`` or ``(N, D, D)``.

        Detached and float64: differences of its squares tell errors.
        """
        return _smaller_gram(self._flat.detach())

    def root(self) -> Tensor:
        """A root ``R`` with ``V = R R^T``, shape ``(N, D, J)``, or ``(N, D, J + D)`` with noise."""
        flat = self._flat
        return flat.mT if self.noise is None else torch.cat([flat.mT, self._noise_root()], 2)

    def _noise_root(self) -> Tensor:
        assert self.noise is not None
        count, size, _ = self.shape
        needed = count * size**2 * self.factor.element_size()
        check_memory(needed, "a root of the covariance with noise", "V @ z")
        return self.noise.flatten(1).sqrt().diag_embed()

    def projected_root(self, rows: Tensor) -> Tensor:
        """``P`` ``(N, J, K)`` with ``P^T P = W V W^T``, for ``W`` ``(K, D)`` or ``(N, K, D)``."""
        moved = self._flat @ rows.mT
        if self.noise is None:
            return moved
        scaled = self.noise.flatten(1).sqrt()[..., None] * rows.mT
        return torch.cat([moved, scaled], 1)

    def dense(self) -> Tensor:
        """The matrices themselves, ``(N, D, D)``.

        Raises:
            NotEnoughMemoryError: They do not fit.
        """
        count, size, _ = self.shape
        needed = count * size**2 * self.factor.element_size()
        check_memory(needed, "the dense covariance", "V @ z, V.eigh(k), V.diagonal() or V.root()")
        dense = self._flat.mT @ self._flat
        return dense if self.noise is None else dense + self.noise.flatten(1).diag_embed()

    def eigh(self, k: int | None = None) -> Eigenpairs:
        """The ``k`` leading eigenpairs (all ``D`` by default), from the smaller Gram matrix.

        Eigenvalues below the rounding of the largest one are returned as they come out, not
        negative, with vectors that complete an orthonormal set.

        Raises:
            InputError: ``k`` is no whole number between 1 and D.
        """
        flat = self._flat
        count, columns, size = flat.shape
        k = size if k is None else check_count("k", k, 1, size)
        smaller, larger = sorted((columns, size))
        many = smaller > _SMALL and smaller**2 * larger > _LABOUR
        if self.noise is not None or (many and k <= smaller // 8):
            return self._eigh_of_operator(k)
        values, mix = torch.linalg.eigh(_smaller_gram(flat) if flat.requires_grad else self.gram)
        values, vectors = values.flip(-1)[:, :k], mix.flip(-1)[..., :k]
        if size > columns:
            parts = flat.split(max(1, _BYTES_AT_ONCE // (8 * count * max(columns, 1))), 2)
            turned = torch.cat([vectors.mT @ part.double() for part in parts], 2).mT
            vectors, values = _complete(turned, values, k)
        images = vectors.mT.reshape(count, k, *self.factor.shape[2:])
        values, images = values.clamp_min(0).to(flat.dtype), images.to(flat.dtype)
        return Eigenpairs(values, images, self.error)

    def _eigh_of_operator(self, k: int) -> Eigenpairs:
        """Eigenpairs of the whole matrix: directly if small or most are wanted, else by Lanczos."""
        count, size, _ = self.shape
        images = (count, k, *self.image_shape)
        if self.noise is not None and (size <= _SMALL or k > size // 4):
            values, vectors = torch.linalg.eigh(self.to(torch.float64).dense())
            values, vectors = values.flip(-1)[:, :k], vectors.flip(-1)[..., :k]
        else:
            start = np.random.default_rng(0).standard_normal(size)
            pairs = [eigsh(self.to_scipy(n), k, v0=start) for n in range(count)]
            values = torch.stack([torch.from_numpy(w[::-1].copy()) for w, _ in pairs])
            vectors = torch.stack([torch.from_numpy(v[:, ::-1].copy()) for _, v in pairs])
        return Eigenpairs(
            values.clamp_min(0).to(self.error),
            vectors.mT.reshape(images).to(self.error),
            self.error,
        )

    def to_scipy(self, n: int = 0) -> LinearOperator:
        """Covariance of image ``n`` as a SciPy operator ``(D, D)``, for its iterative solvers."""
        flat = self._flat[n].detach().cpu()
        flat = (flat if flat.dtype == torch.float64 else flat.float()).numpy()
        noise = None if self.noise is None else self.noise[n].detach().cpu().flatten()
        return _SciPyCovariance(flat, 0.0 if noise is None else noise.to(torch.float64).numpy())


def products(rows: Tensor, others: Tensor) -> Tensor:
    """``P Q^T`` ``(N, J, K)`` in float64, for ``P`` ``(N, J, D)`` and ``Q`` ``(N, K, D)``."""
    at_once = max(1, _BYTES_AT_ONCE // max(8 * rows[..., :1].numel(), 1))
    out = rows.new_zeros(len(rows), rows.shape[1], others.shape[1], dtype=torch.float64)
    for p, q in zip(rows.split(at_once, 2), others.split(at_once, 2), strict=True):
        p = p.double()
        out.baddbmm_(p, (p if others is rows else q.double()).mT)
    return out


def _smaller_gram(flat: Tensor) -> Tensor:
    rows = flat.mT if flat.shape[2] <= flat.shape[1] else flat
    return products(rows, rows)


class _SciPyCovariance(LinearOperator):
    def __init__(self, factor: np.ndarray, noise: np.ndarray | float) -> None:
        size = factor.shape[1]
        super().__init__(factor.dtype, (size, size))
        self._factor = factor
        self._noise = np.broadcast_to(noise, (size,)).astype(factor.dtype)[:, None]

    def _matmat(self, X: np.ndarray) -> np.ndarray:
        return self._factor.T @ (self._factor @ X) + self._noise * X

    def _rmatmat(self, X: np.ndarray) -> np.ndarray:
        return self._matmat(X)


def _complete(vectors: Tensor, values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Orthonormalise ``vectors`` ``(N, D, j)`` and add to them until there are ``k``."""
    count, size, found = vectors.shape
    eps = torch.finfo(values.dtype).eps
    good = values > 1e4 * eps * values[:, :1].clamp_min(1e-300)
    norms = values.clamp_min(1e-300).sqrt()
    vectors = torch.where(good[:, None], vectors / norms[:, None], 0.0)
    if found == k and good.all():
        return _orthonormal(vectors), values
    values = torch.nn.functional.pad(values, (0, k - found))
    filler = torch.randn(size, k, generator=torch.Generator().manual_seed(0), dtype=vectors.dtype)
    filler = filler.to(vectors.device).expand(count, -1, -1)
    spanned = torch.nn.functional.pad(vectors, (0, k - found))
    empty = torch.nn.functional.pad(~good, (0, k - found), value=True)
    candidates = torch.where(empty[:, None], filler - spanned @ (spanned.mT @ filler), spanned)
    return _orthonormal(candidates), values


def _orthonormal(candidates: Tensor) -> Tensor:
    """An orthonormal basis of the columns, each turned the same way."""
    basis, triangle = torch.linalg.qr(candidates)
    sign = triangle.diagonal(dim1=1, dim2=2).sign()
    return basis * torch.where(sign == 0, 1.0, sign)[:, None]
