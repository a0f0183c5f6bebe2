"""The invariant projection against brute-force scatters, scikit-learn's LDA and sampling."""

import numpy as np
import pytest
import torch
from scipy.linalg import eigh
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

import augmoments as am
from augmoments.errors import InputError, PolicyError
from augmoments.linear.projection import InvariantProjection

SHAPE = (1, 5, 4)
FLIP = am.RandomHorizontalFlip(0.3)


def data(n=40, shape=SHAPE, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, *shape, generator=generator, dtype=torch.float64)


def shift(x, t):
    return am.RandomTranslation(y=float(t))(x)


def finite_cases():
    moved = am.RandomTranslation(y=am.Discrete([-1, 2], [0.6, 0.4]))
    bright = am.ColorJitter(brightness=am.Discrete([0.5, 1.8]))  # clamps: not affine
    yield (
        "flip, then shift",
        am.Compose([FLIP, moved]),
        lambda x: [
            (p * q, shift(a, t))
            for p, a in [(0.7, x), (0.3, x.flip(-1))]
            for q, t in ((0.6, -1), (0.4, 2))
        ],
    )
    yield (
        "clamped, then shift",
        am.Compose([bright, moved]),
        lambda x: [
            (0.5 * q, shift((f * x).clamp(0, 1), t))
            for f in (0.5, 1.8)
            for q, t in ((0.6, -1), (0.4, 2))
        ],
    )
    yield (
        "cropped",
        am.RandomCrop((3, 4)),
        lambda x: [(1 / 3, x[:, :, i : i + 3]) for i in range(3)],
    )


def scatters(outcomes):
    """Mean, total and between covariance of all outcomes, written out in NumPy."""
    shares, copies = zip(*outcomes, strict=True)
    rows = np.stack([copy.flatten(1).numpy() for copy in copies])
    shares = np.array(shares)
    means = np.einsum("o,ond->nd", shares, rows)
    mean = means.mean(0)
    total = np.einsum("o,ond,one->de", shares, rows - mean, rows - mean) / rows.shape[1]
    return mean, total, (means - mean).T @ (means - mean) / len(means)


@pytest.mark.parametrize(
    ("policy", "outcomes"), [c[1:] for c in finite_cases()], ids=[c[0] for c in finite_cases()]
)
@pytest.mark.parametrize("alpha", [1e-3, 0.3])
def test_finite_policies_equal_the_eigenproblem_of_all_outcomes(policy, outcomes, alpha):
    images = data()
    found = InvariantProjection(policy, 4, alpha=alpha).fit(images)
    mean, total, between = scatters(outcomes(images))
    size = len(total)
    values, vectors = eigh(between, total + alpha * np.trace(total) / size * np.eye(size))
    np.testing.assert_allclose(found.eigenvalues_, values[:-5:-1], rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.mean_, mean, rtol=0, atol=1e-12)
    for component, vector in zip(found.components_, vectors.T[:-5:-1], strict=True):
        vector = vector / np.sqrt(vector @ total @ vector)
        vector = vector * np.sign(vector[np.abs(vector).argmax()])
        np.testing.assert_allclose(component, vector, rtol=0, atol=1e-6 * np.abs(vector).max())
    assert found.method_ == "exact"
    assert found.error_ == 0
    assert found.components_.shape == (4, size)
    transformed = [(p, found.transform(x)) for p, x in outcomes(images)]
    np.testing.assert_allclose(sum(p * z.mean(0) for p, z in transformed), 0, atol=1e-9)
    np.testing.assert_allclose(sum(p * np.square(z).mean(0) for p, z in transformed), 1)


def test_it_is_scikit_learns_discriminant_analysis_whose_classes_are_the_images():
    images = data(30)
    places = (-1, 0, 1)
    policy = am.RandomTranslation(x=am.Discrete(places), y=am.Discrete(places))
    copies = [am.RandomTranslation(x=float(x), y=float(y))(images) for x in places for y in places]
    rows = torch.cat([copy.flatten(1) for copy in copies]).numpy()
    lda = LinearDiscriminantAnalysis(solver="eigen", n_components=5)
    lda.fit(rows, np.tile(np.arange(30), len(copies)))
    found = InvariantProjection(policy, 5, alpha=0).fit(images)
    ours, theirs = found.transform(images), lda.transform(images.flatten(1).numpy())
    for a, b in zip(ours.T, theirs.T, strict=True):
        assert abs(np.corrcoef(a, b)[0, 1]) == pytest.approx(1, abs=1e-7)
    odds = found.eigenvalues_ / (1 - found.eigenvalues_)  # of between to within, as in LDA
    ratios = lda.explained_variance_ratio_[:5]
    np.testing.assert_allclose(odds / odds.sum(), ratios / ratios.sum(), rtol=1e-7)


def test_mirrored_directions_alone_survive_a_flip():
    """With equal odds a direction is invariant if it is symmetric, and lost if it is not."""
    images = data(60)
    found = InvariantProjection(am.RandomHorizontalFlip(0.5), 10, alpha=1e-9).fit(images)
    np.testing.assert_allclose(found.eigenvalues_, 1, atol=1e-6)
    np.testing.assert_allclose(
        found.transform(images), found.transform(images.flip(-1)), rtol=0, atol=1e-6
    )
    with pytest.raises(InputError, match="differ in 10 directions only"):
        InvariantProjection(am.RandomHorizontalFlip(0.5), 11, alpha=1e-9).fit(images)


def test_shares_are_those_of_samples():
    """400 draws of each image: variance between images and in all, within 5 standard errors."""
    images = data()
    policy = am.RandomTranslation(x=(-1.5, 1), y=(-1, 0.5))
    found = InvariantProjection(policy, 4, alpha=0).fit(images)
    generator = torch.Generator().manual_seed(0)
    draws = np.stack([found.transform(policy(images, generator=generator)) for _ in range(400)])
    within = draws.var(0, ddof=1).mean(0)
    error = np.square(draws - draws.mean(0)).mean(1).std(0) / np.sqrt(400)
    assert np.all(np.abs(within - (1 - found.eigenvalues_)) < 5 * error)
    assert np.all(error < 0.01)


def test_nodes_are_within_the_stated_error():
    images = data()
    rotation = am.RandomRotation(25, interpolation="bilinear")
    fine = InvariantProjection(rotation, 5, tol=1e-7).fit(images)
    rough = InvariantProjection(rotation, 5, tol=1e-2).fit(images)
    assert rough.method_ == "cubature"
    assert np.linalg.norm(rough.eigenvalues_ - fine.eigenvalues_) <= rough.error_ + fine.error_
    assert 0 < rough.error_ < 0.01


CLAMPED = am.Compose([am.ColorJitter(brightness=0.6, contrast=0.6), am.RandomRotation(25)])
AFFINE = am.RandomAffine(20, (0.1, 0.1), (0.8, 1.2), interpolation="bilinear")


@pytest.mark.parametrize("policy", [CLAMPED, AFFINE], ids=["clamped", "affine"])
def test_random_nodes_are_within_the_stated_error_over_seeds(policy):
    images = data()
    fine = InvariantProjection(policy, 5, nodes=8192, tol=1e-5, seed=99).fit(images)
    ratios = []
    for seed in range(8):
        found = InvariantProjection(policy, 5, nodes=128, seed=seed, tol=0.3).fit(images)
        assert found.method_ == "quasi-monte-carlo"
        gap = np.linalg.norm(found.eigenvalues_ - fine.eigenvalues_)
        ratios.append(gap / (found.error_ + fine.error_))
    assert max(ratios) <= 1
    assert np.sqrt(np.mean(np.square(ratios))) > 0.01


def test_images_of_another_kind_or_shape():
    images = data()
    crop = InvariantProjection(am.RandomCrop((3, 4)), 3).fit(images)
    assert crop.shape_ == (1, 3, 4)
    np.testing.assert_array_equal(
        crop.transform(images[:, :, :3]), crop.transform(images[:, :, :3].numpy())
    )
    with pytest.raises(InputError, match=r"shape \(1, 3, 4\), got \(1, 5, 4\)"):
        crop.transform(images)
    numpy = InvariantProjection(FLIP, 3).fit(images.numpy())
    np.testing.assert_array_equal(
        numpy.components_, InvariantProjection(FLIP, 3).fit(images).components_
    )


def test_bad_input_is_refused():
    images = data()
    with pytest.raises(InputError, match="between 1 and 20, got 21"):
        InvariantProjection(FLIP, 21).fit(images)
    with pytest.raises(InputError, match="n_components"):
        InvariantProjection(FLIP, 0).fit(images)
    with pytest.raises(InputError, match="differ in 2 directions only"):
        InvariantProjection(FLIP, 3).fit(images[:3])
    with pytest.raises(InputError, match="singular"):
        InvariantProjection(FLIP, 3, alpha=0).fit(images[:3])
    with pytest.raises(InputError, match="alpha"):
        InvariantProjection(FLIP, 3, alpha=-1.0).fit(images)
    with pytest.raises(InputError, match="reshape"):
        InvariantProjection(FLIP, 3).fit(images.flatten(1))
    with pytest.raises(PolicyError, match="mixes"):
        InvariantProjection(am.CutMix(), 3).fit(images)
