"""Random affine maps and perspective against torchvision: laws, actions and moments."""

import numpy as np
import pytest
import torch

import augmoments as am
from augmoments.augmentations.affine import RandomAffine
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.perspective import RandomPerspective
from augmoments.errors import InputTypeError, LawError, PolicyError
from augmoments.laws.independent import Independent
from augmoments.laws.shifts import torchvision_shift_law
from augmoments.operators.base import outer

v2 = pytest.importorskip("torchvision.transforms.v2")
F = pytest.importorskip("torchvision.transforms.v2.functional")

SHAPE = (2, 11, 14)

ALONE = {
    "angle": ({"degrees": 40}, lambda t: (t, 0, 0, 1, 0, 0)),
    "angle about a centre": ({"degrees": 40, "center": (3, 4.5)}, lambda t: (t, 0, 0, 1, 0, 0)),
    "factor": ({"degrees": 0, "scale": (0.7, 1.4)}, lambda t: (0, 0, 0, t, 0, 0)),
    "shear along x": ({"degrees": 0, "shear": 30}, lambda t: (0, 0, 0, 1, t, 0)),
    "shear along y": ({"degrees": 0, "shear": (0, 0, -20, 30)}, lambda t: (0, 0, 0, 1, 0, t)),
}


def _torchvision(images, row, interpolation, fill, centre):
    angle, x, y, factor, *shear = map(float, row)
    mode = v2.InterpolationMode(interpolation)
    centre = None if centre is None else list(centre)
    return F.affine(images, angle, [x, y], factor, shear, mode, fill, centre)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("name", ALONE)
def test_one_parameter_alone_is_a_resampling_with_exact_pieces(name, interpolation, generator):
    arguments, row = ALONE[name]
    policy = RandomAffine(**arguments, interpolation=interpolation, fill=0.3, border="torchvision")
    (parameter,) = policy.parameters(SHAPE)
    theta = parameter.sample(20, generator)
    images = torch.rand(2, *SHAPE, generator=generator, dtype=torch.float64)
    theirs = [
        _torchvision(images, row(t), interpolation, 0.3, arguments.get("center"))
        for t in theta[:, 0].tolist()
    ]
    ours = policy.apply(outer(images, 20), theta)
    torch.testing.assert_close(ours, torch.stack(theirs), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ALONE)
def test_mean_of_one_parameter_is_that_of_dense_nodes(name, generator):
    arguments, row = ALONE[name]
    policy = RandomAffine(**arguments, interpolation="bilinear")
    images = torch.rand(1, *SHAPE, generator=generator, dtype=torch.float64)
    low, high = policy.parameters(SHAPE)[0].law.support
    points = low + (high - low) * (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    theirs = torch.stack(
        [
            _torchvision(images, row(t), "bilinear", None, arguments.get("center"))
            for t in points.tolist()
        ]
    ).mean(0)
    ours = am.moments(images, policy).mean
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-6)


def test_shifts_alone_are_finite_and_exact(generator):
    policy = RandomAffine(0, translate=(0.3, 0.2), fill=0.4, interpolation="bilinear")
    images = torch.rand(2, *SHAPE, generator=generator, dtype=torch.float64)
    points, weights = policy.atoms(SHAPE)
    assert len(points) == 9 * 5
    theirs = torch.stack(
        [_torchvision(images, (0, x, y, 1, 0, 0), "bilinear", 0.4, None) for x, y in points]
    )
    ours = policy.apply(outer(images, len(points)), torch.from_numpy(points))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    moments = am.moments(images, policy)
    weights = torch.from_numpy(weights).reshape(-1, 1, 1, 1, 1)
    mean = (weights * theirs).sum(0)
    torch.testing.assert_close(moments.mean, mean, rtol=0, atol=1e-12)
    variance = (weights * (theirs - mean) ** 2).sum((0, 2, 3, 4))
    torch.testing.assert_close(moments.covariance.trace(), variance, rtol=0, atol=1e-10)


@pytest.mark.parametrize("most", [0.2, 0.5, 0.8, 1.5, 3.2, 5.0])
def test_shifts_are_rounded_uniform_numbers(most):
    law = torchvision_shift_law(10, most / 10)
    for value, probability in zip(*law.atoms, strict=True):
        ends = np.clip([value - 0.5, value + 0.5], -most, most)
        assert probability == pytest.approx(np.diff(ends)[0] / (2 * most), abs=1e-15)


@pytest.mark.parametrize(
    ("ours", "theirs", "draws"),
    [
        (
            RandomAffine(
                20, (0.2, 0.1), (0.8, 1.3), (-5, 15, 0, 10), "bilinear", 0.2, border="torchvision"
            ),
            v2.RandomAffine(20, (0.2, 0.1), (0.8, 1.3), (-5, 15, 0, 10), "bilinear", 0.2),
            4000,
        ),
        (
            RandomPerspective(0.4, 0.8, "bilinear", 0.2, border="torchvision"),
            v2.RandomPerspective(0.4, 0.8, "bilinear", 0.2),
            4000,
        ),
    ],
)
def test_moments_are_those_of_torchvisions_samples(ours, theirs, draws, generator):
    torch.manual_seed(1)
    image = torch.rand(1, *SHAPE, generator=generator, dtype=torch.float64)
    sample = torch.stack([theirs(image)[0] for _ in range(draws)]).flatten(1)
    moments = am.moments(image, ours, max_nodes=4096)
    mean = moments.mean.flatten()
    error = sample.std(0) / draws**0.5
    z = (sample.mean(0) - mean) / error.clamp_min(1e-9)
    assert z.abs().max() < 5
    squares = ((sample - mean) ** 2).sum(1)
    trace = moments.covariance.trace()
    assert abs(squares.mean() - trace).item() < 4.5 * (squares.std() / draws**0.5).item()


def test_corners_fit_torchvisions_draws():
    height, width = 9, 12
    law = RandomPerspective(0.5, p=1).parameters((1, height, width))[0].law
    assert isinstance(law, Independent)
    assert law.count == (4 * 3) ** 4
    points = law.ppf(np.random.default_rng(0).random((4000, 8)))
    assert points.min(0).tolist() == [0, 0, 8, 0, 8, 6, 0, 6]
    assert points.max(0).tolist() == [3, 2, 11, 2, 11, 8, 3, 8]
    for side in law.laws:
        assert np.ptp(side.atoms.weights) < 1e-15  # type: ignore[union-attr]


def test_nothing_at_all_is_the_identity(generator):
    image = torch.rand(1, *SHAPE, generator=generator, dtype=torch.float64)
    moments = am.moments(image, RandomAffine(0))
    torch.testing.assert_close(moments.mean, image)
    assert moments.covariance.trace().abs().item() < 1e-20


def test_laws_of_any_kind_are_taken():
    laws = RandomAffine(am.Normal(0, 5), scale=am.LogUniform(0.5, 2), shear=(am.Uniform(-1, 1), 3))
    assert [type(law).__name__ for law in laws.laws] == [
        "Normal", "LogUniform", "Uniform", "Discrete",
    ]  # fmt: skip
    assert isinstance(laws, Augmentation)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"degrees": -3}, LawError, "degrees must not be negative"),
        ({"degrees": 3, "scale": (0, 1)}, LawError, "scale must be positive"),
        ({"degrees": 3, "shear": 95}, LawError, "inside"),
        ({"degrees": 3, "shear": (1, 2, 3)}, LawError, "two ends"),
        ({"degrees": 3, "translate": (0.1, 1.5)}, LawError, "translate must lie"),
        ({"degrees": 3, "translate": 0.1}, InputTypeError, "two shares"),
    ],
)
def test_affine_refuses_what_cannot_be(arguments, error, match):
    with pytest.raises(error, match=match):
        RandomAffine(**arguments)


def test_perspective_refuses_what_cannot_be():
    with pytest.raises(LawError, match="distortion_scale"):
        RandomPerspective(1.2)
    with pytest.raises(LawError):
        RandomPerspective(0.5, p=2)
    for scale, size in ((1.0, (8, 8)), (0.9, (224, 224)), (0.5, (1, 8))):
        with pytest.raises(PolicyError, match="on a line"):
            RandomPerspective(scale).output_shape((3, *size))
    assert RandomPerspective(0.6).output_shape((3, 224, 224)) == (3, 224, 224)


def test_independent_laws_of_finite_and_continuous_numbers():
    law = Independent((am.Uniform(0, 1), am.Discrete([2.0]), am.Discrete([0, 1], [0.25, 0.75])))
    assert (law.width, law.dimension, law.count) == (3, 2, np.inf)
    points = law.ppf(np.array([[0.5, 0.2], [0.25, 0.9]]))
    assert points.tolist() == [[0.5, 2, 0], [0.25, 2, 1]]
    with pytest.raises(LawError, match="infinitely many"):
        law.atoms()
