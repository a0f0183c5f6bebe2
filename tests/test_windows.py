"""Random windows of random images, kept apart from the covariance before them."""

from itertools import product

import pytest
import torch

import augmoments as am
from augmoments.augmentations.affine import RandomAffine
from augmoments.calculus.leading import leading
from augmoments.calculus.state import FactorState
from augmoments.calculus.windows import WindowedCovariance, WindowedState, Windows
from augmoments.calculus.windows.replicates import norm_bound

POLICY = RandomAffine(25, (0.2, 0.25), (0.8, 1.2), interpolation="bilinear")


def _windowed(generator, noise=False):
    """Windows of 4 x 5 on images of 6 x 8, with all columns of the law written out by hand."""
    mean, columns = (
        torch.randn(*shape, generator=generator, dtype=torch.float64)
        for shape in ((2, 3, 6, 8), (2, 7, 3, 6, 8))
    )
    weights = torch.rand(3, 4, generator=generator, dtype=torch.float64)
    weights[1, 2] = 0
    weights /= weights.sum()
    variances = torch.rand(2, 3, 6, 8, generator=generator, dtype=torch.float64) if noise else None
    state = FactorState(mean, columns, torch.zeros(2, dtype=torch.float64), 1e-9, variances)
    first, second = torch.zeros(2, 60, dtype=torch.float64), torch.zeros(2, 60, 60)
    second = second.double()
    for top, left in product(range(3), range(4)):
        cut = (..., slice(top, top + 4), slice(left, left + 5))
        seen, moved = mean[cut].flatten(1), columns[cut].flatten(2)
        first += weights[top, left] * seen
        own = moved.mT @ moved + seen[:, :, None] * seen[:, None]
        if variances is not None:
            own = own + variances[cut].flatten(1).diag_embed()
        second += weights[top, left] * own
    second -= first[:, :, None] * first[:, None]
    return WindowedState(state, Windows(weights)), first, second


@pytest.mark.parametrize("noise", [False, True])
def test_windows_are_those_of_the_law(noise, generator):
    state, mean, dense = _windowed(generator, noise)
    covariance = state.covariance
    torch.testing.assert_close(state.mean.flatten(1), mean)
    torch.testing.assert_close(covariance.dense(), dense)
    torch.testing.assert_close(covariance.diagonal().flatten(1), dense.diagonal(dim1=1, dim2=2))
    z = torch.randn(2, 60, 3, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(covariance @ z, dense @ z)
    root = covariance.projected_root(z[0].mT)
    torch.testing.assert_close(root.mT @ root, z[0].mT @ dense @ z[0])
    values = torch.linalg.eigvalsh(dense).flip(1)[:, :5]
    found = covariance.eigh(5)
    torch.testing.assert_close(found.values, values)
    vectors = found.vectors.flatten(2).mT
    torch.testing.assert_close(dense @ vectors, vectors * values[:, None])
    torch.testing.assert_close(covariance[1:].diagonal(), covariance.diagonal()[1:])
    assert covariance.to(torch.float32).trace().dtype == torch.float32


def test_moments_are_those_of_draws(generator):
    """40,000 draws of the policy; their noise is about 1% of the covariance."""
    images = torch.rand(1, 1, 9, 8, generator=generator)
    found = am.moments(images, POLICY, 1e-2)
    assert isinstance(found.covariance, WindowedCovariance)
    draws = POLICY(images.expand(40_000, -1, -1, -1), generator=generator).flatten(1)
    gap = (found.covariance.dense()[0] - draws.T.cov()).norm() / draws.T.cov().norm()
    noise = (draws.var(0).sum() / draws.T.cov().norm()) / len(draws) ** 0.5
    assert gap <= found.error.covariance[0] + 3 * noise
    assert found.error.covariance[0] < 0.05


def test_stated_errors_hold_and_are_not_idle(generator):
    """Six seeds at 512 nodes against 2**13 nodes of another seed, on smooth images."""
    images = torch.rand(2, 1, 4, 4, generator=generator, dtype=torch.float64)
    images = torch.nn.functional.interpolate(images, size=(12, 12), mode="bicubic").clamp(0, 1)
    truth = am.moments(images, POLICY, 1e-9, seed=99, max_nodes=2**13)
    dense, norm = truth.covariance.dense(), truth.covariance.dense().flatten(1).norm(dim=1)
    gaps, stated, traces = [], [], []
    for seed in range(6):
        found = am.moments(images, POLICY, 1e-2, seed=seed, max_nodes=512)
        gaps.append((found.covariance.dense() - dense).flatten(1).norm(dim=1) / norm)
        stated.append(found.error.covariance)
        off = (found.covariance.trace() / truth.covariance.trace() - 1).abs()
        traces.append(off / found.error.trace)
    gap, bound = torch.stack(gaps), torch.stack(stated)
    assert (gap <= bound).all()
    assert gap.mean() > 0.1 * bound.mean()
    assert torch.stack(traces).max() <= 1


def test_batches_do_not_change_an_image(generator):
    images = torch.rand(3, 1, 9, 8, generator=generator)
    together, alone = am.moments(images, POLICY, 1e-2), am.moments(images[1:2], POLICY, 1e-2)
    torch.testing.assert_close(together.covariance[1:2].dense(), alone.covariance.dense())
    torch.testing.assert_close(together.error.covariance[1:2], alone.error.covariance)


@pytest.mark.parametrize("share", [3e-3, 1e-12])
def test_what_leading_directions_leave_out_is_bounded(share, generator):
    """700 columns of falling size, by the range finder and by all eigenvectors."""
    columns = torch.randn(1, 700, 1, 20, 20, generator=generator, dtype=torch.float64)
    columns *= (1 + torch.arange(20.0)).pow(-1.5)[:, None] * (1 + torch.arange(20.0)).pow(-1.5)
    empty = columns.new_zeros(1)
    found = leading(FactorState(columns[:, 0], columns, empty, 1e-9), share)
    full, kept = columns.flatten(2)[0], found.factor.flatten(2)[0]
    left = full.T @ full - kept.T @ kept
    assert left.trace() <= share * full.square().sum() * (1 + 1e-9)
    assert abs(left.trace() - found.trace) < 1e-9 * full.square().sum()
    assert left.norm() <= found.norm + 1e-9 * full.square().sum()
    assert len(kept) < 400 if share == 3e-3 else len(kept) <= 400


@pytest.mark.parametrize("power", [0, 0.5, 1, 2])
@pytest.mark.parametrize("size", [1, 3, 40])
def test_bound_of_a_norm_from_replicates_is_rarely_exceeded(power, size, generator):
    """10,000 normal samples for each spectrum; 0.5% are expected to exceed, 0.8% are allowed."""
    scale = (1 + torch.arange(size, dtype=torch.float64)).pow(-power / 2)
    x = scale * torch.randn(10_000, 8, size, generator=generator, dtype=torch.float64)
    assert (x.mean(1).norm(dim=1) > norm_bound(x)).double().mean() < 0.008
