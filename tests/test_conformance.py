"""The conformance kit over every augmentation, and the kit over what it has to refuse."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

import augmoments as am
from augmoments.augmentations.elementary import Step
from augmoments.augmentations.parameters import Parameter
from augmoments.calculus.covariance import Covariance, Eigenpairs
from augmoments.calculus.expected_operator import SpatialOperator
from augmoments.errors import InputTypeError, PolicyError
from augmoments.laws.joint import Table
from augmoments.operators.base import Operator, Pieces
from augmoments.operators.flip import per_group
from augmoments.operators.piecewise import SpatialMean
from augmoments.testing import (
    check_action,
    check_adjoint,
    check_covariance,
    check_linearity,
    check_operator_matrix,
    check_pieces,
    check_routes,
    check_samples,
    conformance,
    random_images,
)
from cases import CASES

IMAGES = random_images((3, 4, 5))


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_augmentation_conforms(case):
    conformance(case.policy, case.shape, draws=2000)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_augmentation_conforms_with_many_draws(case):
    conformance(case.policy, case.shape, draws=50_000, seed=1, tol=1e-4)


def test_conformance_takes_own_images_and_gives_scores():
    scores = conformance(am.RandomRotation(20), images=IMAGES, draws=500)
    assert all(score.shape == (2,) for score in scores)
    assert (scores.worst >= 0).all()


def test_pipelines_of_other_libraries_are_taken():
    transforms = pytest.importorskip("torchvision.transforms.v2")
    pipeline = transforms.Compose([transforms.RandomCrop(3), transforms.RandomHorizontalFlip()])
    assert len(conformance(pipeline, (3, 4, 5), draws=500).rms) == 2
    for check in (check_action, check_linearity, check_pieces, check_routes, check_samples):
        check(pipeline, IMAGES)


def test_edges_are_those_of_the_parameter_after_a_wide_one():
    """A step whose first law fills three columns: the declaration is about the fourth."""

    class Two(Step):
        def parameters(self, shape):
            table = Table(torch.zeros(2, 3).double().numpy(), torch.full((2,), 0.5).numpy())
            return (Parameter(table), *super().parameters(shape))

        def apply(self, images, theta):
            return super().apply(images, theta[:, 3:])

    check_pieces(Two(Power(degree=2), GAIN, "Two"), IMAGES)
    with pytest.raises(AssertionError, match="in parameter 3 between"):
        check_pieces(Two(Power(degree=1), GAIN, "Two"), IMAGES)


def test_conformance_refuses_what_is_no_augmentation():
    with pytest.raises(InputTypeError, match="a policy is an augmentation"):
        conformance(torch.nn.ReLU())
    with pytest.raises(PolicyError, match="3 values in mean"):
        conformance(am.Normalize((0.1, 0.2, 0.3), 1.0), (2, 4, 4))


@dataclass(frozen=True)
class Power(Operator):
    """``gain * x ** exponent``, with everything it says of itself to be set."""

    exponent: float = 1.0
    affine: bool = True
    acts_on: str = "channels"
    degree: int | None = None
    parameter = "gain"

    def __call__(self, images, theta):
        return per_group(theta, images) ** 2 * images**self.exponent

    def pieces(self, low, high):
        return (
            None if self.degree is None else Pieces(torch.tensor([low, high]).numpy(), self.degree)
        )


def random_power(operator, law):
    return Step(operator, law, "RandomPower")


GAIN = am.Uniform(0.5, 1.2)


def test_the_sound_version_of_what_is_broken_below_conforms():
    conformance(random_power(Power(degree=2), GAIN), draws=1000)
    conformance(random_power(Power(exponent=2.0, affine=False), GAIN), draws=1000)


def test_a_curve_that_says_it_is_affine_is_refused():
    with pytest.raises(AssertionError, match="of a mixture of images"):
        check_linearity(random_power(Power(exponent=2.0), GAIN), IMAGES)


def test_a_wrong_degree_is_refused():
    policy = random_power(Power(degree=1), GAIN)
    with pytest.raises(AssertionError, match="polynomial of degree 1"):
        check_pieces(policy, IMAGES)
    with pytest.raises(AssertionError, match="the mean of"):
        check_routes(policy, IMAGES)


def test_a_missing_edge_is_refused():
    class Kinked(Power):
        def __call__(self, images, theta):
            return (per_group(theta, images) - 0.8).abs() * images

    with pytest.raises(AssertionError, match="polynomial of degree 1"):
        check_pieces(random_power(Kinked(degree=1), GAIN), IMAGES)


def test_an_action_that_mixes_images_is_refused():
    class Mixing(Power):
        def __call__(self, images, theta):
            return per_group(theta, images) * (images + images.mean(1, keepdim=True)) / 2

    with pytest.raises(AssertionError, match="alone and in a batch"):
        check_action(random_power(Mixing(), GAIN), IMAGES)


def test_an_action_that_overwrites_its_input_is_refused():
    class InPlace(Power):
        def __call__(self, images, theta):
            images.data[0].mul_(0.5)
            return images.clone()

    with pytest.raises(AssertionError, match="changes its input"):
        check_action(random_power(InPlace(), GAIN), IMAGES.clone())


def test_an_action_that_changes_the_dtype_is_refused():
    class Single(Power):
        def __call__(self, images, theta):
            return images.float()

    with pytest.raises(AssertionError, match=r"makes torch\.float32 of torch\.float64"):
        check_action(random_power(Single(), GAIN), IMAGES)


def test_an_action_with_randomness_of_its_own_is_refused(generator):
    class Noisy(Power):
        def __call__(self, images, theta):
            return images + torch.rand(images.shape, generator=generator, dtype=images.dtype)

    with pytest.raises(AssertionError, match=r"alone and in a batch|does not follow"):
        check_action(random_power(Noisy(), GAIN), IMAGES)


def test_a_wrong_domain_is_refused():
    policy = random_power(Power(acts_on="space"), am.Discrete([0.5, 1.0]))
    check_operator_matrix(am.expected_operator(policy, (3, 4, 5)))

    class Mixing(Power):
        def __call__(self, images, theta):
            return per_group(theta, images) * images.flip(-3)

    policy = random_power(Mixing(acts_on="space"), am.Discrete([0.5, 1.0]))
    with pytest.raises(AssertionError, match="CombinedOperator"):
        check_operator_matrix(am.expected_operator(policy, (3, 4, 5)))


def mean_of(matrix):
    return SpatialMean(sp.csr_array(matrix), np.ones(len(matrix)))


class Wrong(SpatialOperator):
    def __init__(self, forward, backward, offset=0.0):
        super().__init__((1, 2, 2), mean_of(forward), torch.full((1, 2, 2), offset).double())
        self._wrong = SpatialOperator((1, 2, 2), mean_of(backward), self._offset)

    def transpose(self, images):
        return self._wrong.linear(images)


def test_a_wrong_adjoint_is_refused():
    matrix = torch.rand(
        4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    ).numpy()
    check_adjoint(Wrong(matrix, matrix.T, 0.5))
    check_operator_matrix(Wrong(matrix, matrix.T, 0.5))
    with pytest.raises(AssertionError, match=r"<A x, y> = .* but <x, A\^T y> = "):
        check_adjoint(Wrong(matrix, matrix))
    with pytest.raises(AssertionError, match="the adjoint of Wrong"):
        check_operator_matrix(Wrong(matrix, matrix))


def test_a_sampler_with_another_law_is_refused():
    class Biased(type(am.RandomRotation(10))):
        def draw(self, shape, n, generator=None):
            return super().draw(shape, n, generator) * 1.1

    with pytest.raises(AssertionError, match="in standard errors: rms"):
        check_samples(Biased(60, "bilinear"), IMAGES, draws=20_000)
    check_samples(am.RandomRotation(60, "bilinear"), IMAGES, draws=20_000)


def test_a_rule_with_wrong_weights_is_refused():
    class Lopsided(type(am.RandomHorizontalFlip())):
        def rule(self, shape, n):
            sound = super().rule(shape, n)
            return replace(sound, weights=sound.weights.flip(0))

    with pytest.raises(AssertionError, match=r"the mean of .* nodes"):
        check_routes(Lopsided(0.3), IMAGES)
    with pytest.raises(AssertionError, match="the worst pixel"):
        check_samples(Lopsided(0.3), IMAGES)


FACTOR = torch.rand(2, 3, 1, 2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("columns", [0, 1, 3, 8, 20])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_covariances_of_every_rank_pass(columns, dtype, generator):
    factor = torch.randn(2, columns, 1, 2, 4, generator=generator, dtype=dtype)
    check_covariance(Covariance(factor))
    check_covariance(Covariance(torch.cat([factor, factor], 1)))
    noise = torch.rand(2, 1, 2, 4, generator=generator, dtype=dtype)
    check_covariance(Covariance(factor, noise))
    check_covariance(Covariance(factor, torch.full_like(noise, 0.3)))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("diagonal", lambda v: v.factor.square().sum(1) * 1.001),
        ("trace", lambda v: v.factor.square().flatten(1).sum(1) + 0.01),
        ("frobenius_norm", lambda v: v.trace()),
        ("root", lambda v: v._flat.mT * 1.01),
        ("__matmul__", lambda v, z: z),
        ("to_scipy", lambda v, n=0: 1.01 * v.dense()[n].numpy()),
        ("dense", lambda v: v._flat.mT @ v._flat + 0.1 * torch.eye(8, dtype=torch.float64)),
        ("eigh", lambda v, k: Eigenpairs(*torch.linalg.eigh(v._flat.mT @ v._flat), v.error)),
    ],
)
def test_every_part_of_a_covariance_is_checked(name, wrong):
    broken = type("Broken", (Covariance,), {name: wrong})(FACTOR)
    with pytest.raises(AssertionError):
        check_covariance(broken)
