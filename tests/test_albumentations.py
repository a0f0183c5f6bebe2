"""Transforms of albumentations 2.0.8: the same action, the same law, the same moments."""

from __future__ import annotations

import copy
import os
import random
import warnings
from collections import Counter
from itertools import permutations
from typing import Any

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from augmoments import moments
from augmoments.adapters import as_policy
from augmoments.adapters.albumentations import convert, draw
from augmoments.adapters.albumentations.parameters import truncated
from augmoments.adapters.albumentations.tables import COMPOSITIONS, LEAVES
from augmoments.augmentations.choice import RandomChoice
from augmoments.errors import PolicyError
from augmoments.testing import check_samples, conformance

A = pytest.importorskip("albumentations")
if A.__version__ != "2.0.8":
    pytest.skip("another version of albumentations", allow_module_level=True)
cv2 = pytest.importorskip("cv2")

pytestmark = pytest.mark.filterwarnings("ignore:ShiftScaleRotate is:UserWarning")

P_VALUE = 1e-5

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    FIXED = [
        A.HorizontalFlip(p=1),
        A.VerticalFlip(p=1),
        A.Transpose(p=1),
        A.Rotate((33, 33), p=1),
        A.Rotate((-70, -70), fill=0.4, p=1),
        A.Rotate((33, 33), border_mode=cv2.BORDER_REFLECT_101, p=1),
        A.Rotate((33, 33), border_mode=cv2.BORDER_REFLECT, p=1),
        A.Rotate((33, 33), border_mode=cv2.BORDER_REPLICATE, interpolation=0, p=1),
        A.SafeRotate((20, 20), p=1),
        A.SafeRotate((-50, -50), border_mode=cv2.BORDER_REFLECT_101, p=1),
        A.Affine(
            rotate=10.0,
            scale={"x": 1.2, "y": 0.8},
            shear={"x": 5.0, "y": -7.0},
            translate_percent={"x": 0.13, "y": -0.2},
            fill=0.5,
            p=1,
        ),
        A.Affine(scale={"x": 1.2, "y": 0.8}, fill=0.5, p=1),
        A.Affine(scale={"x": 1.2, "y": 0.8}, interpolation=cv2.INTER_NEAREST, p=1),
        A.Affine(scale=1.3, keep_ratio=True, p=1),
        A.Affine(scale=(0.7, 0.7), keep_ratio=True, rotate=5.0, p=1),
        A.Affine(shear={"x": 5.0, "y": 0.0}, p=1),
        A.Affine(shear={"x": 0.0, "y": 5.0}, fill=0.3, p=1),
        A.Affine(shear={"x": 7.0, "y": 5.0}, fill=0.3, p=1),
        A.Affine(translate_px=3, fill=0.3, p=1),
        A.Affine(translate_px={"x": -3, "y": 1}, border_mode=cv2.BORDER_REFLECT, p=1),
        A.Affine(p=1),
        A.ShiftScaleRotate((0.1, 0.1), (0.2, 0.2), (30, 30), p=1),
        A.Resize(7, 12),
        A.Resize(20, 9, interpolation=cv2.INTER_CUBIC),
        A.Resize(20, 9, interpolation=cv2.INTER_NEAREST),
        A.LongestMaxSize(17),
        A.LongestMaxSize(max_size_hw=(7, 6)),
        A.LongestMaxSize(max_size_hw=(None, 6), interpolation=cv2.INTER_CUBIC),
        A.SmallestMaxSize(5),
        A.SmallestMaxSize(max_size_hw=(7, 15), interpolation=cv2.INTER_NEAREST),
        A.CenterCrop(5, 6),
        A.CenterCrop(15, 20, pad_if_needed=True, border_mode=cv2.BORDER_REFLECT_101),
        A.CenterCrop(5, 20, pad_if_needed=True, fill=0.4, pad_position="top_right"),
        A.Crop(1, 2, 7, 8),
        A.Pad((1, 2, 3, 4), fill=0.6),
        A.Pad((2, 3), border_mode=cv2.BORDER_REPLICATE),
        A.Pad(20, border_mode=cv2.BORDER_REFLECT),
        A.Pad(20, border_mode=cv2.BORDER_REFLECT_101),
        A.Pad(20, border_mode=cv2.BORDER_WRAP),
        A.PadIfNeeded(15, 18, fill=0.3),
        A.PadIfNeeded(None, None, 4, 8, position="bottom_right"),
        A.PadIfNeeded(15, 18, position="top_left"),
        A.PadIfNeeded(15, 18, position="bottom_left", border_mode=cv2.BORDER_REFLECT_101),
        A.InvertImg(p=1),
        A.Solarize((0.4, 0.4), p=1),
        A.Posterize(3, p=1),
        A.Posterize([(1, 1), (2, 2), (5, 5)], p=1),
        A.Equalize(p=1),
        A.RandomGamma((150, 150), p=1),
        A.RGBShift((30, 30), (-20, -20), (5, 5), p=1),
        A.ToGray(p=1),
        A.ToGray(method="average", p=1),
        A.ToGray(method="max", p=1),
        A.ToGray(method="desaturation", p=1),
        A.Normalize(),
        A.Normalize(0.4, 0.3, 1.0),
        A.NoOp(p=1),
        A.ToFloat(),
        A.RandomBrightnessContrast((0.3, 0.3), (0.2, 0.2), p=1),
        A.RandomBrightnessContrast((-0.3, -0.3), (0.5, 0.5), brightness_by_max=False, p=1),
        A.RandomBrightnessContrast((0.3, 0.3), (0.2, 0.2), ensure_safe_range=True, p=1),
        A.RandomBrightnessContrast((-0.3, -0.3), (-0.2, -0.2), ensure_safe_range=True, p=1),
        A.GaussianBlur(0, (1.3, 1.3), p=1),
        A.GaussianBlur((4, 4), (1.3, 1.3), p=1),
        A.GaussianBlur((5, 5), (2.3, 2.3), p=1),
        A.GaussianBlur(0, (3, 3), p=1),
        A.Blur((5, 5), p=1),
        A.Blur((13, 13), p=1),
        A.MedianBlur((3, 3), p=1),
        A.MedianBlur((5, 5), p=1),
        A.MotionBlur((5, 5), False, (30, 30), (0.3, 0.3), p=1),
        A.MotionBlur((7, 7), False, (130, 130), (-0.6, -0.6), p=1),
        A.ColorJitter((1.2, 1.2), (1, 1), (1, 1), (0, 0), p=1),
        A.ColorJitter((1, 1), (1.4, 1.4), (1, 1), (0, 0), p=1),
        A.ColorJitter((1, 1), (1, 1), (1.5, 1.5), (0, 0), p=1),
        A.ColorJitter((1, 1), (1, 1), (1, 1), (0.3, 0.3), p=1),
        A.ColorJitter((0, 0), (0, 0), (0, 0), (0, 0), p=1),
    ]
    """Transforms without randomness."""

    RANDOM = [
        A.HorizontalFlip(p=0.3),
        A.RandomRotate90(p=0.6),
        A.D4(p=0.8),
        A.Rotate(40, p=0.7),
        A.Rotate(40, border_mode=cv2.BORDER_REFLECT_101),
        A.SafeRotate(50),
        A.Affine(translate_percent=(-0.2, 0.3), p=1),
        A.Affine(translate_px=(-2, 1)),
        A.Affine(scale=(0.6, 1.4)),
        A.Affine(scale=(0.6, 1.6), balanced_scale=True, keep_ratio=True),
        A.Affine(scale=(0.8, 1.2), rotate=(-20, 20), shear=(-9, 9), translate_percent=(-0.2, 0.2)),
        A.ShiftScaleRotate(0.2),
        A.Perspective((0.05, 0.2)),
        A.RandomResizedCrop((6, 7), scale=(0.2, 1.0)),
        A.RandomResizedCrop((6, 7), scale=(0.2, 1.0), interpolation=cv2.INTER_NEAREST),
        A.RandomSizedCrop((3, 8), (6, 6), 1.3),
        A.RandomCrop(6, 5),
        A.RandomCrop(10, 5, pad_if_needed=True, pad_position="random", fill=0.5),
        A.PadIfNeeded(12, 12, position="random"),
        A.ColorJitter(p=0.8),
        A.ColorJitter(0.9, 0.9, 0.9, 0.1, p=1),
        A.RandomBrightnessContrast(0.4, 0.4),
        A.RandomBrightnessContrast(ensure_safe_range=True),
        A.ToGray(p=0.3),
        A.InvertImg(p=0.2),
        A.Solarize((0.2, 0.9)),
        A.Posterize((1, 4)),
        A.Equalize(p=0.3),
        A.RandomGamma((50, 200)),
        A.RGBShift(60, 20, 40),
        A.ChannelShuffle(p=0.7),
        A.ChannelDropout((1, 2), fill=0.2),
        A.GaussianBlur(),
        A.GaussianBlur((0, 6), (0.2, 2.0)),
        A.Blur(),
        A.MedianBlur(5),
        A.MotionBlur(5),
        A.GaussNoise(),
        A.GaussNoise((0.1, 0.3), (-0.2, 0.2)),
        A.CoarseDropout((1, 2), (0.2, 0.5), (0.1, 0.6), fill=0.3),
        A.CoarseDropout((2, 2), (1, 4), (2, 20)),
        A.Erasing(scale=(0.02, 0.5), ratio=(0.4, 2.0), fill=(0.1, 0.2, 0.3)),
    ]
    PIPELINES = [
        A.Compose([A.HorizontalFlip(), A.RandomCrop(6, 6), A.Normalize()]),
        A.Compose([A.HorizontalFlip(), A.VerticalFlip()], p=0.4),
        A.OneOf([A.HorizontalFlip(p=0.3), A.VerticalFlip(p=0.6), A.InvertImg(p=0.9)], p=0.7),
        A.OneOf(
            [
                A.Sequential([A.HorizontalFlip(p=0.5), A.InvertImg(p=0.5)], p=0.2),
                A.SomeOf([A.VerticalFlip(p=0.5)], n=1, p=0.5),
                A.OneOf([A.InvertImg(p=0.1)], p=0.1),
                A.Compose([A.VerticalFlip(p=0.3)], p=0.3),
            ],
            p=0.9,
        ),
        A.SomeOf([A.HorizontalFlip(p=0.4), A.InvertImg(p=0.7), A.Posterize(2, p=1)], n=2, p=0.8),
        A.SomeOf([A.HorizontalFlip(p=0.4), A.InvertImg(p=0.7)], n=3, replace=True),
        A.RandomOrder([A.InvertImg(p=1), A.Solarize(p=1), A.Posterize(1, p=0.5)], n=2, p=0.9),
        A.RandomOrder([A.InvertImg(p=0.5), A.Solarize(p=1)], n=2, replace=True),
        A.OneOrOther(A.HorizontalFlip(p=0.1), A.InvertImg(p=0.1), p=0.3),
        A.Sequential([A.Rotate(20, p=1), A.CoarseDropout()], p=0.8),
    ]

QUICK = {"Affine", "OneOf", "ColorJitter", "RandomResizedCrop", "GaussNoise", "CoarseDropout"}


def name(transform: Any) -> str:
    return type(transform).__name__


def picture(channels: int = 3, height: int = 8, width: int = 9, seed: int = 0) -> np.ndarray:
    """A float32 image, HWC."""
    return np.random.default_rng(seed).random((height, width, channels), dtype=np.float32)


def tensor(image: np.ndarray) -> Tensor:
    """CHW from HWC."""
    image = image if image.ndim == 3 else image[..., None]
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def seeded(transform: Any, seed: int) -> Any:
    """A copy whose random numbers, and those of all its steps, come from one stream."""
    transform = copy.deepcopy(transform)
    transform.set_random_state(np.random.default_rng(seed), random.Random(seed))
    return transform


def draws(transform: Any, image: np.ndarray, n: int, seed: int = 1) -> Tensor:
    """What the library makes of an image, ``(n, 1, C, H, W)``."""
    transform = seeded(transform, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [tensor(transform(image=image.copy())["image"]) for _ in range(n)]
    return torch.stack(found)[:, None]


@pytest.mark.parametrize("shape", [(3, 9, 11), (3, 32, 32), (1, 9, 11), (4, 12, 11)])
@pytest.mark.parametrize("transform", FIXED, ids=name)
def test_the_action_is_the_librarys(transform: Any, shape: tuple[int, int, int]) -> None:
    image = picture(*shape)
    policy = convert(transform)
    try:
        expected = draws(transform, image, 1)[0]
        found = policy(tensor(image))
    except (TypeError, ValueError, IndexError, PolicyError):
        assert shape[0] != 3
        pytest.skip("not for images of so many channels")
    assert found.dtype == torch.float32
    assert policy.output_shape(shape) == tuple(expected.shape[1:])
    torch.testing.assert_close(found[None], expected, rtol=0, atol=6e-6)


@pytest.mark.parametrize("turns", range(4))
def test_quarter_turns(turns: int) -> None:
    image, policy = picture(3, 7, 7), convert(A.RandomRotate90(p=1))
    expected = A.RandomRotate90(p=1).apply(image, factor=turns)
    theta = torch.tensor([[float(turns)]], dtype=torch.float64)
    torch.testing.assert_close(
        policy.apply(tensor(image)[None, None], theta)[0, 0], tensor(expected)
    )


def test_the_symmetries_of_the_square_are_all_different() -> None:
    image, policy = picture(1, 5, 5), convert(A.D4())
    theta = torch.arange(8, dtype=torch.float64)[:, None]
    ours = policy.apply(tensor(image).expand(8, 1, -1, -1, -1), theta)[:, 0]
    kinds = ("e", "r90", "r180", "r270", "v", "hvt", "h", "t")
    theirs = torch.stack([tensor(A.D4().apply(image, kind)) for kind in kinds])
    assert sorted(map(str, ours.tolist())) == sorted(map(str, theirs.tolist()))


@pytest.mark.parametrize("interpolation", [cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST])
def test_resized_crops(interpolation: int) -> None:
    transform = A.RandomResizedCrop((7, 12), (0.05, 1.0), interpolation=interpolation)
    image, policy = picture(3, 20, 23), convert(transform)
    for _ in range(50):
        expected = transform(image=image)["image"]
        left, top, right, bottom = transform.params["crop_coords"]
        theta = torch.tensor([[top, left, bottom - top, right - left]], dtype=torch.float64)
        found = policy.apply(tensor(image)[None, None], theta)[0, 0]
        torch.testing.assert_close(found, tensor(expected), rtol=0, atol=3e-6)


@pytest.mark.parametrize("border", [cv2.BORDER_CONSTANT, cv2.BORDER_REFLECT_101])
@pytest.mark.parametrize("shape", [(3, 6, 40), (1, 32, 32), (4, 17, 9)])
def test_perspective(shape: tuple[int, int, int], border: int) -> None:
    transform = seeded(A.Perspective((0.05, 0.3), border_mode=border, p=1), 3)
    image, policy = picture(*shape), convert(transform)
    for _ in range(20):
        first, second = (
            copy.deepcopy(transform.py_random),
            copy.deepcopy(transform.random_generator),
        )
        expected = transform(image=image)["image"]
        inset = np.mod(np.abs(second.normal(0, first.uniform(0.05, 0.3), (4, 2))), 0.32)
        signs = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
        theta = torch.from_numpy(np.where(signs > 0, inset, 1 - inset).reshape(1, 8))
        found = policy.apply(tensor(image)[None, None], theta)[0, 0]
        torch.testing.assert_close(found, tensor(expected), rtol=0, atol=3e-5)


def test_color_jitter_in_every_order() -> None:
    transform = A.ColorJitter(0.8, 0.8, 0.8, 0.5, p=1)
    image, policy = picture(3, 8, 8), convert(transform)
    orders = set()
    for _ in range(200):
        expected = transform(image=image)["image"]
        drawn = transform.params
        order = tuple(int(i) for i in drawn["order"])
        orders.add(order)
        index = list(permutations(range(4))).index(order)
        values = [drawn[key] for key in ("brightness", "contrast", "saturation", "hue")]
        theta = torch.tensor([[index, *values]], dtype=torch.float64)
        found = policy.apply(tensor(image)[None, None], theta)[0, 0]
        torch.testing.assert_close(found, tensor(expected), rtol=0, atol=5e-6)
    assert len(orders) == 24


def test_motion_blur_with_shifts() -> None:
    transform = seeded(A.MotionBlur((3, 7), p=1), 5)
    image, policy = picture(3, 9, 12), convert(transform)
    for _ in range(100):
        stream = copy.deepcopy(transform.py_random)
        expected = transform(image=image)["image"]
        side = 3 + 2 * stream.randint(0, 2)
        numbers = [stream.uniform(*ends) for ends in ((0, 360), (-1, 1), (-1, 1), (-1, 1))]
        theta = torch.tensor([[side, *numbers]], dtype=torch.float64)
        found = policy.apply(tensor(image)[None, None], theta)[0, 0]
        torch.testing.assert_close(found, tensor(expected), rtol=0, atol=2e-6)


def chi_squared(found: Counter, law: dict[Any, float]) -> float:
    """p-value of counts under a finite law."""
    assert set(found) <= set(law)
    n = sum(found.values())
    keys = [key for key in law if law[key] * n >= 5]
    rest = 1 - sum(law[key] for key in keys)
    seen = [found[key] for key in keys]
    expected = [law[key] * n for key in keys]
    if len(keys) == 1 and rest < 1e-12:
        return float(seen[0] == n)
    if rest * n >= 1:
        seen.append(n - sum(seen))
        expected.append(rest * n)
    elif rest > 0:
        seen[0] += n - sum(seen)
        expected[0] += n - sum(expected)
    return float(stats.chisquare(seen, expected).pvalue)


@pytest.mark.parametrize("ends", [(-0.2, 0.2), (-0.31, 0.13), (0.1, 0.5), (-0.05, 0.04)])
def test_shifts_are_rounded_towards_zero(ends: tuple[float, float]) -> None:
    transform = A.Affine(translate_percent={"x": ends, "y": 0.0}, p=1)
    shifts = Counter(transform._get_translate_params((8, 23))["x"] for _ in range(20_000))
    points, weights = truncated(23 * ends[0], 23 * ends[1]).atoms
    law = dict(zip(points.astype(int).tolist(), weights.tolist(), strict=True))
    assert chi_squared(shifts, law) > P_VALUE


def test_zero_shift_has_a_double_share() -> None:
    points, weights = truncated(-3, 3).atoms
    assert points.tolist() == [-2, -1, 0, 1, 2]
    assert weights.tolist() == pytest.approx([1 / 6, 1 / 6, 1 / 3, 1 / 6, 1 / 6])


@pytest.mark.parametrize("padded", [False, True])
def test_random_crops(padded: bool) -> None:
    transform = A.RandomCrop(5, 9, pad_if_needed=padded, fill=0.5)
    image = picture(3, 8, 7 if padded else 11)
    steps = convert(transform).parts
    for _ in range(50):
        expected = transform(image=image)["image"]
        left, top, _, _ = transform.params["crop_coords"]
        left -= (transform.params["pad_params"] or {"pad_left": 0})["pad_left"]
        found = tensor(image)[None, None]
        for step, start in zip(steps, (top, left), strict=True):
            found = step.apply(found, torch.tensor([[start]], dtype=torch.float64))
        torch.testing.assert_close(found[0, 0], tensor(expected))


@pytest.mark.parametrize(
    ("transform", "shape"),
    [
        (A.RandomResizedCrop((4, 4), scale=(0.08, 1.0)), (24, 32)),
        (A.RandomResizedCrop((4, 4), scale=(0.5, 1.0), ratio=(0.9, 1.1)), (5, 17)),
        (A.RandomSizedCrop((2, 9), (4, 4), 0.7), (8, 8)),
        (A.Erasing(p=1), (10, 12)),
        (A.Erasing((0.0, 0.9), (0.5, 1.0), p=1), (11, 8)),
        (A.CoarseDropout((1, 1), (0.05, 0.3), (0.2, 0.9), p=1), (9, 13)),
        (A.CoarseDropout((1, 1), (2, 5), (3, 40), p=1), (9, 13)),
    ],
    ids=lambda value: name(value) if not isinstance(value, tuple) else "",
)
def test_boxes(transform: Any, shape: tuple[int, int]) -> None:
    policy = convert(transform)
    points, weights = policy.atoms((3, *shape))
    params, data = {"shape": (*shape, 3)}, {"image": picture(3, *shape)}
    law: dict[tuple[int, ...], float] = {}
    for (top, left, height, width), weight in zip(
        points.astype(int).tolist(), weights, strict=True
    ):
        box = (height, width, top, left) if height * width else (0, 0, 0, 0)
        law[box] = law.get(box, 0.0) + weight
    found: Counter = Counter()
    for _ in range(20_000):
        drawn = transform.get_params_dependent_on_data(params, data)
        left, top, right, bottom = drawn.get("crop_coords", drawn.get("holes", [None])[0])
        empty = right == left or bottom == top
        found[(0,) * 4 if empty else tuple(map(int, (bottom - top, right - left, top, left)))] += 1
    assert chi_squared(found, law) > P_VALUE


def test_sigma_of_the_blur_has_its_law() -> None:
    kernels = [A.GaussianBlur(p=1).get_params_dependent_on_data({}, {}) for _ in range(4000)]
    sizes = Counter(len(kernel["kernel"]) for kernel in kernels)
    law = {}
    for radius in range(1, 11):
        low, high = max(radius / 3.5, 0.5), min((radius + 1) / 3.5, 3.0)
        law[2 * radius + 1] = max(high - low, 0) / 2.5
    assert chi_squared(sizes, law) > P_VALUE


def test_sigma_of_the_noise_is_uniform() -> None:
    transform = A.GaussNoise(p=1)
    params, data = {"shape": (64, 64, 3)}, {"image": picture(3, 64, 64)}
    maps = [transform.get_params_dependent_on_data(params, data)["noise_map"] for _ in range(1000)]
    sigmas = [float(noise.std()) for noise in maps]
    assert stats.kstest(sigmas, stats.uniform(0.2, 0.24).cdf).pvalue > P_VALUE


def test_one_of_takes_the_childrens_p_as_weights() -> None:
    policy = convert(A.OneOf([A.HorizontalFlip(p=0.2), A.InvertImg(p=0.6)], p=1))
    assert isinstance(policy, RandomChoice)
    assert policy.weights == pytest.approx((0.25, 0.75))


def agree(transform: Any, n: int) -> None:
    """The moments are those of the library's draws, in standard errors (see check_samples)."""
    size = (8, 8) if name(transform) in ("D4", "RandomRotate90") else (8, 9)
    image = picture(3, *size)
    batch = tensor(image)[None].double()
    check_samples(convert(transform), batch, samples=draws(transform, image, n), tol=3e-3)


@pytest.mark.parametrize("transform", [t for t in RANDOM + PIPELINES if name(t) in QUICK], ids=name)
def test_moments_are_those_of_the_librarys_draws(transform: Any) -> None:
    agree(transform, 20_000)


def test_noise_that_the_channels_share_is_sampled() -> None:
    transform = A.GaussNoise((0.1, 0.3), per_channel=False, p=1)
    image = picture()
    found = moments(tensor(image)[None].double(), convert(transform), tol=1e-2, seed=0)
    assert found.method == "monte-carlo"
    drawn = draws(transform, image, 20_000)[:, 0].double()
    noise = drawn.var(0).sum().sqrt() / len(drawn) ** 0.5
    off = (drawn.mean(0) - found.mean[0]).norm()
    assert off <= found.error.mean[0] * found.mean[0].norm() + 4 * noise
    trace = drawn.var(0).sum()
    assert abs(found.covariance.trace()[0] - trace) <= 0.05 * trace


@pytest.mark.slow
@pytest.mark.parametrize("transform", RANDOM + PIPELINES, ids=name)
def test_moments_are_those_of_many_draws(transform: Any) -> None:
    agree(transform, 50_000)


@pytest.mark.slow
@pytest.mark.parametrize("transform", RANDOM + PIPELINES, ids=name)
def test_conformance(transform: Any) -> None:
    conformance(convert(transform), shape=(3, 7, 7), draws=2000, tol=1e-2)


def test_every_transform_is_in_the_tests() -> None:
    seen = {name(t) for t in FIXED + RANDOM + PIPELINES}
    missing = {*LEAVES, *COMPOSITIONS} - seen
    assert missing == {"ReplayCompose", "SquareSymmetry", "ToTensorV2"}


def test_the_rest_does_nothing_else() -> None:
    tensors = A.Compose([A.ToTensorV2()])
    torch.testing.assert_close(convert(tensors)(tensor(picture())), tensor(picture()))
    replayed = convert(A.ReplayCompose([A.HorizontalFlip(p=1)]))
    torch.testing.assert_close(replayed(tensor(picture())), tensor(picture()).flip(-1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert convert(A.SquareSymmetry(p=1)).outcomes((1, 5, 5)) == 8


@pytest.mark.parametrize(
    ("transform", "told"),
    [
        (lambda: A.ElasticTransform(), "ElasticTransform"),
        (lambda: A.Compose([A.HorizontalFlip(), A.CLAHE()]), "CLAHE"),
        (lambda: A.Rotate(crop_border=True), "crop_border"),
        (lambda: A.Rotate(border_mode=cv2.BORDER_WRAP), "border_mode=3"),
        (lambda: A.Rotate(interpolation=cv2.INTER_CUBIC), "interpolation=2"),
        (lambda: A.Affine(fit_output=True), "fit_output"),
        (lambda: A.Perspective(keep_size=False), "keep_size"),
        (lambda: A.Perspective(fit_output=True), "fit_output"),
        (lambda: A.Perspective(fill=1.0), "first channel"),
        (lambda: A.LongestMaxSize([5, 6]), "max_size"),
        (lambda: A.Resize(4, 4, interpolation=cv2.INTER_AREA), "interpolation=3"),
        (lambda: A.RandomResizedCrop((4, 4), area_for_downscale="image"), "area_for_downscale"),
        (lambda: A.Crop(pad_if_needed=True), "pad_if_needed"),
        (lambda: A.GaussNoise(noise_scale_factor=0.5), "noise_scale_factor"),
        (lambda: A.CoarseDropout(fill="random"), "fill='random'"),
        (lambda: A.ToGray(num_output_channels=1), "num_output_channels"),
        (lambda: A.ToGray(method="pca"), "pca"),
        (lambda: A.Normalize(normalization="image"), "normalization='image'"),
        (lambda: A.Equalize(mode="pil"), "mode='pil'"),
        (lambda: A.Equalize(by_channels=False), "by_channels"),
        (lambda: A.GaussianBlur(3, 0), "sigma_limit"),
        (lambda: A.Compose([A.HorizontalFlip(), A.VerticalFlip()], seed=1), "seed=1"),
        (lambda: A.Compose([A.Normalize(), A.GaussianBlur()]), "Normalize"),
        (lambda: A.RandomOrder([A.GaussianBlur(), A.Normalize()], n=2), "Normalize"),
        (lambda: A.SomeOf([A.NoOp()] * 20, n=10), "720"),
        (lambda: A.Affine(scale=0.0), "scale"),
        (lambda: A.Affine(shear=(0, 90)), "shear"),
        (lambda: object(), "object"),
    ],
)
def test_what_is_not_understood_is_named(transform: Any, told: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = transform()
    with pytest.raises(PolicyError, match=told):
        convert(given)


@pytest.mark.parametrize(
    ("transform", "shape"),
    [
        (A.Rotate(), (2, 8, 8)),
        (A.RandomRotate90(), (3, 8, 9)),
        (A.Transpose(p=0.5), (3, 8, 9)),
        (A.RandomCrop(9, 4), (3, 8, 8)),
        (A.RandomCrop(4, 4, p=0.5), (3, 8, 8)),
        (A.Perspective(), (3, 5, 8)),
        (A.ChannelDropout((1, 3)), (3, 8, 8)),
        (A.ColorJitter(), (4, 8, 8)),
        (A.Equalize(), (2, 8, 8)),
        (A.Erasing((0.9, 0.9), (3, 3.3)), (3, 8, 8)),
        (A.CoarseDropout(hole_height_range=(9, 12), hole_width_range=(1, 2)), (3, 8, 8)),
        (A.CoarseDropout(hole_width_range=(2, 3)), (3, 8, 8)),
    ],
    ids=name,
)
def test_images_that_cannot_be_taken(transform: Any, shape: tuple[int, int, int]) -> None:
    with pytest.raises(PolicyError):
        convert(transform).output_shape(shape)


def test_a_seed_makes_the_steps_of_the_library_depend_on_each_other() -> None:
    """Why compositions with a seed are refused: both flips always coincide."""
    image = np.arange(4, dtype=np.float32).reshape(2, 2, 1)
    pipeline = A.Compose([A.HorizontalFlip(), A.VerticalFlip()], seed=3)
    found = {tuple(pipeline(image=image)["image"].ravel()) for _ in range(200)}
    assert len(found) == 2
    free = seeded(pipeline, 3)
    assert len({tuple(free(image=image)["image"].ravel()) for _ in range(200)}) == 4
    assert convert(free).outcomes((1, 2, 2)) == 4


def test_steps_that_are_not_understood_are_sampled() -> None:
    image = picture(3, 8, 8)
    pipeline = A.Compose([A.HorizontalFlip(), A.RandomGridShuffle((2, 2), p=0.7), A.InvertImg(p=1)])
    policy = as_policy(pipeline, on_unsupported="monte-carlo")
    found = moments(tensor(image)[None].double(), policy, tol=1e-2)
    assert found.method == "monte-carlo"
    drawn = draws(pipeline, image, 4000)[:, 0].double()
    noise = drawn.var(0).sum().sqrt() / len(drawn) ** 0.5
    off = (drawn.mean(0) - found.mean[0]).norm()
    assert off <= found.error.mean[0] * found.mean[0].norm() + 4 * noise


def test_a_step_of_one_of_that_is_not_understood_is_always_applied() -> None:
    pipeline = A.OneOf([A.RandomGridShuffle((2, 2), p=0.1)], p=1)
    policy = as_policy(pipeline, on_unsupported="monte-carlo")
    image = tensor(picture(1, 8, 8))
    out = policy(image.expand(200, -1, -1, -1), torch.Generator().manual_seed(0))
    assert 0.01 < (out == image).flatten(1).all(1).double().mean() < 0.15  # one in 24 permutations
    assert pipeline.transforms[0].p == 0.1


def test_samples_are_reproducible_and_leave_the_pipeline_alone() -> None:
    images = torch.rand(3, 3, 8, 8, dtype=torch.float64)
    pipeline = A.Compose([A.GridDistortion(p=1), A.Compose([A.GaussNoise(p=1)])])
    state = pipeline.py_random.getstate(), pipeline.transforms[0].py_random.getstate()
    torch.testing.assert_close(draw(pipeline, images, 5), draw(pipeline, images, 5))
    assert not torch.equal(draw(pipeline, images, 5), draw(pipeline, images, 6))
    torch.testing.assert_close(draw(pipeline, images, 5)[1:2], draw(pipeline, images[1:2], 5))
    assert state == (pipeline.py_random.getstate(), pipeline.transforms[0].py_random.getstate())


def test_a_sampled_composition_with_a_seed_stays_dependent() -> None:
    pipeline = A.Compose([A.HorizontalFlip(), A.VerticalFlip()], seed=3)
    policy = as_policy(pipeline, on_unsupported="monte-carlo")
    image = tensor(picture(1, 4, 4))
    out = policy(image.expand(100, -1, -1, -1), torch.Generator().manual_seed(0))
    assert len(torch.unique(out, dim=0)) == 2
    assert pipeline.seed == 3


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(A, "__version__", "2.0.9")
    with pytest.raises(PolicyError, match=r"2\.0\.9"):
        convert(A.HorizontalFlip())


def test_gradients_reach_the_images() -> None:
    images = tensor(picture())[None].double().requires_grad_()
    policy = convert(A.Compose([A.Affine(rotate=(-9, 9), scale=(0.9, 1.1)), A.GaussianBlur()]))
    moments(images, policy, tol=0.1).mean.sum().backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()
