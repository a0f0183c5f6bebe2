"""Every expected operator within 1e-10 of a reference that shares nothing with the library."""

import numpy as np
import pytest

import augmoments as am
from reference import coordinates, mean_operator, torchvision_coordinates

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
    family, law, options = ADVERSARIAL[name]
    turn = list(ADVERSARIAL).index(name)
    interpolation, border = RESAMPLINGS[turn % 3]
    check(family, law, AWKWARD[turn % 4], interpolation, border, **options)


@pytest.mark.slow
@pytest.mark.parametrize("name", ADVERSARIAL)
@pytest.mark.parametrize(("interpolation", "border"), RESAMPLINGS)
@pytest.mark.parametrize("shape", AWKWARD, ids=str)
def test_adversarial_laws_on_all_shapes(name, interpolation, border, shape):
    family, law, options = ADVERSARIAL[name]
    check(family, law, shape, interpolation, border, **options)
