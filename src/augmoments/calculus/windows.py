r"""A last step that cuts windows at random places, kept apart from the covariance before it.

With the covariance :math:`V_0 = F F^\top` of larger images and windows :math:`A_s` of
probability :math:`w_s`,

.. math:: V = \sum_s w_s A_s V_0 A_s^\top + \mathrm{Cov}[A_s \mu] .

Written out this has as many columns as windows times columns of F. But :math:`(A_s f)^\top z` for
all places s is the correlation of the images f and z, and the sum over s is another one: V z takes
two convolutions, the diagonal one of the diagonal of :math:`V_0`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d

from augmoments.calculus.covariance import Covariance, Eigenpairs
from augmoments.calculus.state import FactorState
from augmoments.checks import check_memory
from augmoments.estimate import rounding
from augmoments.operators.base import Shape
from augmoments.operators.crop import Crop
from augmoments.rules import Product, QuadraticRule, Rule

_FEW_WINDOWS = 4


@dataclass(frozen=True, eq=False)
class Windows:
    """The law of a window on an image; ``weights`` ``(T, L)`` are those of its top and left."""

    weights: Tensor

    @classmethod
    def of(cls, rule: Rule, shape: Shape) -> Windows | None:
        """The windows that ``rule`` cuts out of images of ``shape``, if that is all it does."""
        if not isinstance(rule, Product) or len(rule.factors) != 1:
            return None
        (leaf,) = rule.factors
        if not isinstance(leaf, QuadraticRule) or not isinstance(leaf.operator, Crop):
            return None
        tops, lefts = leaf.operator.corners(shape)
        framed = any(leaf.operator.frame(shape))
        corner = leaf.points.detach().long()
        inside = (corner >= 0) & (corner < torch.tensor([tops, lefts]))
        few = len(leaf) <= _FEW_WINDOWS
        if framed or few or leaf.gram is not None or leaf.differentiable or not inside.all():
            return None
        weights = leaf.weights.new_zeros(tops, lefts)
        weights.index_put_((corner[:, 0], corner[:, 1]), leaf.weights, accumulate=True)
        return cls(weights)

    def average(self, images: Tensor) -> Tensor:
        """Average window of ``images`` ``(..., H, W)``."""
        planes = images.flatten(0, -3)[:, None]
        out = conv2d(planes, self.weights.to(images)[None, None])
        return out.reshape(*images.shape[:-2], *out.shape[-2:])

    def adjoint(self, seen: Tensor) -> Tensor:
        """The transpose of the average, ``(..., h, w)`` to ``(..., H, W)``."""
        out = conv_transpose2d(seen.flatten(0, -3)[:, None], self.weights.to(seen)[None, None])
        return out.reshape(*seen.shape[:-2], *out.shape[-2:])

    def coverage(self, like: Tensor) -> Tensor:
        """Probability of each pixel ``(H, W)`` to be seen, for windows ``like`` ``(..., h, w)``."""
        return self.adjoint(torch.ones_like(like[..., :1, :, :].flatten(0, -3)[:1]))[0]

    def cut(self, images: Tensor) -> list[tuple[float, Tensor]]:
        """Probabilities of all windows, and what is seen of ``images`` ``(..., H, W)`` there."""
        height, width = (
            side - places + 1
            for side, places in zip(images.shape[-2:], self.weights.shape, strict=True)
        )
        return [
            (float(weight), images[..., top : top + height, left : left + width])
            for top, row in enumerate(self.weights)
            for left, weight in enumerate(row)
            if weight
        ]

    def between(self, mean: Tensor) -> Tensor:
        """Factor ``(N, K, C, h, w)`` of the covariance of the windows of ``mean``."""
        average = self.average(mean)
        return torch.stack([w**0.5 * (seen - average) for w, seen in self.cut(mean)], 1)

    def inner(self, columns: Tensor, images: Tensor) -> Tensor:
        """Inner products ``(J, k, T, L)`` of ``images`` with all windows of ``columns``."""
        return conv2d(columns, images)

    def combined(self, columns: Tensor, coefficients: Tensor) -> Tensor:
        """Sums ``(k, C, h, w)`` of all windows of ``columns``, times ``(J, k, T, L)``."""
        return conv2d(columns.transpose(0, 1), coefficients.transpose(0, 1)).transpose(0, 1)


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


@dataclass(frozen=True)
class WindowedState:
    """Random windows on random images, of which mean and covariance are known."""

    before: FactorState
    windows: Windows

    @cached_property
    @torch.enable_grad()
    def mean(self) -> Tensor:
        """(N, C, H, W)."""
        return self.windows.average(self.before.mean)

    @cached_property
    @torch.enable_grad()
    def covariance(self) -> WindowedCovariance:
        """The covariance of factor and noise."""
        between = self.windows.between(self.before.mean)
        return WindowedCovariance(self.before.factor, self.windows, between, self.noise)

    @property
    def factor(self) -> Tensor:
        """Its columns, all of them."""
        return self.covariance.factor

    @cached_property
    @torch.enable_grad()
    def noise(self) -> Tensor | None:
        """Variances of noise that is independent from value to value, if there is any."""
        noise = self.before.noise
        return None if noise is None else self.windows.average(noise)

    @cached_property
    def roundoff(self) -> Tensor:
        """Rounding of the columns of the factor, all together, (N,)."""
        columns = self.covariance.diagonal().flatten(1).sum(1).sqrt()
        size = self.mean.flatten(1).norm(dim=1).hypot(columns)
        return rounding(self.mean.dtype, max(self.mean.shape[-2:])) * size

    def spread(self) -> FactorState:
        """The same with all columns written out."""
        return replace(self.before, mean=self.mean, factor=self.factor, noise=self.noise)

    def select(self, index: Tensor) -> WindowedState:
        """Some of the images, by index or mask."""
        return replace(self, before=self.before.select(index))

    def compress(self) -> WindowedState:
        """Drop the directions that carry next to nothing before the windows are cut."""
        return replace(self, before=self.before.compress())
