"""kornia's modules against the policies that they are converted to."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import augmoments as am
from augmoments.adapters.kornia import convert
from augmoments.augmentations.base import Augmentation
from augmoments.errors import PolicyError
from augmoments.testing import check_samples

if importlib.util.find_spec("kornia") is None:
    pytest.skip("kornia is not installed", allow_module_level=True)

import kornia.augmentation as K
from kornia.augmentation.auto import AutoAugment, RandAugment, TrivialAugment

Params = dict[str, Tensor]
Columns = Callable[[Params, Tensor], list[Tensor]]
SHAPE = (3, 13, 10)
MANY = 48


def some_images(n: int = MANY, shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> Tensor:
    """Noise in [0, 1], one image black, one gray, and one of few colours that tie."""
    images = np.random.default_rng(seed).random((n, *shape))
    images[0] = 0
    images[1] = images[1, :1]
    images[2] = np.round(2 * images[2]) / 2
    return torch.from_numpy(images)


def replayed(module: Any, images: Tensor, seed: int = 0) -> tuple[Tensor, Params]:
    """kornia's answer for a draw whose parameters are taken to float64, and these."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module(images)
    params = {
        key: value.double() if value.is_floating_point() else value
        for key, value in module._params.items()
        if isinstance(value, Tensor)
    }
    return module(images, params=params), params


def sampled(module: Any, image: Tensor, n: int, block: int, seed: int = 0) -> Tensor:
    """Draws ``(n, 1, C', H', W')`` of kornia's own, in blocks that share what a batch shares."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        blocks = [module(image.expand(block, *image.shape)) for _ in range(n // block)]
    return torch.cat(blocks)[:, None]


def jittered(module: Any, image: Tensor, n: int, seed: int = 0) -> Tensor:
    """As :func:`sampled`, of a jitter, with an order of its own for every image, not a batch."""
    orders = permutations(4)
    counts = np.random.default_rng(seed).multinomial(n, [1 / len(orders)] * len(orders))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        blocks = []
        for order, count in zip(orders, counts.tolist(), strict=True):
            params = module.forward_parameters(torch.Size((count, *image.shape)))
            params["order"] = torch.tensor(order)
            blocks.append(module(image.expand(count, *image.shape), params=params))
    return torch.cat(blocks)[:, None]


def named(*names: str) -> Columns:
    return lambda params, images: [params[name] for name in names]


def nothing(params: Params, images: Tensor) -> list[Tensor]:
    return []


def affine(params: Params, images: Tensor) -> list[Tensor]:
    shares = params["translations"] / torch.tensor([images.shape[-1], images.shape[-2]])
    return [
        params["angle"],
        *shares.unbind(1),
        *params["scale"].unbind(1),
        params["shear_x"],
        params["shear_y"],
    ]


def isotropic(params: Params, images: Tensor) -> list[Tensor]:
    columns = affine(params, images)
    return [*columns[:3], *columns[4:]]


def pulled(scale: float, centred: bool) -> Columns:
    def columns(params: Params, images: Tensor) -> list[Tensor]:
        sides = torch.tensor([images.shape[-1], images.shape[-2]])
        share = (params["end_points"] - params["start_points"]) / (sides * scale / 2)
        if centred:
            return list((share / 2 + 0.5).reshape(len(share), 8).unbind(1))
        inwards = torch.tensor([[1, 1], [-1, 1], [-1, -1], [1, -1]])
        return list((share * inwards).reshape(len(share), 8).unbind(1))

    return columns


def corner(params: Params, images: Tensor) -> list[Tensor]:
    return [params["src"][:, 0, 1], params["src"][:, 0, 0]]


def box(params: Params, images: Tensor) -> list[Tensor]:
    left, top = params["src"][:, 0].unbind(1)
    right, bottom = params["src"][:, 2].unbind(1)
    return [top, left, bottom - top + 1, right - left + 1]


def jitter(orders: list[tuple[int, ...]], active: str = "bcsh") -> Columns:
    names = {"b": "brightness", "c": "contrast", "s": "saturation", "h": "hue"}

    def columns(params: Params, images: Tensor) -> list[Tensor]:
        places = ["bcsh".index(letter) for letter in active]
        order = tuple(places.index(i) for i in params["order"].tolist() if i in places)
        index = torch.full((len(images),), float(orders.index(order)))
        return [index, *(params[f"{names[letter]}_factor"] for letter in active)]

    return columns


def among(outcomes: list[tuple[int, ...]], drawn: Tensor) -> Tensor:
    """The places in a list of outcomes of what was drawn, a row each."""
    return torch.tensor([outcomes.index(tuple(row)) for row in drawn.tolist()])


def permutations(n: int) -> list[tuple[int, ...]]:
    return list(itertools.permutations(range(n)))


REPLAYS: dict[str, tuple[Callable[[], Any], Columns]] = {
    "flip": (lambda: K.RandomHorizontalFlip(), nothing),
    "flip vertical": (lambda: K.RandomVerticalFlip(p=0.3), nothing),
    "rotation": (lambda: K.RandomRotation(40.0), named("degrees")),
    "rotation nearest": (lambda: K.RandomRotation(40.0, resample="nearest"), named("degrees")),
    "rotation halves": (lambda: K.RandomRotation((10, 20), align_corners=False), named("degrees")),
    "quarter turns": (
        lambda: K.RandomRotation90((-1, 2)),
        lambda p, x: [90 * p["times"].round()],
    ),
    "shear": (lambda: K.RandomShear((-20.0, 30.0)), named("shear_x")),
    "shear y": (lambda: K.RandomShear((0.0, 0.0, -20.0, 30.0)), named("shear_y")),
    "shear both": (
        lambda: K.RandomShear((-20.0, 30.0, 5.0, 10.0), align_corners=True),
        lambda p, x: [
            *[torch.zeros(len(x))] * 3,
            torch.ones(len(x)),
            p["shear_x"],
            p["shear_y"],
        ],
    ),
    "translate": (
        lambda: K.RandomTranslate((-0.2, 0.3), (-0.1, 0.1)),
        named("translate_x", "translate_y"),
    ),
    "translate y": (lambda: K.RandomTranslate(None, (-0.1, 0.4)), named("translate_y")),
    "affine angle": (lambda: K.RandomAffine(25.0), lambda p, x: [-p["angle"]]),
    "affine shift": (
        lambda: K.RandomAffine(0.0, (0.2, 0.3)),
        lambda p, x: list(p["translations"].unbind(1)),
    ),
    "affine scale": (
        lambda: K.RandomAffine(0.0, scale=(0.7, 1.4)),
        lambda p, x: [p["scale"][:, 0]],
    ),
    "affine scales": (
        lambda: K.RandomAffine(0.0, scale=(0.7, 1.4, 0.9, 1.8)),
        lambda p, x: list(p["scale"].unbind(1)),
    ),
    "affine all": (
        lambda: K.RandomAffine(25.0, (0.2, 0.3), (0.7, 1.4), (-10.0, 20.0, -5.0, 15.0)),
        isotropic,
    ),
    "affine fill": (
        lambda: K.RandomAffine(
            (5.0, 25.0), (0.2, 0.3), (0.7, 1.4, 0.9, 1.8), padding_mode="fill", fill_value=0.3
        ),
        affine,
    ),
    "affine nearest": (
        lambda: K.RandomAffine(25.0, (0.2, 0.3), (0.7, 1.4), resample="nearest"),
        isotropic,
    ),
    "perspective": (lambda: K.RandomPerspective(0.5), pulled(0.5, False)),
    "perspective area": (
        lambda: K.RandomPerspective(0.3, sampling_method="area_preserving", align_corners=True),
        pulled(0.3, True),
    ),
    "crop": (lambda: K.RandomCrop((9, 7)), corner),
    "crop padded": (lambda: K.RandomCrop(SHAPE[1:], padding=3, fill=0.4), corner),
    "crop reflected": (
        lambda: K.RandomCrop((12, 11), padding=(1, 2, 3, 4), padding_mode="reflect"),
        corner,
    ),
    "crop repeated": (
        lambda: K.RandomCrop((12, 11), padding=(4, 2), padding_mode="replicate"),
        corner,
    ),
    "crop resampled": (
        lambda: K.RandomCrop((12, 11), padding=2, cropping_mode="resample"),
        corner,
    ),
    "crop if needed": (
        lambda: K.RandomCrop((15, 17), padding=(1, 2), pad_if_needed=True),
        corner,
    ),
    "crop colour": (lambda: K.RandomCrop((14, 12), padding=3, fill=[0.1, 0.5, 0.9]), corner),
    "resized crop": (lambda: K.RandomResizedCrop((8, 9)), box),
    "resized crop halves": (
        lambda: K.RandomResizedCrop((16, 12), align_corners=False, ratio=(0.5, 3.0)),
        box,
    ),
    "resized crop nearest": (lambda: K.RandomResizedCrop((8, 9), resample="nearest"), box),
    "resized crop bicubic": (lambda: K.RandomResizedCrop((8, 9), resample="bicubic"), box),
    "resized crop resampled": (
        lambda: K.RandomResizedCrop((8, 9), cropping_mode="resample", scale=(0.005, 1.0)),
        box,
    ),
    "centre crop": (lambda: K.CenterCrop((8, 7)), nothing),
    "centre crop resampled": (lambda: K.CenterCrop((7, 8), cropping_mode="resample"), nothing),
    "resize": (lambda: K.Resize((20, 7)), nothing),
    "resize short": (lambda: K.Resize(7, align_corners=False), nothing),
    "resize long": (lambda: K.LongestMaxSize(17), nothing),
    "resize vertical": (lambda: K.Resize(5, side="vert", resample="bicubic"), nothing),
    "resize horizontal": (lambda: K.Resize(7, side="horz", resample="nearest"), nothing),
    "blur": (lambda: K.RandomGaussianBlur((3, 7), (0.1, 2.0)), named("sigma")),
    "brightness": (lambda: K.RandomBrightness((0.6, 1.7)), named("brightness_factor")),
    "brightness unclipped": (
        lambda: K.RandomBrightness((0.6, 1.7), clip_output=False),
        named("brightness_factor"),
    ),
    "contrast": (lambda: K.RandomContrast((0.6, 1.7), p=0.4), named("contrast_factor")),
    "contrast unclipped": (
        lambda: K.RandomContrast((0.6, 1.7), clip_output=False),
        named("contrast_factor"),
    ),
    "saturation": (lambda: K.RandomSaturation((0.2, 2.5)), named("saturation_factor")),
    "hue": (lambda: K.RandomHue((-0.5, 0.5)), named("hue_factor")),
    "gamma": (
        lambda: K.RandomGamma((0.4, 2.0), (0.7, 1.5), p=0.5),
        named("gamma_factor", "gain_factor"),
    ),
    "jitter": (lambda: K.ColorJitter(0.4, 0.4, 0.4, 0.2), jitter(permutations(4))),
    "jitter some": (
        lambda: K.ColorJitter(0.4, 0.0, (0.5, 1.5), p=0.6),
        jitter(permutations(2), "bs"),
    ),
    "jitter one": (lambda: K.ColorJitter(contrast=0.5), named("contrast_factor")),
    "jitter none": (lambda: K.ColorJitter(), nothing),
    "jitter ordered": (
        lambda: K.ColorJitter(0.4, 0.4, 0.4, 0.2, order=(3, 0, 1)),
        lambda p, x: [
            torch.zeros(len(x)),
            p["hue_factor"],
            p["brightness_factor"],
            p["contrast_factor"],
        ],
    ),
    "jiggle": (lambda: K.ColorJiggle(0.4, 0.4, 0.4, 0.2), jitter(permutations(4))),
    "erasing": (
        lambda: K.RandomErasing(value=0.25),
        lambda p, x: [p["batch_prob"] * p[name] for name in ("ys", "xs", "heights", "widths")],
    ),
    "gray": (lambda: K.RandomGrayscale(p=0.5), nothing),
    "gray weights": (lambda: K.RandomGrayscale(torch.tensor([0.2, 0.3, 0.1]), p=0.5), nothing),
    "invert": (lambda: K.RandomInvert(), nothing),
    "invert colours": (
        lambda: K.RandomInvert(torch.tensor([0.5, 1.0, 2.0]).reshape(3, 1, 1)),
        nothing,
    ),
    "solarize": (lambda: K.RandomSolarize(0.3, 0.2), named("thresholds", "additions")),
    "posterize": (lambda: K.RandomPosterize((0.0, 8.0)), lambda p, x: [p["bits_factor"]]),
    "equalize": (lambda: K.RandomEqualize(), nothing),
    "sharpness": (lambda: K.RandomSharpness((0.0, 3.0)), named("sharpness")),
    "autocontrast": (lambda: K.RandomAutoContrast(p=0.5), nothing),
    "autocontrast unclipped": (lambda: K.RandomAutoContrast(clip_output=False), nothing),
    "shuffle": (
        lambda: K.RandomChannelShuffle(),
        lambda p, x: [among(permutations(3), p["channels"])],
    ),
    "dropout": (
        lambda: K.RandomChannelDropout(2, 0.25),
        lambda p, x: [among([(0, 1), (0, 2), (1, 2)], p["channel_idx"].sort(1).values)],
    ),
    "rgb shift": (lambda: K.RandomRGBShift(0.3, 0.4, 0.5), named("r_shift", "g_shift", "b_shift")),
    "normalize": (lambda: K.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), nothing),
    "normalize one": (lambda: K.Normalize(0.3, 0.4), nothing),
    "denormalize": (lambda: K.Denormalize((0.485, 0.456, 0.406), (0.2, 0.3, 0.4)), nothing),
    "denormalize mixed": (lambda: K.Denormalize(0.1, (0.2, 0.3, 0.4)), nothing),
}


def coins(module: Any, policy: Augmentation, params: Params) -> list[Tensor]:
    """The columns of theta that say whether the step is applied."""
    gated = isinstance(policy, am.RandomApply) or "Flip" in type(module).__name__
    return [params["batch_prob"]] if gated else []


@pytest.mark.parametrize("wide", [False, True], ids=["in range", "wide"])
@pytest.mark.parametrize("name", REPLAYS)
def test_replayed_draw_is_ours(name: str, wide: bool) -> None:
    build, columns = REPLAYS[name]
    module, images = build(), 1.6 * some_images() - 0.3 if wide else some_images()
    want, params = replayed(module, images)
    policy = convert(module)
    theta = [*coins(module, policy, params), *columns(params, images)]
    theta = torch.stack([t.double() for t in theta], 1) if theta else torch.zeros(MANY, 0)
    got = policy.apply(images[:, None], theta.double())[:, 0]
    assert got.shape == want.shape
    assert policy.output_shape(SHAPE) == tuple(want.shape[1:])
    torch.testing.assert_close(got, want, atol=2e-12, rtol=0)
    assert policy.apply(images[:, None].float(), theta.double()).dtype == torch.float32


SMALL = (3, 6, 5)
MOMENTS: dict[str, Callable[[], Any]] = {
    "flip": lambda: K.RandomHorizontalFlip(p=0.3),
    "rotation": lambda: K.RandomRotation(30.0),
    "shear": lambda: K.RandomShear(20.0, p=1.0),
    "translate": lambda: K.RandomTranslate((-0.2, 0.3), (-0.1, 0.1), p=0.8),
    "affine": lambda: K.RandomAffine(15.0, (0.1, 0.2), (0.8, 1.2), p=1.0),
    "perspective": lambda: K.RandomPerspective(0.5, p=1.0),
    "crop": lambda: K.RandomCrop(SMALL[1:], padding=1),
    "resized crop": lambda: K.RandomResizedCrop((4, 5), scale=(0.2, 1.0)),
    "blur": lambda: K.RandomGaussianBlur((3, 5), (0.1, 2.0)),
    "brightness": lambda: K.RandomBrightness((0.6, 1.7)),
    "brightness unclipped": lambda: K.RandomBrightness((0.6, 1.7), clip_output=False, p=0.5),
    "contrast": lambda: K.RandomContrast((0.6, 1.7)),
    "saturation": lambda: K.RandomSaturation((0.2, 2.5), p=0.5),
    "hue": lambda: K.RandomHue((-0.2, 0.3)),
    "gamma": lambda: K.RandomGamma((0.4, 2.0), (0.7, 1.5), p=0.5),
    "jitter in order": lambda: K.ColorJitter(0.4, 0.4, 0.4, 0.2, p=0.7, order=(3, 1, 0, 2)),
    "erasing": lambda: K.RandomErasing(),
    "erasing tall": lambda: K.RandomErasing((0.3, 1.2), (1.5, 4.0), 0.5, p=0.9),
    "noise": lambda: K.RandomGaussianNoise(0.1, 0.3),
    "noise blurred": lambda: nn.Sequential(
        K.RandomGaussianNoise(0.1, 0.3, p=1.0), K.RandomGaussianBlur((3, 3), (0.5, 1.5))
    ),
    "shuffle": lambda: K.RandomChannelShuffle(),
    "dropout": lambda: K.RandomChannelDropout(2, 0.25, p=1.0),
    "gray": lambda: K.RandomGrayscale(p=0.3),
    "invert": lambda: K.RandomInvert(),
    "solarize": lambda: K.RandomSolarize(0.3, 0.2, p=1.0),
    "posterize": lambda: K.RandomPosterize(3.0),
    "equalize": lambda: K.RandomEqualize(),
    "sharpness": lambda: K.RandomSharpness(1.5),
    "autocontrast": lambda: K.RandomAutoContrast(p=0.4),
    "sequence": lambda: nn.Sequential(
        K.RandomResizedCrop((6, 5)), K.RandomHorizontalFlip(), K.Normalize(0.5, 0.2)
    ),
}
JITTERS: dict[str, Callable[[], Any]] = {
    "jitter": lambda: K.ColorJitter(0.4, 0.4, 0.4, 0.2, p=0.7),
    "jiggle": lambda: K.ColorJiggle(0.4, 0.4, 0.4),
    "jiggle all": lambda: K.ColorJiggle((0.5, 1.8), (0.4, 1.9), (0.2, 2.5), 0.5),
}
BY_BATCH: dict[str, Callable[[], Any]] = {
    "crop": lambda: K.RandomCrop(SMALL[1:], padding=1, p=0.5),
    "some in order": lambda: K.ImageSequential(
        K.RandomHorizontalFlip(p=1.0),
        K.RandomTranslate((0.2, 0.2), (0.0, 0.0), p=1.0),
        K.RandomBrightness((0.8, 1.2), clip_output=False),
        random_apply=(0, 2),
        random_apply_weights=[0.9, 0.6, 0.8],
    ),
    "two with repeats": lambda: K.AugmentationSequential(
        K.RandomTranslate((0.2, 0.2), (0.0, 0.0), p=1.0),
        K.RandomGaussianBlur((3, 3), (1.0, 1.0), p=1.0),
        data_keys=["input"],
        random_apply=2,
        random_apply_weights=[0.25, 0.75],
    ),
    "all in random order": lambda: K.ImageSequential(
        K.RandomHorizontalFlip(p=0.7),
        K.RandomTranslate((0.2, 0.2), (0.0, 0.1)),
        random_apply=True,
    ),
    "trivial": lambda: TrivialAugment(),
    "auto": lambda: AutoAugment("svhn"),
    "rand": lambda: RandAugment(2, 10),
    "rand, finite": lambda: RandAugment(
        2,
        20,
        [
            [("rotate", -30.0, 30.0)],
            [("invert", 0, 1)],
            [("posterize", 1.0, 4.0)],
            [("translate_x", -0.3, 0.3)],
        ],
    ),
}


def one_image() -> Tensor:
    image = some_images(4, SMALL)[3]
    image[:, :3, 2:] = 0.1
    return image


def agree(module: Any, samples: Tensor) -> None:
    """Moments of one image against draws, in standard errors (see ``check_samples``)."""
    check_samples(convert(module), one_image()[None], samples=samples)


@pytest.mark.parametrize("name", MOMENTS)
def test_moments_are_those_of_draws(name: str) -> None:
    module = MOMENTS[name]()
    agree(module, sampled(module, one_image(), 20_000, 2000))


@pytest.mark.parametrize("name", JITTERS)
def test_moments_of_jitters(name: str) -> None:
    module = JITTERS[name]()
    agree(module, jittered(module, one_image(), 20_000))


@pytest.mark.parametrize("name", BY_BATCH)
def test_moments_of_what_a_batch_shares(name: str) -> None:
    module = BY_BATCH[name]()
    agree(module, sampled(module, one_image(), 1000, 1))


OPERATIONS = {
    "auto_contrast": (0, 1, ()),
    "equalize": (0, 1, ()),
    "invert": (0, 1, ()),
    "rotate": (-30.0, 30.0, ("degrees",)),
    "posterize": (4.0, 8.0, ("bits_factor",)),
    "solarize": (0.0, 1.0, ("thresholds", "additions")),
    "solarize_add": (0.0, 0.43, ("thresholds", "additions")),
    "color": (0.1, 1.9, ("saturation_factor",)),
    "contrast": (0.1, 1.9, ("contrast_factor",)),
    "brightness": (0.1, 1.9, ("brightness_factor",)),
    "sharpness": (0.1, 1.9, ("sharpness",)),
    "shear_x": (-0.3, 0.3, ("shear_x",)),
    "shear_y": (-0.3, 0.3, ("shear_y",)),
    "translate_x": (-0.1, 0.1, ("translate_x",)),
    "translate_y": (-0.1, 0.1, ("translate_y",)),
}


def replayed_operation(module: Any, images: Tensor) -> tuple[Tensor, Params]:
    """As :func:`replayed`, of a policy of one operation."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        module(images)
    (outer,) = module._params
    (inner,) = outer.data
    params = {k: v.double() if v.is_floating_point() else v for k, v in inner.data.items()}
    again = [type(outer)(outer.name, [type(inner)(inner.name, params)])]
    return module(images, params=again), params


@pytest.mark.parametrize("strength", [None, 7, 15])
@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_of_automatic_policies(name: str, strength: int | None) -> None:
    low, high, columns = OPERATIONS[name]
    policy = [[(name, low, high)]]
    module = TrivialAugment(policy) if strength is None else RandAugment(1, strength, policy)
    images = some_images()
    want, params = replayed_operation(module, images)
    ours = convert(module)
    theta = torch.stack([torch.zeros(MANY), *(params[c].double() for c in columns)], 1)
    got = ours.apply(images[:, None], theta)[:, 0]
    torch.testing.assert_close(got, want, atol=1e-11, rtol=0)
    # Every drawn number is possible for us, and its extremes are nearly reached.
    drawn = ours.draw(SHAPE, 4000, torch.Generator().manual_seed(0))
    for column in range(1, theta.shape[1]):
        mine, theirs = drawn[:, column], theta[:, column]
        width = mine.max() - mine.min()
        assert theirs.min() >= mine.min() - 1e-5 - 0.01 * width
        assert theirs.max() <= mine.max() + 1e-5 + 0.01 * width
        assert theirs.max() - theirs.min() >= 0.8 * width


def test_autoaugment_is_a_choice_of_gated_pairs() -> None:
    policy = convert(AutoAugment("imagenet"))
    assert isinstance(policy, am.RandomChoice)
    assert len(policy.branches) == 25
    assert policy.weights == pytest.approx((1 / 25,) * 25)


def test_randaugment_never_repeats_an_operation() -> None:
    policy = convert(RandAugment(2, 10))
    assert len(policy.sequences) == 15 * 14
    assert all(first != second for first, second in policy.sequences)
    assert sum(policy.weights) == pytest.approx(1)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "mix": (lambda: K.RandomMixUpV2(), "RandomMixUpV2"),
    "elastic": (lambda: K.RandomElasticTransform(), "RandomElasticTransform"),
    "bicubic": (lambda: K.RandomRotation(10.0, resample="bicubic"), "resample='bicubic'"),
    "reflection": (
        lambda: K.RandomAffine(10.0, padding_mode="reflection"),
        "padding_mode='reflection'",
    ),
    "fixed nearest": (
        lambda: K.RandomAffine((45.0, 45.0), resample="nearest"),
        "fixed parameters",
    ),
    "quarter turns": (
        lambda: K.RandomRotation90((0, 3), resample="nearest"),
        "resample='nearest'",
    ),
    "shear": (lambda: K.RandomShear((0.0, 95.0)), "shears of 90 degrees"),
    "circular": (lambda: K.RandomCrop((4, 4), padding_mode="circular"), "circular"),
    "antialias": (lambda: K.Resize((4, 4), antialias=True), "antialias=True"),
    "border": (
        lambda: K.RandomGaussianBlur((3, 3), (0.1, 1.0), border_type="constant"),
        "border_type='constant'",
    ),
    "no blur": (lambda: K.RandomGaussianBlur((3, 3), (0.0, 1.0)), "a sigma of 0"),
    "many": (lambda: RandAugment(4, 10), "n=4"),
    "nested": (lambda: nn.Sequential(K.RandomHorizontalFlip(), nn.ReLU()), "ReLU"),
    "twice": (lambda: K.ImageSequential(*[K.RandomInvert()] * 2), "the same module twice"),
    "sequences": (
        lambda: K.ImageSequential(*[K.RandomInvert() for _ in range(9)], random_apply=5),
        "15120 sequences",
    ),
    "mean": (lambda: K.Normalize(torch.zeros(3, 1, 1), torch.ones(3)), "mean of shape"),
    "std": (lambda: K.Normalize(0.5, 0.0), "a std of 0"),
    "patches": (
        lambda: K.PatchSequential(K.RandomHorizontalFlip(), patchwise_apply=False),
        "PatchSequential",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_the_option(name: str) -> None:
    build, said = REFUSED[name]
    with pytest.raises(PolicyError, match=said):
        convert(build())


def test_other_versions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("augmoments.adapters.kornia._installed", lambda: "0.8.1")
    with pytest.raises(PolicyError, match=r"kornia 0\.8\.1"):
        convert(K.RandomInvert())


def test_subclasses_are_refused() -> None:
    class RandomInvert(K.RandomInvert):
        pass

    with pytest.raises(PolicyError, match="RandomInvert"):
        convert(RandomInvert())


@pytest.mark.parametrize(
    ("module", "shape", "said"),
    [
        (K.RandomSharpness(), (3, 2, 5), "at least 3 x 3"),
        (K.RandomRotation(5.0), (3, 1, 5), "at least 2 x 2"),
        (K.RandomHue((-0.1, 0.1)), (1, 5, 5), "3 channels"),
        (K.RandomCrop((8, 8)), (3, 5, 9), "does not fit"),
        (K.CenterCrop((8, 8)), (3, 5, 9), "does not fit"),
        (K.RandomResizedCrop((4, 4), p=0.5), (3, 5, 9), "one shape"),
        (K.RandomGaussianBlur((9, 9), (0.1, 1.0)), (3, 4, 9), "kernel"),
        (
            K.ImageSequential(K.CenterCrop((4, 4)), K.RandomInvert(), random_apply=1),
            (3, 5, 9),
            "keep the shape",
        ),
    ],
)
def test_images_that_cannot_be_taken(module: Any, shape: tuple[int, int, int], said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        convert(module).output_shape(shape)


def test_containers_keep_order_and_nest() -> None:
    inner = nn.Sequential(K.RandomInvert(p=1.0), nn.Identity())
    module = K.AugmentationSequential(
        K.ImageSequential(K.Normalize(0.5, 0.5, keepdim=True), inner[0]),
        K.CenterCrop((4, 5)),
        data_keys=["input"],
    )
    images = some_images(3)
    policy = convert(module)
    torch.testing.assert_close(policy(images), module(images), atol=1e-12, rtol=0)
    assert convert(nn.Sequential())(images).equal(images)
    assert convert(inner)(images).equal(1 - images)


def test_laws_are_those_of_the_samplers() -> None:
    rotation = convert(K.RandomRotation(0.1, p=1.0))
    assert rotation.law_for(SHAPE) == am.Uniform(-0.1, 0.1)
    moved = convert(K.RandomRotation(10.0, p=1.0).to(torch.float64))
    assert moved.law_for(SHAPE) == am.Uniform(-10, 10)
    bits = convert(K.RandomPosterize(3.0, p=1.0)).law_for(SHAPE)
    assert bits.probabilities == pytest.approx((0.1, 0.2, 0.2, 0.2, 0.2, 0.1))
    same = convert(K.RandomRotation(10.0, same_on_batch=True, keepdim=True, p=1.0))
    assert same.law_for(SHAPE) == am.Uniform(-10, 10)


def test_explanations_name_kornia_classes() -> None:
    policy = convert(nn.Sequential(K.RandomAffine(10.0), K.ColorJitter(0.1, 0.1)))
    steps = [row.step for row in policy.rows(SHAPE)]
    assert "RandomAffine" in steps
    assert "ColorJitter" in steps


@pytest.mark.slow
@pytest.mark.parametrize("name", MOMENTS)
def test_moments_are_those_of_many_draws(name: str) -> None:
    module = MOMENTS[name]()
    agree(module, sampled(module, one_image(), 100_000, 2000))


@pytest.mark.slow
@pytest.mark.parametrize("name", JITTERS)
def test_moments_of_jitters_are_those_of_many_draws(name: str) -> None:
    module = JITTERS[name]()
    agree(module, jittered(module, one_image(), 100_000))


@pytest.mark.slow
@pytest.mark.parametrize("name", BY_BATCH)
def test_moments_of_many_batches(name: str) -> None:
    module = BY_BATCH[name]()
    agree(module, sampled(module, one_image(), 50_000, 1))
