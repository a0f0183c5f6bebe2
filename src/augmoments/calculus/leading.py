r"""The leading directions of a factor, and how much of the covariance is beside them.

With orthonormal columns R, the factor :math:`R^\top F` of fewer columns leaves out
:math:`\Delta = F^\top (I - R R^\top) F`, which is positive semidefinite. R spans the leading left
singular vectors: exactly where the columns are few, else by a random range finder (Halko,
Martinsson, Tropp 2011), whose trace tells how good it is.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from augmoments.calculus.state import FactorState

_SKETCH = 160
_COARSE = 1e-4  # shares down to which float32 tells which directions to keep
_PROBES = 16
_CAUTION = 1.5  # of norms that are estimated


class Leading(NamedTuple):
    """A factor rotated onto its leading directions."""

    factor: Tensor
    """``(N, r, C, H, W)``."""
    rotations: list[Tensor]
    """R of every image, ``(J, r)``."""
    norm: Tensor
    """Bound of the Frobenius norm of what is left out, ``(N,)``."""
    trace: Tensor
    """Its trace, ``(N,)``."""


def leading(state: FactorState, share: float) -> Leading:
    """The directions of the columns of ``state`` beside which at most ``share`` of the trace is.

    Of a gradient as much would be lost as the root of that, so then all are kept.
    """
    flat = state.factor.flatten(2)
    count, columns, _ = flat.shape
    if flat.requires_grad or columns <= 1:
        rotation = torch.eye(columns, dtype=flat.dtype, device=flat.device)
        nothing = flat.new_zeros(count)
        return Leading(state.factor, [rotation] * count, nothing, nothing)
    found = [_rotation(own, share) for own in flat]
    rank = max(rotation.shape[1] for rotation, _, _ in found)
    factor = flat.new_zeros(count, rank, *state.factor.shape[2:])
    for out, own, (rotation, _, _) in zip(factor, flat, found, strict=True):
        torch.mm(rotation.T, own, out=out[: rotation.shape[1]].flatten(1))
    rotations, norms, traces = zip(*found, strict=True)
    return Leading(factor, list(rotations), torch.stack(norms), torch.stack(traces))


def _rotation(flat: Tensor, share: float) -> tuple[Tensor, Tensor, Tensor]:
    """R for one factor ``(J, D)``, and norm and trace of what it leaves out."""
    total, wide = flat.norm(dim=1).double().square().sum().to(flat), _SKETCH
    while share > _COARSE and 2 * wide < min(flat.shape):
        generator = torch.Generator().manual_seed(0)
        start = torch.randn(len(flat), wide, generator=generator, dtype=torch.float64)
        basis = torch.linalg.qr(flat @ (flat.T @ start.to(flat))).Q
        seen = basis.T @ flat
        values, vectors = torch.linalg.eigh(seen @ seen.T)
        values = values.flip(0)
        if total - values.sum() < share * total:
            rank = _rank(values, total, share)
            rotation = basis @ vectors.flip(1)[:, :rank]
            return rotation, _norm(flat, rotation), (total - values[:rank].sum()).clamp_min(0)
        wide *= 2
    work = flat if share > _COARSE else flat.double()
    few = len(flat) <= flat.shape[1]
    values, vectors = torch.linalg.eigh(work @ work.T if few else work.T @ work)
    values, vectors = values.flip(0).clamp_min(0), vectors.flip(1)
    rank = _rank(values, values.sum(), share)
    kept, rest = vectors[:, :rank], values[rank:].to(flat)
    if not few:
        kept = work @ kept * values[:rank].clamp_min(1e-30).rsqrt()
    return kept.to(flat), rest.norm(), rest.sum()


def _rank(values: Tensor, total: Tensor, share: float) -> int:
    """How many of the ``values`` it takes to have all but a share of ``total``."""
    return min(len(values), 1 + int((total - values.cumsum(0) > share * total).sum()))


def _norm(flat: Tensor, rotation: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    z = torch.randn(flat.shape[1], _PROBES, generator=generator, dtype=torch.float64).to(flat)
    seen = flat @ z
    rest = flat.T @ (seen - rotation @ (rotation.T @ seen))
    return _CAUTION * rest.square().sum(0).mean().sqrt()
