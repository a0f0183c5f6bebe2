"""kornia's modules against the policies that they are converted to."""

from __future__ import annotations

import importlib.util
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


def permutations(n: int) -> list[tuple[int, ...]]:
    from itertools import permutations as all_orders

    return list(all_orders(range(n)))


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


@pytest.mark.parametrize("name", REPLAYS)
def test_replayed_draw_is_ours(name: str) -> None:
    build, columns = REPLAYS[name]
    module, images = build(), some_images()
    want, params = replayed(module, images)
    policy = convert(module)
    theta = [*coins(module, policy, params), *columns(params, images)]
    theta = torch.stack([t.double() for t in theta], 1) if theta else torch.zeros(MANY, 0)
    got = policy.apply(images[:, None], theta.double())[:, 0]
    assert got.shape == want.shape
    assert policy.output_shape(SHAPE) == tuple(want.shape[1:])
    torch.testing.assert_close(got, want, atol=2e-12, rtol=0)


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
BY_BATCH: dict[str, Callable[[], Any]] = {
    "crop": lambda: K.RandomCrop(SMALL[1:], padding=1, p=0.5),
    "jitter": lambda: K.ColorJitter(0.4, 0.4, 0.4, 0.2, p=0.7),
    "jiggle": lambda: K.ColorJiggle(0.4, 0.4, 0.4),
    "some in order": lambda: K.ImageSequential(
        K.RandomHorizontalFlip(p=1.0),
        K.RandomTranslate((0.2, 0.2), (0.0, 0.0), p=1.0),
        K.RandomBrightness((0.8, 1.2), clip_output=False),
        random_apply=(1, 3),
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
}


def agree(module: Any, draws: int, block: int, tol: float = 1e-3) -> None:
    """Moments of one image against draws, in standard errors (see ``check_samples``)."""
    image = some_images(4, SMALL)[3]
    image[:, :3, 2:] = 0.1
    samples = sampled(module, image, draws, block)
    check_samples(convert(module), image[None], samples=samples, tol=tol)


@pytest.mark.parametrize("name", MOMENTS)
def test_moments_are_those_of_draws(name: str) -> None:
    agree(MOMENTS[name](), 20_000, 2000)


@pytest.mark.parametrize("name", BY_BATCH)
def test_moments_of_what_a_batch_shares(name: str) -> None:
    agree(BY_BATCH[name](), 3000, 1)
