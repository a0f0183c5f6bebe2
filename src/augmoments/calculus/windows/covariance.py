"""Covariances seen through random windows."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator
from torch import Tensor

from augmoments.calculus.covariance import Covariance, Eigenpairs
from augmoments.calculus.windows.law import Windows
from augmoments.checks import check_memory


class WindowedCovariance(Covariance):
    """Covariances of random windows, as implicit as those of the images they are cut from."""

    def __init__(
        self,
        whole: Tensor,
        windows: Windows,
        between: Tensor,
        noise: Tensor | None = None,
        error: Tensor | None = None,
    ) -> None:
        self.whole = whole
        self.windows = windows
        self.between = between
        self.noise = noise
        self.error = whole.new_zeros(len(whole)) if error is None else error

    def __repr__(self) -> str:
        return f"WindowedCovariance(shape={tuple(self.shape)})"

    def __getitem__(self, index: Tensor | slice) -> Covariance:
        noise = None if self.noise is None else self.noise[index]
        between, error = self.between[index], self.error[index]
        return WindowedCovariance(self.whole[index], self.windows, between, noise, error)

    def to(self, dtype: torch.dtype) -> Covariance:
        if dtype == self.whole.dtype:
            return self
        noise = None if self.noise is None else self.noise.to(dtype)
        parts = self.between.to(dtype), noise, self.error.to(dtype)
        return WindowedCovariance(self.whole.to(dtype), self.windows, *parts)

    @property
    def factor(self) -> Tensor:
        return self._spread

    @cached_property
    @torch.enable_grad()
    def _spread(self) -> Tensor:
        count = len(self.whole) * self.windows.weights.numel() * self.whole.shape[1]
        needed = 2 * count * self.between[0, 0].nbytes
        check_memory(needed, "the columns of a covariance of windows", "V @ z")
        seen = [w**0.5 * columns for w, columns in self.windows.cut(self.whole)]
        return torch.cat([self.between, *seen], 1)

    @property
    def image_shape(self) -> torch.Size:
        return self.between.shape[2:]

    @property
    def nbytes(self) -> int:
        return self.whole.nbytes + self.between.nbytes

    def _product(self, z: Tensor) -> Tensor:
        weights = self.windows.weights.to(self.whole)
        out = []
        for whole, vectors in zip(self.whole, z.mT.unflatten(2, self.image_shape), strict=True):
            inner = self.windows.inner(whole, vectors.contiguous()) * weights
            out.append(self.windows.combined(whole, inner).flatten(1).T)
        between = self.between.flatten(2)
        return torch.stack(out) + between.mT @ (between @ z)

    @cached_property
    @torch.enable_grad()
    def _diagonal(self) -> Tensor:
        seen = self.windows.average(self.whole.square().sum(1)) + self.between.square().sum(1)
        return seen if self.noise is None else seen + self.noise

    def projected_root(self, rows: Tensor) -> Tensor:
        each = rows.expand(len(self.whole), -1, -1)
        root = self.windows.weights.to(self.whole).sqrt()
        parts = [self.between.flatten(2) @ each.mT]
        seen = [
            (self.windows.inner(whole, own.unflatten(1, self.image_shape)) * root)
            .transpose(0, 1)
            .flatten(1)
            .T
            for whole, own in zip(self.whole, each, strict=True)
        ]
        parts.append(torch.stack(seen))
        if self.noise is not None:
            parts.append(self.noise.flatten(1).sqrt()[..., None] * each.mT)
        return torch.cat(parts, 1)

    def eigh(self, k: int | None = None) -> Eigenpairs:
        if k is None or not 1 <= k <= self.shape[1] // 8:
            return super().eigh(k)
        return self._eigh_of_operator(k)

    def to_scipy(self, n: int = 0) -> LinearOperator:
        return _SciPyWindows(self[n : n + 1])


class _SciPyWindows(LinearOperator):
    def __init__(self, covariance: Covariance) -> None:
        size = covariance.shape[1]
        super().__init__(torch.empty(0, dtype=covariance.error.dtype).numpy().dtype, (size, size))
        self._covariance = covariance

    def _matmat(self, X: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            z = torch.from_numpy(np.ascontiguousarray(X)).to(self._covariance.error)
            return (self._covariance @ z[None])[0].cpu().numpy()

    def _rmatmat(self, X: np.ndarray) -> np.ndarray:
        return self._matmat(X)
