"""Closed-form training on infinitely many augmented samples, against independent computations."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.utils.validation import NotFittedError
from torch.nn.functional import one_hot, pad

import augmoments as am
from augmoments.errors import InputError, InputTypeError, NotEnoughMemoryError, PolicyError

SHAPE = (1, 5, 4)
ALPHA = 1e-2


def data(n=30, shape=SHAPE, outputs=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(n, *shape, generator=generator, dtype=torch.float64)
    return images, torch.randn(n, outputs, generator=generator, dtype=torch.float64)


def weighted_ridge(copies, weights, targets, alpha=ALPHA):
    """scikit-learn's ridge on every outcome of every image, weighted by its probability."""
    x = torch.cat([c.flatten(1) for c in copies]).numpy()
    y = np.concatenate([targets.numpy()] * len(copies))
    w = np.repeat(weights, len(targets)) / len(targets)
    model = Ridge(alpha=alpha, solver="cholesky").fit(x, y, sample_weight=w)
    return model.coef_, model.intercept_


def finite_cases():
    flip = am.RandomHorizontalFlip(0.3)
    shift = am.RandomTranslation(y=am.Discrete([-1, 0, 2], [0.5, 0.3, 0.2]))
    bright = am.ColorJitter(brightness=am.Discrete([0.5, 1.8]))  # clamps: not affine
    yield "flip", flip, lambda x: [(0.7, x), (0.3, x.flip(-1))]

    def shifted(x):
        return [
            (p, am.RandomTranslation(y=float(t))(x)) for t, p in ((-1, 0.5), (0, 0.3), (2, 0.2))
        ]

    yield (
        "flip then shift",
        am.Compose([flip, shift]),
        lambda x: [(p * q, b) for p, a in [(0.7, x), (0.3, x.flip(-1))] for q, b in shifted(a)],
    )
    yield (
        "clamped, then shift",
        am.Compose([bright, shift]),
        lambda x: [(0.5 * q, b) for f in (0.5, 1.8) for q, b in shifted((f * x).clamp(0, 1))],
    )
    yield (
        "fill and normalise",
        am.Compose([am.RandomTranslation(x=am.Discrete([0, 1]), fill=0.7), am.Normalize(0.3, 0.5)]),
        lambda x: [
            (0.5, (x - 0.3) / 0.5),
            (0.5, (am.RandomTranslation(x=1.0, fill=0.7)(x) - 0.3) / 0.5),
        ],
    )
    yield (
        "cropped",
        am.Compose([am.RandomCrop((3, 4)), flip]),
        lambda x: [
            (p / 3, z)
            for i in range(3)
            for p, z in [(0.7, x[:, :, i : i + 3]), (0.3, x[:, :, i : i + 3].flip(-1))]
        ],
    )
    yield (
        "clamped, then framed",
        am.Compose([bright, am.Pad((0, 1), 0.4)]),
        lambda x: [(0.5, pad((f * x).clamp(0, 1), (0, 0, 1, 1), value=0.4)) for f in (0.5, 1.8)],
    )
    yield (
        "applied at times",
        am.RandomApply(flip, 0.4),
        lambda x: [
            (0.6 + 0.4 * 0.7, x),
            (0.4 * 0.3, x.flip(-1)),
        ],
    )


@pytest.mark.parametrize(
    ("policy", "outcomes"),
    [case[1:] for case in finite_cases()],
    ids=[c[0] for c in finite_cases()],
)
def test_finite_policies_equal_scikit_learn_on_all_outcomes(policy, outcomes):
    images, targets = data()
    model = am.AugmentedRidge(policy, alpha=ALPHA).fit(images, targets)
    weights, copies = zip(*outcomes(images), strict=True)
    coef, intercept = weighted_ridge(copies, weights, targets)
    np.testing.assert_allclose(model.coef_, coef, rtol=0, atol=1e-10 * np.abs(coef).max())
    np.testing.assert_allclose(model.intercept_, intercept, rtol=0, atol=1e-10)
    residual = [
        w * np.square(targets.numpy() - model.predict(c)).sum(1).mean()
        for w, c in zip(weights, copies, strict=True)
    ]
    assert model.loss_ == pytest.approx(sum(residual), rel=1e-10)


def test_cubature_weights_converge_within_tolerance():
    images, targets = data()
    policy = am.Compose(
        [am.RandomRotation(20, interpolation="bilinear"), am.RandomZoom((0.9, 1.2))]
    )
    rough = am.DatasetMoments(policy, tol=1e-3).update(images, targets)
    fine = am.DatasetMoments(policy, tol=1e-7, max_nodes=2048).update(images, targets).moments()
    found = rough.moments()
    off = float((found.covariance - fine.covariance).norm() / fine.covariance.norm())
    assert found.method == "cubature"
    assert 0 < off <= found.error <= 1e-3
    torch.testing.assert_close(found.mean, fine.mean, rtol=0, atol=1e-12)
    torch.testing.assert_close(found.cross, fine.cross, rtol=0, atol=1e-12)


def test_sampled_training_converges_to_the_weights():
    """One fit on 400 sampled copies lies as far off as the law n^-1/2 says from 100 copies."""
    images, targets = data()
    policy = am.RandomTranslation(x=(-1.5, 1.5), y=(-1, 1))
    truth = am.AugmentedRidge(policy, alpha=ALPHA).fit(images, targets).coef_
    generator = torch.Generator().manual_seed(3)

    def off(copies):
        draws = [policy(images, generator=generator) for _ in range(copies)]
        coef, _ = weighted_ridge(draws, [1 / copies] * copies, targets)
        return np.linalg.norm(coef - truth) / np.linalg.norm(truth)

    few, many = np.mean([off(100) for _ in range(8)]), np.mean([off(400) for _ in range(8)])
    assert many < 0.2
    assert 1.6 < few / many < 2.5


def test_per_image_and_whole_dataset_agree():
    """The same covariance from per-image moments: between plus mean within."""
    images, targets = data()
    policy = am.Compose([am.RandomTranslation(x=(-1.5, 1)), am.RandomHorizontalFlip(0.2)])
    found = am.DatasetMoments(policy).update(images, targets).moments()
    m = am.moments(images, policy)
    between = torch.cov(m.mean.flatten(1).T, correction=0)
    torch.testing.assert_close(found.covariance, between + m.covariance.dense().mean(0))


@pytest.mark.parametrize("nonlinear", [False, True])
def test_merge_is_associative_and_equals_one_pass(nonlinear):
    images, targets = data(40)
    policy = am.ColorJitter(brightness=0.5, clamp=nonlinear)

    def part(start, stop):
        return am.DatasetMoments(policy).update(images[start:stop], targets[start:stop])

    whole = part(0, 40)
    left = part(0, 7).merge(part(7, 25)).merge(part(25, 40))
    right = part(0, 7).merge(part(7, 25).merge(part(25, 40)))
    streamed = am.DatasetMoments(policy)
    for start in range(0, 40, 9):
        streamed.update(images[start : start + 9], targets[start : start + 9])
    expected = whole.solve(ALPHA)
    for other in (left, right, streamed):
        assert other.count == 40
        torch.testing.assert_close(other.solve(ALPHA).coef, expected.coef, rtol=1e-9, atol=1e-11)
    empty = am.DatasetMoments(policy)
    torch.testing.assert_close(empty.merge(whole).solve(ALPHA).coef, expected.coef)


def test_classifier_is_ridge_to_one_hot_targets():
    images, _ = data(60)
    labels = torch.arange(60) % 3 + 5
    policy = am.RandomHorizontalFlip(0.3)
    model = am.AugmentedRidgeClassifier(policy, alpha=ALPHA).fit(images, labels)
    ridge = am.AugmentedRidge(policy, alpha=ALPHA).fit(images, one_hot(labels - 5).double())
    np.testing.assert_array_equal(model.classes_, [5, 6, 7])
    np.testing.assert_allclose(model.coef_, ridge.coef_)
    outputs = model.to_module()(images.float()).detach().numpy()
    np.testing.assert_allclose(outputs, model.decision_function(images), atol=1e-5)
    np.testing.assert_array_equal(model.predict(images), outputs.argmax(1) + 5)


def test_two_classes_have_one_margin():
    images, _ = data(20)
    labels = np.array(["no", "yes"])[np.arange(20) % 2]
    model = am.AugmentedRidgeClassifier(am.RandomHorizontalFlip(), alpha=ALPHA).fit(images, labels)
    margin = model.decision_function(images)
    assert margin.shape == (20,)
    np.testing.assert_array_equal(model.predict(images) == "yes", margin > 0)


def test_estimators_are_scikit_learns():
    policy = am.RandomHorizontalFlip()
    model = am.AugmentedRidge(policy, alpha=0.5)
    assert clone(model).get_params() == {
        "policy": policy,
        "alpha": 0.5,
        "tol": 1e-3,
        "seed": 0,
        "nodes": 256,
    }
    assert model.set_params(alpha=2.0).alpha == 2.0
    with pytest.raises(NotFittedError):
        model.predict(data()[0])
    images, targets = data()
    single = am.AugmentedRidge(policy).fit(images, targets[:, 0])
    assert single.predict(images).shape == (30,)
    assert single.score(images, targets[:, 0]) <= 1


def test_digits_are_learned_better_with_the_policy_in_mind():
    """Tested on shifted digits, the model that was trained on all shifts wins."""
    images, labels = am.data.digits()
    policy = am.RandomTranslation(x=(-1, 1), y=(-1, 1))
    shifted = policy(images[900:], generator=torch.Generator().manual_seed(0))
    aware = am.AugmentedRidgeClassifier(policy).fit(images[:900], labels[:900])
    plain = am.AugmentedRidgeClassifier(am.RandomTranslation()).fit(images[:900], labels[:900])
    assert aware.score(shifted, labels[900:]) > plain.score(shifted, labels[900:]) + 0.05


def test_bad_input_is_refused():
    images, targets = data()
    policy = am.RandomHorizontalFlip()
    moments = am.DatasetMoments(policy)
    with pytest.raises(InputError, match="No images"):
        moments.solve(ALPHA)
    moments.update(images, targets)
    with pytest.raises(InputError, match="shape"):
        moments.update(images[..., :3], targets)
    with pytest.raises(InputError, match="columns"):
        moments.update(images, targets[:, 0])
    with pytest.raises(InputError, match="alpha"):
        moments.solve(-1.0)
    with pytest.raises(InputError, match="singular"):
        am.DatasetMoments(policy).update(images[:3], targets[:3]).solve(0.0)
    with pytest.raises(InputError, match="merge"):
        moments.merge(am.DatasetMoments(am.RandomVerticalFlip()))
    with pytest.raises(InputTypeError, match="DatasetMoments"):
        moments.merge(images)
    with pytest.raises(InputTypeError, match="policy"):
        am.DatasetMoments("flip")
    with pytest.raises(PolicyError, match="channels"):
        am.DatasetMoments(am.ColorJitter(0, 0.5)).update(torch.rand(3, 2, 4, 4), targets[:3])
    with pytest.raises(InputError, match="one class"):
        am.AugmentedRidgeClassifier(policy).fit(images, torch.zeros(30, dtype=int))
    with pytest.raises(InputError, match="whole numbers"):
        am.AugmentedRidgeClassifier(policy).fit(images, targets)
    with pytest.raises(InputError, match="Fitted on"):
        am.AugmentedRidge(policy).fit(images, targets).predict(images[..., :3])


def test_a_covariance_that_does_not_fit_is_refused_before_it_is_allocated():
    with pytest.raises(NotEnoughMemoryError, match="GB"):
        am.DatasetMoments(am.RandomHorizontalFlip()).update(
            torch.zeros(1, 3, 1024, 1024), torch.zeros(1)
        )


@pytest.mark.slow
def test_mnist_weights_equal_an_independent_computation(data_root):
    """60,000 images under translation U(-2, 2)^2 against dense convolution matrices in NumPy."""
    from rows.ridge_mnist import ALPHA as alpha
    from rows.ridge_mnist import reference

    images, labels = am.data.mnist(data_root / "mnist")
    targets = one_hot(labels, 10).double()
    policy = am.RandomTranslation(x=am.Uniform(-2, 2), y=am.Uniform(-2, 2))
    weights = am.AugmentedRidge(policy, alpha=alpha).fit(images, targets).coef_
    truth = reference(images, targets)
    assert np.linalg.norm(weights - truth) / np.linalg.norm(truth) < 1e-6


def test_noise_is_a_larger_penalty():
    """Independent noise of variance s^2 on every value adds s^2 to alpha (Bishop, 1995)."""
    images, targets = data()
    flip, noise = am.RandomHorizontalFlip(0.3), am.GaussianNoise(0.0, 0.4, clip=False)
    noisy = am.AugmentedRidge(am.Compose([flip, noise]), ALPHA).fit(images, targets)
    plain = am.AugmentedRidge(flip, ALPHA + 0.4**2).fit(images, targets)
    np.testing.assert_allclose(noisy.coef_, plain.coef_, rtol=0, atol=1e-10)
    np.testing.assert_allclose(noisy.intercept_, plain.intercept_, rtol=0, atol=1e-10)


def test_clipped_noise_is_the_covariance_of_its_moments():
    images, targets = data()
    policy = am.Compose([am.RandomCrop((3, 3)), am.GaussianNoise(0.1, 0.3)])
    found = am.DatasetMoments(policy).update(images, targets).moments()
    m = am.moments(images, policy)
    assert m.covariance.noise is not None
    between = torch.cov(m.mean.flatten(1).T, correction=0)
    torch.testing.assert_close(found.covariance, between + m.covariance.dense().mean(0))


def test_images_are_those_that_the_policy_gives():
    images, targets = data()
    policy = am.RandomCrop((3, 2))
    model = am.AugmentedRidge(policy, ALPHA).fit(images, targets)
    assert model.shape_ == (1, 3, 2)
    assert model.coef_.shape == (2, 6)
    centre = am.CenterCrop((3, 2))(images)
    predicted = model.to_module()(centre.float()).detach().double()
    np.testing.assert_allclose(model.predict(centre), predicted.numpy(), rtol=0, atol=1e-5)
    with pytest.raises(InputError, match=r"augmented images of shape \(1, 3, 2\), got \(1, 5, 4\)"):
        model.predict(images)
    with pytest.raises(PolicyError):
        am.AugmentedRidge(am.RandomCrop(9), ALPHA).fit(images, targets)


def test_pipelines_are_taken_as_they_are():
    transforms = pytest.importorskip("torchvision.transforms.v2")
    images, targets = data()
    pipeline = transforms.Compose(
        [transforms.RandomCrop((3, 4)), transforms.RandomHorizontalFlip()]
    )
    meant = am.Compose([am.RandomCrop((3, 4)), am.RandomHorizontalFlip()])
    found = clone(am.AugmentedRidge(pipeline, ALPHA)).fit(images, targets)
    np.testing.assert_allclose(
        found.coef_, am.AugmentedRidge(meant, ALPHA).fit(images, targets).coef_
    )
    first = am.DatasetMoments(pipeline).update(images[:10], targets[:10])
    assert first.output_shape == (1, 3, 4)
    assert am.DatasetMoments(pipeline).output_shape is None
    both = first.merge(am.DatasetMoments(meant).update(images[10:], targets[10:]))
    np.testing.assert_allclose(both.solve(ALPHA).coef, found.coef_, rtol=0, atol=1e-10)
