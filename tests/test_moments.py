"""Moments against enumeration, finer nodes and the draws of other libraries."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import InterpolationMode, v2

import augmoments as am
import augmoments.errors
from augmoments.augmentations.elementary import Elementary
from augmoments.calculus import moments as moments_module
from augmoments.calculus.covariance import Covariance
from augmoments.calculus.nodes import NodeFamily
from augmoments.calculus.state import FactorState, propagate
from augmoments.errors import InputError, InputTypeError, LawError, PolicyError
from augmoments.operators.base import outer
from augmoments.testing import check_samples, random_images
from augmoments.testing.calibration.compositions import random_composition
from augmoments.testing.calibration.images import random_image

GRAY = torch.tensor([0.2989, 0.587, 0.114], dtype=torch.float64)


def images(*shape, seed=0, dtype=torch.float64):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def covariance_of(outcomes, weights):
    """Mean and covariance ``(N, D, D)`` of outcomes ``(K, N, C, H, W)``."""
    weights = torch.as_tensor(weights, dtype=outcomes.dtype)
    mean = torch.einsum("k,k...->...", weights, outcomes)
    gap = (outcomes - mean).flatten(2)
    return mean, torch.einsum("k,knd,kne->nde", weights, gap, gap)


def assert_moments(found, mean, covariance, atol=1e-12):
    torch.testing.assert_close(found.mean, mean, atol=atol, rtol=0)
    torch.testing.assert_close(found.covariance.dense(), covariance, atol=atol, rtol=0)


class TestFiniteLaws:
    """Every outcome written out, with torch alone."""

    def test_flips(self):
        x = images(3, 2, 4, 5)
        policy = am.Compose([am.RandomHorizontalFlip(0.3), am.RandomVerticalFlip(0.9)])
        outcomes = torch.stack([x, x.flip(-1), x.flip(-2), x.flip(-1, -2)])
        found = am.moments(x, policy)
        assert_moments(found, *covariance_of(outcomes, [0.07, 0.03, 0.63, 0.27]))
        assert found.method == "exact"

    def test_grayscale(self):
        x = images(2, 3, 2, 3)
        gray = torch.einsum("nchw,c->nhw", x, GRAY)
        outcomes = torch.stack([x, gray[:, None].expand_as(x)])
        found = am.moments(x, am.RandomGrayscale(0.2))
        assert_moments(found, *covariance_of(outcomes, [0.8, 0.2]))

    def test_whole_shifts(self):
        x = images(2, 1, 4, 5)
        law = am.Discrete([-2, 0, 1], [0.5, 0.2, 0.3])
        padded = torch.nn.functional.pad(x, (2, 2))
        outcomes = torch.stack([padded[..., 4:9], padded[..., 2:7], padded[..., 1:6]])
        for interpolation in ("bilinear", "nearest"):
            policy = am.RandomTranslation(x=law, interpolation=interpolation)
            assert_moments(am.moments(x, policy), *covariance_of(outcomes, [0.5, 0.2, 0.3]))

    def test_nearest_shifts_of_a_continuous_law(self):
        x = images(1, 1, 1, 6)
        law = am.Triangular(-0.7, 1.6, 1.2)
        padded = torch.nn.functional.pad(x, (2, 2))
        outcomes = torch.stack([padded[..., 2 - k : 8 - k] for k in (-1, 0, 1, 2)])
        weights = np.diff(law.cdf(np.array([-1.5, -0.5, 0.5, 1.5, 2.5])))
        policy = am.RandomTranslation(x=law, interpolation="nearest")
        assert_moments(am.moments(x, policy), *covariance_of(outcomes, weights))

    def test_a_composition_by_the_law_of_total_covariance(self):
        """3 x 2 x 2 x 2 x 2 outcomes, among them a choice, a fill value and a standardisation."""
        rotation = am.RandomRotation(
            am.Discrete([-30, 10, 80], [0.2, 0.5, 0.3]), "bilinear", fill=0.4
        )
        shear = am.RandomShear(y=am.Discrete([0, 25], [0.6, 0.4]))
        jitter = am.ColorJitter(am.Discrete([0.6, 1.7], [0.3, 0.7]), clamp=False)
        flip, normalize = am.RandomVerticalFlip(0.25), am.Normalize(0.3, 0.5)
        policy = am.Compose([rotation, flip, am.RandomApply([shear, jitter], 0.35), normalize])
        x = images(2, 1, 5, 4)
        outcomes, weights = [], []
        atoms = [
            zip(law.values, law.probabilities, strict=True)
            for law in (p.law for p in policy.parameters((1, 5, 4)))
        ]
        for draw in product(*(list(a) for a in atoms)):
            theta = torch.tensor([[value for value, _ in draw]], dtype=torch.float64)
            outcomes.append(policy.apply(x[None], theta)[0])
            weights.append(np.prod([p for _, p in draw]))
        assert len(weights) == 3 * 2 * 2 * 2 * 2
        found = am.moments(x, policy)
        assert found.method == "exact"
        assert_moments(found, *covariance_of(torch.stack(outcomes), weights))

    def test_a_nonlinear_composition_of_finite_laws_is_exact(self):
        policy = am.Compose(
            [
                am.RandomTranslation(x=am.Discrete([0, 0.5])),
                am.ColorJitter(am.Discrete([0.5, 2.5], [0.25, 0.75])),
                am.RandomHorizontalFlip(0.3),
            ]
        )
        x = images(2, 1, 3, 4)
        outcomes, weights = [], []
        for (t, p), (f, q), (flip, r) in product(
            [(0, 0.5), (0.5, 0.5)], [(0.5, 0.25), (2.5, 0.75)], [(False, 0.7), (True, 0.3)]
        ):
            moved = (1 - t) * x + t * torch.nn.functional.pad(x, (1, 0))[..., :-1]
            moved = (f * moved).clamp(0, 1)
            outcomes.append(moved.flip(-1) if flip else moved)
            weights.append(p * q * r)
        found = am.moments(x, policy)
        assert found.method == "exact"
        assert_moments(found, *covariance_of(torch.stack(outcomes), weights))


class TestExpansions:
    def test_translation_of_a_step_by_hand(self):
        """A step edge under U(0, 1): the pixel at the edge is uniform on [0, 1]."""
        x = torch.tensor([[[[0.0, 0, 1, 1]]]], dtype=torch.float64)
        found = am.moments(x, am.RandomTranslation(x=(0, 1)))
        torch.testing.assert_close(found.mean[0, 0, 0], torch.tensor([0, 0, 0.5, 1]).double())
        want = torch.zeros(4, 4, dtype=torch.float64)
        want[2, 2] = 1 / 12
        torch.testing.assert_close(found.covariance.dense()[0], want, atol=1e-15, rtol=0)

    def test_brightness_by_hand(self):
        x = images(2, 3, 2, 2)
        law = am.Beta(2, 3, 0.4, 1.9)
        found = am.moments(x, am.ColorJitter(law, clamp=False))
        variance = law.expect(2) - law.mean**2
        flat = x.flatten(1)
        assert_moments(found, law.mean * x, variance * flat[:, :, None] * flat[:, None])
        assert found.covariance.factor.shape[1] == 1

    def test_contrast_and_saturation_by_hand(self):
        """The variance of the factor times the square of image minus reference."""
        x = images(1, 3, 3, 2)
        gray = torch.einsum("nchw,c->nhw", x, GRAY)[:, None]
        law = am.Uniform(0.2, 1.4)
        for name, reference in (("contrast", gray.mean()), ("saturation", gray)):
            gap = (x - reference).flatten(1)
            found = am.moments(x, am.ColorJitter(**{name: law}, clamp=False))
            mean = 0.8 * x + 0.2 * reference
            assert_moments(found, mean, 0.12 * gap[:, :, None] * gap[:, None])

    def test_two_axes_against_gauss_nodes(self):
        x = images(1, 2, 3, 4)
        policy = am.RandomTranslation(x=am.Beta(2, 4, -1, 1.5), y=am.Triangular(-0.4, 0.8, 0.5))
        nodes = NodeFamily(policy, (2, 3, 4), 0).nodes(2)
        outcomes = policy.apply(outer(x, len(nodes)), nodes.theta)
        assert_moments(am.moments(x, policy), *covariance_of(outcomes, nodes.weights), atol=1e-13)

    @pytest.mark.parametrize("p", [0.0, 0.2, 1.0])
    def test_random_apply_mixes(self, p):
        """``V = p V_1 + p (1 - p) (mu_1 - x)(mu_1 - x)^T``."""
        x = images(2, 1, 3, 4)
        inner = am.RandomTranslation(x=(-1, 2), fill=0.5)
        alone = am.moments(x, inner)
        gap = (alone.mean - x).flatten(1)
        want = p * alone.covariance.dense() + p * (1 - p) * gap[:, :, None] * gap[:, None]
        found = am.moments(x, am.RandomApply(inner, p))
        assert_moments(found, p * alone.mean + (1 - p) * x, want)

    def test_jitter_averages_over_the_orders(self):
        x = images(1, 3, 2, 3)
        policy = am.ColorJitter(
            am.Discrete([0.5, 1.5]), am.Discrete([0.7, 1.1]), am.Discrete([0.2, 1.9]), clamp=False
        )
        nodes = NodeFamily(policy, (3, 2, 3), 0).nodes(0)
        assert nodes.method == "exact"
        assert len(nodes) == 6 * 8
        outcomes = policy.apply(outer(x, len(nodes)), nodes.theta)
        assert_moments(am.moments(x, policy), *covariance_of(outcomes, nodes.weights))


# Random cases for the calibration of stated errors.


def reference_by_rules(policy, x, nodes):
    state = propagate(policy.rule(tuple(x.shape[1:]), nodes), FactorState.certain(x, 0.0))
    return state.mean, Covariance(state.factor).dense()


def reference_by_points(policy, x, log2, seed):
    """Mean and covariance by many scrambled Sobol points, or by a fine grid."""
    family = NodeFamily(policy, tuple(x.shape[1:]), seed)
    level = 0
    while len(family.nodes(level)) < 2**log2 and family.method != "exact":
        level += 1
    nodes = family.nodes(level)
    mean = sum(
        torch.einsum("k,k...->...", w, policy.apply(outer(x, len(theta)), theta))
        for theta, w in zip(nodes.theta.split(2048), nodes.weights.split(2048), strict=True)
    )
    covariance = 0.0
    for theta, w in zip(nodes.theta.split(2048), nodes.weights.split(2048), strict=True):
        gap = (policy.apply(outer(x, len(theta)), theta) - mean).flatten(2)
        covariance = covariance + torch.einsum("k,knd,kne->nde", w, gap, gap)
    return mean, covariance


def excess(seed, clamp, largest, references):
    """By how much the error of a random case exceeds what is stated; at most 0 if all is well.

    Half of the cases in float64, half in float32; always against a reference in float64.
    """
    rng = np.random.default_rng(seed)
    shape = (int(rng.choice([1, 1, 3])), *(int(n) for n in rng.integers(1, largest + 1, 2)))
    x, policy = random_image(rng, shape), random_composition(rng, clamp)
    dtype = torch.float64 if rng.random() < 0.5 else torch.float32
    x = x.to(dtype).double()
    found = am.moments(x.to(dtype), policy, tol=1e-3, seed=seed)
    (mean, covariance), *others = [reference(policy, x) for reference in references]
    if not mean.any():
        return float(found.mean.abs().max())
    slack_mean, slack = 1e-9, 1e-9
    if others:  # two references of equal quality; our means may be better than both
        (other_mean, other), *_ = others
        slack_mean += 6 * float((mean - other_mean).norm() / mean.norm())
        slack += float((covariance - other).norm() / covariance.norm())
        mean, covariance = (mean + other_mean) / 2, (covariance + other) / 2
    size, norm = float(mean.norm()), float(covariance.norm())
    if norm <= (1e-5 * size) ** 2:
        return 0.0
    gap_mean = float((found.mean.double() - mean).norm()) / size
    gap = float((found.covariance.dense().double() - covariance).norm()) / norm
    return max(
        gap_mean - float(found.error.mean[0]) - slack_mean,
        gap - float(found.error.covariance[0]) - slack,
    )


AFFINE = (lambda policy, x: reference_by_rules(policy, x, 1024),)
CLAMPED = tuple(
    (lambda policy, x, seed=seed: reference_by_points(policy, x, 15, seed)) for seed in (101, 102)
)


@pytest.mark.parametrize("seed", range(30))
def test_errors_hold_for_affine_policies(seed):
    assert excess(seed, False, 7, AFFINE) <= 0


@pytest.mark.parametrize("seed", range(1000, 1012))
def test_errors_hold_for_clamped_policies(seed):
    assert excess(seed, True, 4, CLAMPED) <= 0


@pytest.mark.slow
def test_errors_hold_for_99_of_100_affine_policies():
    failed = [seed for seed in range(30, 530) if excess(seed, False, 12, AFFINE) > 0]
    assert len(failed) <= 5, failed


@pytest.mark.slow
@pytest.mark.timeout(1800)  # two references of 2**15 points each for 300 policies
def test_errors_hold_for_99_of_100_clamped_policies():
    failed = [seed for seed in range(1012, 1312) if excess(seed, True, 5, CLAMPED) > 0]
    assert len(failed) <= 3, failed


@pytest.mark.slow
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("law", [am.Uniform(-30, 20), am.Normal(5, 12), am.Beta(0.3, 2, -60, 90)])
def test_errors_hold_for_images_of_many_pieces(interpolation, law):
    """Where nearest neighbours have too many pieces to count, and so go by nodes."""
    x = torch.cat([images(1, 1, 30, 27), random_images((1, 30, 27))[1:]])
    policy = am.RandomRotation(law, interpolation)
    mean, covariance = reference_by_rules(policy, x, 8192)
    for tol in (3e-2, 1e-3):
        found = am.moments(x, policy, tol=tol, max_nodes=4096)
        assert found.method == "cubature"
        gap = (found.covariance.dense() - covariance).flatten(1).norm(dim=1)
        assert (gap <= found.error.covariance * covariance.flatten(1).norm(dim=1)).all()
        torch.testing.assert_close(found.mean, mean, atol=1e-11, rtol=0)


class TestTolerance:
    def test_a_smaller_tolerance_takes_more_nodes(self):
        x, policy = images(2, 1, 6, 6), am.RandomRotation(40, "bilinear")
        found = [am.moments(x, policy, tol=tol) for tol in (0.3, 1e-3, 1e-5)]
        assert found[0].nodes < found[1].nodes < found[2].nodes
        for m in found:
            assert m.converged
            assert (m.error.covariance <= m.tol).all()

    def test_too_few_nodes_are_told(self):
        x, policy = images(1, 1, 6, 6), am.RandomRotation(90)
        found = am.moments(x.repeat(1, 1, 5, 5), policy, tol=1e-6, max_nodes=128)
        assert not found.converged
        assert "tol=1e-06 NOT reached" in repr(found)
        assert found.error.covariance.max() > 1e-6

    def test_the_seed_decides(self):
        x, policy = images(1, 3, 3, 3), am.ColorJitter(0.5, 0.5, 0.5)
        first, again, other = (am.moments(x, policy, tol=0.05, seed=s) for s in (1, 1, 2))
        assert torch.equal(first.mean, again.mean)
        assert torch.equal(first.covariance.factor, again.covariance.factor)
        assert not torch.equal(first.mean, other.mean)
        assert first.method == "quasi-monte-carlo"

    def test_progress_counts_images(self):
        seen = []
        am.moments(
            images(4, 1, 3, 3),
            am.RandomRotation(10),
            progress=lambda done, total: seen.append((done, total)),
        )
        assert seen[-1] == (4, 4)

    @pytest.mark.parametrize(
        ("policy", "method"),
        [
            (am.RandomTranslation(x=(-1, 1)), "exact"),
            (am.RandomTranslation(x=(-1, 1), border="torchvision"), "exact"),
            (am.RandomRotation(10), "exact"),  # few pieces
            (am.RandomRotation(10, "bilinear"), "cubature"),
            (
                am.Compose([am.RandomRotation(10, "bilinear"), am.RandomHorizontalFlip()]),
                "cubature",
            ),
            (am.ColorJitter(0.5), "cubature"),
            (am.ColorJitter(0.5, 0.5), "quasi-monte-carlo"),
            (am.ColorJitter(0.5, 0.5, clamp=False), "exact"),
        ],
        ids=repr,
    )
    def test_the_method_is_told(self, policy, method):
        assert am.moments(images(1, 1, 4, 4), policy).method == method


class TestImages:
    @pytest.mark.parametrize(
        "policy",
        [
            am.Compose([am.RandomRotation(20, "bilinear"), am.RandomTranslation(x=(-1, 1))]),
            am.Compose([am.ColorJitter(0.6, 0.5), am.RandomRotation(20, "bilinear")]),
            am.RandomApply([am.RandomZoom((0.5, 2)), am.RandomShear(y=(0, 30))], 0.4),
        ],
        ids=["affine", "clamped", "applied"],
    )
    def test_results_do_not_depend_on_the_batch(self, policy, monkeypatch):
        """Images of very different ranks together, alone, and in other chunks."""
        x = random_images((1, 8, 7))
        dot = torch.zeros(1, 1, 8, 7, dtype=torch.float64)
        dot[0, 0, 3, 3] = 1
        x = torch.cat([x, dot, torch.full_like(dot, 0.5), torch.zeros_like(dot)])
        together = am.moments(x, policy)
        dense = together.covariance.dense()
        for n in range(len(x)):
            alone = am.moments(x[n], policy)
            torch.testing.assert_close(alone.mean[0], together.mean[n], atol=1e-13, rtol=0)
            torch.testing.assert_close(alone.covariance.dense()[0], dense[n], atol=1e-13, rtol=0)
            torch.testing.assert_close(alone.error.covariance[0], together.error.covariance[n])
        monkeypatch.setattr(moments_module, "_BYTES_AT_ONCE", 1)
        chunked = am.moments(x, policy)
        torch.testing.assert_close(chunked.mean, together.mean, atol=1e-13, rtol=0)
        torch.testing.assert_close(chunked.covariance.dense(), dense, atol=1e-13, rtol=0)

    def test_layout_does_not_matter(self):
        x = images(3, 5, 4, 2).permute(0, 3, 2, 1)
        assert not x.is_contiguous()
        policy = am.Compose([am.RandomRotation(30, "bilinear"), am.RandomHorizontalFlip()])
        found, want = am.moments(x, policy), am.moments(x.contiguous(), policy)
        torch.testing.assert_close(found.mean, want.mean, atol=1e-15, rtol=0)
        torch.testing.assert_close(found.covariance.trace(), want.covariance.trace())

    def test_one_image_is_a_batch_of_one(self):
        found = am.moments(images(3, 4, 5), am.RandomHorizontalFlip())
        assert found.mean.shape == (1, 3, 4, 5)
        assert found.covariance.shape == (1, 60, 60)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
    @pytest.mark.parametrize(
        "policy",
        [
            am.RandomTranslation(x=(-1, 2), y=(-1, 1)),
            am.RandomRotation(30, "bilinear"),
            am.ColorJitter(0.5, 0.5),
        ],
        ids=repr,
    )
    def test_dtype(self, dtype, policy):
        x = images(2, 1, 6, 5).to(dtype)
        found, want = am.moments(x, policy), am.moments(x.double(), policy)
        assert found.mean.dtype == found.covariance.factor.dtype == dtype
        gap = (found.mean.double() - want.mean).flatten(1).norm(dim=1)
        assert (gap <= found.error.mean.double() * want.mean.flatten(1).norm(dim=1)).all()
        gap = (found.covariance.dense().double() - want.covariance.dense()).flatten(1).norm(dim=1)
        allowed = found.error.covariance.double() * want.covariance.frobenius_norm()
        assert (gap <= allowed).all()
        product = found.covariance.to_scipy() @ np.ones(30)
        np.testing.assert_allclose(product, want.covariance.to_scipy() @ np.ones(30), rtol=0.1)

    @pytest.mark.parametrize("degrees", [1.0, 1e-1, 1e-2, 1e-3])
    @pytest.mark.parametrize("law", ["discrete", "uniform"])
    def test_small_variances_in_single_precision_say_what_rounding_left(self, degrees, law):
        """The covariance is one of small differences of images that are rounded."""
        angles = am.Discrete([0, degrees]) if law == "discrete" else am.Uniform(0, degrees)
        x, policy = images(1, 1, 12, 12, dtype=torch.float32), am.RandomRotation(angles, "bilinear")
        found, want = am.moments(x, policy), am.moments(x.double(), policy)
        truth = want.covariance.dense()
        gap = float((found.covariance.dense().double() - truth).norm() / truth.norm())
        assert gap <= float(found.error.covariance)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_images_without_variance(self, dtype):
        constant = torch.full((1, 1, 9, 9), 0.3, dtype=dtype)
        fill = float(constant[0, 0, 0, 0])
        for x, policy in [
            (constant, am.RandomRotation(30, "bilinear", fill=fill)),
            (constant, am.RandomHorizontalFlip(0.3)),
            (torch.zeros_like(constant), am.RandomRotation(30, "bilinear")),
            (torch.zeros_like(constant), am.ColorJitter(0.5, 0.5)),
            (constant, am.Normalize(0.3, 0.2)),
            (constant, am.RandomTranslation()),
        ]:
            found = am.moments(x, policy)
            assert found.converged, policy
            assert found.covariance.trace().max() <= 1e-9
            assert (found.covariance.eigh(3).values <= 1e-9).all()

    def test_normalized_images_are_taken_on_request(self):
        x = 4 * images(2, 1, 4, 4) - 2
        with pytest.raises(InputError, match="value_range=None"):
            am.moments(x, am.RandomRotation(5))
        assert am.moments(x, am.RandomRotation(5), value_range=None).mean.shape == x.shape
        assert am.moments(x, am.RandomRotation(5), value_range=(-2, 2)).mean.shape == x.shape

    @pytest.mark.parametrize(
        ("x", "policy", "options", "error", "says"),
        [
            (images(2, 1, 4, 4), torch.nn.ReLU(), {}, InputTypeError, "got torch.nn.modules"),
            (images(2, 1, 4, 4), [am.RandomRotation(3)], {}, InputTypeError, "builtins.list"),
            (images(2, 1, 4, 4), am.RandomRotation(3), {"tol": 0.0}, InputError, "tol must lie"),
            (images(2, 1, 4, 4), am.RandomRotation(3), {"tol": 1.0}, InputError, "tol must lie"),
            (images(2, 1, 4, 4), am.RandomRotation(3), {"tol": np.nan}, InputError, "tol must"),
            (images(2, 1, 4, 4), am.ColorJitter(0.3), {"seed": -1}, InputError, "seed must be"),
            (images(2, 2, 4, 4), am.RandomGrayscale(), {}, PolicyError, "1 or 3 channels"),
            (images(2, 4, 4, 3).numpy(), am.RandomRotation(3), {}, InputTypeError, "from_numpy"),
            (images(2, 9, 9, 3), am.RandomRotation(3), {}, InputError, "permute"),
            (255 * images(2, 1, 4, 4), am.RandomRotation(3), {}, InputError, "images / 255"),
            (images(2, 1, 4, 4) / 0, am.RandomRotation(3), {}, InputError, "infinite"),
            (images(0, 1, 4, 4), am.RandomRotation(3), {}, InputError, "empty"),
        ],
    )
    def test_bad_input(self, x, policy, options, error, says):
        with pytest.raises(error, match=says):
            am.moments(x, policy, **options)


POLICIES = {
    "rotation": am.RandomRotation(am.Uniform(-20, 50), "bilinear", fill=0.2),
    "steps": am.Compose([am.RandomShear(x=(-20, 50)), am.RandomTranslation(y=(-0.4, 1.3))]),
    "choice": am.RandomApply([am.RandomZoom((0.5, 1.5)), am.RandomVerticalFlip(0.3)], 0.3),
    "colour": am.ColorJitter(0.3, 0.4, clamp=False),
}


class TestGradients:
    @pytest.mark.parametrize("name", POLICIES)
    def test_of_the_mean_is_the_adjoint(self, name):
        x = images(2, 1, 4, 5).requires_grad_()
        y = images(2, 1, 4, 5, seed=1)
        mean = am.moments(x, POLICIES[name]).mean
        (gradient,) = torch.autograd.grad((mean * y).sum(), x)
        want = am.expected_operator(POLICIES[name], (1, 4, 5)).adjoint(y)
        torch.testing.assert_close(gradient, want, atol=1e-12, rtol=0)

    @pytest.mark.parametrize("name", [*POLICIES, "clamped"])
    def test_of_the_covariance_by_finite_differences(self, name):
        policy = POLICIES.get(
            name, am.Compose([am.ColorJitter(0.2), am.RandomRotation(20, "bilinear")])
        )
        x = (0.2 + 0.5 * images(1, 1, 3, 4)).requires_grad_()
        z = images(1, 12, seed=1)

        def statistics(x):
            m = am.moments(x, policy, tol=0.02)
            quadratic = (z * (m.covariance @ z)).sum()
            return m.covariance.trace().sum(), quadratic, m.covariance.diagonal().square().sum()

        assert torch.autograd.gradcheck(statistics, (x,), atol=2e-4, rtol=2e-3)

    def test_of_the_leading_eigenvalue(self):
        x = images(1, 1, 3, 3).requires_grad_()
        policy = am.RandomTranslation(x=(-1, 1.3))
        assert torch.autograd.gradcheck(
            lambda x: am.moments(x, policy).covariance.eigh(1).values, (x,)
        )

    def test_none_is_kept_where_none_is_wanted(self):
        assert not am.moments(images(1, 1, 3, 3), POLICIES["steps"]).mean.requires_grad


# What holds for any image: the mean is affine in it, and the covariance a square.

some_policies = st.sampled_from(
    [
        am.RandomRotation(am.Uniform(-30, 70), "bilinear"),
        am.RandomRotation(am.Beta(0.3, 2, -90, 40)),
        am.RandomTranslation(x=am.Triangular(-1, 2, 1.8), y=(-0.5, 0.5), border="torchvision"),
        am.Compose([am.RandomShear(y=(-40, 10)), am.RandomHorizontalFlip(0.2)]),
        am.RandomApply(am.RandomZoom(am.LogUniform(0.3, 3)), 0.7),
        am.ColorJitter(0.7, am.Beta(2, 5, 0.2, 3), clamp=False),
    ]
)
some_shapes = st.tuples(st.sampled_from([1, 3]), st.integers(1, 6), st.integers(1, 6))
quick = settings(max_examples=40, deadline=None, derandomize=True)


@quick
@given(some_policies, some_shapes, st.integers(0, 2**31), st.floats(0.01, 1), st.floats(-1, 1))
def test_scaling_and_mixing(policy, shape, seed, scale, share):
    x, y = images(2, *shape, seed=seed)[:, None]
    mx, my = am.moments(x, policy), am.moments(y, policy)
    mixed = am.moments(share * x + (1 - share) * y, policy, value_range=None)
    torch.testing.assert_close(
        mixed.mean, share * mx.mean + (1 - share) * my.mean, atol=1e-11, rtol=0
    )
    scaled = am.moments(scale * x, policy)
    size = float(mx.covariance.trace()) + 1e-12
    torch.testing.assert_close(scaled.mean, scale * mx.mean, atol=1e-12, rtol=0)
    allowed = 4 * scale**2 * size * float(mx.error.covariance.max() + 1e-12)
    gap = scaled.covariance.dense() - scale**2 * mx.covariance.dense()
    assert gap.norm() <= allowed


@quick
@given(some_policies, some_shapes, st.integers(0, 2**31))
def test_covariances_are_positive_and_bounded(policy, shape, seed):
    found = am.moments(images(2, *shape, seed=seed), policy)
    dense = found.covariance.dense()
    trace = found.covariance.trace()
    assert (torch.linalg.eigvalsh(dense)[:, 0] >= -1e-14 * (1 + trace)).all()
    assert (found.covariance.frobenius_norm() <= trace + 1e-15).all()
    assert (found.covariance.eigh(1).values[:, 0] <= trace * (1 + 1e-12)).all()


@quick
@given(some_shapes, st.integers(0, 2**31), st.floats(0, 1), st.floats(0, 1))
def test_flips_commute(shape, seed, p, q):
    x = images(1, *shape, seed=seed)
    one, other = am.RandomHorizontalFlip(p), am.RandomVerticalFlip(q)
    first, second = (am.moments(x, am.Compose(steps)) for steps in ((one, other), (other, one)))
    assert_moments(first, second.mean, second.covariance.dense(), atol=1e-14)


class TestOtherLibraries:
    """Their own draws, one a call: z-scores of the mean, trace and leading eigenvalue.

    4,000 draws each, seed 0; the limits of :func:`augmoments.testing.check_samples`.
    """

    cases = (
        (v2.RandomRotation(40), am.RandomRotation(40)),
        (
            v2.RandomRotation((-10, 80), InterpolationMode.BILINEAR, center=[1, 2]),
            am.RandomRotation(
                (-10, 80), InterpolationMode.BILINEAR, center=(1, 2), border="torchvision"
            ),
        ),
        (
            v2.RandomRotation(25, InterpolationMode.BILINEAR, fill=0.4),
            am.RandomRotation(25, "bilinear", fill=0.4, border="torchvision"),
        ),
        (
            v2.RandomAffine(0, shear=(-10, 30), interpolation=InterpolationMode.BILINEAR),
            am.RandomShear(x=(-10, 30), border="torchvision"),
        ),
        (
            v2.RandomAffine(0, shear=(0, 0, -35, 5)),
            am.RandomShear(y=(-35, 5), interpolation="nearest"),
        ),
        (
            v2.RandomAffine(0, scale=(0.5, 1.8), interpolation=InterpolationMode.BILINEAR),
            am.RandomZoom((0.5, 1.8), border="torchvision"),
        ),
        (v2.RandomAffine((20, 60)), am.RandomRotation((-60, -20))),  # clockwise
        (v2.RandomHorizontalFlip(0.3), am.RandomHorizontalFlip(0.3)),
        (v2.RandomVerticalFlip(0.8), am.RandomVerticalFlip(0.8)),
        (v2.RandomGrayscale(0.4), am.RandomGrayscale(0.4)),
        (v2.ColorJitter(0.6), am.ColorJitter(0.6)),
        (v2.ColorJitter((0.2, 1.4), 0.7, (0.5, 2.5)), am.ColorJitter((0.2, 1.4), 0.7, (0.5, 2.5))),
        (
            v2.Compose(
                [
                    v2.RandomRotation(20, InterpolationMode.BILINEAR),
                    v2.RandomApply([v2.ColorJitter(0.5, 0.4)], 0.6),
                    v2.RandomHorizontalFlip(),
                    v2.Normalize([0.3, 0.4, 0.5], [0.2, 0.3, 0.4]),
                ]
            ),
            am.Compose(
                [
                    am.RandomRotation(20, "bilinear", border="torchvision"),
                    am.RandomApply(am.ColorJitter(0.5, 0.4), 0.6),
                    am.RandomHorizontalFlip(),
                    am.Normalize((0.3, 0.4, 0.5), (0.2, 0.3, 0.4)),
                ]
            ),
        ),
    )

    @pytest.mark.parametrize(("their", "our"), cases, ids=lambda t: type(t).__name__)
    def test_torchvision(self, their, our):
        x = random_images((3, 5, 6))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            drawn = torch.stack([their(x) for _ in range(4000)])
        check_samples(our, x, samples=drawn, tol=1e-2)

    def test_torchvision_of_another_policy_is_noticed(self):
        x = random_images((3, 5, 6))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            drawn = torch.stack([v2.RandomRotation(44)(x) for _ in range(4000)])
        with pytest.raises(AssertionError, match="4000 draws of RandomRotation"):
            check_samples(am.RandomRotation(40), x, samples=drawn)

    @pytest.mark.parametrize("name", ["rotation", "translation", "flip"])
    def test_kornia(self, name):
        """It draws for each image of a batch: 4,000 copies of one image."""
        kornia = pytest.importorskip("kornia.augmentation")
        their, our = {
            "rotation": (
                kornia.RandomRotation(40.0, p=1.0),
                am.RandomRotation(40, "bilinear"),
            ),
            "translation": (
                kornia.RandomAffine(0.0, translate=(0.3, 0.2), p=1.0),
                am.RandomTranslation(x=(-0.3 * 6, 0.3 * 6), y=(-0.2 * 5, 0.2 * 5)),
            ),
            "flip": (kornia.RandomHorizontalFlip(p=0.3), am.RandomHorizontalFlip(0.3)),
        }[name]
        x = random_images((1, 5, 6))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            drawn = torch.stack([their(y.expand(4000, -1, -1, -1)) for y in x], 1)
        check_samples(our, x, samples=drawn.double())


class TestEigenpairs:
    def test_shapes_and_order(self):
        found = am.moments(images(2, 1, 4, 5), am.RandomRotation(50, "bilinear")).covariance
        values, vectors, _ = found.eigh(4)
        assert values.shape == (2, 4)
        assert vectors.shape == (2, 4, 1, 4, 5)
        reference = torch.linalg.eigvalsh(found.dense()).flip(1)[:, :4]
        torch.testing.assert_close(values, reference, atol=1e-14, rtol=0)

    @pytest.mark.parametrize("k", [0, -1, 21])
    def test_impossible_numbers(self, k):
        found = am.moments(images(1, 1, 4, 5), am.RandomHorizontalFlip()).covariance
        with pytest.raises(InputError, match="k must be a whole number between 1 and 20"):
            found.eigh(k)

    def test_impossible_vectors(self):
        found = am.moments(images(2, 1, 4, 5), am.RandomHorizontalFlip()).covariance
        for z in (torch.ones(20), torch.ones(2, 19), torch.ones(1, 20, 3), torch.ones(2, 4, 5)):
            with pytest.raises(InputError, match="V @ z takes z of shape"):
                found @ z.double()

    def test_more_columns_than_pixels(self):
        found = am.moments(
            images(1, 1, 2, 2), am.RandomRotation(170, "bilinear"), tol=1e-4
        ).covariance
        assert found.factor.shape[1] > 4
        values, vectors, _ = found.eigh()
        flat = vectors.flatten(2)
        torch.testing.assert_close(flat.mT @ (values[..., None] * flat), found.dense())


def test_own_operators_with_a_continuous_law_go_by_nodes():
    """A resampling has its exact mean; another smooth operator has what the nodes give."""

    class Gamma(type(am.RandomGrayscale().operator)):
        parameter = "exponent"

        @property
        def affine(self):
            return False

        def __call__(self, x, theta):
            return x ** theta[:, 0].to(x).reshape(-1, 1, 1, 1, 1)

    class RandomGamma(Elementary):
        operator = Gamma()
        law = am.Uniform(0.5, 2.0)

    x = images(1, 1, 2, 2)
    found = am.moments(x, RandomGamma(), tol=1e-5)
    mean = (x**2 - x**0.5) / (1.5 * x.log())
    assert (found.mean - mean).norm() <= found.error.mean[0] * mean.norm()
    assert found.error.mean[0] < 1e-5
    check_samples(RandomGamma(), x)


def test_laws_are_checked_before_anything_is_computed():
    with pytest.raises(LawError):
        am.moments(images(1, 1, 3, 3), am.RandomRotation(am.Uniform(1, -1)))


class TestNoise:
    """Noise on every value, where it is integrated out and where it is not."""

    def test_clipped_noise_in_a_choice_is_not_sampled(self):
        x = images(2, 1, 3, 4)
        noise = am.GaussianNoise(sigma=0.3)
        policy = am.RandomChoice([noise, am.RandomInvert(1.0)], p=[0.25, 0.75])
        found, alone = am.moments(x, policy), am.moments(x, noise)
        assert found.method == alone.method == "exact"
        gap = (alone.mean - (1 - x)).flatten(1)
        want = 0.25 * alone.covariance.dense() + 0.1875 * gap[:, :, None] * gap[:, None]
        assert_moments(found, 0.25 * alone.mean + 0.75 * (1 - x), want)

    def test_noise_before_a_resampling(self):
        """``E[M (V + s^2 I) M^T]``, by hand from the two positions of a shift."""
        x = images(1, 1, 2, 3)
        shift = am.RandomTranslation(x=am.Discrete([0.0, 0.5]))
        policy = am.Compose([am.GaussianNoise(sigma=0.2, clip=False), shift])
        found = am.moments(x, policy)
        half = am.expected_operator(am.RandomTranslation(x=am.Discrete([0.5])), (1, 2, 3)).matrix()
        half = torch.from_numpy(half.toarray())
        eye = torch.eye(6, dtype=torch.float64)
        gap = (half - eye) @ x.flatten()
        want = 0.02 * (eye + half @ half.T) + 0.25 * torch.outer(gap, gap)
        assert found.method == "exact"
        assert_moments(found, x + (gap / 2).reshape(x.shape), want[None])

    def test_noise_before_a_nonlinear_step_is_monte_carlo(self):
        policy = am.Compose([am.GaussianNoise(sigma=0.2), am.RandomSolarize(0.5)])
        assert am.moments(images(1, 1, 2, 3), policy, tol=0.1).method == "monte-carlo"


class TestMemory:
    def test_fewer_nodes_where_memory_is_short(self):
        x = images(1, 3, 16, 16)
        policy = am.Compose([am.RandomRotation(20), am.ColorJitter(0.4, 0.4, 0.4)])
        short = am.moments(x, policy, tol=1e-6, max_memory=300 * 4 * x.nbytes)
        assert short.nodes < am.moments(x, policy, tol=1e-6).nodes
        assert not short.converged

    def test_what_does_not_fit_at_all(self):
        x = images(1, 3, 16, 16)
        with pytest.raises(am.errors.NotEnoughMemoryError, match="a larger max_memory"):
            am.moments(x, am.ColorJitter(0.4, 0.4), max_memory=100 * x.nbytes)
        with pytest.raises(am.errors.InputError, match="max_memory must be"):
            am.moments(x, am.ColorJitter(0.4, 0.4), max_memory=0)

    @pytest.mark.parametrize(
        "policy",
        [am.RandomSolarize(1.0, p=0.5), am.RandomApply(am.ColorJitter(0.4, 0.3), 0.01), am.Pad(0)],
    )
    def test_the_images_are_not_written_to(self, policy):
        x = images(1, 1, 3, 3)
        before = x.clone()
        am.moments(x, policy)
        assert torch.equal(x, before)


def test_errors_of_means_are_carried_through_the_tail():
    """Normalizing brings the mean near to zero, and what it was off by relatively large."""
    x = images(1, 3, 8, 8)
    jitter = am.RandomApply(am.ColorJitter(0.4, 0.4, 0.2, 0.1), 0.8)
    steps = [am.RandomResizedCrop(8), jitter, am.Normalize((0.485, 0.456, 0.406), 0.22)]
    found = [
        am.moments(x, am.Compose(steps), tol=1e-9, seed=seed, max_nodes=512) for seed in range(8)
    ]
    means = torch.stack([m.mean for m in found])
    off = (means - means.mean(0)).flatten(1).norm(dim=1) / means.mean(0).norm()
    stated = torch.cat([m.error.mean for m in found])
    assert (off < stated).all()
    assert off.max() > 0.05 * stated.max()


def test_eigenvalues_lie_within_their_stated_error():
    """The classical recipe; the truth from all outcomes of the crop."""
    x = torch.from_numpy(np.random.default_rng(0).random((1, 3, 20, 20))).cumsum(-1) / 20
    policy = am.Compose([am.RandomResizedCrop(8), am.RandomHorizontalFlip()])
    truth = am.moments(x, policy, max_nodes=2**16)
    assert truth.method == "exact"
    for nodes in (128, 512):
        found = am.moments(x, policy, seed=1, tol=1e-6, max_nodes=nodes)
        assert found.mean_method == "exact"
        torch.testing.assert_close(found.mean, truth.mean, rtol=0, atol=1e-12)
        values, _, off = found.covariance.eigh(16)
        gap = (values - truth.covariance.eigh(16).values).abs()
        assert 0 < float(gap.max()) < float(off[0]) < float(values[0, 0])
