"""Pointwise, histogram and hue operators against torchvision's own functions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from augmoments.errors import PolicyError
from augmoments.operators.base import Operator
from augmoments.operators.color import Brightness, Contrast, Grayscale, Saturation
from augmoments.operators.hue import Hue
from augmoments.operators.pointwise import (
    Autocontrast,
    Equalize,
    Invert,
    Posterize,
    Sharpness,
    Solarize,
)
from augmoments.operators.sometimes import Sometimes
from augmoments.operators.warp import Resampling, Rotation

Case = tuple[Operator, Callable[..., Tensor], list[float]]
FACTORS = [0.0, 0.05, 0.5, 0.91, 1.0, 1.37, 1.99, 6.0]
CASES: dict[str, Case] = {
    "Invert": (Invert(), TF.invert, []),
    "Solarize": (Solarize(), TF.solarize, [-0.3, 0.2, 0.5, 0.0, 1.0, 0.8]),
    "Posterize": (Posterize(), lambda x, b: TF.posterize(x, int(b)), [*range(9)]),
    "Autocontrast": (Autocontrast(), TF.autocontrast, []),
    "Equalize": (Equalize(), TF.equalize, []),
    "Sharpness": (Sharpness(), TF.adjust_sharpness, FACTORS),
    "Brightness": (Brightness(clamp=True), TF.adjust_brightness, FACTORS),
    "Contrast": (Contrast(clamp=True), TF.adjust_contrast, FACTORS),
    "Saturation": (Saturation(clamp=True), TF.adjust_saturation, FACTORS),
    "Hue": (Hue(), TF.adjust_hue, [-0.5, -0.31, -0.1, -1e-9, 0.0, 0.02, 1 / 6, 0.25, 0.5]),
}
SIZES = [(1, 1), (1, 5), (2, 2), (2, 7), (3, 3), (3, 2), (16, 17), (24, 16), (64, 48)]


def pictures(channels: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Random, smooth, constant, saturated, gray, 8-bit and two-valued images, float64."""
    shape = (channels, height, width)
    noise = torch.rand(shape, generator=generator, dtype=torch.float64)
    coarse = torch.rand(shape, generator=generator, dtype=torch.float64)
    ramp = torch.linspace(0.2, 0.7, height * width, dtype=torch.float64).reshape(height, width)
    partly = noise.clone()
    partly[0] = 0.4
    return torch.stack(
        [
            noise,
            0.4 + 0.1 * coarse,
            ramp.expand(shape),
            torch.full(shape, 0.3, dtype=torch.float64),
            torch.zeros(shape, dtype=torch.float64),
            torch.ones(shape, dtype=torch.float64),
            (3 * noise - 1).clamp(0, 1),
            noise[:1].expand(shape),
            (noise * 255).round() / 255,
            (coarse > 0.5).double(),
            (coarse * 4).round() / 4,
            partly,
        ]
    )


def expected(function: Callable[..., Tensor], images: Tensor, strength: float | None) -> Tensor:
    """What torchvision makes of each image alone; its functions must not see our memory."""
    extra = () if strength is None else (strength,)
    return torch.stack([function(image.clone(), *extra) for image in images])


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", CASES)
def test_equal_to_torchvision(
    name: str, dtype: torch.dtype, channels: int, size: tuple[int, int], generator: torch.Generator
) -> None:
    operator, function, strengths = CASES[name]
    images = pictures(channels, *size, generator).to(dtype)
    kept = images.clone()
    theta = torch.tensor(strengths, dtype=torch.float64)[:, None]
    if not strengths:
        theta = torch.zeros(2, 0, dtype=torch.float64)
    got = operator(images.expand(len(theta), *images.shape), theta)
    assert torch.equal(images, kept)
    assert got.dtype == dtype
    wanted = torch.stack([expected(function, images, *row or [None]) for row in theta.tolist()])
    tolerance = 1e-12 if dtype == torch.float64 else 1e-6
    torch.testing.assert_close(got, wanted, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", ["Invert", "Solarize", "Posterize", "Equalize", "Hue"])
def test_bitwise_equal_to_torchvision(name: str, generator: torch.Generator) -> None:
    operator, function, strengths = CASES[name]
    for dtype in (torch.float32, torch.float64):
        images = pictures(3, 20, 18, generator).to(dtype)
        for strength in strengths or [None]:
            theta = torch.tensor([[] if strength is None else [strength]], dtype=torch.float64)
            wanted = expected(function, images, strength)
            assert torch.equal(operator(images[None], theta)[0], wanted)


@pytest.mark.parametrize("name", CASES)
def test_groups_have_their_own_strength(name: str, generator: torch.Generator) -> None:
    operator, function, strengths = CASES[name]
    rows = strengths or [None] * 3
    groups = torch.rand(len(rows), 2, 3, 9, 8, generator=generator, dtype=torch.float64)
    theta = torch.tensor([[] if row is None else [row] for row in rows], dtype=torch.float64)
    got = operator(groups, theta)
    for out, images, strength in zip(got, groups, rows, strict=True):
        torch.testing.assert_close(out, expected(function, images, strength), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_what_an_operator_says_of_itself(name: str, generator: torch.Generator) -> None:
    operator, _, strengths = CASES[name]
    images = torch.rand(1, 4, 3, 8, 9, generator=generator, dtype=torch.float64)
    theta = torch.tensor([strengths[-1:]], dtype=torch.float64)
    out = operator(images, theta)
    for axis in (-1, -2):
        torch.testing.assert_close(operator(images.flip(axis), theta), out.flip(axis))
    if operator.acts_on == "space":
        order = [2, 0, 1]
        torch.testing.assert_close(operator(images[:, :, order], theta), out[:, :, order])
    if operator.acts_on == "channels":
        moved = operator(images.roll((3, 2), (-2, -1)), theta)
        torch.testing.assert_close(moved, out.roll((3, 2), (-2, -1)))
    middle = operator(images.mean(1, keepdim=True), theta)
    assert operator.affine == torch.allclose(middle, out.mean(1, keepdim=True), atol=1e-9)


@pytest.mark.parametrize("name", ["Autocontrast", "Sharpness", "Hue", "Contrast", "Saturation"])
@pytest.mark.parametrize("channels", [2, 4])
def test_channels_that_torchvision_refuses(name: str, channels: int) -> None:
    operator, function, strengths = CASES[name]
    with pytest.raises(TypeError):
        function(torch.rand(channels, 4, 4), *strengths[1:2])
    with pytest.raises(PolicyError, match=f"1 or 3 channels, these have {channels}"):
        operator.check_shape((channels, 4, 4))


@pytest.mark.parametrize("name", ["Invert", "Solarize", "Posterize", "Equalize"])
def test_any_number_of_channels(name: str, generator: torch.Generator) -> None:
    operator, function, strengths = CASES[name]
    images = torch.rand(2, 5, 17, 17, generator=generator, dtype=torch.float64)
    operator.check_shape((5, 17, 17))
    strength = strengths[1] if strengths else None
    theta = torch.tensor([strengths[1:2]], dtype=torch.float64)
    assert torch.equal(operator(images[None], theta)[0], expected(function, images, strength))


def test_invert_is_affine(generator: torch.Generator) -> None:
    images = torch.rand(1, 2, 3, 4, 5, generator=generator)
    theta = torch.zeros(1, 0, dtype=torch.float64)
    parts = Invert().linear(images, theta) + Invert().offset(theta, images)
    torch.testing.assert_close(parts, 1 - images)


@pytest.mark.parametrize("name", ["Invert", "Autocontrast", "Sharpness", "Hue"])
def test_gradients_reach_the_images(name: str, generator: torch.Generator) -> None:
    operator, _, strengths = CASES[name]
    images = torch.rand(1, 1, 3, 5, 5, generator=generator, dtype=torch.float64)
    images[..., 0, 0] = 0.5
    images.requires_grad_()
    operator(images, torch.tensor([strengths[1:2]], dtype=torch.float64)).sum().backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()
    assert images.grad.any()


@pytest.mark.parametrize("name", CASES)
def test_sometimes(name: str, generator: torch.Generator) -> None:
    operator, _, strengths = CASES[name]
    sometimes = Sometimes(operator)
    assert (sometimes.affine, sometimes.mirrors, sometimes.acts_on) == (
        operator.affine,
        operator.mirrors,
        operator.acts_on,
    )
    images = torch.rand(4, 2, 3, 7, 6, generator=generator)
    own = torch.tensor(strengths[1:2] * 4, dtype=torch.float64).reshape(4, -1)
    applied = operator(images, own)
    for coins in ([0, 1, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]):
        coin = torch.tensor(coins, dtype=torch.float64)[:, None]
        wanted = torch.where(coin.reshape(4, 1, 1, 1, 1) == 1, applied, images)
        torch.testing.assert_close(sometimes(images, torch.cat([coin, own], 1)), wanted)


def test_sometimes_keeps_what_its_operator_is() -> None:
    rotation = Rotation(Resampling(fill=(0.1, 0.2, 0.3)))
    assert Sometimes(rotation).affine
    assert Sometimes(rotation).parameter == "applied, angle, degrees"
    assert Sometimes(Grayscale()).acts_on == "channels"
    assert Sometimes(Invert()).parameter == "applied"
    with pytest.raises(PolicyError, match="3 values"):
        Sometimes(rotation).check_shape((1, 4, 4))
