r"""Sums of Kronecker products, :math:`X \mapsto \sum_r A_r X B_r^\top` on every channel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional as F

from augmoments.checks import check_memory

_LINES = 1 << 24
"""Intermediate values held at once, 64 MB in float32."""
_WIDE = 1 << 20
"""Intermediate values a plane that are computed by one product."""


@dataclass(frozen=True, eq=False)
class KroneckerSum:
    r"""The linear map :math:`X \mapsto \sum_r A_r X B_r^\top` of planes ``(H, W)``.

    Attributes:
        rows: The matrices A, shape ``(R, H', H)``, float64.
        columns: The matrices B, shape ``(R, W', W)``, float64.

    Example:
        >>> import torch
        >>> flip = KroneckerSum(torch.eye(2).double()[None], torch.eye(2).double().flip(0)[None])
        >>> flip.apply(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])).tolist()
        [[[[2.0, 1.0], [4.0, 3.0]]]]
    """

    rows: Tensor
    columns: Tensor
    _packed: dict[tuple[torch.dtype, torch.device], tuple[Tensor, Tensor]] = field(
        default_factory=dict, init=False, repr=False
    )

    @classmethod
    def of_table(cls, table: Tensor, rows: Tensor, columns: Tensor) -> KroneckerSum:
        r""":math:`X \mapsto \sum_{ij} t_{ij} A_i X B_j^\top` in as few terms as the table's rank.

        With the singular value decomposition :math:`t = U S V^\top` the terms are
        :math:`(\sum_i U_{ir} \sqrt{S_r} A_i) X (\sum_j V_{jr} \sqrt{S_r} B_j)^\top`. Those
        with singular values below 1e-15 of the largest one are left out.

        Args:
            table: The numbers t, shape ``(m, n)``, float64.
            rows: The matrices A, shape ``(m, H', H)``, float64.
            columns: The matrices B, shape ``(n, W', W)``, float64.
        """
        left, values, right = torch.linalg.svd(table, full_matrices=False)
        kept = values > 1e-15 * values[0]
        root = values[kept].sqrt()
        return cls(
            torch.tensordot((left[:, kept] * root).T, rows, 1),
            torch.tensordot(right[kept] * root[:, None], columns, 1),
        )

    def apply(self, images: Tensor) -> Tensor:
        """Map images ``(N, C, H, W)`` to ``(N, C, H', W')``; dtype and device are kept."""
        work = images if images.dtype in (torch.float32, torch.float64) else images.float()
        planes = work.reshape(-1, *images.shape[-2:])
        rows, columns = self._pack(work)
        share = max(1, _LINES // (columns.shape[1] * planes.shape[1]))
        out = torch.cat([_multiply(part, rows, columns) for part in planes.split(share)])
        return out.reshape(*images.shape[:-2], *out.shape[1:]).to(images.dtype)

    def transpose(self, images: Tensor) -> Tensor:
        """The adjoint map, from ``(N, C, H', W')`` to ``(N, C, H, W)``."""
        return self._adjoint.apply(images)

    def mask(self) -> Tensor:
        """What becomes of a plane of ones, shape ``(H', W')``, float64."""
        return self.rows.sum(2).T @ self.columns.sum(2)

    def matrix(self) -> sp.csr_array:
        """The map as a sparse matrix ``(H' W', H W)``, in row-major order.

        Raises:
            NotEnoughMemoryError: It has too many values that are not zero.
        """
        pairs = list(zip(_sparse(self.rows), _sparse(self.columns), strict=True))
        shape = self.rows[0].numel(), self.columns[0].numel()
        filled = min(sum(float(a.nnz) * b.nnz for a, b in pairs), float(shape[0]) * shape[1])
        check_memory(40 * filled, "The matrix of this operator", "operator @ images")
        if filled < shape[0] * shape[1]:
            total = sp.kron(*pairs[0], format="csr")
            for pair in pairs[1:]:
                total = total + sp.kron(*pair, format="csr")
            return sp.csr_array(total)
        dense = self.rows.reshape(-1, shape[0]).T @ self.columns.reshape(-1, shape[1])
        parts = dense.reshape(*self.rows.shape[1:], *self.columns.shape[1:]).permute(0, 2, 1, 3)
        outputs = self.rows.shape[1] * self.columns.shape[1]
        return sp.csr_array(parts.reshape(outputs, -1).cpu().numpy())

    @cached_property
    def _adjoint(self) -> KroneckerSum:
        return KroneckerSum(self.rows.mT.contiguous(), self.columns.mT.contiguous())

    def _pack(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """The matrices in blocks of k terms: ``(G, H', H k)`` and ``(G, k W', W)``."""
        key = (like.dtype, like.device)
        if key not in self._packed:
            terms, height, width = len(self.rows), self.rows.shape[2], self.columns.shape[1]
            k = min(terms, max(1, _WIDE // (height * width)))
            missing = (0, 0, 0, 0, 0, -terms % k)
            rows, columns = (F.pad(m.to(like), missing) for m in (self.rows, self.columns))
            blocks = len(rows) // k
            rows = rows.reshape(blocks, k, *rows.shape[1:]).permute(0, 2, 3, 1)
            packed = rows.reshape(blocks, rows.shape[1], -1), columns.reshape(blocks, k * width, -1)
            self._packed[key] = packed
        return self._packed[key]


def _multiply(planes: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """One product for the columns of a block of terms, one that also sums over its rows."""
    count = len(planes)
    lines = planes.reshape(-1, planes.shape[2])
    out = planes.new_zeros(())
    for a, b in zip(rows, columns, strict=True):
        turned = (lines @ b.T).reshape(count, a.shape[1], -1)
        out = torch.baddbmm(out, a.expand(count, -1, -1), turned) if out.ndim else a @ turned
    return out


def _sparse(matrices: Tensor) -> Iterator[sp.csr_array]:
    return (sp.csr_array(matrix) for matrix in matrices.cpu().numpy().astype(np.float64))
