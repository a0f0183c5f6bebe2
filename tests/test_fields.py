"""Erasing, noise and elastic deformation against torchvision and against mpmath."""

import math

import mpmath
import pytest
import torch
from torch import Tensor

from augmoments.errors import LawError, PolicyError
from augmoments.operators.base import outer
from augmoments.operators.elastic import Elastic
from augmoments.operators.erase import Erase
from augmoments.operators.noise import Noise, rectified
from augmoments.operators.seeded import Noisy, seeded
from augmoments.operators.warp import Resampling

v2 = pytest.importorskip("torchvision.transforms.v2")
F = pytest.importorskip("torchvision.transforms.v2.functional")

BOXES = [[0, 0, 3, 4], [2, 5, 5, 4], [6, 8, 1, 1], [0, 0, 0, 0], [3, 2, 4, 0], [0, 0, 7, 9]]


def _boxes(*more: float) -> Tensor:
    return torch.tensor([[*box, *more] for box in BOXES], dtype=torch.float64)


@pytest.mark.parametrize("value", [0.25, (0.1,), (0.1, 0.2, 0.75)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_erase_is_torchvisions(value, dtype, generator):
    images = torch.rand(2, 3, 7, 9, generator=generator, dtype=dtype)
    fill = torch.tensor(value, dtype=dtype).reshape(-1, 1, 1)
    ours = Erase(value)(outer(images, len(BOXES)), _boxes())
    assert ours.dtype == dtype
    assert torch.equal(ours, torch.stack([F.erase(images, *box, fill) for box in BOXES]))


def test_erase_is_affine_with_moments_that_are_its_own(generator):
    images = torch.rand(2, 3, 7, 9, generator=generator, dtype=torch.float64)
    operator, x = Erase((0.1, 0.2, 0.75)), outer(images, len(BOXES))
    assert torch.equal(operator.linear(x, _boxes()), Erase(0.0)(x, _boxes()))
    parts = operator.linear(x, _boxes()) + operator.offset(_boxes(), images)
    torch.testing.assert_close(parts, operator(x, _boxes()))
    assert torch.equal(operator.conditional_mean(x, _boxes()), operator(x, _boxes()))
    assert not operator.conditional_variance(x, _boxes()).any()
    with pytest.raises(PolicyError, match="3 values but the images 1 channels"):
        operator.check_shape((1, 7, 9))


def test_noise_in_a_box_is_standard_normal(generator):
    images = torch.rand(1, 2, 7, 9, generator=generator, dtype=torch.float64)
    operator, n = Erase("random"), 20_000
    theta = torch.tensor([2, 1, 3, 4], dtype=torch.float64).expand(n, -1)
    theta = torch.cat([theta, torch.arange(n, dtype=torch.float64)[:, None]], 1)
    drawn = operator(outer(images, n), theta)
    mean = operator.conditional_mean(outer(images, 1), theta[:1])[0]
    variance = operator.conditional_variance(outer(images, 1), theta[:1])[0]
    assert torch.equal(mean, Erase(0.0)(images[None], theta[:1])[0])
    assert variance.sum() == 2 * 3 * 4
    assert torch.equal(drawn.var(0) > 0, variance > 0)
    assert ((drawn.mean(0) - mean).abs() <= 4.8 * (variance / n).sqrt() + 1e-12).all()
    assert ((drawn.var(0) - variance).abs() <= 4.8 * variance * (2 / n) ** 0.5 + 1e-12).all()
    parts = operator.linear(images[None], theta[:1]) + operator.offset(theta[:1], images)
    torch.testing.assert_close(parts, drawn[:1])


def _rectified(mean: float, sigma: float) -> tuple[mpmath.mpf, mpmath.mpf]:
    """Mean and variance of a Gaussian clipped to [0, 1], by elementary formulas in 120 digits."""
    with mpmath.workdps(120):
        mu, sd = mpmath.mpf(mean), mpmath.mpf(sigma)
        if sd == 0:
            return min(max(mu, mpmath.mpf(0)), mpmath.mpf(1)), mpmath.mpf(0)
        low, high = (min(max(end, -10_000), 10_000) for end in (-mu / sd, (1 - mu) / sd))
        inside = mpmath.ncdf(high) - mpmath.ncdf(low)
        drop = mpmath.npdf(low) - mpmath.npdf(high)
        edges = low * mpmath.npdf(low) - high * mpmath.npdf(high)
        above = mpmath.ncdf(-high)
        first = mu * inside + sd * drop + above
        second = (mu**2 + sd**2) * inside + 2 * mu * sd * drop + sd**2 * edges + above
        return first, second - first**2


MEANS = [-1e6, -30.0, -1.0, -0.01, -1e-9, 0.0, 1e-9, 0.02, 0.5, 0.97, 1 - 1e-9, 1.0, 1.3, 5.0, 1e6]
SIGMAS = [0.0, 1e-300, 1e-12, 1e-6, 1e-3, 0.02, 0.1, 0.5, 1.0, 3.0, 7.9, 8.1, 50.0, 1e4]


@pytest.mark.parametrize("sigma", SIGMAS)
def test_moments_of_clipped_noise_in_high_precision(sigma):
    """To 1e-12 of the scale, which is the smaller one of sigma and the interval's length."""
    means = torch.tensor(MEANS, dtype=torch.float64)
    found = rectified(means, torch.tensor(sigma, dtype=torch.float64))
    scale = min(sigma, 1.0)
    for index, mean in enumerate(MEANS):
        first, second = _rectified(mean, sigma)
        centre = min(max(mean, 0.0), 1.0)
        rounding = 2e-16 * centre
        assert abs(found.mean[index].item() - first) <= 1e-13 * scale + rounding
        assert abs(found.variance[index].item() - second) <= 1e-12 * scale**2 + 1e-307
        assert found.variance[index] >= 0
        assert 0 <= found.mean[index] <= 1


def test_moments_of_clipped_noise_keep_dtype_and_take_a_sigma_a_group(generator):
    images = torch.rand(3, 1, 1, 4, 5, generator=generator) * 1.4 - 0.2
    theta = torch.tensor([[1, 0.0], [2, 0.1], [3, 2.0]], dtype=torch.float64)
    operator = Noise(0.05, sigma=None)
    mean = operator.conditional_mean(images, theta)
    variance = operator.conditional_variance(images, theta)
    assert mean.dtype == variance.dtype == torch.float32
    for group, sigma in enumerate(theta[:, 1].tolist()):
        alone = Noise(0.05, sigma)
        torch.testing.assert_close(alone.conditional_mean(images[[group]], theta)[0], mean[group])
        found = alone.conditional_variance(images[[group]], theta)[0]
        torch.testing.assert_close(found, variance[group])
        first, second = _rectified(images[group].flatten()[0].item() + 0.05, sigma)
        assert mean[group].flatten()[0].item() == pytest.approx(float(first), abs=1e-6)
        assert variance[group].flatten()[0].item() == pytest.approx(float(second), abs=1e-6)


def test_mean_of_clipped_noise_has_the_slope_of_its_formula():
    x = torch.linspace(-0.5, 1.5, 9, dtype=torch.float64).reshape(1, 1, 1, 3, 3).requires_grad_()
    operator, theta = Noise(0.0, 0.2), torch.zeros(1, 1, dtype=torch.float64)
    operator.conditional_mean(x, theta).sum().backward()
    inside = torch.special.ndtr((1 - x) / 0.2) - torch.special.ndtr(-x / 0.2)
    assert x.grad is not None
    torch.testing.assert_close(x.grad, inside.detach(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("clip", [True, False])
def test_moments_are_those_of_torchvisions_noise(clip):
    torch.manual_seed(0)
    n = 200_000
    image = torch.tensor([-0.1, 0.0, 0.04, 0.3, 0.95, 1.0, 1.2, 0.5]).double().reshape(1, 2, 4)
    drawn = F.gaussian_noise(image.expand(n, -1, -1, -1), 0.02, 0.15, clip)
    operator, theta = Noise(0.02, 0.15, clip), torch.zeros(1, 1, dtype=torch.float64)
    mean = operator.conditional_mean(image[None, None], theta)[0, 0]
    variance = operator.conditional_variance(image[None, None], theta)[0, 0]
    z = (drawn.mean(0) - mean) / (drawn.std(0) / n**0.5)
    assert z.abs().max() < 4
    squares = (drawn - mean).square()
    z = (squares.mean(0) - variance) / (squares.std(0) / n**0.5)
    assert z.abs().max() < 4


def test_noise_draws_what_its_moments_say_and_is_affine_unless_clipped():
    image = torch.tensor([0.0, 0.1, 0.5, 1.0]).double().reshape(1, 1, 2, 2)
    n = 20_000
    theta = torch.arange(n, dtype=torch.float64)[:, None]
    for operator in (Noise(0.0, 0.1), Noise(0.1, 0.3, clip=False)):
        drawn = operator(outer(image, n), theta)
        mean = operator.conditional_mean(image[None], theta[:1])[0]
        variance = operator.conditional_variance(image[None], theta[:1])[0]
        squares = (drawn - mean).square()
        assert ((drawn.mean(0) - mean).abs() < 4.5 * drawn.std(0) / n**0.5).all()
        assert ((squares.mean(0) - variance).abs() < 4.5 * squares.std(0) / n**0.5).all()
    assert not Noise().affine
    free = Noise(0.1, 0.3, clip=False)
    parts = free.linear(image[None], theta[:1]) + free.offset(theta[:1], image)
    torch.testing.assert_close(parts, free(image[None], theta[:1]))


@pytest.mark.parametrize("sigma", [-0.1, math.nan, math.inf])
def test_noise_refuses_impossible_deviations(sigma):
    with pytest.raises(LawError, match="sigma"):
        Noise(0.0, sigma)


def test_seeds_make_numbers_that_are_each_groups_own():
    first, second = seeded("normal", torch.tensor([3.0, 4.0]), (2, 5))
    assert torch.equal(seeded("normal", torch.tensor([4.0]), (2, 5))[0], second)
    assert not torch.equal(first, second)
    assert isinstance(Erase(), Noisy)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize(
    ("fill", "border"), [(None, "zeros"), (0.3, "torchvision"), ([0.1, 0.2, 0.3], "torchvision")]
)
def test_elastic_is_torchvisions_given_the_field(interpolation, fill, border, generator):
    size = (11, 14)
    images = torch.rand(2, 3, *size, generator=generator, dtype=torch.float64)
    resampling = Resampling.of(interpolation, 0.0 if fill is None else fill, border)
    for alpha, sigma in (((40.0, 25.0), (1.0, 1.5)), ((6.0, 9.0), (0.0, 0.0))):
        operator = Elastic(alpha, sigma, resampling)
        fields = torch.rand(1, 2, *size, generator=generator, dtype=torch.float64) * 2 - 1
        along_x, along_y = (_torchvision_blur(fields[:, [i]], sigma, i) for i in range(2))
        moved = [along_x * alpha[0] / size[1], along_y * alpha[1] / size[0]]
        displacement = torch.cat(moved, 1).permute(0, 2, 3, 1)
        mode = v2.InterpolationMode(interpolation)
        theirs = F.elastic(images, displacement, mode, fill)
        ours = operator.displaced(images[None], operator.displacements(fields))[0]
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def _torchvision_blur(field: Tensor, sigma: tuple[float, float], axis: int) -> Tensor:
    if sigma[axis] == 0:
        return field
    taps = int(8 * sigma[axis] + 1)
    taps += taps % 2 == 0
    return F.gaussian_blur(field, [taps, taps], list(sigma))


def test_elastic_has_the_moments_of_torchvisions_samples():
    torch.manual_seed(0)
    n = 3000
    image = torch.rand(1, 1, 9, 9, dtype=torch.float64)
    transform = v2.ElasticTransform(20.0, 0.9, fill=0.2)
    theirs = torch.stack([transform(image)[0] for _ in range(n)])
    operator = Elastic((20.0, 20.0), (0.9, 0.9), Resampling("bilinear", 0.2, "torchvision"))
    ours = operator(outer(image, n), torch.arange(n, dtype=torch.float64)[:, None])[:, 0]
    for power in (1, 2):
        first, second = ours**power, theirs**power
        spread = (first.var(0) + second.var(0)).div(n).sqrt()
        assert ((first.mean(0) - second.mean(0)) / spread).abs().max() < 4.5


def test_elastic_refuses_what_torchvision_cannot_do():
    with pytest.raises(LawError, match="or 0 along both"):
        Elastic((1.0, 1.0), (0.0, 2.0), Resampling())
    with pytest.raises(PolicyError, match="41 pixels"):
        Elastic((1.0, 1.0), (5.0, 5.0), Resampling()).check_shape((3, 20, 32))
    Elastic((1.0, 1.0), (5.0, 5.0), Resampling()).check_shape((3, 21, 32))


def test_elastic_is_affine_in_the_image(generator):
    images = torch.rand(2, 2, 9, 9, generator=generator, dtype=torch.float64)
    operator = Elastic((8.0, 8.0), (0.5, 0.5), Resampling("bilinear", 0.4))
    theta = torch.tensor([[7.0], [8.0]], dtype=torch.float64)
    whole = operator(outer(images, 2), theta)
    parts = operator.linear(outer(images, 2), theta) + operator.offset(theta, images)
    torch.testing.assert_close(whole, parts)
    assert not torch.equal(whole[0], whole[1])
