"""The torchvision adapter against torchvision itself: laws, arithmetic, defaults, refusals."""

from __future__ import annotations

import random
import subprocess
import sys
import zlib

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision import transforms as v1
from torchvision import tv_tensors
from torchvision.transforms import v2

import augmoments as am
from augmoments.adapters.torchvision import convert, draw
from augmoments.augmentations.base import Augmentation
from augmoments.errors import PolicyError
from augmoments.testing import LARGEST_PIXEL_SCORE, LARGEST_SCORE, check_samples, random_images
from torchvision_cases import SHAPES, SINGLES, Case, Shape, fixed
from torchvision_pipelines import PIPELINES

QUICK, MANY = 1500, 50_000
VAGUE = 0.003
"""Relative error above which moments are too uncertain to be compared with draws alone."""


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
    centred = [sample - both.mean(0) for sample in (first, second)]
    return {
        "rms": float(z.square().mean().sqrt()),
        "limit": float(above.sqrt()),
        "worst": float(z.abs().max()),
        "trace": _score(*(sample.square().sum(1) for sample in centred)),
        "eigenvalue": _score(*((sample @ leading).square() for sample in centred)),
    }


def _score(first: Tensor, second: Tensor) -> float:
    error = ((first.var() + second.var()) / len(first)).sqrt()
    return float((first.mean() - second.mean()) / error)


def check_stated_errors(found: am.Moments, drawn: Tensor) -> None:
    """Mean, and variance along the leading eigenvector, lie within what is said of them."""
    n = len(drawn)
    leading = found.covariance.eigh(1)
    norm = found.covariance.frobenius_norm()
    for i in range(drawn.shape[1]):
        mean = found.mean[i]
        noise = (found.covariance.trace()[i] / n).sqrt()
        gap = (drawn[:, i].mean(0) - mean).norm()
        assert gap <= found.error.mean[i] * mean.norm() + LARGEST_SCORE * noise
        along = ((drawn[:, i] - mean) * leading.vectors[i, 0]).flatten(1).sum(1).square()
        gap = (along.mean() - leading.values[i, 0]).abs()
        noise = along.std() / n**0.5
        assert gap <= found.error.covariance[i] * norm[i] + LARGEST_SCORE * noise


def agree(name: str, transform: object, shape: Shape, draws: int, tol: float = 1e-3) -> None:
    """Moments and draws of the converted transform are those of the library's draws.

    Moments that are known well must agree to the noise of the draws. Others must be as right as
    they say, and then draws are compared with draws.
    """
    seed = zlib.crc32(f"{name}{shape}".encode())
    images = random_images(shape, seed % 1000)
    policy = am.as_policy(transform)
    drawn = library_draws(transform, images, draws, seed)
    found = am.moments(images, policy, tol, seed=seed % 1000)
    if max(float(error.max()) for error in found.error) < VAGUE:
        check_samples(policy, images, samples=drawn, tol=tol, seed=seed % 1000)
        return
    check_stated_errors(found, drawn)
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


@pytest.mark.parametrize("cls", [v2.MixUp, v2.CutMix])
def test_mixing_couples_a_batch(cls: type, generator: torch.Generator) -> None:
    images = torch.cat([random_images((2, 6, 7), seed) for seed in range(2)])
    transform = cls(alpha=0.6, num_classes=4)
    policy = convert(transform)
    assert (policy.alpha, policy.num_classes) == (0.6, 4)  # type: ignore[attr-defined]
    labels = torch.arange(4)
    torch.manual_seed(3)
    drawn = torch.stack([transform(images, labels)[0] for _ in range(3000)])
    own = torch.stack([policy(images, generator) for _ in range(3000)])
    scores = two_sample_scores(drawn, own)
    assert scores["rms"] <= scores["limit"], scores
    assert scores["worst"] <= LARGEST_PIXEL_SCORE, scores
    assert max(abs(scores["trace"]), abs(scores["eigenvalue"])) <= LARGEST_SCORE, scores


SAME = [
    (v2.RandomHorizontalFlip(), am.RandomHorizontalFlip(p=0.5)),
    (v2.RandomGrayscale(), am.RandomGrayscale(p=0.1)),
    (v2.RandomPosterize(3), am.RandomPosterize(3, p=0.5)),
    (v2.RandomErasing(), am.RandomErasing(p=0.5, value=(0.0,))),
    (v1.RandomErasing(value="random"), am.RandomErasing(p=0.5, value="random")),
    (v2.RandomPerspective(), am.RandomPerspective(0.5, 0.5, "bilinear", border="torchvision")),
    (v2.RandomPerspective(fill=None), am.RandomPerspective(0.5, 0.5)),
    (v1.RandomPerspective(fill=None), am.RandomPerspective(0.5, 0.5, border="torchvision")),
    (
        v2.RandomAffine(10, interpolation=2, fill={"others": 0.5}),
        am.RandomAffine((-10.0, 10.0), interpolation="bilinear", fill=0.5, border="torchvision"),
    ),
    (v2.RandomRotation(5), am.RandomRotation((-5.0, 5.0), border="torchvision")),
    (v2.ColorJitter(0.5, hue=0.1), am.ColorJitter((0.5, 1.5), 0.0, 0.0, (-0.1, 0.1))),
    (v2.ColorJitter(), am.ColorJitter()),
    (v2.GaussianBlur(3), am.GaussianBlur((3, 3), (0.1, 2.0))),
    (v2.GaussianNoise(), am.GaussianNoise()),
    (v2.RandAugment(), am.RandAugment()),
    (v1.RandAugment(), am.RandAugment()),
    (v2.RandAugment(fill=[0.1, 0.2, 0.3]), am.RandAugment(fill=(0.1, 0.2, 0.3))),
    (v2.TrivialAugmentWide(), am.TrivialAugmentWide()),
    (v2.AutoAugment(v2.AutoAugmentPolicy.SVHN), am.AutoAugment("svhn")),
    (v1.AutoAugment(), am.AutoAugment()),
    (v1.AugMix(), am.AugMix()),
    (v2.RandomCrop(4, padding=[1, 2, 3, 4]), am.RandomCrop((4, 4), padding=(1, 2, 3, 4))),
    (v1.RandomCrop(4, padding=[1, 2, 3, 4]), am.RandomCrop((4, 4), padding=(1, 2, 3, 4))),
    (v2.RandomCrop(4), am.RandomCrop((4, 4))),
    (v2.RandomResizedCrop(8), am.RandomResizedCrop((8, 8))),
    (v2.RandomApply([v2.RandomInvert(1.0)]), am.RandomApply(am.RandomInvert(1.0), 0.5)),
    (v1.RandomApply([v1.RandomInvert(1.0)]), am.RandomApply(am.RandomInvert(1.0), 0.5)),
    (nn.Sequential(nn.Identity(), v2.CenterCrop(3)), am.CenterCrop((3, 3))),
]


@pytest.mark.parametrize(("transform", "expected"), SAME)
def test_options_and_defaults_are_read(transform: object, expected: Augmentation) -> None:
    assert convert(transform) == expected


def test_what_changes_nothing_is_left_out() -> None:
    with pytest.warns(UserWarning, match="deprecated"):
        steps = [v2.ToTensor(), v2.PILToTensor(), v2.ConvertImageDtype(torch.float64)]
    steps.append(v2.ToDtype({tv_tensors.Image: torch.float32, "others": torch.int64}))
    boxes = [v2.SanitizeBoundingBoxes(), v2.ClampBoundingBoxes()]
    flip = v2.RandomVerticalFlip(0.2)
    policy = convert(v1.Compose([v1.ToTensor(), *steps, flip, *boxes, v2.Compose(boxes)]))
    assert policy == am.RandomVerticalFlip(0.2)
    assert convert(v2.Compose(steps)).parameters((3, 8, 8)) == ()


def test_augmentations_of_ours_stay_among_the_steps() -> None:
    ours = am.RandomTranslation(x=(-1, 1))
    assert convert(v2.Compose([ours, v2.RandomInvert()])).steps[0] is ours  # type: ignore[attr-defined]


def test_policies_print_what_they_are() -> None:
    pipeline = v2.Compose([v2.Grayscale(3), v2.RGB(), v2.RandomChannelPermutation()])
    assert str(convert(pipeline)) == (
        "Compose(transforms=(Grayscale(num_output_channels=3), RGB(), RandomChannelPermutation()))"
    )
    matrix = v2.LinearTransformation(torch.eye(4), torch.zeros(4))
    assert str(convert(matrix)) == "LinearTransformation(4 values)"


class MyRotation(v2.RandomRotation):
    def transform(self, inpt: Tensor, params: dict) -> Tensor:
        return inpt


REFUSED = {
    "expand": (v2.RandomRotation(5, expand=True), "expand=True", "expand=False"),
    "lanczos": (v2.Resize(5, interpolation="lanczos"), "lanczos", "give it a value"),
    "pillow": (v2.RandomResizedCrop(5, interpolation=5), "hamming", "give it a value"),
    "bicubic": (v1.RandomAffine(5, interpolation=3), "bicubic", "give it a value"),
    "threshold": (v2.RandomSolarize(128), "at most 1", "divide by 255"),
    "negative": (v2.Pad(-1), "not be negative", "give it a value"),
    "bytes": (v2.ToDtype(torch.uint8, scale=True), "uint8", "torch.float32"),
    "half": (v2.ToDtype({"others": torch.float16}), "float16", "torch.float32"),
    "pil": (v2.ToPILImage(), "8-bit", "torch.float32"),
    "jpeg": (v2.JPEG(50), "8 bits", "leave it out"),
    "crops": (v2.FiveCrop(3), "several", "CenterCrop"),
    "zoom": (v2.RandomZoomOut(), "size is random", "RandomAffine"),
    "sizes": (v2.RandomShortestSize(8), "size is random", "RandomResizedCrop"),
    "lambda": (v2.Lambda(lambda x: x), "cannot be read", "an augmentation of augmoments"),
    "function": (v2.Compose([torch.nn.functional.relu]), "function", "augmentation of augmoments"),
    "derived": (MyRotation(5), "derived from RandomRotation", "augmentation of augmoments"),
    "layer": (nn.Sequential(nn.ReLU()), "torch's ReLU", "augmentation of augmoments"),
    "mirror": (
        v1.RandomCrop(9, 1, pad_if_needed=True, padding_mode="reflect"),
        "mirrors twice",
        "v2.RandomCrop",
    ),
    "fills": (
        v2.RandomAffine(5, fill={Tensor: 0, tv_tensors.Image: 1}),
        "several values",
        "tv_tensors.Image",
    ),
    "no-fill": (v2.Pad(1, fill={tv_tensors.Mask: 0}), "no value", "tv_tensors.Image"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_step_and_alternative(name: str) -> None:
    transform, reason, instead = REFUSED[name]
    with pytest.raises(PolicyError) as caught:
        convert(v2.RandomApply([transform], 0.5))
    message = str(caught.value)
    steps = transform.transforms if isinstance(transform, v2.Compose) else [transform]
    steps = list(transform) if isinstance(transform, nn.Sequential) else steps
    assert type(steps[0]).__name__ in message
    assert reason in message
    assert instead in message
    assert "monte-carlo" in message


def test_refused_steps_are_sampled_on_request() -> None:
    halve = v2.Lambda(lambda x: x * torch.rand(()))
    pipeline = v2.Compose([v2.RandomHorizontalFlip(), v2.RandomApply([halve, v2.RGB()])])
    with pytest.raises(PolicyError, match="Lambda"):
        am.as_policy(pipeline)
    policy = am.as_policy(pipeline, on_unsupported="monte-carlo")
    assert "Sampled" in str(policy)
    images = random_images((3, 4, 5))
    drawn = library_draws(pipeline, images, 4000, 1)
    found = am.moments(images, policy, 0.05)
    assert found.method == "monte-carlo"
    check_stated_errors(found, drawn)


@pytest.mark.parametrize(
    "transform",
    [
        v2.Compose([v2.ToImage(), v2.RandomErasing(1.0, value="random", inplace=True)]),
        v1.RandomChoice([v1.GaussianBlur(3), v1.ColorJitter(0.5)]),
        v2.Lambda(lambda x: x + np.random.rand() + random.random()),  # noqa: NPY002
    ],
)
def test_draws_depend_on_their_seed_alone(transform: object) -> None:
    image = random_images((3, 9, 8))[:1]
    images = image.expand(3, -1, -1, -1)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002
    first, again, other = (draw(transform, images, seed) for seed in (7, 7, 8))
    assert type(first) is Tensor
    assert first.equal(again)
    assert not first.equal(other)
    assert first.equal(first[:1].expand_as(first))
    assert torch.get_rng_state().equal(states[0])
    assert random.getstate() == states[1]
    np.testing.assert_equal(np.random.get_state(), states[2])  # noqa: NPY002
    assert image.equal(random_images((3, 9, 8))[:1])


def test_package_reads_and_never_imports_torchvision() -> None:
    code = (
        "import sys; import augmoments.adapters.torchvision; "
        "raise SystemExit('torchvision' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
