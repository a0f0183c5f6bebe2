"""Comparisons against dense formulas, known answers and what distances must satisfy."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm, subspace_angles

import augmoments as am
from augmoments.augmentations.crops import RandomCrop
from augmoments.augmentations.noise import GaussianNoise
from augmoments.augmentations.sequence import Chain
from augmoments.calculus import distances
from augmoments.comparison import Bounded, compare
from augmoments.errors import InputError, NotEnoughMemoryError, PolicyError

ROTATION = am.RandomRotation(20, interpolation="bilinear")
SHIFTS = am.RandomTranslation(x=(-1.5, 1.5), y=(-1, 1))
FLIP = am.RandomHorizontalFlip()
BOTH = am.Compose([am.RandomZoom((0.8, 1.1)), am.ColorJitter(brightness=0.3, clamp=False)])
NOISE = am.Compose([SHIFTS, GaussianNoise(sigma=0.1, clip=False)])
NOTHING = am.Normalize(0.0, 1.0)
POLICIES = [ROTATION, SHIFTS, FLIP, BOTH, NOISE, NOTHING]
NAMES = ["rotation", "shifts", "flip", "both", "noise", "nothing"]


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(1)
    return torch.rand(3, 1, 6, 5, dtype=torch.float64, generator=generator)


def dense(images, a, b, k=4):
    """The textbook formulas, with square roots of matrices."""
    found = [am.moments(images, policy) for policy in (a, b)]
    means = [m.mean.flatten(1).numpy() for m in found]
    matrices = [m.covariance.dense().numpy() for m in found]
    rows = []
    for mean_a, mean_b, V_a, V_b in zip(*means, *matrices, strict=True):
        shift = np.linalg.norm(mean_a - mean_b)
        root = np.real(sqrtm(V_a))
        cross = np.linalg.eigvalsh(root @ V_b @ root).clip(0)
        square = shift**2 + np.trace(V_a) + np.trace(V_b) - 2 * np.sqrt(cross).sum()
        leading = [np.linalg.eigh(V)[1][:, ::-1][:, :k] for V in (V_a, V_b)]
        rows.append(
            {
                "mean": shift / np.linalg.norm(mean_b),
                "covariance": np.linalg.norm(V_a - V_b) / np.linalg.norm(V_b),
                "trace_a": np.trace(V_a),
                "trace_b": np.trace(V_b),
                "wasserstein": np.sqrt(max(square, 0)),
                "relative_wasserstein": np.sqrt(max(square, 0) / np.trace(V_b)),
                "angles": np.rad2deg(subspace_angles(*leading))[::-1],
            }
        )
    return {name: torch.tensor(np.stack([row[name] for row in rows])) for name in rows[0]}


# Square roots of singular matrices are good to half the digits, and sums of them to fewer.
SINGULAR = {"wasserstein": 1e-4, "relative_wasserstein": 1e-4}


@pytest.mark.filterwarnings("ignore:Matrix is singular")
@pytest.mark.parametrize(
    ("a", "b", "singular"),
    [
        (ROTATION, SHIFTS, SINGULAR),
        (SHIFTS, BOTH, SINGULAR),
        (FLIP, ROTATION, SINGULAR),
        (BOTH, NOISE, SINGULAR),
        (NOISE, SHIFTS, {}),
        (NOISE, am.Compose([FLIP, GaussianNoise(sigma=0.2, clip=False)]), {}),
    ],
)
def test_dense_formulas(images, a, b, singular):
    found, expected = compare(images, a, b), dense(images, a, b)
    for name, value in expected.items():
        if name == "angles" and float(found.angles.error.max()) == 90:
            continue  # an eigenspace of dimension 1 has no four leading vectors
        tolerance = singular.get(name, 1e-7)
        torch.testing.assert_close(
            getattr(found, name).value, value, rtol=tolerance, atol=tolerance, msg=name
        )


@pytest.mark.parametrize(("a", "b"), [(ROTATION, SHIFTS), (FLIP, BOTH), (SHIFTS, BOTH)])
def test_nuclear_norm(images, a, b):
    """The same distance from the singular values of one factor against the other."""
    first, second = am.moments(images, a), am.moments(images, b)
    factors = [m.covariance.factor.flatten(2) for m in (first, second)]
    nuclear = torch.linalg.svdvals(factors[0] @ factors[1].mT).sum(1)
    traces = first.covariance.trace() + second.covariance.trace()
    shift = (first.mean - second.mean).flatten(1).square().sum(1)
    expected = (shift + traces - 2 * nuclear).sqrt()
    torch.testing.assert_close(compare(images, a, b).wasserstein.value, expected)


@pytest.mark.parametrize("policy", POLICIES, ids=NAMES)
def test_a_policy_is_no_distance_from_itself(images, policy):
    found = compare(images, policy, policy)
    for name in ("mean", "covariance", "wasserstein"):
        value, error = getattr(found, name)
        assert (value <= error).all(), name
        assert float(value.max()) < 1e-12, name
    assert (found.angles.value <= found.angles.error).all()


@pytest.mark.parametrize("a", POLICIES, ids=NAMES)
@pytest.mark.parametrize("b", [SHIFTS, FLIP], ids=["shifts", "flip"])
def test_symmetric(images, a, b):
    one, other = compare(images, a, b), compare(images, b, a)
    torch.testing.assert_close(one.wasserstein.value, other.wasserstein.value)
    torch.testing.assert_close(one.wasserstein.error, other.wasserstein.error)
    torch.testing.assert_close(one.trace_a.value, other.trace_b.value)
    torch.testing.assert_close(one.angles.error, other.angles.error)
    known = one.angles.error[:, 0] < 90
    torch.testing.assert_close(one.angles.value[known], other.angles.value[known])


def test_triangle_inequality(images):
    ab, bc, ac = (
        compare(images, x, y).wasserstein.value
        for x, y in ((ROTATION, SHIFTS), (SHIFTS, BOTH), (ROTATION, BOTH))
    )
    assert (ac <= ab + bc).all()


class TestKnownAnswers:
    def test_means_that_are_apart(self, images):
        """Adding a constant moves the mean and nothing else."""
        moved = am.Compose([SHIFTS, am.Normalize(-0.5, 1.0)])
        found = compare(images, moved, SHIFTS)
        gap = torch.full((3,), 0.5 * 30**0.5, dtype=torch.float64)
        torch.testing.assert_close(found.wasserstein.value, gap)
        norm = am.moments(images, SHIFTS).mean.flatten(1).norm(dim=1)
        torch.testing.assert_close(found.mean.value, gap / norm)
        assert float(found.covariance.value.max()) < 1e-12
        assert float(found.angles.value.max()) < 1e-5

    def test_a_covariance_that_is_scaled(self, images):
        """Scaling by s scales V by s^2: the distance has |s - 1| of norm and deviation."""
        scaled = am.Compose([SHIFTS, am.Normalize(0.0, 0.5)])
        found = compare(images, scaled, SHIFTS)
        m = am.moments(images, SHIFTS)
        norm, trace = m.mean.flatten(1).norm(dim=1), m.covariance.trace()
        torch.testing.assert_close(found.covariance.value, torch.full_like(norm, 3.0))
        torch.testing.assert_close(found.trace_a.value, 4 * trace)
        torch.testing.assert_close(found.wasserstein.value, (norm**2 + trace).sqrt())
        assert float(found.angles.value.max()) < 1e-5

    def test_nothing_random(self, images):
        """Without any variance the distance is that of the images."""
        found = compare(images, am.RandomHorizontalFlip(1.0), NOTHING)
        gap = (images.flip(-1) - images).flatten(1).norm(dim=1)
        torch.testing.assert_close(found.wasserstein.value, gap)
        assert found.relative_wasserstein.value.isinf().all()
        assert (found.angles.error == 90).all()

    def test_directions_at_a_right_angle(self):
        """A flip moves an image along x - flip(x) only."""
        image = torch.zeros(1, 1, 3, 3, dtype=torch.float64)
        image[..., 1, 0], image[..., 0, 1] = 0.5, 1.0
        vertical = am.RandomVerticalFlip()
        found = compare(image, FLIP, vertical, k=1)
        torch.testing.assert_close(found.angles.value, torch.tensor([[90.0]]).double())
        assert float(found.angles.error.max()) < 1e-9
        torch.testing.assert_close(found.cosines, torch.zeros(1, 1).double(), atol=1e-12, rtol=0)

    def test_whole_spaces_are_alike(self, images):
        found = compare(images[:, :, :2, :2], ROTATION, FLIP, k=4)
        assert float(found.angles.value.max()) < 1e-10
        assert float(found.angles.error.max()) == 0


def test_errors_hold(images):
    """Coarse answers are as near to fine ones as they say."""
    fine = compare(images, ROTATION, BOTH, 1e-6, max_nodes=2**14)
    coarse = compare(images, ROTATION, BOTH, 5e-2)
    for name, value in vars(coarse).items():
        if isinstance(value, Bounded):
            truth = getattr(fine, name)
            assert ((value.value - truth.value).abs() <= value.error + truth.error).all(), name


def test_float32_and_single_image(images):
    found = compare(images[0].float(), ROTATION, SHIFTS)
    expected = compare(images[:1], ROTATION, SHIFTS)
    assert found.wasserstein.value.dtype == torch.float64
    torch.testing.assert_close(
        found.wasserstein.value, expected.wasserstein.value, rtol=1e-4, atol=0
    )


def test_memory_is_bounded(images, monkeypatch):
    whole = compare(images, ROTATION, SHIFTS)
    monkeypatch.setattr("augmoments.comparison._BYTES_AT_ONCE", 1)
    parts = compare(images, ROTATION, SHIFTS)
    torch.testing.assert_close(parts.wasserstein, whole.wasserstein)
    m = am.moments(images, NOISE)
    monkeypatch.setattr("augmoments.checks.available_memory", lambda: 10_000)
    with pytest.raises(NotEnoughMemoryError, match="comparison of two covariances"):
        distances.images_at_once(m.covariance, m.covariance, 2**20)


def test_what_it_says(images):
    found = compare(images, ROTATION, SHIFTS)
    text = str(found)
    assert "principal angle 4, degrees" in text
    assert text.splitlines()[-1] == "a: cubature, b: exact"
    assert "medians of 3; a cubature, b exact" in found.summary()


def test_pipelines_of_other_libraries(images):
    v2 = pytest.importorskip("torchvision.transforms.v2")
    found = compare(images, v2.RandomHorizontalFlip(0.3), am.RandomHorizontalFlip(0.3))
    assert float(found.wasserstein.value.max()) < 1e-12


def test_refusals(images):
    with pytest.raises(PolicyError, match=r"\(1, 4, 4\) and \(1, 6, 5\)"):
        compare(images, Chain((RandomCrop(4),)), FLIP)
    with pytest.raises(InputError, match="k must be a whole number between 1 and 30, got 31"):
        compare(images, FLIP, FLIP, k=31)
    with pytest.raises(InputError, match="expected"):
        compare(2 * images, FLIP, FLIP)
    compare(2 * images, FLIP, FLIP, value_range=None)
