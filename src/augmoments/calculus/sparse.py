"""Products of a sparse matrix with many images."""

from __future__ import annotations

import warnings

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

_TILE_BYTES = 410_000
_TILES = 4
_PADDING = 16  # a row length that is a power of two would meet the same cache lines again


def multiply_rows(matrix: Tensor, rows: Tensor) -> Tensor:
    """``rows @ matrix.T`` for a CSR matrix and many rows.

    Sparse products want the rows as columns. They are turned in tiles that stay in the cache, a few
    at a time, because PyTorch turns batches of matrices in parallel but a single one does not.
    """
    size = rows.shape[1]
    wide = min(max(_TILE_BYTES // rows[0].nbytes, 64), 250)
    out = torch.empty_like(rows)
    whole = len(rows) // wide * wide
    padded = rows.new_empty(_TILES, wide, size + _PADDING)[..., :size]
    turned = rows.new_empty(_TILES, size, wide)
    product = torch.empty_like(turned)
    step = _TILES * wide
    for source, target in zip(rows[:whole].split(step), out[:whole].split(step), strict=True):
        tiles = len(source) // wide
        padded[:tiles].copy_(source.view(tiles, wide, size))
        turned[:tiles].copy_(padded[:tiles].mT)
        for tile in range(tiles):
            torch.mm(matrix, turned[tile], out=product[tile])
        target.view(tiles, wide, size).copy_(product[:tiles].mT)
    if whole < len(rows):
        out[whole:] = (matrix @ rows[whole:].T).T
    return out


def torch_csr(matrix: sp.csr_array, like: Tensor) -> Tensor:
    """A SciPy matrix as a PyTorch one, of the dtype and on the device of ``like``."""
    index = np.int32 if matrix.nnz < 2**31 else np.int64
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support", UserWarning)
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr.astype(index)),
            torch.from_numpy(matrix.indices.astype(index)),
            torch.from_numpy(matrix.data).to(like.dtype),
            size=matrix.shape,
            device=like.device,
            check_invariants=False,
        )
