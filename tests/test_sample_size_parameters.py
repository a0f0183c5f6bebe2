"""Copies for ridge regression: the error predicted after n copies is the error observed."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch.nn.functional import avg_pool2d, one_hot

import augmoments as am
from augmoments.errors import InputError, InputTypeError, PolicyError

POLICIES = {
    "rotation and translation": am.Compose(
        [am.RandomRotation(15, interpolation="bilinear"), am.RandomTranslation((-1, 1), (-1, 1))]
    ),
    "flip and brightness": am.Compose([am.RandomHorizontalFlip(0.3), am.ColorJitter(0.4)]),
    "crop": am.RandomResizedCrop(8, (0.5, 1.0)),
}


def digits(n):
    images, labels = am.data.digits()
    return images[:n].double(), labels[:n]


def faces(n):
    images, labels = am.data.lfw()
    mixed = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:n]
    return avg_pool2d(images[mixed].double(), 2), labels[mixed]


def needed(images, policy, targets, **options):
    return am.samples_needed(images, policy, of="parameters", targets=targets, **options)


def fitted(rows, targets, alpha, weights=None):
    """Weights and intercept by scikit-learn, whose penalty is of a sum and not of a mean."""
    total = len(rows) if weights is None else weights.sum()
    model = Ridge(alpha * total, solver="cholesky").fit(rows, targets, sample_weight=weights)
    return model.coef_, model.intercept_


def squares(change, offset, covariance):
    """Squares of a change of the weights, of the predictions, and of the intercept."""
    return np.array([np.sum(change**2), np.sum(change @ covariance * change), np.sum(offset**2)])


def observed(images, policy, targets, alpha, n, repetitions, seed=0):
    """Root-mean-square relative errors of sampled training with n copies."""
    data = am.DatasetMoments(policy, tol=1e-4).update(images, targets)
    limit, covariance = data.solve(alpha), data.moments().covariance.numpy()
    coef, intercept = limit.coef.numpy(), limit.intercept.numpy()
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(repetitions):
        rows = policy(images.repeat(n, 1, 1, 1), generator=generator).flatten(1).numpy()
        w, b = fitted(rows, np.tile(targets.numpy(), (n, 1)), alpha)
        found.append(squares(w - coef, b - intercept, covariance))
    return np.sqrt(np.mean(found, 0) / squares(coef, intercept, covariance))


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize(
    ("data", "count", "alpha"), [(digits, 500, 1e-3), (faces, 120, 1e-2)], ids=["digits", "faces"]
)
def test_the_error_observed_is_the_error_predicted(data, count, alpha, name):
    """Weights and predictions within 10%, from the number of copies on that the answer states."""
    (images, labels), policy = data(count), POLICIES[name]
    repetitions = (6 if data is digits else 12) * (3 if name == "crop" else 1)
    size = needed(images, policy, labels, alpha=alpha, tol=1e-2)
    targets = one_hot(labels.unique(return_inverse=True)[1]).double()
    for n in (5, 20, 50):
        if n < size.valid_from:
            continue
        got = observed(images, policy, targets, alpha, n, repetitions)
        for part, value in zip(("weights", "predictions"), got, strict=False):
            assert abs(value / float(size.parts[part].predicted_error(n)) - 1) < 0.1, (n, part)
    assert size.valid_from <= 50


def test_a_flip_by_the_derivative_of_scikit_learns_solution():
    """The outcomes of every image enumerated.

    An image is flipped in a share B / n of its copies, B binomial; the weights change by their
    derivative with respect to that share, which central differences of weighted fits give.
    """
    torch.manual_seed(0)
    images, targets = torch.rand(4, 1, 2, 3).double(), torch.randn(4, 2).double()
    p, alpha, step = 0.3, 0.05, 1e-4
    rows = torch.cat([images, images.flip(-1)]).flatten(1).numpy()
    y = targets.repeat(2, 1).numpy()
    weights = np.repeat([1 - p, p], 4)
    coef, intercept = fitted(rows, y, alpha, weights)
    centred = rows - np.average(rows, axis=0, weights=weights)
    covariance = (weights[:, None] * centred).T @ centred / 4
    variance = np.zeros(3)
    for i in range(4):
        ends = []
        for sign in (1, -1):
            moved = weights.copy()
            moved[[i, i + 4]] += np.array([-sign, sign]) * step
            ends.append(fitted(rows, y, alpha, moved))
        slopes = ((a - b) / (2 * step) for a, b in zip(*ends, strict=True))
        variance += p * (1 - p) * squares(*slopes, covariance)
    expected = variance / squares(coef, intercept, covariance)
    size = needed(images, am.RandomHorizontalFlip(p), targets, alpha=alpha, rel_error=0.05)
    assert size.method == "exact"
    for value, part in zip(expected, size.parts.values(), strict=True):
        assert float(part.first) == pytest.approx(value, rel=1e-5)
        assert float(part.n) == pytest.approx(value / 0.05**2, abs=1)


def by_hand(rows, targets, weights, alpha):
    """The formulas with all nodes of all images, ``(N, n, D)``; squared errors of one copy."""
    count = len(rows)
    mean = torch.einsum("p,npd->d", weights, rows) / count
    gaps, y = rows - mean, targets - targets.mean(0)
    covariance = torch.einsum("p,npd,npe->de", weights, gaps, gaps) / count
    cross = torch.einsum("p,npd,nk->dk", weights, gaps, y) / count
    shifted = covariance + alpha * torch.eye(len(mean)).double()
    coef = torch.linalg.solve(shifted, cross).T
    u = torch.linalg.solve(shifted, gaps.mT).mT
    r = y[:, None] - gaps @ coef.T
    found = []
    for rows_of_u, metric in ((u, torch.eye(len(mean)).double()), (u, covariance)):
        lengths = (rows_of_u @ metric * rows_of_u).sum(2)
        square = torch.einsum("p,np,np->", weights, r.square().sum(2), lengths)
        mixed = torch.einsum("p,npk,npd->nkd", weights, r, rows_of_u)
        found.append(square - (mixed @ metric * mixed).sum())
    scales = coef.square().sum(), (coef @ covariance * coef).sum()
    return [float(a / count**2 / b) for a, b in zip(found, scales, strict=True)]


def test_a_translation_by_gauss_nodes_of_every_image():
    """Three Gauss nodes a pixel and axis and both flips, without hat functions."""
    torch.manual_seed(1)
    images, targets = torch.rand(7, 1, 4, 4).double(), torch.randn(7).double()
    policy = am.Compose([am.RandomHorizontalFlip(0.3), am.RandomTranslation((-1, 1), (-1, 1))])
    nodes, shares = np.polynomial.legendre.leggauss(3)
    points = np.concatenate([(nodes - 1) / 2, (nodes + 1) / 2])
    flips, chances = torch.tensor([[0.0, 1.0], [0.7, 0.3]], dtype=torch.float64)
    theta = torch.cartesian_prod(flips, *[torch.tensor(points)] * 2)
    axis = torch.tensor(np.tile(shares, 2) / 4)
    weights = torch.einsum("i,j,k->ijk", chances, axis, axis).flatten()
    moved = [policy.apply(image.expand(len(theta), 1, 1, 4, 4), theta) for image in images]
    expected = by_hand(torch.stack(moved).flatten(2), targets[:, None], weights, 1e-2)
    size = needed(images, policy, targets, alpha=1e-2)
    assert size.method == "exact"
    got = [float(size.parts[part].first) for part in ("weights", "predictions")]
    np.testing.assert_allclose(got, expected, rtol=1e-9)


@pytest.mark.parametrize("name", ["rotation and translation", "flip and brightness"])
def test_the_error_of_n_covers_what_more_nodes_find(name):
    images, labels = digits(40)
    rough = needed(images, POLICIES[name], labels, tol=1e-2, max_nodes=256)
    fine = needed(images, POLICIES[name], labels, tol=1e-3, max_nodes=2048, seed=7)
    for part in ("weights", "predictions"):
        a, b = rough.parts[part], fine.parts[part]
        assert abs(float(a.n / b.n) - 1) <= float(a.error + b.error) + 1 / float(b.n)
        assert float(a.error) < 0.3


def test_the_law_holds_from_where_the_second_moment_does():
    """phi by 400 sampled second moments; their mean is within 5% (4 standard errors)."""
    images, labels = digits(40)
    policy, alpha = am.RandomTranslation((-1, 1), (-1, 1)), 1e-2
    m = am.DatasetMoments(policy).update(images).moments()
    root = torch.linalg.cholesky(m.covariance + alpha * torch.eye(64).double())
    whitened = torch.linalg.solve(root, torch.linalg.solve(root, m.covariance).T)
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(400):
        gaps = policy(images, generator=generator).flatten(1) - m.mean.flatten()
        rows = torch.linalg.solve(root, gaps.T)
        found.append((rows @ rows.T / 40 - whitened).square().sum())
    phi = torch.stack(found) / whitened.trace()
    assert float(phi.std() / phi.mean()) / 20 < 0.0125
    size = needed(images, policy, labels, alpha=alpha)
    assert size.valid_from == pytest.approx(45 * float(phi.mean()), rel=0.05, abs=1)


def test_laws_with_gradients_are_taken_as_they_are():
    images, labels = digits(20)
    edge = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    moving = needed(images, am.RandomTranslation(am.Uniform(-1, edge)), labels)
    still = needed(images, am.RandomTranslation((-1, 1)), labels)
    torch.testing.assert_close(moving.first, still.first, rtol=1e-6, atol=0)
    assert not moving.first.requires_grad


def test_classes_are_coded_as_the_classifier_codes_them():
    images, labels = digits(30)
    policy = am.RandomHorizontalFlip()
    coded = needed(images, policy, one_hot(labels, 10).double()[:, labels.unique()])
    for given in (labels, labels.tolist(), labels.numpy(), 10 * labels - 5):
        torch.testing.assert_close(needed(images, policy, given).first, coded.first)


def test_what_the_policy_does_not_change_needs_one_copy():
    half = torch.rand(5, 1, 4, 2, generator=torch.Generator().manual_seed(0)).double()
    images = torch.cat([half, half.flip(-1)], 3)
    size = needed(images, am.RandomHorizontalFlip(), torch.arange(5.0))
    assert [float(part.n) for part in size.parts.values()] == [1, 1, 1]
    assert (size.valid_from, size.first_order_ok) == (1, True)


def test_weights_that_are_zero_are_never_known():
    """Two images that are the same, of two classes: any weights are noise."""
    images, turn = torch.full((2, 1, 6, 6), 0.3), am.RandomRotation(20, interpolation="bilinear")
    found = needed(images, turn, torch.tensor([0, 1]), max_nodes=256)
    assert found.n.tolist() == [torch.inf]
    assert found.error.tolist() == [0.0]


def test_noise_of_albumentations():
    albumentations = pytest.importorskip("albumentations")
    images, labels = digits(12)
    found = needed(images, albumentations.GaussNoise(p=1.0), labels, max_nodes=128)
    assert found.method == "monte-carlo"
    assert bool(found.n.isfinite())


def test_the_answer_reads_well_and_says_where_the_law_ends():
    images, labels = faces(20)
    size = needed(images, am.RandomTranslation((-2, 2), (-2, 2)), labels, rel_error=0.2)
    assert tuple(size.n.shape) == (1,)
    assert list(size.parts) == ["weights", "predictions", "intercept"]
    torch.testing.assert_close(size.n, size.parts["weights"].n)
    assert float(size.predicted_error(float(size.n))) <= 0.2
    assert "parameters to 0.2: copies of every image: " in size.summary()
    assert f"below {size.valid_from} copies the law may be off" in size.summary()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"targets": None}, InputError, "needs targets"),
        ({"alpha": -1.0}, InputError, "alpha"),
        ({"alpha": "much"}, InputTypeError, "alpha"),
        ({"alpha": 0.0}, InputError, "singular"),
        ({"targets": torch.zeros(9)}, InputError, "targets"),
        ({"targets": torch.zeros(10, dtype=torch.long)}, InputError, "only one class"),
        ({"policy": am.MixUp()}, PolicyError, "mix"),
    ],
)
def test_bad_arguments_are_refused(options, error, message):
    images, labels = digits(10)
    given = {"policy": am.RandomHorizontalFlip(), "targets": labels, **options}
    with pytest.raises(error, match=message):
        needed(images, **given)


def test_scaled_images_are_refused_with_what_to_do():
    images, labels = digits(10)
    with pytest.raises(InputError, match="Normalize at the end"):
        needed(2 * images - 1, am.RandomHorizontalFlip(), labels, value_range=None)
    policy = am.Compose([am.RandomHorizontalFlip(), am.Normalize([0.5], [0.5])])
    assert needed(images, policy, labels).method == "exact"


@pytest.mark.slow
def test_mnist(data_root):
    """5,000 images under translation U(-2, 2)^2: within 10% of three sampled fits."""
    images, labels = am.data.mnist(data_root / "mnist")
    images, labels = images[:5000].double(), labels[:5000]
    policy, targets = am.RandomTranslation((-2, 2), (-2, 2)), one_hot(labels, 10).double()
    size = needed(images, policy, labels)
    assert abs(float(size.parts["weights"].n) - 44_246) <= 2
    assert abs(float(size.parts["predictions"].n) - 975) <= 1
    for n in (5, 10, 20):
        got = observed(images, policy, targets, 1e-3, n, repetitions=3)
        for part, value in zip(("weights", "predictions"), got, strict=False):
            assert abs(value / float(size.parts[part].predicted_error(n)) - 1) < 0.1, (n, part)
