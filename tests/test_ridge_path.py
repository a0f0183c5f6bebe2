"""Several penalties at once, and leaving out one image at a time, against refitting."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge, RidgeCV

import augmoments as am
from augmoments.errors import InputError, InputTypeError, PolicyError

ALPHAS = (1e-3, 1e-1, 3.0)
SHIFT = am.RandomTranslation(x=(-1, 1), y=am.Discrete([-1, 0, 1]))
BRIGHT = am.ColorJitter(brightness=am.Discrete([0.5, 1.8]))


def data(n=10, shape=(1, 4, 4), outputs=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(n, *shape, generator=generator, dtype=torch.float64)
    return images, torch.randn(n, outputs, generator=generator, dtype=torch.float64)


def without(index, *columns):
    keep = torch.arange(len(columns[0])) != index
    return [column[keep] for column in columns]


def test_a_path_is_one_fit_for_each_penalty():
    images, targets = data()
    path = am.DatasetMoments(SHIFT).update(images, targets).path(ALPHAS)
    for alpha, solution in zip(ALPHAS, path, strict=True):
        single = am.AugmentedRidge(SHIFT, alpha).fit(images, targets)
        off = np.linalg.norm(solution.coef.numpy() - single.coef_) / np.linalg.norm(single.coef_)
        assert off < solution.error < 1e-9
        np.testing.assert_allclose(solution.loss, single.loss_, rtol=1e-9)


@pytest.mark.parametrize(
    "policy",
    [
        SHIFT,
        am.Compose([BRIGHT, am.RandomHorizontalFlip()]),
        am.GaussianNoise(0.1, 0.2),
        am.Compose([am.RandomCrop((3, 3)), am.RandomHorizontalFlip(0.2)]),
    ],
    ids=["shift", "clamped", "noise", "crop"],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_left_out_predictions_are_those_of_refitting(policy, weighted):
    images, targets = data()
    weights = torch.linspace(0.5, 2, 10, dtype=torch.float64) if weighted else None
    left = am.AugmentedRidge(policy, ALPHAS).fit(images, targets, weights).left_out_
    m = am.moments(images, policy)
    asked = images if m.mean.shape == images.shape else m.mean
    for i in range(10):
        others = without(i, images, targets, *([weights] if weighted else []))
        for a, alpha in enumerate(ALPHAS):
            model = am.AugmentedRidge(policy, alpha).fit(*others)
            np.testing.assert_allclose(
                left.predictions[a, i], model.predict(asked[i : i + 1])[0], rtol=0, atol=1e-8
            )
            gap = targets[i].numpy() - model.predict(m.mean[i : i + 1])[0]
            spread = model.coef_ @ m.covariance.dense()[i].numpy() @ model.coef_.T
            assert float(left.losses[a, i]) == pytest.approx(gap @ gap + np.trace(spread), abs=1e-8)


def test_without_augmentation_it_is_scikit_learns_ridge_cv():
    """Its penalty is not divided by the number of images, of which one is left out."""
    images, targets = data(30)
    left = am.AugmentedRidge(am.RandomTranslation(), ALPHAS).fit(images, targets).left_out_
    x, y = images.flatten(1).numpy(), targets.numpy()
    for a, alpha in enumerate(ALPHAS):
        peer = RidgeCV([29 * alpha], store_cv_results=True, scoring=None).fit(x, y)
        squares = np.square(left.predictions[a].numpy() - y)
        np.testing.assert_allclose(squares, peer.cv_results_[..., 0], rtol=1e-7)


def test_the_best_penalty_is_taken():
    images, labels = am.data.digits()
    alphas = [1e-4, 1e-2, 1.0, 100.0]
    policy = am.RandomTranslation(x=(-0.5, 0.5))
    train, held = (images[:200], labels[:200]), (images[1000:], labels[1000:])
    by_images = am.AugmentedRidgeClassifier(policy, alphas).fit(*train)
    refits = [am.AugmentedRidgeClassifier(policy, a).fit(*train) for a in alphas]
    scores = [model.score(*held) for model in refits]
    by_validation = am.AugmentedRidgeClassifier(policy, alphas).fit(*train, validation=held)
    np.testing.assert_allclose(by_validation.scores_, scores)
    assert by_validation.alpha_ == alphas[int(np.argmax(scores))]
    np.testing.assert_allclose(by_validation.coef_, refits[np.argmax(scores)].coef_, atol=1e-9)
    assert by_images.alpha_ == alphas[int(by_images.scores_.argmax())]
    assert 0.7 < by_images.scores_.max() < 1


def test_left_out_accuracy_is_an_honest_one():
    """Over 200 digits it differs from the accuracy on others by no more than sampling allows."""
    images, labels = am.data.digits()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    images, labels = images[order], labels[order]
    model = am.AugmentedRidgeClassifier(am.RandomTranslation(x=(-0.5, 0.5)), [1e-2, 1e-1])
    model.fit(images[:200], labels[:200])
    others = model.score(images[200:], labels[200:])
    z = (model.scores_.max() - others) / np.sqrt(others * (1 - others) / 200)
    assert abs(z) < 3


def test_mixed_images_cannot_be_left_out():
    images, targets = data()
    with pytest.raises(PolicyError, match="mixes"):
        am.AugmentedRidge(am.MixUp(), ALPHAS).fit(images, targets)
    judged = am.AugmentedRidge(am.MixUp(), ALPHAS).fit(
        images, targets, validation=(images, targets)
    )
    assert judged.scores_.shape == (3,)


def test_mixup_shrinks_like_a_larger_penalty():
    """Blends of images and targets: scikit-learn's ridge on the blends of all pairs."""
    images, targets = data(6)
    points, weights = np.polynomial.legendre.leggauss(2)
    x, y, w = [], [], []
    for n, j in [(n, j) for n in range(6) for j in range(6) if n != j]:
        for share, weight in zip((points + 1) / 2, weights, strict=True):
            x.append((share * images[n] + (1 - share) * images[j]).flatten().numpy())
            y.append((share * targets[n] + (1 - share) * targets[j]).numpy())
            w.append(weight / 60)
    peer = Ridge(1e-2, solver="cholesky").fit(np.array(x), np.array(y), sample_weight=w)
    model = am.AugmentedRidge(am.MixUp(), 1e-2).fit(images, targets)
    np.testing.assert_allclose(model.coef_, peer.coef_, rtol=0, atol=1e-10)
    np.testing.assert_allclose(model.intercept_, peer.intercept_, rtol=0, atol=1e-10)


def test_bad_penalties_are_refused():
    images, targets = data()
    for alpha in ([], [1e-3, -1.0], [1e-3, float("nan")]):
        with pytest.raises(InputError, match="alpha"):
            am.AugmentedRidge(SHIFT, alpha).fit(images, targets)
    with pytest.raises(InputTypeError, match="alpha"):
        am.AugmentedRidge(SHIFT, "large").fit(images, targets)
    with pytest.raises(InputError, match="at least two"):
        am.AugmentedRidge(SHIFT, ALPHAS).fit(images[:1], targets[:1])
