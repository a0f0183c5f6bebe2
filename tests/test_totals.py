"""Mean and total variance, without covariances."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import augmoments as am
from augmoments import mean_and_trace


def photos(generator: torch.Generator, count: int = 2, size: int = 16) -> Tensor:
    """Smooth random images of three channels in [0, 1]."""
    coarse = torch.rand(count, 3, 5, 5, generator=generator)
    return torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 1)


def simclr(size: int) -> Any:
    v2 = pytest.importorskip("torchvision.transforms.v2")
    return v2.Compose(
        [
            v2.RandomResizedCrop(size, (0.2, 1.0)),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8),
            v2.RandomGrayscale(0.2),
        ]
    )


def test_against_torchvisions_own_draws(generator: torch.Generator) -> None:
    """Energy and mean of 500 draws of torchvision: z-scores below 4.5, the mean's by chi-square.

    Of D values, draws about the true mean have a squared distance of ``tr V / n`` on average.
    """
    image = photos(generator, 1)
    pipeline = simclr(16)
    found = mean_and_trace(image, pipeline, 1e-3, max_nodes=2048)
    torch.manual_seed(5)
    draws = torch.stack([pipeline(image[0]) for _ in range(500)]).double()
    gaps = (draws - found.mean.double()).flatten(1).square().sum(1)
    off = (gaps.mean() - found.trace[0]).abs() - found.trace_error[0] * found.trace[0]
    assert off < 4.5 * gaps.std() / 500**0.5
    shift = (draws.mean(0) - found.mean[0]).flatten().square().sum()
    assert shift < 3 * found.trace[0] / 500


@pytest.mark.parametrize(
    "policy",
    [
        am.Compose([am.RandomResizedCrop(12), am.RandomHorizontalFlip(), am.RandomGrayscale(0.3)]),
        am.Compose(
            [
                am.RandomResizedCrop(12, (0.3, 1.0)),
                am.RandomHorizontalFlip(),
                am.ColorJitter(0.4, 0.4, 0.4, 0.1),
                am.RandomGrayscale(0.2),
                am.Normalize((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)),
            ]
        ),
        am.RandomAffine(20, (0.1, 0.1), (0.8, 1.2), 10, interpolation="bilinear"),
        am.Compose([am.RandomResizedCrop(12), am.RandomErasing(0.5)]),
        am.Compose([am.ColorJitter(0.3, 0.3), am.GaussianNoise(sigma=0.1)]),
        am.RandomRotation(20, interpolation="bilinear"),
        am.RandomTranslation(x=(-1, 1), y=(-1, 1)),
    ],
    ids=lambda policy: "-".join(type(part).__name__ for part in policy.parts),
)
def test_equal_to_moments(policy: am.Augmentation, generator: torch.Generator) -> None:
    """Within the stated errors of both of them, with other scramblings."""
    images = photos(generator)
    found = mean_and_trace(images, policy, 1e-3, seed=1, max_nodes=512)
    m = am.moments(images, policy, 1e-3, seed=2, max_nodes=512)
    assert (found.method, found.mean_method) == (m.method, m.mean_method)
    trace, allowed = m.covariance.trace(), m.error.trace + found.trace_error
    assert ((found.trace / trace - 1).abs() <= allowed).all()
    gap = (found.mean - m.mean).flatten(1).norm(dim=1) / m.mean.flatten(1).norm(dim=1)
    assert (gap <= m.error.mean + found.mean_error).all()


def test_error_bounds_hold() -> None:
    """At most 2 of 32 bounds of 99.5% are exceeded, at 128 nodes against 4,096."""
    images = photos(torch.Generator().manual_seed(3), 16, 8)
    truth = mean_and_trace(images, simclr(8), 1e-3, seed=9, max_nodes=4096)
    found = mean_and_trace(images, simclr(8), 0.9, max_nodes=128)
    assert found.nodes == 128
    off = (found.trace / truth.trace - 1).abs() > found.trace_error + truth.trace_error
    gap = (found.mean - truth.mean).flatten(1).norm(dim=1) / truth.mean.flatten(1).norm(dim=1)
    assert off.sum() + (gap > found.mean_error + truth.mean_error).sum() <= 2
    assert found.trace_error.median() < 0.25


def test_does_not_depend_on_the_images_beside_it(generator: torch.Generator) -> None:
    images = photos(generator, 70, 8)
    policy = simclr(8)
    whole = mean_and_trace(images, policy, 0.1, max_nodes=512)
    alone = mean_and_trace(images[66], policy, 0.1, max_nodes=512)
    torch.testing.assert_close(whole.trace[66:67], alone.trace, rtol=1e-5, atol=0)
    torch.testing.assert_close(whole.mean[66:67], alone.mean, rtol=1e-4, atol=1e-6)


def test_more_nodes_until_the_tolerance(generator: torch.Generator) -> None:
    image = photos(generator, 1)
    rough, fine = (mean_and_trace(image, simclr(16), tol, max_nodes=2**13) for tol in (0.5, 0.02))
    assert rough.nodes < fine.nodes
    assert fine.converged
    assert not mean_and_trace(image, simclr(16), 1e-4, max_nodes=128).converged


def test_images_that_are_black() -> None:
    found = mean_and_trace(torch.zeros(1, 3, 8, 8), simclr(8), 0.1)
    assert found.trace.tolist() == [0.0]
    assert found.trace_error.tolist() == [0.0]
    assert am.samples_needed(torch.zeros(1, 3, 8, 8), simclr(8), of="mean").n.tolist() == [1.0]


def test_draws_needed_come_from_it(generator: torch.Generator) -> None:
    images = photos(generator)
    size = am.samples_needed(images, simclr(16), of="mean", tol=0.1)
    found = mean_and_trace(images, simclr(16), 0.1)
    wanted = found.trace / found.mean.double().flatten(1).square().sum(1) / 1e-4
    assert torch.equal(size.n, wanted.ceil())


def test_refusals() -> None:
    with pytest.raises(am.errors.InputError, match="between 0 and 1"):
        mean_and_trace(torch.rand(1, 3, 8, 8), simclr(8), 1.5)
