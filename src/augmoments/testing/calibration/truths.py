r"""Reference moments that know nothing of rules, of closed forms or of the library's own nodes.

The policy is applied to the image in float64, draw by draw:

- every outcome, where they are at most ``2**15``;
- otherwise sixteen independently scrambled sets of Sobol points, with all outcomes of those
  parameters that have few, up to ``2**15`` draws in all. Their spread tells the error.

Moments get better and better, one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from augmoments.augmentations.parameters import Parameter, independent
from augmoments.operators.base import Shape
from augmoments.testing.calibration.sums import Subject, Sums, Truth

REPLICATES = 16
_QUANTILE = 3.29  # of Student's t with 15 degrees of freedom: exceeded once in 200 times
_MOST_OUTCOMES = 2**15
_BESIDE = 16  # outcomes that are enumerated beside Sobol points
_FIRST = 2**12
_MOST_DRAWS = 2**15
_CUT = 3  # coordinates
_MOST_LABOUR = 1e10  # draws times squared values of an image


def truths(subject: Subject, seed: list[int]) -> Iterator[Truth]:
    """Better and better reference moments, as far as the draws carry.

    Args:
        subject: Image, policy and functions of the result.
        seed: Seed of the scrambling.
    """
    shape: Shape = tuple(subject.image.shape[1:])  # type: ignore[assignment]
    policy = subject.policy
    parameters = policy.parameters(shape)
    if policy.outcomes(shape) <= _MOST_OUTCOMES:
        points, weights = policy.atoms(shape)
        columns, centre = _columns(subject, torch.from_numpy(points))
        sums = Sums.of(columns, torch.from_numpy(weights), _size(subject))
        yield replace(Truth.pooled(sums, centre), exact=True).widened()
        return
    drawn = _Drawn(parameters)
    yield from _by_points(subject, drawn, seed)


class _Drawn:
    """Which parameters are drawn; the outcomes of the others are gone through."""

    def __init__(self, parameters: tuple[Parameter, ...]) -> None:
        beside: list[int] = []
        total = 1.0
        for place in sorted(range(len(parameters)), key=lambda p: parameters[p].count):
            total *= parameters[place].count
            if total > _BESIDE:
                break
            beside.append(place)
        self.parameters = parameters
        self.places = [p for p in range(len(parameters)) if p not in beside]
        self._outcomes = independent([parameters[p].atoms() for p in sorted(beside)])
        widths = [p.width for p in parameters]
        self._beside = torch.tensor([p in beside for p, w in enumerate(widths) for _ in range(w)])
        self.dimension = sum(parameters[p].dimension for p in self.places)

    @property
    def outcomes(self) -> int:
        """How many draws there are for each point."""
        return len(self._outcomes.weights)

    def at(self, u: np.ndarray) -> tuple[Tensor, Tensor]:
        """Draws ``(n K, P)`` and weights ``(n, K)`` of points ``(n, dimension)``."""
        chosen = [self.parameters[place] for place in self.places]
        ends = np.cumsum([0, *(p.dimension for p in chosen)])
        parts = [p.ppf(u[:, i:j]) for p, i, j in zip(chosen, ends[:-1], ends[1:], strict=True)]
        theta = torch.empty(len(u), self.outcomes, len(self._beside), dtype=torch.float64)
        theta[..., self._beside] = torch.from_numpy(self._outcomes.points)
        theta[..., ~self._beside] = torch.from_numpy(np.concatenate(parts, 1).astype(float))[
            :, None
        ]
        weights = torch.from_numpy(self._outcomes.weights).expand(len(u), -1)
        return theta.flatten(0, 1), weights


def _size(subject: Subject) -> int:
    shape: Shape = tuple(subject.image.shape[1:])  # type: ignore[assignment]
    return int(np.prod(subject.policy.output_shape(shape)))


def _columns(subject: Subject, theta: Tensor, centre: Tensor | None = None) -> tuple:
    """Images and values side by side, as differences to their centre; and the centre."""
    columns = torch.cat([part.double() for part in subject.draws(theta)], 1)
    centre = columns.mean(0) if centre is None else centre
    return columns - centre, centre


def _most(size: int) -> int:
    return int(min(_MOST_DRAWS, max(2 * _FIRST, _MOST_LABOUR / size**2)))


def _by_points(subject: Subject, drawn: _Drawn, seed: list[int]) -> Iterator[Truth]:
    from scipy.stats import qmc

    engines = [
        qmc.Sobol(drawn.dimension, rng=np.random.default_rng([*seed, block]))
        for block in range(REPLICATES)
    ]
    size, centre, sums = _size(subject), None, None
    count = 2 ** int(np.log2(max(2, _FIRST // (REPLICATES * drawn.outcomes))))
    done = 0
    cuts = np.random.default_rng([*seed, REPLICATES]).uniform(0.3, 0.7, (REPLICATES, _CUT))
    while REPLICATES * drawn.outcomes * max(count, 2 * done) <= max(
        _most(size), 2 * REPLICATES * drawn.outcomes
    ):
        blocks = []
        for engine, cut in zip(engines, cuts, strict=True):
            u, shares = _stretched(engine.random(count), cut)
            theta, weights = drawn.at(np.maximum(u, 2.0**-40))
            weights = torch.from_numpy(shares)[:, None] * weights
            columns, centre = _columns(subject, theta, centre)
            blocks.append(Sums.of(columns, weights.flatten() / count, size))
        fresh = Sums.stack(blocks)
        sums = fresh if sums is None else sums.plus(fresh, 0.5)
        done += count
        count = done
        assert centre is not None
        yield _judged(sums, centre).widened()


def _stretched(u: np.ndarray, cut: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points of which half lie below ``cut`` in each of the first coordinates, and weights.

    Sets of Sobol points agree on how many of them fall below a number, and so on a wrong
    probability of a jump there. Cut elsewhere each, they do not.
    """
    head = u[:, : len(cut)]
    cut = cut[: head.shape[1]]
    low = head < 0.5
    stretched = np.where(low, 2 * cut * head, cut + (1 - cut) * (2 * head - 1))
    weights = np.where(low, 2 * cut, 2 * (1 - cut)).prod(1)
    return np.concatenate([stretched, u[:, len(cut) :]], 1), weights


def _judged(sums: Sums, centre: Tensor) -> Truth:
    """Moments with 99.5% bounds of their errors, from the spread of the blocks."""
    truth, size = Truth.pooled(sums, centre), sums.second.shape[-1]
    scale = _QUANTILE / (REPLICATES * (REPLICATES - 1)) ** 0.5
    pooled = sums.first.mean(0)
    gaps = sums.first - pooled
    shift = pooled[:size]
    spreads = []
    for block, first in zip(sums.second, sums.first[:, :size], strict=True):
        cross = torch.outer(first - shift, shift)  # about the pooled mean
        gap = block - cross - cross.T - torch.outer(shift, shift) - truth.covariance
        spreads.append((float(gap.norm()), _spectral(gap), float(gap.trace())))
    frobenius, spectral, trace = (
        scale * float(np.linalg.norm(column)) for column in zip(*spreads, strict=True)
    )
    values = sums.squares - 2 * pooled[size:] * sums.first[:, size:] + pooled[size:].square()
    return replace(
        truth,
        mean_error=scale * float(gaps[:, :size].norm()),
        covariance_error=frobenius,
        spectral_error=spectral,
        trace_error=trace,
        values_error=scale * gaps[:, size:].norm(dim=0),
        variances_error=scale * (values - values.mean(0)).norm(dim=0),
    )


def _spectral(matrix: Tensor) -> float:
    """About the largest absolute eigenvalue of a symmetric matrix, by power iteration."""
    x = torch.randn(len(matrix), 1, generator=torch.Generator().manual_seed(0)).double()
    norm = x.norm()
    for _ in range(20):
        x = matrix @ (x / norm.clamp_min(1e-300))
        norm = x.norm()
    return float(norm)
