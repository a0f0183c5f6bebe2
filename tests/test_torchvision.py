"""The torchvision adapter against torchvision itself: laws, arithmetic, defaults, refusals."""

from __future__ import annotations

import random
import zlib

import numpy as np
import pytest
import torch
from pipelines import PIPELINES
from torch import Tensor, nn
from torchvision import transforms as v1
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision_cases import SHAPES, SINGLES, Case, Shape, fixed

import augmoments as am
from augmoments.adapters.torchvision import convert, draw
from augmoments.augmentations.base import Augmentation
from augmoments.errors import PolicyError
from augmoments.testing import LARGEST_PIXEL_SCORE, LARGEST_SCORE, check_samples, random_images

QUICK, MANY = 1500, 50_000
VAGUE = 0.01
"""Error of a covariance above which it says too little about the draws."""


def library_draws(transform: object, images: Tensor, n: int, seed: int) -> Tensor:
    """``n`` draws of the library, ``(n, N, C, H, W)``; each one is shared by the images."""
    random.seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        drawn = [transform(images.clone()).as_subclass(Tensor) for _ in range(n)]  # type: ignore[operator]
    return torch.stack(drawn)


def policy_draws(policy: Augmentation, image: Tensor, n: int, seed: int) -> Tensor:
    """``n`` draws of a policy for one image."""
    generator = torch.Generator().manual_seed(seed)
    sizes = [min(1000, n - done) for done in range(0, n, 1000)]
    return torch.cat([policy(image.expand(size, *image.shape), generator) for size in sizes])


def two_sample_scores(first: Tensor, second: Tensor) -> dict[str, float]:
    """Differences of two samples ``(n, ...)``, in standard errors, and the largest rms allowed."""
    first, second = first.flatten(1), second.flatten(1)
    n, both = len(first), torch.cat([first, second])
    covariance = both.T.cov()
    seen = covariance.diagonal() * n > 30 * (both - both.mean(0)).abs().amax(0).square()
    gap = (first.mean(0) - second.mean(0))[seen]
    z = gap / (2 * covariance.diagonal()[seen] / n).sqrt()
    spectrum = torch.linalg.eigvalsh(both[:, seen].T.corrcoef())
    t, pixels = -np.log(2e-6), int(seen.sum())
    above = 1 + 2 * spectrum.norm() / pixels * t**0.5 + 2 * spectrum[-1] / pixels * t
    leading = torch.linalg.eigh(covariance)[1][:, -1]
    total, along = (
        ((s - both.mean(0)).square() for s in (first, second)),
        (((s - both.mean(0)) @ leading).square() for s in (first, second)),
    )
    return {
        "rms": float(z.square().mean().sqrt()),
        "limit": float(above.sqrt()),
        "worst": float(z.abs().max()),
        "trace": _score(*(squares.sum(1) for squares in total)),
        "eigenvalue": _score(*along),
    }


def _score(first: Tensor, second: Tensor) -> float:
    error = ((first.var() + second.var()) / len(first)).sqrt()
    return float((first.mean() - second.mean()) / error)


def agree(name: str, transform: object, shape: Shape, draws: int, tol: float = 1e-3) -> None:
    """Moments and draws of the converted transform are those of the library's draws."""
    seed = zlib.crc32(f"{name}{shape}".encode())
    images = random_images(shape, seed % 1000)
    policy = am.as_policy(transform)
    drawn = library_draws(transform, images, draws, seed)
    check_samples(policy, images, samples=drawn, tol=tol, seed=seed % 1000)
    found = am.moments(images, policy, tol, seed=seed % 1000)
    if float(found.error.covariance.max()) < VAGUE:
        return
    for i, image in enumerate(images):
        scores = two_sample_scores(drawn[:, i], policy_draws(policy, image, draws, seed + i))
        assert scores["rms"] <= scores["limit"], (i, scores)
        assert scores["worst"] <= LARGEST_PIXEL_SCORE, (i, scores)
        assert max(abs(scores["trace"]), abs(scores["eigenvalue"])) <= LARGEST_SCORE, (i, scores)


def every(cases: dict) -> list:
    """Each case with one shape, which take turns, in quick runs, and with all in slow ones."""
    return [(name, position % 3) for position, name in enumerate(cases)]


@pytest.mark.parametrize(("name", "place"), every(SINGLES))
def test_transform(name: str, place: int) -> None:
    case = SINGLES[name]
    agree(name, case.build(), case.shapes[place], QUICK, case.tol)


@pytest.mark.parametrize(("name", "place"), every(PIPELINES))
def test_pipeline(name: str, place: int) -> None:
    shape = SHAPES[place]
    agree(name, PIPELINES[name](8, channels=shape[0]), shape, QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("name", SINGLES)
def test_transform_with_many_draws(name: str, place: int) -> None:
    case: Case = SINGLES[name]
    agree(name, case.build(), case.shapes[place], MANY, case.tol)


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", PIPELINES)
def test_pipeline_with_many_draws(name: str, shape: Shape) -> None:
    agree(name, PIPELINES[name](8, channels=shape[0]), shape, MANY)


@pytest.mark.parametrize("name", fixed())
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_transform_that_is_not_random(name: str, dtype: torch.dtype) -> None:
    transform, shapes = fixed()[name]
    policy = convert(transform)
    for shape in shapes:
        images = random_images(shape, 5).to(dtype)
        expected = transform(images.clone()).as_subclass(Tensor)
        assert policy.output_shape(shape) == expected.shape[1:]
        found = am.moments(images, policy)
        accuracy = 1e-12 if dtype == torch.float64 and expected.dtype == dtype else 2e-6
        torch.testing.assert_close(policy(images).to(expected), expected, atol=accuracy, rtol=0)
        torch.testing.assert_close(found.mean.to(expected), expected, atol=accuracy, rtol=0)
        assert found.method == "exact"
        assert found.covariance.trace().max() == 0
