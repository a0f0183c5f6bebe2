"""Every expected operator within 1e-10 of a reference that shares nothing with the library."""

import mpmath as mp
import numpy as np
import pytest
import torch

import augmoments as am
from augmoments.calculus.expected_operator import ChainedOperator
from augmoments.errors import InputError, PolicyError
from augmoments.operators.warp import Resampling, Rotation, Shear, Translation, Zoom
from reference import (
    coordinates,
    distribution,
    mean_operator,
    quantile,
    torchvision_coordinates,
)

TOLERANCE = 1e-10

MAKE = {
    "rotation": lambda law, centre, **options: am.RandomRotation(law, center=centre, **options),
    "shear-x": lambda law, _, **options: am.RandomShear(x=law, **options),
    "shear-y": lambda law, _, **options: am.RandomShear(y=law, **options),
    "zoom": lambda law, _, **options: am.RandomZoom(law, **options),
    "zoom-x": lambda law, _, **options: am.RandomZoom(x=law, **options),
    "zoom-y": lambda law, _, **options: am.RandomZoom(y=law, **options),
    "translation-x": lambda law, _, **options: am.RandomTranslation(x=law, **options),
    "translation-y": lambda law, _, **options: am.RandomTranslation(y=law, **options),
}


def check(family, law, shape, interpolation="bilinear", border="zeros", centre=None, fill=0.0):
    policy = MAKE[family](law, centre, interpolation=interpolation, border=border, fill=fill)
    operator = am.expected_operator(policy, (1, *shape))
    twice = border == "torchvision"
    matrix, mask = mean_operator(family, law, shape, interpolation, twice, centre)
    gap = np.abs(operator.matrix().toarray() - matrix)
    assert gap.max() <= TOLERANCE, (gap.max(), np.unravel_index(gap.argmax(), gap.shape))
    offset = fill * (1 - mask).reshape(1, *shape)
    np.testing.assert_allclose(operator.offset.numpy(), offset, atol=TOLERANCE)
    return operator


@pytest.mark.parametrize("shape", [(5, 4), (1, 6), (7, 1), (6, 6)])
@pytest.mark.parametrize("centre", [None, (-1.2, 3.4)])
def test_the_references_coordinates_are_torchvisions(shape, centre):
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    for family, theta, parameters in [
        ("rotation", 33.3, {"angle": -33.3, "centre": centre}),
        ("rotation", -140.0, {"angle": 140.0, "centre": centre}),
        ("shear-x", 27.0, {"shear": (27.0, 0.0)}),
        ("shear-x", -80.0, {"shear": (-80.0, 0.0)}),
        ("shear-y", 27.0, {"shear": (0.0, 27.0)}),
        ("zoom", 1.7, {"zoom": 1.7}),
        ("zoom", 0.2, {"zoom": 0.2}),
    ]:
        ours = coordinates(family, theta, x, y, shape, parameters.get("centre"))
        np.testing.assert_allclose(ours, torchvision_coordinates(shape, **parameters), atol=1e-13)


def _laws(low, high):
    width = high - low
    return {
        "uniform": am.Uniform(low, high),
        "normal": am.Normal(low + 0.45 * width, width / 20),
        "truncated": am.TruncatedNormal(low + 0.8 * width, 0.3 * width, low, high),
        "tail": am.TruncatedNormal(low - 0.3 * width, 0.1 * width, low, high),
        "triangular": am.Triangular(low, high, low + 0.1 * width),
        "ramp": am.Triangular(low, high, high),
        "beta": am.Beta(2, 3, low, high),
        "singular": am.Beta(0.2, 0.7, low, high),
        "narrow": am.Beta(200, 300, low, high),
    } | ({"log-uniform": am.LogUniform(low, high)} if low > 0 else {})


RANGES = {
    "rotation": (-20, 35),
    "shear-x": (-30, 50),
    "shear-y": (-10, 45),
    "zoom": (0.6, 1.7),
    "zoom-x": (0.7, 2.5),
    "zoom-y": (0.4, 1.1),
    "translation-x": (-0.4, 1.7),
    "translation-y": (-2.2, 0.3),
}
PAIRS = [(family, name) for family, ends in RANGES.items() for name in _laws(*ends)]
RESAMPLINGS = [("bilinear", "zeros"), ("bilinear", "torchvision"), ("nearest", "zeros")]


@pytest.mark.parametrize(("family", "name"), PAIRS)
def test_every_family_under_every_law(family, name):
    """The resamplings take turns here; all of them are in the slow tests."""
    turn = PAIRS.index((family, name))
    interpolation, border = RESAMPLINGS[turn % 3]
    shape = [(4, 5), (5, 3), (1, 6), (5, 1)][turn % 4]
    fill = [0.0, 0.3][turn % 2] if not (family.startswith("tr") and border == "torchvision") else 0
    check(family, _laws(*RANGES[family])[name], shape, interpolation, border, fill=fill)


@pytest.mark.slow
@pytest.mark.parametrize(("family", "name"), PAIRS)
@pytest.mark.parametrize(("interpolation", "border"), RESAMPLINGS)
@pytest.mark.parametrize("shape", [(6, 5), (7, 7), (2, 9), (1, 6), (5, 1), (1, 1)], ids=str)
def test_every_combination(family, name, interpolation, border, shape):
    check(family, _laws(*RANGES[family])[name], shape, interpolation, border)


@pytest.mark.parametrize("law", _laws(0.5, 2).values(), ids=repr)
def test_the_references_quantiles_are_scipys(law):
    u = np.array([1e-9, 1e-3, 0.1, 0.3, 0.5])
    frozen = distribution(law)
    np.testing.assert_allclose(quantile(law, "lower")(u), frozen.ppf(u), rtol=1e-8)
    np.testing.assert_allclose(quantile(law, "upper")(u), frozen.isf(u), rtol=1e-8)


ADVERSARIAL = {
    "all angles": ("rotation", am.Uniform(-180, 180), {}),
    "more than a turn": ("rotation", am.Uniform(-400, 500), {}),
    "many turns": ("rotation", am.Normal(0, 100), {}),
    "quarter turns at the ends": ("rotation", am.Uniform(-90, 90), {}),
    "from the identity": ("rotation", am.Uniform(0, 45), {}),
    "hardly at all": ("rotation", am.Uniform(-1e-3, 2e-3), {}),
    "far from the identity": ("rotation", am.Uniform(1000, 1001), {}),
    "singular at the identity": ("rotation", am.Beta(0.2, 0.3, 0, 60), {}),
    "singular at quarter turns": ("rotation", am.Beta(0.3, 0.2, -90, 180), {}),
    "narrow": ("rotation", am.Beta(200, 300, -180, 180), {}),
    "needle": ("rotation", am.Normal(37, 1e-4), {}),
    "about a corner": ("rotation", am.Uniform(-60, 100), {"centre": (0, 0)}),
    "about a pixel": ("rotation", am.Uniform(-60, 100), {"centre": (1.5, 2.5)}),
    "about far away": ("rotation", am.Uniform(-15, 10), {"centre": (-30.0, 17.3)}),
    "all about outside": ("rotation", am.Normal(20, 70), {"centre": (-2.0, 6.1)}),
    "steep shear": ("shear-x", am.Uniform(-80, 80), {}),
    "steeper shear": ("shear-y", am.Uniform(0, 89), {}),
    "steepest shear": ("shear-x", am.Uniform(89, 89.9999), {}),
    "shear to the pole": ("shear-x", am.Beta(2, 0.4, -10, 89.999), {}),
    "shear about the identity": ("shear-y", am.Normal(0, 4), {}),
    "decades of zoom": ("zoom", am.LogUniform(0.1, 10), {}),
    "more decades": ("zoom", am.LogUniform(1e-3, 1e3), {}),
    "zoom from next to nothing": ("zoom", am.Uniform(1e-4, 3), {}),
    "zoom about the identity": ("zoom", am.TruncatedNormal(1, 0.2, 0.2, 2), {}),
    "zoom along x over decades": ("zoom-x", am.LogUniform(0.05, 20), {}),
    "singular zoom": ("zoom-y", am.Beta(0.2, 0.3, 0.05, 4), {}),
    "whole pixels at the ends": ("translation-x", am.Uniform(-2, 3), {}),
    "half pixels at the ends": ("translation-y", am.Uniform(-1.5, 2.5), {}),
    "all out of the image": ("translation-x", am.Uniform(-40, 50), {}),
    "wide": ("translation-y", am.Normal(1, 30), {}),
    "within one pixel": ("translation-x", am.Beta(0.2, 0.3, 0.1, 0.4), {}),
    "singular shift": ("translation-x", am.Beta(0.2, 0.3, -1, 1), {}),
    "far tail": ("translation-y", am.TruncatedNormal(0, 0.1, 0.83, 4), {}),
}
AWKWARD = [(5, 4), (4, 4), (1, 5), (6, 1)]


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_adversarial_laws(name):
    turn = list(ADVERSARIAL).index(name)
    interpolation, border = RESAMPLINGS[turn % 3]
    family, law, options = ADVERSARIAL[name]
    check(family, law, AWKWARD[turn % 4], interpolation, border, **options)


@pytest.mark.slow
@pytest.mark.parametrize("name", ADVERSARIAL)
@pytest.mark.parametrize(("interpolation", "border"), RESAMPLINGS)
@pytest.mark.parametrize("shape", AWKWARD, ids=str)
def test_adversarial_laws_on_all_shapes(name, interpolation, border, shape):
    family, law, options = ADVERSARIAL[name]
    check(family, law, shape, interpolation, border, **options)


@pytest.mark.slow
@pytest.mark.parametrize(("interpolation", "border"), RESAMPLINGS)
@pytest.mark.parametrize("family", ["rotation", "zoom", "shear-x"])
def test_an_image_of_many_blocks(family, interpolation, border):
    check(family, _laws(*RANGES[family])["truncated"], (19, 16), interpolation, border)


def test_a_rotation_by_all_angles_in_thirty_digits():
    """3 x 3, bilinear: the sources run on circles of radius 1 and sqrt 2; in closed pieces."""
    matrix = am.expected_operator(am.RandomRotation(180, "bilinear"), (1, 3, 3)).matrix().toarray()
    with mp.workdps(30):
        for pixel in (0, 1, 4, 5):
            y, x = (mp.mpf(i - 1) for i in divmod(pixel, 3))
            for column in range(9):
                v, u = (mp.mpf(i - 1) for i in divmod(column, 3))

                def weight(t, x=x, y=y, u=u, v=v):
                    p = mp.cos(t) * x - mp.sin(t) * y - u
                    q = mp.sin(t) * x + mp.cos(t) * y - v
                    return max(0, 1 - abs(p)) * max(0, 1 - abs(q))

                want = mp.quad(weight, [k * mp.pi / 4 for k in range(-4, 5)]) / (2 * mp.pi)
                assert matrix[pixel, column] == pytest.approx(float(want), abs=1e-14)


def test_translation_convolves_with_the_laws_hat_averages():
    """Balestriero et al., section 2; E[hat(t - k)] in closed form for the uniform law."""
    policy = am.RandomTranslation(x=am.Uniform(-0.5, 1.5))
    row = am.expected_operator(policy, (1, 1, 7)).matrix().toarray()[3]
    np.testing.assert_allclose(row, [0, 1 / 16, 7 / 16, 7 / 16, 1 / 16, 0, 0], atol=1e-15)


@pytest.mark.parametrize("twice", [False, True])
def test_two_axes_are_a_kronecker_product(twice):
    border = "torchvision" if twice else "zeros"
    x, y = am.Triangular(-1, 2, 1.5), am.Beta(2, 1, -1.5, 0.2)
    policy = am.RandomTranslation(x=x, y=y, border=border)
    along_x, _ = mean_operator("translation-x", x, (1, 5), twice=twice)
    along_y, _ = mean_operator("translation-y", y, (4, 1), twice=twice)
    matrix = am.expected_operator(policy, (1, 4, 5)).matrix().toarray()
    np.testing.assert_allclose(matrix, np.kron(along_y, along_x), atol=TOLERANCE)
    policy = am.RandomZoom(x=am.Uniform(0.5, 2), y=am.LogUniform(0.5, 1.3), border=border)
    along_x, _ = mean_operator("zoom-x", am.Uniform(0.5, 2), (1, 5), twice=twice)
    along_y, _ = mean_operator("zoom-y", am.LogUniform(0.5, 1.3), (4, 1), twice=twice)
    matrix = am.expected_operator(policy, (1, 4, 5)).matrix().toarray()
    np.testing.assert_allclose(matrix, np.kron(along_y, along_x), atol=TOLERANCE)


def test_channels_are_alike_and_have_their_own_fill():
    policy = am.RandomRotation(am.Uniform(-20, 60), "bilinear", fill=(0.1, 0.5, 0.9))
    plane, mask = mean_operator("rotation", am.Uniform(-20, 60), (4, 3))
    operator = am.expected_operator(policy, (3, 4, 3))
    np.testing.assert_allclose(
        operator.matrix().toarray(), np.kron(np.eye(3), plane), atol=TOLERANCE
    )
    for channel, fill in enumerate((0.1, 0.5, 0.9)):
        np.testing.assert_allclose(
            operator.offset[channel].flatten(), fill * (1 - mask), atol=1e-10
        )


def test_steps_multiply_in_their_order(generator):
    steps = [
        am.RandomRotation(am.Uniform(0, 60), "bilinear", fill=0.3),
        am.RandomTranslation(x=am.Uniform(0, 2)),
        am.Normalize(0.2, 0.5),
    ]
    shape = (1, 4, 5)
    chained = am.expected_operator(am.Compose(steps), shape)
    assert isinstance(chained, ChainedOperator)
    x = torch.rand(2, *shape, generator=generator, dtype=torch.float64)
    by_hand = x
    for step in steps:
        by_hand = am.expected_operator(step, shape) @ by_hand
    torch.testing.assert_close(chained @ x, by_hand, atol=1e-14, rtol=0)
    backwards = am.expected_operator(am.Compose(steps[::-1]), shape) @ x
    assert (backwards - by_hand).abs().max() > 1e-2


def test_a_choice_averages():
    inner = am.RandomZoom(am.Uniform(0.5, 2), fill=0.4)
    shape = (1, 4, 5)
    mixed = am.expected_operator(am.RandomApply(inner, 0.3), shape)
    alone = am.expected_operator(inner, shape)
    want = 0.3 * alone.matrix().toarray() + 0.7 * np.eye(20)
    np.testing.assert_allclose(mixed.matrix().toarray(), want, atol=1e-15)
    torch.testing.assert_close(mixed.offset, 0.3 * alone.offset)


def test_colour_matrices():
    weights = np.array([0.2989, 0.587, 0.114])
    law = am.Uniform(0.4, 1.2)
    brightness = am.expected_operator(am.ColorJitter(law, clamp=False), (3, 1, 2)).matrix()
    np.testing.assert_allclose(brightness.toarray(), 0.8 * np.eye(6), atol=1e-15)
    saturation = am.expected_operator(am.ColorJitter(saturation=law, clamp=False), (3, 1, 2))
    gray = np.kron(np.tile(weights, (3, 1)), np.eye(2))
    np.testing.assert_allclose(
        saturation.matrix().toarray(), 0.8 * np.eye(6) + 0.2 * gray, atol=1e-15
    )
    contrast = am.expected_operator(am.ColorJitter(contrast=law, clamp=False), (3, 1, 2))
    level = np.tile(np.repeat(weights, 2) / 2, (6, 1))
    np.testing.assert_allclose(
        contrast.matrix().toarray(), 0.8 * np.eye(6) + 0.2 * level, atol=1e-15
    )


OPERATORS = {
    "rotation": Rotation(Resampling(), (1.0, 2.0)),
    "zoom": Zoom("xy", Resampling()),
    "shear-x": Shear("x", Resampling()),
    "translation-y": Translation("y", Resampling("nearest")),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_source_coordinates_are_the_references(name):
    y, x = np.mgrid[:5, :4].astype(float)
    for theta in (0.3, 1.7, 2.9):
        ours = OPERATORS[name].source(x, y, theta, (1, 5, 4))
        theirs = coordinates(name, theta, x, y, (5, 4), getattr(OPERATORS[name], "centre", None))
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(np.broadcast_to(p, x.shape), q, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtype_shape_and_layout_are_kept(dtype, generator):
    operator = am.expected_operator(am.RandomRotation(30, "bilinear"), (3, 5, 4))
    x = torch.rand(2, 3, 4, 5, generator=generator).to(dtype).mT  # not contiguous
    out = operator @ x
    assert out.dtype == dtype
    assert out.shape == x.shape
    want = operator.matrix() @ x.double().flatten(1).numpy().T
    atol = 8 * torch.finfo(dtype).eps
    np.testing.assert_allclose(out.double().flatten(1).numpy().T, want, atol=atol)
    assert torch.equal(operator @ x[0], out[0])


def test_gradients_are_the_adjoint(generator):
    policy = am.Compose([am.RandomRotation(30, "bilinear", fill=0.2), am.RandomShear(x=(0, 20))])
    operator = am.expected_operator(policy, (1, 4, 5))
    x = torch.rand(2, 1, 4, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    y = torch.rand(2, 1, 4, 5, generator=generator, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((operator @ x * y).sum(), x)
    torch.testing.assert_close(gradient, operator.adjoint(y), atol=1e-14, rtol=0)


def test_what_has_no_expected_operator_is_refused():
    for policy in (am.ColorJitter(0.2), am.Compose([am.RandomRotation(5), am.ColorJitter(0.2)])):
        with pytest.raises(PolicyError, match=r"not affine.*use moments\(images, policy\)"):
            am.expected_operator(policy, (3, 4, 4))


@pytest.mark.parametrize("shape", [(4, 4), (1, 4, 0), (1, 4.0, 4), (1, 1, 4, 4), ()])
def test_impossible_shapes(shape):
    with pytest.raises(InputError, match=r"\(C, H, W\)"):
        am.expected_operator(am.RandomRotation(5), shape)


def test_images_of_another_shape_are_refused():
    operator = am.expected_operator(am.RandomRotation(5), (1, 4, 4))
    with pytest.raises(InputError, match=r"shape \(1, 4, 4\), got \(1, 4, 5\)"):
        operator @ torch.rand(2, 1, 4, 5)
