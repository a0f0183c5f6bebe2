"""Products of a sparse matrix with many images."""

from __future__ import annotations

import warnings

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional as F

_AT_ONCE = 144
"""Rows turned at once: whole cache lines, and no power of two, where they would collide."""


def multiply_rows(matrix: Tensor, rows: Tensor) -> Tensor:
    """``rows @ matrix.T`` for a CSR matrix and many rows.

    Sparse products want the rows as columns. On the CPU they are turned a few at a time, which then
    stay in the cache. In float32 ``embedding_bag``, the weighted sum of the rows of a table that
    the entries of a sparse row name, is faster than the sparse product.
    """
    if rows.device.type != "cpu" or rows.requires_grad:
        return (matrix @ rows.T).T
    out = torch.empty_like(rows)
    for source, target in zip(rows.split(_AT_ONCE), out.split(_AT_ONCE), strict=True):
        columns = rows.new_empty(rows.shape[1], len(source))
        _turn(source, columns)
        _turn(_multiply(matrix, columns), target)
    return out


def _multiply(matrix: Tensor, columns: Tensor) -> Tensor:
    if columns.dtype != torch.float32:
        return matrix @ columns
    return F.embedding_bag(
        matrix.col_indices(),
        columns,
        matrix.crow_indices(),
        mode="sum",
        per_sample_weights=matrix.values(),
        include_last_offset=True,
    )


def _turn(rows: Tensor, columns: Tensor) -> None:
    """Write the transposed matrix; as a batch of one, which PyTorch does on all threads."""
    columns[None].copy_(rows.T[None])


def torch_csr(matrix: sp.csr_array, like: Tensor) -> Tensor:
    """A SciPy matrix as a PyTorch one, of the dtype and on the device of ``like``."""
    index = np.int32 if matrix.nnz < 2**31 else np.int64
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support", UserWarning)
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr.astype(index, copy=False)),
            torch.from_numpy(matrix.indices.astype(index, copy=False)),
            torch.from_numpy(matrix.data).to(like.dtype),
            size=matrix.shape,
            device=like.device,
            check_invariants=False,
        )
