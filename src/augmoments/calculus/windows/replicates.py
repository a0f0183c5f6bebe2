r"""Errors of a head's replicates as they are after the windows of its tail.

What differs between replicates is mostly rough, and windows at random places average most of it
away. So the replicates are compared after the windows: on random vectors :math:`z_i`,
:math:`z_i^\top \Delta z_j` has the mean square :math:`\|\Delta\|_F^2`.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from scipy.special import fdtri
from torch import Tensor

from augmoments.calculus.leading import Leading
from augmoments.calculus.nodes import JointNodes
from augmoments.calculus.solution import ratio
from augmoments.calculus.state import FactorState
from augmoments.calculus.windows import WindowedState, Windows

_PROBES = 32
_CAUTION = 1.25  # of norms that are estimated
_CERTAINTY = 0.995


def windowed_errors(
    windows: Windows, full: FactorState, kept: Leading, nodes: JointNodes, noise: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """99.5% bounds on the errors of the covariance after ``windows``, relative to its size.

    Args:
        windows: The tail.
        full: The head's mean, and a column for every node.
        kept: Its leading directions. What they leave out is part of the bounds.
        nodes: The nodes, in replicates.
        noise: Each replicate's share of the noise ``(N, R, C, H, W)``, if there is any.

    Returns:
        In Frobenius norm, of the trace, and in spectral norm relative to the trace.
    """
    blocks = nodes.replicates
    pairs = blocks * (blocks - 1)
    after = WindowedState(replace(full, factor=kept.factor), windows)
    shifts = _shifts(full, nodes)
    gaps, norm = _probed(after, kept.rotations, shifts, noise)
    bound = _CAUTION * norm_bound(gaps) + kept.norm
    traces = _traces(after, kept.rotations, shifts, noise)
    spread = (traces - traces.mean(1, keepdim=True)).square().sum(1)
    trace = after.covariance.trace().double()
    unseen = full.roundoff.double().square()
    one = float(fdtri(1, blocks - 1, _CERTAINTY)) ** 0.5
    found = (
        ratio(bound, norm, unseen),
        ratio(one * (spread / pairs).sqrt() + kept.trace, trace, unseen),
        ratio(bound, trace, unseen),
    )
    first, second, third = (part.to(full.mean.dtype) for part in found)
    return first, second, third


def norm_bound(replicates: Tensor) -> Tensor:
    r"""99.5% bound on the norm of the error of the mean of ``replicates`` ``(N, R, M)``.

    With errors spread over d directions alike, the squared norm of the mean's error over its
    estimate has the F distribution with d and d (R - 1) degrees of freedom. With C the covariance
    of the replicates, :math:`d = (\mathrm{tr}\, C)^2 / \mathrm{tr}\, C^2`; its unbiased estimates
    are uncertain, and the root of d is taken for d, which holds for all spectra from one direction
    to many.
    """
    blocks = replicates.shape[1]
    free = blocks - 1
    centred = replicates - replicates.mean(1, keepdim=True)
    inner = centred @ centred.mT
    total, squares = inner.diagonal(dim1=1, dim2=2).sum(1), inner.square().sum((1, 2))
    second = (squares - total.square() / free) / ((free - 1) * (free + 2))
    first = (total.square() - 2 * free * second) / free**2
    directions = (first / second.clamp_min(1e-300)).clamp(1, 1e4).sqrt().cpu().numpy()
    quantile = torch.from_numpy(fdtri(directions, free * directions, _CERTAINTY)).to(total)
    return (quantile * total / (blocks * free)).sqrt()


def _shifts(full: FactorState, nodes: JointNodes) -> Tensor:
    """How far the mean of each replicate is from that of all, ``(N, R, C, H, W)``."""
    weights = nodes.weights.to(full.factor).sqrt().chunk(nodes.replicates)
    moved = nodes.replicates * torch.block_diag(*weights) @ full.factor.flatten(2)
    return moved.unflatten(2, full.mean.shape[1:])


def _probed(
    after: WindowedState, rotations: list[Tensor], shifts: Tensor, noise: Tensor | None
) -> tuple[Tensor, Tensor]:
    """What replicates ``(N, R, M)`` leave of the probes, and the norm of the covariance, (N,)."""
    generator = torch.Generator().manual_seed(0)
    shape, blocks = after.mean.shape[1:], shifts.shape[1]
    drawn = torch.randn(_PROBES, *shape, generator=generator, dtype=torch.float64)
    probes = drawn.to(after.mean)
    flat = probes.flatten(1)
    places = torch.triu_indices(_PROBES, _PROBES, 1, device=flat.device)
    weights = after.windows.weights.to(flat).flatten()
    gaps, norms = [], []
    for n, mixed in enumerate(rotations):
        rank = mixed.shape[1]
        images = torch.cat([after.before.factor[n, :rank], after.before.mean[n, None], shifts[n]])
        seen = after.windows.inner(images, probes).flatten(2)
        moved = (mixed @ (seen[:rank] * weights.sqrt()).flatten(1)).unflatten(1, (_PROBES, -1))
        moved = moved.unflatten(0, (blocks, -1)).transpose(1, 2).flatten(2)
        found = blocks * moved @ moved.mT
        centre = seen[rank] - (seen[rank] @ weights)[:, None]
        cross = (weights * centre) @ seen[rank + 1 :].mT
        found = found + cross + cross.mT
        if noise is not None:
            variances = after.windows.average(noise[n]).flatten(1)
            found = found + blocks * (flat * variances[:, None]) @ flat.T
        between = after.covariance.between[n].flatten(1) @ flat.T
        whole = found.mean(0) + between.T @ between
        gaps.append(found[:, places[0], places[1]])
        norms.append(whole[places[0], places[1]].double().square().mean().sqrt())
    return torch.stack(gaps).double() / places.shape[1] ** 0.5, torch.stack(norms)


def _traces(
    after: WindowedState, rotations: list[Tensor], shifts: Tensor, noise: Tensor | None
) -> Tensor:
    """The trace after the windows by each replicate ``(N, R)``, but for a common constant."""
    windows, mean = after.windows, after.before.mean
    blocks, like = shifts.shape[1], windows.average(mean)
    coverage = windows.coverage(like)
    means = (mean * coverage - windows.adjoint(like))[:, None]
    traces = 2 * (means * shifts).double().flatten(2).sum(2)
    if noise is not None:
        traces = traces + blocks * (noise * coverage).double().flatten(2).sum(2)
    for own, mixed, columns in zip(traces, rotations, after.before.factor, strict=True):
        kept = columns[: mixed.shape[1]]
        inner = (kept * coverage).flatten(1) @ kept.flatten(1).T
        energies = ((mixed @ inner) * mixed).sum(1).double()
        own += blocks * energies.unflatten(0, (blocks, -1)).sum(1)
    return traces
