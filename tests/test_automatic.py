"""Automatic and pixelwise augmentations against torchvision's own classes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2._auto_augment import _AutoAugmentBase

from augmoments.augmentations.augmix import AugMix
from augmoments.augmentations.automatic import AutoAugment, RandAugment, TrivialAugmentWide
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.found_policies import SUB_POLICIES
from augmoments.augmentations.operations import (
    NAMES,
    SKIPPED,
    STANDARD,
    choices,
    outcomes,
    switch,
)
from augmoments.augmentations.pixelwise import (
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomEqualize,
    RandomInvert,
    RandomPosterize,
    RandomSolarize,
)
from augmoments.errors import InputError, InputTypeError, LawError, PolicyError

Path = tuple[tuple[str, float], ...]
"""Names and magnitudes of operations that follow each other, as torchvision counts them."""

FILLS: list[Any] = [None, 0, 0.4, (0.1, 0.5, 0.9)]


def pictures(height: int, width: int, generator: torch.Generator, n: int = 2) -> Tensor:
    return torch.rand(n, 3, height, width, generator=generator, dtype=torch.float64)


def magnitudes_of(theirs: _AutoAugmentBase, name: str, bins: int, size: tuple[int, int]) -> Any:
    """torchvision's magnitudes and whether they have a sign."""
    space: Any = theirs._AUGMENTATION_SPACE  # type: ignore[attr-defined]
    values, signed = space[name][0](bins, *size), space[name][1]
    return ([0.0] * bins if values is None else [float(value) for value in values]), signed


def run(theirs: Any, image: Tensor, path: Path) -> Tensor:
    """What torchvision's own dispatch makes of an image."""
    for name, magnitude in path:
        image = theirs._apply_image_or_video_transform(
            image, name, magnitude, interpolation=theirs.interpolation, fill=theirs._fill
        )
    return image


def signs(value: float, signed: bool) -> list[tuple[float, float]]:
    return [(value, 0.5), (-value, 0.5)] if signed else [(value, 1.0)]


def every_path(theirs: Any, size: tuple[int, int]) -> Iterator[tuple[Path, float]]:
    """All that one operation of RandAugment or TrivialAugmentWide can be, by its definition."""
    names = list(theirs._AUGMENTATION_SPACE)
    levels = range(theirs.num_magnitude_bins)
    if isinstance(theirs, v2.RandAugment):
        levels = [theirs.magnitude]
    for name, level in product(names, levels):
        values, signed = magnitudes_of(theirs, name, theirs.num_magnitude_bins, size)
        for value, share in signs(values[level], signed):
            yield ((name, value),), share / len(names) / len(levels)


def every_pair(theirs: v2.AutoAugment, size: tuple[int, int]) -> Iterator[tuple[Path, float]]:
    """All that AutoAugment can do, by its definition."""
    for policy in theirs._policies:
        sides = []
        for name, probability, level in policy:
            values, signed = magnitudes_of(theirs, name, 10, size)
            taken = signs(values[level or 0], signed)
            sides.append([((), 1 - probability)])
            sides[-1] += [(((name, value),), probability * share) for value, share in taken]
        for (first, p), (second, q) in product(*sides):
            yield (*first, *second), p * q / len(theirs._policies)


def moments_by_torchvision(
    theirs: Any, image: Tensor, paths: list[tuple[Path, float]]
) -> tuple[Tensor, Tensor]:
    mean, second = torch.zeros_like(image), torch.zeros(image.numel(), image.numel()).double()
    for path, weight in paths:
        out = run(theirs, image.clone(), path)
        mean += weight * out
        second += weight * torch.outer(out.flatten(), out.flatten())
    return mean, second - torch.outer(mean.flatten(), mean.flatten())


def moments_of(ours: Augmentation, image: Tensor) -> tuple[Tensor, Tensor]:
    points, weights = (torch.from_numpy(part) for part in ours.atoms(tuple(image.shape)))  # type: ignore[arg-type]
    out = ours.apply(image.expand(len(points), 1, *image.shape), points)[:, 0]
    mean = torch.einsum("k,kchw->chw", weights, out)
    centred = out.flatten(1) - mean.flatten()
    return mean, (weights[:, None] * centred).T @ centred


def assert_same_moments(ours: Augmentation, theirs: Any, image: Tensor, paths: list[Any]) -> None:
    assert sum(weight for _, weight in paths) == pytest.approx(1)
    wanted, got = moments_by_torchvision(theirs, image, paths), moments_of(ours, image)
    torch.testing.assert_close(got[0], wanted[0], rtol=0, atol=1e-12)
    torch.testing.assert_close(got[1], wanted[1], rtol=0, atol=1e-12)


LIBRARY = {
    "RandAugment": v2.RandAugment,
    "TrivialAugmentWide": v2.TrivialAugmentWide,
    "AutoAugment": v2.AutoAugment,
    "AugMix": v2.AugMix,
}


@pytest.mark.parametrize("size", [(12, 12), (9, 14), (17, 16), (2, 3), (1, 1)], ids=str)
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("name", LIBRARY)
def test_every_operation_at_every_strength(
    name: str, interpolation: str, size: tuple[int, int], generator: torch.Generator
) -> None:
    bins = 31 if name in ("RandAugment", "TrivialAugmentWide") else 10
    images = pictures(*size, generator)
    for fill in FILLS if size == (9, 14) else FILLS[:2]:
        theirs: Any = LIBRARY[name](interpolation=interpolation, fill=fill)
        ours = switch(interpolation, fill)
        theta, wanted = [], []
        for operation in theirs._AUGMENTATION_SPACE:
            values, signed = magnitudes_of(theirs, operation, bins, size)
            for value in values:
                theta += outcomes(operation, value)
                for magnitude, _ in signs(value, signed):
                    wanted.append(run(theirs, images.clone(), ((operation, magnitude),)))
        points = torch.tensor(theta, dtype=torch.float64)
        got = ours(images.expand(len(points), *images.shape), points)
        torch.testing.assert_close(got, torch.stack(wanted), rtol=0, atol=1e-12)


def test_quarter_turns_between_pixels(generator: torch.Generator) -> None:
    """Sources half-way between two pixels are decided by rounding, and alike."""
    for height, width in product(range(1, 12), repeat=2):
        images = pictures(height, width, generator)
        for angle in (90.0, -90.0, 180.0):
            theirs: Any = v2.TrivialAugmentWide()
            points = torch.tensor([(5.0, angle)], dtype=torch.float64)
            wanted = run(theirs, images, (("Rotate", angle),))
            assert torch.equal(switch("nearest", None)(images[None], points)[0], wanted)


@pytest.mark.parametrize("channels", [1, 3])
def test_single_precision(channels: int, generator: torch.Generator) -> None:
    images = torch.rand(2, channels, 16, 16, generator=generator)
    theirs = v2.RandAugment(interpolation="bilinear")  # type: ignore[arg-type]
    ours = switch("bilinear", None)
    for operation in theirs._AUGMENTATION_SPACE:
        values, _ = magnitudes_of(theirs, operation, 31, (16, 16))
        theta = torch.tensor(outcomes(operation, values[9])[:1], dtype=torch.float64)
        wanted = run(theirs, images.clone(), ((operation, values[9]),))
        torch.testing.assert_close(ours(images[None], theta)[0], wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", LIBRARY)
def test_defaults_are_torchvisions(name: str) -> None:
    ours: Any = {
        "RandAugment": RandAugment,
        "TrivialAugmentWide": TrivialAugmentWide,
        "AutoAugment": AutoAugment,
        "AugMix": AugMix,
    }[name]()
    theirs: Any = LIBRARY[name]()
    for field in ours.__dataclass_fields__:
        given, expected = getattr(ours, field), getattr(theirs, field)
        assert given == getattr(expected, "value", expected)


def test_found_policies_are_torchvisions() -> None:
    for policy in v2.AutoAugmentPolicy:
        theirs = v2.AutoAugment(policy)._policies
        ours = SUB_POLICIES[policy.value]
        assert len(ours) == len(theirs) == 25
        for mine, yours in zip(ours, theirs, strict=True):
            assert mine == tuple((name, p, level or 0) for name, p, level in yours)


def test_numbers_of_outcomes() -> None:
    shape = (3, 32, 32)
    assert [RandAugment(num_ops=n).outcomes(shape) for n in (1, 2, 3)] == [23, 529, 23**3]
    assert RandAugment(magnitude=0).outcomes(shape) == 14**2
    every = [path for path, _ in every_path(v2.TrivialAugmentWide(), (32, 32))]
    differ = len(set(every))  # both signs of no magnitude are one, and so are equal bits
    assert TrivialAugmentWide().outcomes(shape) == differ == 590
    found = [AutoAugment(name).outcomes(shape) for name in SUB_POLICIES]
    assert found == [59, 111, 83]
    assert max(found) <= 25 * 9
    assert AugMix().outcomes(shape) == math.inf


@pytest.mark.parametrize("fill", [None, 0.3])
@pytest.mark.parametrize("size", [(7, 9), (8, 8)])
@pytest.mark.parametrize("num_ops", [1, 2])
def test_moments_of_rand_augment(
    num_ops: int, size: tuple[int, int], fill: Any, generator: torch.Generator
) -> None:
    image = pictures(*size, generator)[0]
    theirs = v2.RandAugment(num_ops=num_ops, fill=fill)
    single = list(every_path(theirs, size))
    paths = [
        (sum((path for path, _ in steps), ()), math.prod(weight for _, weight in steps))
        for steps in product(single, repeat=num_ops)
    ]
    assert_same_moments(RandAugment(num_ops=num_ops, fill=fill), theirs, image, paths)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("bins", [5, 31])
def test_moments_of_trivial_augment(
    bins: int, interpolation: Any, generator: torch.Generator
) -> None:
    image = pictures(8, 7, generator)[0]
    theirs = v2.TrivialAugmentWide(bins, interpolation=interpolation, fill=0)
    paths = list(every_path(theirs, (8, 7)))
    ours = TrivialAugmentWide(bins, interpolation=interpolation, fill=0)
    assert_same_moments(ours, theirs, image, paths)


@pytest.mark.parametrize("policy", list(v2.AutoAugmentPolicy))
def test_moments_of_auto_augment(policy: v2.AutoAugmentPolicy, generator: torch.Generator) -> None:
    image = pictures(18, 17, generator)[0]  # equalizing needs more than 255 pixels to do something
    theirs = v2.AutoAugment(policy)
    ours = AutoAugment(policy)
    assert_same_moments(ours, theirs, image, list(every_pair(theirs, (18, 17))))
    assert ours.atoms((3, 18, 17)).weights.sum() == pytest.approx(1)


def recorded(theirs: Any, image: Tensor, n: int) -> list[Path]:
    """Which operations torchvision draws, in ``n`` calls."""
    path: list[tuple[str, float]] = []

    def record(image: Tensor, name: str, magnitude: float, **_: Any) -> Tensor:
        path.append((name, magnitude))
        return image

    theirs._apply_image_or_video_transform = record
    found = []
    for _ in range(n):
        path.clear()
        theirs(image)
        found.append(tuple(path))
    return found


def p_value(points: np.ndarray, weights: np.ndarray, drawn: list[Any]) -> float:
    """Chi-squared test that outcomes were drawn with ``weights``; rare ones are taken together."""
    expected = {tuple(row): len(drawn) * w for row, w in zip(points.tolist(), weights, strict=True)}
    counts = Counter(drawn)
    assert set(counts) <= set(expected)
    often = [outcome for outcome, count in expected.items() if count >= 10]
    seen, due = [counts[o] for o in often], [expected[o] for o in often]
    if len(drawn) - sum(due) >= 10:
        seen.append(len(drawn) - sum(seen))
        due.append(len(drawn) - sum(due))
    scale = sum(seen) / sum(due)
    return float(stats.chisquare(seen, [count * scale for count in due]).pvalue)


def as_outcome(name: str, magnitude: float) -> tuple[float, ...]:
    return tuple(value + 0.0 for value in outcomes(name, magnitude)[0])


def as_pair(path: Path) -> tuple[float, ...]:
    found = [as_outcome(name, magnitude) for name, magnitude in path]
    first, second = (*found, SKIPPED, SKIPPED)[:2]
    return (*first, *second)


DRAWS = 30_000


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (RandAugment(num_ops=1), v2.RandAugment(num_ops=1)),
        (RandAugment(1, 5, 9), v2.RandAugment(1, 5, 9)),
        (TrivialAugmentWide(), v2.TrivialAugmentWide()),
        (TrivialAugmentWide(4), v2.TrivialAugmentWide(4)),
    ],
    ids=lambda policy: repr(policy)[:40],
)
def test_law_of_one_operation(ours: Augmentation, theirs: Any) -> None:
    torch.manual_seed(3)
    shape = (3, 24, 20)
    drawn = [as_outcome(*path[0]) for path in recorded(theirs, torch.zeros(shape), DRAWS)]
    assert p_value(*ours.atoms(shape), drawn) > 1e-3


@pytest.mark.parametrize("policy", list(v2.AutoAugmentPolicy))
def test_law_of_auto_augment(policy: v2.AutoAugmentPolicy) -> None:
    torch.manual_seed(4)
    shape = (3, 24, 20)
    drawn = [as_pair(path) for path in recorded(v2.AutoAugment(policy), torch.zeros(shape), DRAWS)]
    assert p_value(*AutoAugment(policy).atoms(shape), drawn) > 1e-3


def test_our_own_draws_follow_the_law(generator: torch.Generator) -> None:
    shape = (3, 24, 20)
    for ours in (RandAugment(num_ops=1), TrivialAugmentWide(7), AutoAugment()):
        drawn = [tuple(row) for row in ours.draw(shape, DRAWS, generator).tolist()]
        assert p_value(*ours.atoms(shape), drawn) > 1e-3


def chains_of(theta: Tensor, chains: int) -> list[list[Path]]:
    """The operations of AugMix, as places and strengths, without the unused slots."""
    slots = theta[:, 1 + chains :].reshape(len(theta), chains, -1, 2).tolist()
    return [
        [tuple(tuple(op) for op in chain if op[0] != SKIPPED[0]) for chain in row] for row in slots
    ]


def test_law_of_augmix(generator: torch.Generator) -> None:
    shape = (3, 24, 20)
    ours = AugMix(severity=4)
    n = 20_000
    theta = ours.draw(shape, n, generator)
    torch.manual_seed(5)
    theirs = recorded(v2.AugMix(severity=4), torch.zeros(shape), n)
    lengths = Counter(len(path) for path in theirs)
    ways = Counter(sum(depths) for depths in product((1, 2, 3), repeat=3))
    weights = np.array([ways[length] / 27 for length in sorted(ways)])
    totals = np.array([[float(length)] for length in sorted(ways)])
    assert p_value(totals, weights, [(float(k),) for k in lengths.elements()]) > 1e-3
    mine = chains_of(theta, 3)
    drawn = [(float(sum(len(chain) for chain in row)),) for row in mine]
    assert p_value(totals, weights, drawn) > 1e-3
    law = ours.law_for(shape).operation
    for operations in (
        [as_outcome(*operation) for path in theirs for operation in path],
        [operation for row in mine for chain in row for operation in chain],
    ):
        assert p_value(law.points, law.weights, operations) > 1e-3


@pytest.mark.parametrize("alpha", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("chains", [1, 3])
def test_weights_of_augmix(chains: int, alpha: float, generator: torch.Generator) -> None:
    weights = AugMix(mixture_width=chains, alpha=alpha).draw((1, 4, 4), 20_000, generator)
    weights = weights[:, : 1 + chains].numpy()
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-12)
    assert stats.kstest(weights[:, 0], stats.beta(alpha, alpha).cdf).pvalue > 1e-3
    share = weights[:, 1:] / weights[:, 1:].sum(1, keepdims=True)
    for column in share.T if chains > 1 else ():
        assert stats.kstest(column, stats.beta(alpha, alpha * (chains - 1)).cdf).pvalue > 1e-3
    covariance = np.cov(weights[:, 1:].T, bias=True)
    second = (alpha + 1) / (2 * (2 * alpha + 1))  # E[(1 - m)^2]
    dirichlet = stats.dirichlet([alpha] * chains) if chains > 1 else None
    spread = dirichlet.cov() if dirichlet else np.zeros((1, 1))
    wanted = second * (spread + 1 / chains**2) - 0.25 / chains**2
    np.testing.assert_allclose(covariance, wanted.squeeze(), atol=0.005)


def test_concentrated_weights_are_finite(generator: torch.Generator) -> None:
    weights = AugMix(alpha=1e-3).draw((1, 4, 4), 1000, generator)[:, :4]
    assert weights.isfinite().all()
    torch.testing.assert_close(weights.sum(1), torch.ones(1000, dtype=torch.float64))


@pytest.mark.parametrize("depth", [-1, 1, 4])
@pytest.mark.parametrize("all_ops", [True, False])
def test_action_of_augmix(depth: int, all_ops: bool, generator: torch.Generator) -> None:
    images = pictures(10, 9, generator, n=6)
    ours = AugMix(severity=7, mixture_width=2, chain_depth=depth, all_ops=all_ops)
    theta = ours.draw((3, 10, 9), len(images), generator)
    got = ours.apply(images[:, None], theta)[:, 0]
    for image, row, out, chains in zip(images, theta, got, chains_of(theta, 2), strict=True):
        wanted = row[0] * image
        for weight, chain in zip(row[1:3], chains, strict=True):
            part = image[None, None]
            assert 1 <= len(chain) <= 3 if depth < 1 else len(chain) == depth
            for operation in chain:
                assert all_ops or NAMES[int(operation[0])] not in NAMES[6:10]
                part = switch("bilinear", None)(
                    part, torch.tensor([operation], dtype=torch.float64)
                )
            wanted = wanted + weight * part[0, 0]
        torch.testing.assert_close(out, wanted, rtol=0, atol=1e-12)


def test_mean_of_augmix_is_torchvisions(generator: torch.Generator) -> None:
    """z-scores of both samples' means, and of ours against the points of a cubature."""
    image = pictures(6, 6, generator)[0]
    n = 6_000
    ours = AugMix(severity=5)
    mine = ours(image.expand(n, -1, -1, -1), generator).flatten(1)
    torch.manual_seed(6)
    theirs: Any = v2.AugMix(severity=5)
    yours = torch.stack([theirs(image) for _ in range(n)]).flatten(1)
    error = ((mine.var(0) + yours.var(0)) / n).sqrt()
    z = (mine.mean(0) - yours.mean(0)) / error
    assert z.abs().max() < 4.5
    spread = (mine - mine.mean(0)).square(), (yours - yours.mean(0)).square()
    z = (spread[0].mean(0) - spread[1].mean(0)) / ((spread[0].var(0) + spread[1].var(0)) / n).sqrt()
    assert z.abs().max() < 4.5


def test_magnitudes_depend_on_the_image() -> None:
    wide = choices(STANDARD, 31, range(9, 10), (16, 64)).points
    shifts = {NAMES[int(place)]: abs(strength) for place, strength in wide if 3 <= place <= 4}
    assert shifts == {"TranslateX": 8.0, "TranslateY": 2.0}


def test_no_operation_at_all(generator: torch.Generator) -> None:
    images = pictures(4, 4, generator)
    assert torch.equal(RandAugment(num_ops=0)(images, generator), images)


@pytest.mark.parametrize("policy", [RandAugment(), TrivialAugmentWide(), AutoAugment(), AugMix()])
def test_channels_that_torchvision_may_refuse(policy: Augmentation) -> None:
    with pytest.raises(PolicyError, match="1 or 3 channels"):
        policy(torch.rand(2, 4, 8, 8))
    assert policy(torch.rand(2, 1, 8, 8)).shape == (2, 1, 8, 8)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: RandAugment(num_ops=-1), InputError, "num_ops must be at least 0"),
        (lambda: RandAugment(num_ops=1.0), InputTypeError, "whole number, got float"),  # type: ignore[arg-type]
        (lambda: RandAugment(magnitude=31), InputError, "from 0 to 30, got 31"),
        (lambda: RandAugment(num_magnitude_bins=1), InputError, "at least 2"),
        (lambda: RandAugment(interpolation="bicubic"), InputError, "nearest"),
        (lambda: TrivialAugmentWide(True), InputTypeError, "got bool"),
        (lambda: AutoAugment("mnist"), InputError, '"imagenet", "cifar10", "svhn", got'),
        (lambda: AugMix(severity=11), InputError, "from 1 to 10, got 11"),
        (lambda: AugMix(mixture_width=0), InputError, "at least 1"),
        (lambda: AugMix(alpha=0), InputError, "alpha must be positive"),
        (lambda: AugMix(alpha="1"), InputTypeError, "got str"),  # type: ignore[arg-type]
        (lambda: RandomSolarize(128), InputError, "divide by 255"),
        (lambda: RandomSolarize(math.nan), InputError, "finite"),
        (lambda: RandomPosterize(9), InputError, "from 0 to 8, got 9"),
        (lambda: RandomPosterize(2.5), InputError, "whole number"),  # type: ignore[arg-type]
        (lambda: RandomAdjustSharpness(-1), InputError, "negative"),
        (lambda: RandomAdjustSharpness("2"), InputTypeError, "got str"),  # type: ignore[arg-type]
        (lambda: RandomInvert(1.5), LawError, "p"),
    ],
)
def test_arguments_that_are_refused(build: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build()


PIXELWISE: list[tuple[Any, Any]] = [
    (RandomInvert, v2.RandomInvert),
    (lambda p: RandomSolarize(0.4, p), lambda p: v2.RandomSolarize(0.4, p)),
    (lambda p: RandomPosterize(3, p), lambda p: v2.RandomPosterize(3, p)),
    (RandomAutocontrast, v2.RandomAutocontrast),
    (RandomEqualize, v2.RandomEqualize),
    (lambda p: RandomAdjustSharpness(2.5, p), lambda p: v2.RandomAdjustSharpness(2.5, p)),
]


@pytest.mark.parametrize(("ours", "theirs"), PIXELWISE)
def test_pixelwise(ours: Any, theirs: Any, generator: torch.Generator) -> None:
    image = 0.2 + 0.7 * pictures(20, 16, generator)[0]
    changed = theirs(p=1.0)(image)
    torch.testing.assert_close(ours(p=1.0)(image), changed, rtol=0, atol=1e-12)
    assert torch.equal(ours(p=0.0)(image), image)
    mean, covariance = moments_of(ours(p=0.3), image)
    torch.testing.assert_close(mean, 0.7 * image + 0.3 * changed, rtol=0, atol=1e-12)
    step = (changed - image).flatten()
    torch.testing.assert_close(covariance, 0.21 * torch.outer(step, step), rtol=0, atol=1e-12)
    assert ours(p=0.3).rows((3, 20, 16))[0].exact


def test_default_probability_is_one_half() -> None:
    for build in (RandomInvert, RandomAutocontrast, RandomEqualize):
        assert build().p == 0.5
    assert RandomSolarize(0.5).p == RandomPosterize(4).p == RandomAdjustSharpness(2).p == 0.5
