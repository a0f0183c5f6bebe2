"""Expectations, outputs and losses against enumeration, mpmath and plain sampling."""

import itertools

import mpmath
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import augmoments as am
from augmoments.errors import InputError, InputTypeError, ModelError

SHAPE = (1, 6, 5)


def images(n=4, shape=SHAPE, dtype=torch.float64, seed=0):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def linear_model(outputs=3, shape=SHAPE, seed=0, scale=1.0):
    torch.manual_seed(seed)
    size = shape[0] * shape[1] * shape[2]
    model = nn.Sequential(nn.Flatten(), nn.Linear(size, outputs)).double().eval()
    with torch.no_grad():
        model[1].weight.mul_(scale * size**0.5)
    return model


def network(outputs=3, shape=SHAPE, seed=0):
    torch.manual_seed(seed)
    size = shape[0] * shape[1] * shape[2]
    return (
        nn.Sequential(nn.Flatten(), nn.Linear(size, 16), nn.Tanh(), nn.Linear(16, outputs))
        .double()
        .eval()
    )


FINITE = am.Compose(
    [
        am.RandomHorizontalFlip(0.3),
        am.RandomTranslation(x=am.Discrete([-1, 0, 1.5], [0.2, 0.5, 0.3])),
        am.RandomApply(am.ColorJitter(brightness=am.Discrete([0.5, 1.5])), 0.25),
    ]
)


def enumerate_finite(fn, x):
    """All outcomes of FINITE, written out by hand."""
    total, square = 0.0, 0.0
    flips = [(0.7, x), (0.3, x.flip(-1))]
    for (p, a), (q, t), (r, factor) in itertools.product(
        flips, [(0.2, -1.0), (0.5, 0.0), (0.3, 1.5)], [(0.75, None), (0.125, 0.5), (0.125, 1.5)]
    ):
        padded = F.pad(a, (3, 3))
        width = x.shape[-1]
        whole, part = int(t // 1), t - t // 1
        low = padded[..., 3 - whole : 3 - whole + width]
        high = padded[..., 2 - whole : 2 - whole + width]
        b = (1 - part) * low + part * high
        b = b if factor is None else (b * factor).clamp(0, 1)
        value = fn(b)
        total = total + p * q * r * value
        square = square + p * q * r * value**2
    return total, square - total**2


def test_finite_laws_are_enumerated_for_any_function():
    x, model = images(), network()
    found = am.expectation(lambda z: model(z).softmax(1), x, FINITE)
    with torch.no_grad():
        value, variance = enumerate_finite(lambda z: model(z).softmax(1), x)
    assert found.method == "exact"
    torch.testing.assert_close(found.value.detach(), value, rtol=0, atol=1e-13)
    torch.testing.assert_close(found.variance.detach(), variance, rtol=0, atol=1e-13)
    assert found.nodes == 2 * 3 * (1 + 2)


@pytest.mark.parametrize(
    "law",
    [
        am.Uniform(-1.3, 0.9),
        am.Normal(0.2, 0.5),
        am.Beta(0.5, 0.7, -1, 1),
        am.Triangular(-1, 2, -0.5),
    ],
    ids=lambda law: type(law).__name__,
)
def test_one_smooth_parameter_against_mpmath(law):
    """exp of a pixel under a random shift, integrated by mpmath over the same law."""
    x = images(1, (1, 1, 5))
    row = [float(v) for v in x.flatten()]

    def pixel(t):
        value = mpmath.mpf(0)
        for k in range(5):
            value += max(0, 1 - abs(2 - t - k)) * row[k]
        return mpmath.exp(3 * value)

    low, high = law.support
    cuts = sorted({low, high, *[c for c in (-2, -1, -0.5, 0, 1, 2, 3) if low < c < high]})
    with mpmath.workdps(30):
        if isinstance(law, am.Beta):
            a, b = law.a, law.b

            def density(t):
                u = (t + 1) / 2
                return u ** (a - 1) * (1 - u) ** (b - 1) / (2 * mpmath.beta(a, b))
        elif isinstance(law, am.Normal):

            def density(t):
                return mpmath.npdf(t, law.loc, law.std)
        else:

            def density(t):
                return mpmath.mpf(float(law.density(float(t))))

        truth = mpmath.quad(lambda t: pixel(t) * density(t), cuts)
        second = mpmath.quad(lambda t: pixel(t) ** 2 * density(t), cuts)
    policy = am.RandomTranslation(x=law)
    found = am.expectation(lambda z: (3 * z[:, 0, 0, 2]).exp(), x, policy, tol=1e-6)
    assert abs(float(found.value) - float(truth)) <= float(found.error) + 1e-9
    assert (
        abs(float(found.variance) - float(second - truth**2)) <= float(found.variance_error) + 1e-8
    )


@pytest.mark.parametrize("clamp", [False, True])
def test_quasi_monte_carlo_holds_its_error(clamp):
    """The bounds are meant to hold for 99% of all seeds: 20 seeds x 8 images x 3 outputs."""
    policy = am.Compose(
        [
            am.RandomRotation(20, interpolation="bilinear"),
            am.RandomZoom(am.LogUniform(0.8, 1.2)),
            am.ColorJitter(brightness=0.4, clamp=clamp),
        ]
    )
    x, model = images(8), network()
    held, spread = [], []
    with torch.no_grad():
        truth = am.expectation(model, x, policy, tol=1e-7, seed=1000, max_nodes=65536)
        for seed in range(20):
            found = am.expectation(model, x, policy, tol=5e-3, seed=seed, max_nodes=512)
            assert found.method == "quasi-monte-carlo"
            held.append((found.value - truth.value).abs() <= found.error)
            spread.append((found.variance - truth.variance).abs() <= found.variance_error)
    assert torch.stack(held).double().mean() >= 0.97
    assert torch.stack(spread).double().mean() >= 0.97


def test_expectation_agrees_with_samples(generator):
    """z-scores of 3 outputs of 2 images over 20,000 draws stay below 4.5."""
    policy = am.Compose([am.RandomShear(x=(-20, 10)), am.ColorJitter(0.5, 0.5)])
    x, model, draws = images(2), network(), 20_000
    with torch.no_grad():
        found = am.expectation(model, x, policy, tol=1e-3)
        for n in range(2):
            samples = model(policy(x[n : n + 1].expand(draws, -1, -1, -1), generator=generator))
            z = (samples.mean(0) - found.value[n]) / (samples.std(0) / draws**0.5)
            assert z.abs().max() < 4.5
            assert ((samples.var(0) / found.variance[n]).log().abs() < 0.1).all()


def test_result_does_not_depend_on_the_batch():
    policy = am.Compose([am.RandomRotation(20), am.ColorJitter(0.5, 0.5)])
    x, model = images(6), network()
    with torch.no_grad():
        together = am.expectation(model, x, policy)
        alone = [am.expectation(model, x[n : n + 1], policy) for n in range(6)]
    torch.testing.assert_close(together.value, torch.cat([a.value for a in alone]))
    torch.testing.assert_close(together.error, torch.cat([a.error for a in alone]))


@pytest.mark.parametrize(
    "policy",
    [
        am.RandomTranslation(x=(-1.5, 2), y=am.Normal(0, 0.5)),
        am.RandomHorizontalFlip(0.2),
        am.ColorJitter(brightness=0.5, contrast=0.5, clamp=False),
        am.Compose([am.RandomTranslation(x=am.Triangular(-1, 2)), am.RandomVerticalFlip()]),
    ],
    ids=["translation", "flip", "color", "composed"],
)
def test_squared_error_of_a_linear_model_is_exact(policy):
    x, model = images(), linear_model()
    targets = torch.randn(4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = am.expected_loss(model, "squared_error", x, targets, policy)
    assert found.method == "exact"
    assert found.variance_method == "exact"
    with torch.no_grad():
        truth = am.expectation(
            lambda z: model(z), x, policy, tol=1e-9, max_nodes=4096
        )  # nodes that are exact for polynomials of degree 4 in the outputs
        residual = targets - truth.value
        value = residual.square().sum(1) + truth.variance.sum(1)
    torch.testing.assert_close(found.value, value, rtol=1e-10, atol=0)
    torch.testing.assert_close(found.at_mean + found.regularizer, found.value, rtol=1e-12, atol=0)
    assert found.residual.abs().max() < 1e-12


def test_variance_of_the_squared_error_by_the_formula():
    """Var = 4 r^T S r + Var||z||^2 - 4 Cov(r^T z, ||z||^2), by enumeration of a finite law."""
    policy = am.RandomTranslation(x=am.Discrete([-1, 0, 2], [0.5, 0.3, 0.2]))
    x, model = images(1), linear_model()
    targets = torch.tensor([[0.3, -0.2, 1.0]], dtype=torch.float64)
    weights = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    with torch.no_grad():
        outputs = torch.cat([model(am.RandomTranslation(x=float(t))(x)) for t in (-1, 0, 2)])
        mean = weights @ outputs
        z, r = outputs - mean, targets[0] - mean
        s = torch.einsum("k,ki,kj->ij", weights, z, z)
        power = z.square().sum(1)
        variance = 4 * r @ s @ r + weights @ power**2 - (weights @ power) ** 2
        variance = variance - 4 * (weights @ ((z @ r) * power))
    found = am.expected_loss(model, "squared_error", x, targets, policy)
    torch.testing.assert_close(found.variance, variance[None], rtol=1e-12, atol=0)


def test_expected_cross_entropy_and_its_second_order_account(generator):
    policy = am.Compose(
        [am.RandomRotation(10, interpolation="bilinear"), am.RandomHorizontalFlip()]
    )
    x, model, labels = images(), network(), torch.tensor([0, 1, 2, 0])
    found = am.expected_loss(model, "cross_entropy", x, labels, policy)
    draws = 20_000
    for n in range(4):
        moved = policy(x[n : n + 1].expand(draws, -1, -1, -1), generator=generator)
        with torch.no_grad():
            loss = F.cross_entropy(model(moved), labels[n].expand(draws), reduction="none")
        z = (loss.mean() - found.value[n]) / (loss.std() / draws**0.5)
        assert abs(float(z)) < 4.5
        torch.testing.assert_close(loss.var(), found.variance[n], rtol=0.06, atol=0)
    m = am.moments(x, policy)
    torch.testing.assert_close(
        found.at_mean, F.cross_entropy(model(m.mean), labels, reduction="none").detach()
    )
    n = 1
    jacobian = torch.autograd.functional.jacobian(lambda v: model(v[None])[0], m.mean[n]).flatten(1)
    p = model(m.mean[n : n + 1])[0].softmax(0).detach()
    hessian = p.diag() - torch.outer(p, p)
    regularizer = (jacobian.T @ hessian @ jacobian * m.covariance.dense()[n]).sum() / 2
    torch.testing.assert_close(found.regularizer[n], regularizer)
    torch.testing.assert_close(found.residual, found.value - found.at_mean - found.regularizer)


@pytest.mark.parametrize(
    ("loss", "targets", "by_hand"),
    [
        (nn.MSELoss(), "real", lambda z, y: (z - y).square().mean(1)),
        (nn.MSELoss(reduction="sum"), "real", lambda z, y: (z - y).square().sum(1)),
        (F.mse_loss, "real", lambda z, y: (z - y).square().mean(1)),
        (nn.CrossEntropyLoss(), "class", lambda z, y: F.cross_entropy(z, y, reduction="none")),
        (F.cross_entropy, "class", lambda z, y: F.cross_entropy(z, y, reduction="none")),
        (lambda z, y: (z - y).abs().sum(1), "real", lambda z, y: (z - y).abs().sum(1)),
        (
            "squared_error",
            "class",
            lambda z, y: (z - F.one_hot(y, 3)).square().sum(1),
        ),
    ],
)
def test_losses_are_taken_per_sample(loss, targets, by_hand):
    x, model = images(), network()
    y = torch.tensor([0, 2, 1, 1]) if targets == "class" else torch.rand(4, 3).double()
    policy = am.RandomHorizontalFlip(0.3)
    with torch.no_grad():
        truth = 0.7 * by_hand(model(x), y) + 0.3 * by_hand(model(x.flip(-1)), y)
    found = am.expected_loss(model, loss, x, y, policy)
    torch.testing.assert_close(found.value, truth)
    if isinstance(loss, nn.Module):
        assert loss.reduction in ("mean", "sum")  # the user's own object is left as it was


def test_output_moments_linear_and_general_agree():
    policy = am.RandomTranslation(x=(-1.5, 1), y=(-0.5, 0.5))
    x, model = images(), linear_model()
    general = nn.Sequential(model[0], model[1], nn.Hardtanh(-1e6, 1e6)).eval()
    exact, nodes = am.output_moments(model, x, policy), am.output_moments(general, x, policy)
    assert (exact.method, nodes.method) == ("exact", "cubature")
    torch.testing.assert_close(exact.mean, nodes.mean, rtol=0, atol=1e-10)
    torch.testing.assert_close(exact.covariance, nodes.covariance, rtol=0, atol=1e-10)


def test_sensitivity_by_definition():
    policy = am.RandomTranslation(x=(-1, 1), y=(-1, 1))
    x, model, labels = images(), network(), torch.tensor([0, 1, 2, 0])
    s = am.sensitivity(model, "cross_entropy", x, labels, policy, k=SHAPE[1] * SHAPE[2])
    m = am.moments(x, policy)
    point = m.mean.clone().requires_grad_()
    F.cross_entropy(model(point), labels, reduction="sum").backward()
    torch.testing.assert_close(s.saliency, point.grad)
    v = m.covariance.dense()
    g = point.grad.flatten(1)
    linearized = torch.einsum("nd,nde,ne->n", g, v, g)
    torch.testing.assert_close(s.linearized_variance, linearized)
    torch.testing.assert_close(s.alignment.sum(1), torch.ones(4, dtype=torch.float64))
    torch.testing.assert_close((s.alignment * s.spectrum).sum(1) * g.square().sum(1), linearized)
    assert ((s.ratio >= 0) & (s.ratio <= 1)).all()
    torch.testing.assert_close(s.isotropic, s.spectrum.mean(1) / s.spectrum[:, 0])


def test_linearized_variance_is_the_variance_of_small_augmentations():
    x, model, labels = images(), network(), torch.tensor([0, 1, 2, 0])
    policy = am.ColorJitter(brightness=am.Uniform(0.999, 1.001), clamp=False)
    s = am.sensitivity(model, "cross_entropy", x, labels, policy, k=1)
    torch.testing.assert_close(s.linearized_variance, s.variance, rtol=1e-2, atol=0)


class Noisy(nn.Module):
    def forward(self, x):
        return x.flatten(1)[:, :2] + torch.rand(1)


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(30, 2)), ModelError, r"1 \(Dropout\)"),
        (nn.Sequential(nn.BatchNorm2d(1), nn.Flatten()), ModelError, r"0 \(BatchNorm2d\)"),
        (Noisy().eval(), ModelError, "random"),
        (nn.Identity(), ModelError, r"outputs of shape \(2, K\)"),
        (nn.Sequential(nn.Flatten(), nn.Linear(7, 2)).eval(), ModelError, "failed on augmented images"),
        (lambda x: x.flatten(1) / 0, ModelError, "not finite"),
        ("resnet", InputTypeError, "callable"),
    ],
)
def test_models_that_are_no_functions_are_refused(model, error, message):
    before = [m.training for m in model.modules()] if isinstance(model, nn.Module) else None
    state = torch.get_rng_state()
    with pytest.raises(error, match=message):
        am.output_moments(model, images(3, dtype=torch.float32), am.RandomHorizontalFlip())
    assert torch.equal(state, torch.get_rng_state())
    if before is not None:
        assert before == [m.training for m in model.modules()]


def test_a_model_without_gradients_is_refused_by_name():
    model = network()

    def detached(x):
        return model(x).detach()

    with pytest.raises(ModelError, match="not differentiable"):
        am.expected_loss(
            detached,
            "cross_entropy",
            images(),
            torch.zeros(4, dtype=int),
            am.RandomHorizontalFlip(),
        )


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (torch.tensor([0, 1, 2]), "3"),
        (torch.tensor([0, 1, 2, 3]), "3"),
        (torch.tensor([0, 1, -1, 2]), "-1"),
    ],
)
def test_targets_that_do_not_fit_are_refused(targets, message):
    with pytest.raises(InputError, match=message):
        am.expected_loss(network(), "cross_entropy", images(), targets, am.RandomHorizontalFlip())


def test_bad_arguments_are_refused():
    x, policy = images(), am.RandomHorizontalFlip()
    with pytest.raises(InputError, match="cross_entropy"):
        am.expected_loss(network(), "crossentropy", x, torch.zeros(4, dtype=int), policy)
    with pytest.raises(InputError, match="tol"):
        am.expectation(lambda z: z, x, policy, tol=0)
    with pytest.raises(InputTypeError, match="callable"):
        am.expectation(3, x, policy)
    with pytest.raises(ModelError, match="first axis"):
        am.expectation(lambda z: z.sum(), x, policy)
    with pytest.raises(InputError, match="k must be"):
        am.sensitivity(network(), "cross_entropy", x, torch.zeros(4, dtype=int), policy, k=0)
