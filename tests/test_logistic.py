"""Logistic regression on infinitely many augmented samples, against independent computations."""

import numpy as np
import pytest
import torch
from scipy.optimize import check_grad
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import cross_entropy

import augmoments as am
from augmoments.calculus.nodes import NodeFamily
from augmoments.errors import InputError, InputTypeError, NotEnoughMemoryError, PolicyError
from augmoments.linear.logistic import AugmentedLogisticRegression
from augmoments.linear.rows import AugmentedRows, node_levels
from augmoments.linear.softmax import NodeCrossEntropy, SecondOrderCrossEntropy

SHAPE = (1, 5, 4)
ALPHA = 1e-2
ROTATION = am.RandomRotation(25, interpolation="bilinear")
FLIP = am.RandomHorizontalFlip(0.3)


def data(n=30, classes=3, seed=0, shape=SHAPE):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(n, *shape, generator=generator, dtype=torch.float64)
    return images, torch.arange(n) % classes


def shifted(x):
    return [(p, am.RandomTranslation(y=float(t))(x)) for t, p in ((-1, 0.5), (0, 0.3), (2, 0.2))]


def finite_cases():
    shift = am.RandomTranslation(y=am.Discrete([-1, 0, 2], [0.5, 0.3, 0.2]))
    bright = am.ColorJitter(brightness=am.Discrete([0.5, 1.8]))  # clamps: not affine
    yield "flip", FLIP, lambda x: [(0.7, x), (0.3, x.flip(-1))]
    yield (
        "flip, then shift",
        am.Compose([FLIP, shift]),
        lambda x: [(p * q, b) for p, a in [(0.7, x), (0.3, x.flip(-1))] for q, b in shifted(a)],
    )
    yield (
        "clamped, then shift",
        am.Compose([bright, shift]),
        lambda x: [(0.5 * q, b) for f in (0.5, 1.8) for q, b in shifted((f * x).clamp(0, 1))],
    )
    yield (
        "cropped and normalised",
        am.Compose([am.RandomCrop((3, 4)), am.Normalize(0.3, 0.5)]),
        lambda x: [(1 / 3, (x[:, :, i : i + 3] - 0.3) / 0.5) for i in range(3)],
    )


def of_scikit_learn(outcomes, labels, C, weights=None):
    """scikit-learn's weights on every outcome of every image, weighted by its probability."""
    weights = np.full(len(labels), 1 / len(labels)) if weights is None else weights
    shares, copies = zip(*outcomes, strict=True)
    rows = torch.cat([copy.flatten(1) for copy in copies]).numpy()
    model = LogisticRegression(C=C, tol=1e-10, max_iter=10_000)
    counts = np.concatenate([share * weights for share in shares])
    return model.fit(rows, np.concatenate([labels] * len(shares)), counts)


@pytest.mark.parametrize(
    ("policy", "outcomes"), [c[1:] for c in finite_cases()], ids=[c[0] for c in finite_cases()]
)
def test_finite_policies_equal_scikit_learn_on_all_outcomes(policy, outcomes):
    images, labels = data()
    model = AugmentedLogisticRegression(policy, ALPHA, tol=1e-8).fit(images, labels)
    expected = of_scikit_learn(outcomes(images), labels.numpy(), 1 / (2 * ALPHA))
    scale = np.abs(expected.coef_).max()
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=0, atol=1e-6 * scale)
    gap = model.intercept_ - expected.intercept_
    np.testing.assert_allclose(gap, gap.mean(), rtol=0, atol=1e-6)
    assert model.method_ == "exact"
    assert model.converged_
    assert model.error_ < 1e-8
    logits = [(p, torch.from_numpy(model.decision_function(x))) for p, x in outcomes(images)]
    loss = sum(p * float(cross_entropy(z, labels)) for p, z in logits)
    assert model.loss_ == pytest.approx(loss, rel=1e-10)
    probabilities = expected.predict_proba(outcomes(images)[0][1].flatten(1).numpy())
    found = model.predict_proba(outcomes(images)[0][1])
    np.testing.assert_allclose(found, probabilities, rtol=0, atol=1e-6)


def test_two_classes_are_scikit_learns_binomial_model():
    """Softmax weights of two classes are half its weights, so its penalty is half of ours."""
    images, labels = data(classes=2)
    names = np.array(["no", "yes"])[labels]
    model = AugmentedLogisticRegression(FLIP, ALPHA, tol=1e-8).fit(images, names)
    expected = of_scikit_learn([(0.7, images), (0.3, images.flip(-1))], names, 1 / ALPHA)
    np.testing.assert_allclose(model.coef_[1] - model.coef_[0], expected.coef_[0], atol=1e-6)
    odds = model.decision_function(images)
    assert odds.shape == (30,)
    np.testing.assert_allclose(
        odds, expected.decision_function(images.flatten(1).numpy()), atol=1e-5
    )
    np.testing.assert_array_equal(model.predict(images), names[(odds > 0).astype(int)])


def test_weights_equal_repetition():
    images, labels = data()
    counts = torch.arange(30) % 4
    weighted = AugmentedLogisticRegression(FLIP, ALPHA).fit(images, labels, counts)
    repeated = AugmentedLogisticRegression(FLIP, ALPHA).fit(
        images.repeat_interleave(counts, 0), labels.repeat_interleave(counts)
    )
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=0, atol=1e-6)
    assert weighted.loss_ == pytest.approx(repeated.loss_, rel=1e-8)
    outcomes = [(0.7, images), (0.3, images.flip(-1))]
    share = (counts / counts.sum()).numpy()
    expected = of_scikit_learn(outcomes, labels.numpy(), 1 / (2 * ALPHA), share)
    np.testing.assert_allclose(weighted.coef_, expected.coef_, rtol=0, atol=1e-5)


def distance(found, reference):
    return np.linalg.norm(found.coef_ - reference.coef_) / np.linalg.norm(reference.coef_)


def test_grid_is_within_its_error_of_a_finer_one():
    images, labels = data()
    fine = AugmentedLogisticRegression(ROTATION, ALPHA, nodes=2048).fit(images, labels)
    for nodes in (64, 128, 256):
        model = AugmentedLogisticRegression(ROTATION, ALPHA, nodes=nodes).fit(images, labels)
        assert model.method_ == "cubature"
        assert 0 < distance(model, fine) <= model.error_ < 0.02
        assert abs(model.loss_ - fine.loss_) <= model.loss_error_ + fine.loss_error_
    assert fine.error_ < 1e-4


POLICY = am.Compose([ROTATION, am.RandomTranslation(x=(-1, 1)), am.ColorJitter(brightness=0.4)])


def test_sobol_nodes_are_within_their_error_of_many_more():
    """Over eight seeds; the bound is one of 99.5%, and the root mean square is well below it."""
    images, labels = data()
    fine = AugmentedLogisticRegression(POLICY, ALPHA, nodes=2048).fit(images, labels)
    rows = AugmentedRows(images, POLICY, [NodeFamily(POLICY, SHAPE, 99).nodes(6)], 1e9)
    truth = NodeCrossEntropy(rows, labels, torch.full((30,), 1 / 30, dtype=torch.float64), 3, ALPHA)
    ratios = []
    for seed in range(8):
        model = AugmentedLogisticRegression(POLICY, ALPHA, nodes=128, seed=seed)
        model.fit(images, labels)
        assert model.method_ == "quasi-monte-carlo"
        ratios.append(distance(model, fine) / model.error_)
        loss = truth.loss(torch.from_numpy(np.c_[model.coef_, model.intercept_]))
        assert 0 < abs(model.loss_ - loss) <= model.loss_error_ < 0.1 * loss
    assert max(ratios) <= 1
    assert 0.1 < np.sqrt(np.mean(np.square(ratios))) < 0.6
    assert fine.error_ < 0.05


def test_second_order_is_near_where_the_augmentation_is_weak():
    """Its distance falls with the square of the strength, and it says how large it is."""
    images, labels = data()
    distances, residuals = [], []
    for angle in (20, 10, 5):
        policy = am.RandomRotation(angle, interpolation="bilinear")
        truth = AugmentedLogisticRegression(policy, ALPHA).fit(images, labels)
        model = AugmentedLogisticRegression(policy, ALPHA, method="second_order")
        model.fit(images, labels)
        distances.append(distance(model, truth))
        residuals.append(abs(model.residual_))
        assert model.error_ == pytest.approx(distances[-1], rel=0.2, abs=1e-3)
        assert model.loss_ >= truth.loss_ - 1e-3
    assert distances[2] < distances[1] < distances[0] < 0.2
    assert residuals[2] < residuals[1] < residuals[0]


def objectives(weights=None):
    images, labels = data(12)
    weights = torch.full((12,), 1 / 12, dtype=torch.float64) if weights is None else weights
    policy = am.Compose([FLIP, am.GaussianNoise(0.0, 0.2, clip=False)])
    nodes = NodeFamily(FLIP, SHAPE, 0).nodes(0)
    rows = AugmentedRows(images, FLIP, [nodes], 1e9)
    yield NodeCrossEntropy(rows, labels, weights, 3, ALPHA)
    yield SecondOrderCrossEntropy(am.moments(images, policy), labels, weights, 3, ALPHA)


@pytest.mark.parametrize("which", [0, 1])
def test_derivatives_are_those_of_finite_differences(which):
    objective = list(objectives())[which]
    rng = np.random.default_rng(0)

    def shaped(x):
        return torch.from_numpy(x).reshape(3, -1)

    def value(x):
        return objective.value_and_gradient(shaped(x))[0]

    def gradient(x):
        return objective.value_and_gradient(shaped(x))[1].numpy().ravel()

    x, v = rng.standard_normal((2, 3 * 21))
    assert check_grad(value, gradient, x, epsilon=1e-6) < 1e-4
    product = objective.hessian_products(shaped(x), shaped(v)[None])[0].numpy().ravel()
    change = (gradient(x + 1e-5 * v) - gradient(x - 1e-5 * v)) / 2e-5
    np.testing.assert_allclose(product, change, rtol=1e-5, atol=1e-7)
    assert value(x) == pytest.approx(
        objective.loss(shaped(x)) + ALPHA * np.square(x.reshape(3, -1)[:, :-1]).sum()
    )


def test_second_order_loss_is_its_formula():
    weights = torch.arange(1, 13, dtype=torch.float64) / 78
    _, objective = objectives(weights)
    images, labels = data(12)
    theta = torch.randn(3, 21, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    W, b = theta[:, :-1].numpy(), theta[:, -1].numpy()
    total = 0.0
    for image, label, weight in zip(images, labels, weights, strict=True):
        x = np.stack([image.numpy().ravel(), image.flip(-1).numpy().ravel()])
        mean = 0.7 * x[0] + 0.3 * x[1]
        V = 0.21 * np.outer(x[0] - x[1], x[0] - x[1]) + 0.04 * np.eye(20)
        z = W @ mean + b
        p = np.exp(z) / np.exp(z).sum()
        H = np.diag(p) - np.outer(p, p)
        total += float(weight) * (-np.log(p[label]) + np.trace(H @ W @ V @ W.T) / 2)
    assert objective.loss(theta) == pytest.approx(total, rel=1e-10)


def test_each_image_meets_its_own_nodes():
    """Image n takes the n-th scrambling, in turn; each replicate by itself weighs it with 1."""
    images, _ = data(40)
    (nodes,) = node_levels(POLICY, SHAPE, seed=3, wanted=128, count=40)
    assert len(nodes) == 32
    seen = torch.zeros(40, 8, dtype=torch.float64)
    total = torch.zeros(40, 20, dtype=torch.float64)
    for block in AugmentedRows(images, POLICY, nodes, 1e9):
        seen[:, block.replicate].index_add_(0, block.index, block.shares)
        total.index_add_(0, block.index, block.shares[:, None] * block.rows)
    torch.testing.assert_close(seen, torch.ones_like(seen))
    for n in (0, 31, 32, 39):
        own = nodes[n % 32]
        moved = POLICY.apply(images[n].expand(len(own), 1, 1, 5, 4), own.theta).flatten(1)
        torch.testing.assert_close(total[n], 8 * own.weights @ moved)


@pytest.mark.parametrize("memory", [1, 30 * 162 * 20 * 5, None])
def test_memory_changes_nothing(memory):
    """Augmented images computed anew in each pass, kept in float32, and kept in float64."""
    images, labels = data()
    policy = am.Compose([am.RandomTranslation(x=(-1, 1), y=(-1, 1)), FLIP])
    kept = AugmentedLogisticRegression(policy, ALPHA).fit(images.float(), labels)
    other = AugmentedLogisticRegression(policy, ALPHA, max_memory=memory)
    np.testing.assert_allclose(other.fit(images.float(), labels).coef_, kept.coef_, atol=1e-8)


def test_noise_of_its_own_is_monte_carlo_with_its_error():
    """Small independent noise acts as second order says, which takes it in closed form."""
    images, labels = data()
    policy = am.Compose([FLIP, am.GaussianNoise(0.0, 0.1, clip=False)])
    model = AugmentedLogisticRegression(policy, ALPHA, nodes=512).fit(images, labels)
    second = AugmentedLogisticRegression(policy, ALPHA, method="second_order").fit(images, labels)
    assert model.method_ == "monte-carlo"
    assert distance(model, second) <= model.error_ + 0.05


def test_too_few_steps_are_told():
    images, labels = data()
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        model = AugmentedLogisticRegression(FLIP, ALPHA, max_iter=2).fit(images, labels)
    assert not model.converged_
    assert model.n_iter_ == 2


def test_images_that_do_not_vary_give_the_shares_of_the_classes():
    labels = [0, 0, 0, 1]
    model = AugmentedLogisticRegression(FLIP).fit(torch.full((4, 1, 3, 3), 0.5), labels)
    np.testing.assert_allclose(model.predict_proba(torch.rand(1, 1, 3, 3)), [[0.75, 0.25]])


def test_pipelines_are_taken_as_they_are():
    transforms = pytest.importorskip("torchvision.transforms.v2")
    images, labels = data()
    model = AugmentedLogisticRegression(transforms.RandomHorizontalFlip(0.3), ALPHA)
    meant = AugmentedLogisticRegression(FLIP, ALPHA).fit(images, labels)
    np.testing.assert_allclose(model.fit(images, labels).coef_, meant.coef_, atol=1e-8)


def test_bad_input_is_refused():
    images, labels = data()

    def fit(policy=FLIP, images=images, labels=labels, sample_weight=None, **options):
        model = AugmentedLogisticRegression(policy, **options)
        return model.fit(images, labels, sample_weight)

    with pytest.raises(InputError, match="alpha"):
        fit(alpha=0.0)
    with pytest.raises(InputError, match="did you mean 'nodes'"):
        fit(method="node")
    with pytest.raises(InputError, match="tol"):
        fit(tol=0.0)
    with pytest.raises(InputError, match="max_iter"):
        fit(max_iter=0)
    with pytest.raises(InputError, match="max_memory"):
        fit(max_memory=-1)
    with pytest.raises(InputError, match="only one class"):
        fit(labels=[0] * 30)
    with pytest.raises(InputError, match="whole numbers or strings"):
        fit(labels=images[:, 0, 0, 0])
    with pytest.raises(InputError, match=r"without weight: \[2\]"):
        fit(sample_weight=(labels != 2).float())
    with pytest.raises(InputError, match="at least 0, got -1 at index 3"):
        fit(sample_weight=[1, 1, 1, -1] + [1] * 26)
    with pytest.raises(InputError, match="all weights are 0"):
        fit(sample_weight=np.zeros(30))
    with pytest.raises(InputError, match="Fitted on"):
        fit().predict(images[..., :3])
    with pytest.raises(InputTypeError, match="policy"):
        fit("flip")
    with pytest.raises(PolicyError, match="AugmentedRidgeClassifier"):
        fit(am.MixUp())
    with pytest.raises(PolicyError):
        fit(am.RandomCrop(9))
    with pytest.raises(NotEnoughMemoryError):
        fit(am.ColorJitter(brightness=0.4), method="second_order", max_memory=100)
