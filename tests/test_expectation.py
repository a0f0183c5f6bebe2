"""Expectations, outputs and losses against enumeration, mpmath and plain sampling."""

import itertools

import mpmath
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import augmoments as am
from augmoments.errors import InputError, InputTypeError, ModelError, PolicyError

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
        (
            nn.Sequential(nn.Flatten(), nn.Linear(7, 2)).eval(),
            ModelError,
            "failed on augmented images",
        ),
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


class TestOtherSizes:
    """Policies whose images come out smaller, all outcomes written out by hand."""

    POLICY = am.Compose([am.RandomCrop((3, 4)), am.RandomHorizontalFlip(0.3)])
    SHAPE = (1, 3, 4)

    def outcomes(self, x):
        windows = [x[..., i : i + 3, j : j + 4] for i in range(4) for j in range(2)]
        for window in windows:
            yield 0.7 / len(windows), window
            yield 0.3 / len(windows), window.flip(-1)

    def average(self, fn, x):
        return sum(p * fn(z) for p, z in self.outcomes(x))

    def test_any_function(self):
        x, model = images(), network(shape=self.SHAPE)
        found = am.expectation(model, x, self.POLICY)
        assert found.method == "exact"
        torch.testing.assert_close(found.value, self.average(model, x))

    @pytest.mark.parametrize("make", [linear_model, network])
    def test_outputs(self, make):
        x, model = images(), make(shape=self.SHAPE)
        found = am.output_moments(model, x, self.POLICY)
        mean = self.average(model, x)
        second = self.average(lambda z: model(z)[:, :, None] * model(z)[:, None], x)
        torch.testing.assert_close(found.mean, mean, rtol=0, atol=1e-12)
        covariance = second - mean[:, :, None] * mean[:, None]
        torch.testing.assert_close(found.covariance, covariance, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("make", [linear_model, network])
    @pytest.mark.parametrize("given", [False, True])
    def test_losses_and_sensitivity(self, make, given):
        x, y, model = images(), torch.tensor([0, 2, 1, 0]), make(shape=self.SHAPE)
        m = am.moments(x, self.POLICY) if given else None
        target = F.one_hot(y, 3).double()
        found = am.expected_loss(model, "squared_error", x, y, self.POLICY, given=m)
        truth = self.average(lambda z: (model(z) - target).square().sum(1), x)
        torch.testing.assert_close(found.value, truth, rtol=0, atol=1e-11)
        s = am.sensitivity(model, "squared_error", x, y, self.POLICY, 5, given=m)
        assert s.saliency.shape == (4, *self.SHAPE)
        assert s.vectors.shape == (4, 5, *self.SHAPE)
        squares = self.average(lambda z: (model(z) - target).square().sum(1).square(), x)
        torch.testing.assert_close(s.variance, squares - truth.square(), rtol=0, atol=1e-10)

    def test_models_meet_augmented_images(self):
        x, y = images(), torch.tensor([0, 2, 1, 0])
        for model in (linear_model(), network()):
            with pytest.raises(ModelError, match=r"augmented images of shape \(2, 1, 3, 4\)"):
                am.expected_loss(model, "squared_error", x, y, self.POLICY)
            with pytest.raises(ModelError, match="augmented images of shape"):
                am.output_moments(model, x, self.POLICY)

    def test_given_moments_of_another_size_are_refused(self):
        x, y = images(), torch.tensor([0, 2, 1, 0])
        other = am.moments(x, am.RandomHorizontalFlip())
        for function in (am.expected_loss, am.sensitivity):
            with pytest.raises(InputError, match=r"come out with shape \(4, 1, 3, 4\)"):
                function(network(shape=self.SHAPE), "squared_error", x, y, self.POLICY, given=other)

    def test_images_that_are_too_small_are_refused(self):
        x, y = images(shape=(1, 2, 4)), torch.tensor([0, 2, 1, 0])
        with pytest.raises(PolicyError):
            am.expected_loss(network(shape=self.SHAPE), "squared_error", x, y, self.POLICY)

    def test_channels(self):
        """A step that takes the mean of the channels."""
        transforms = pytest.importorskip("torchvision.transforms.v2")
        x, model = images(shape=(3, 4, 4)), network(shape=(1, 4, 4))
        found = am.output_moments(model, x, transforms.Grayscale(1))
        weights = torch.tensor([0.2989, 0.587, 0.114], dtype=torch.float64)
        gray = torch.einsum("c,nchw->nhw", weights, x)[:, None]
        torch.testing.assert_close(found.mean, model(gray).detach(), rtol=0, atol=1e-12)


class TestNoise:
    """Noise of standard deviation s without clipping adds s^2 to the diagonal."""

    POLICY = am.Compose([am.RandomHorizontalFlip(), am.GaussianNoise(0.05, 0.3, clip=False)])

    def test_squared_error_of_a_linear_model_is_exact(self):
        x, y, model = images(), torch.tensor([0, 2, 1, 0]), linear_model()
        found = am.expected_loss(model, "squared_error", x, y, self.POLICY)
        weight, target = model[1].weight.detach(), F.one_hot(y, 3).double()
        with torch.no_grad():
            parts = [(model(z + 0.05) - target).square().sum(1) for z in (x, x.flip(-1))]
        assert found.method == "exact"
        truth = (parts[0] + parts[1]) / 2 + 0.3**2 * weight.square().sum()
        torch.testing.assert_close(found.value, truth, rtol=0, atol=1e-11)
        assert found.variance_method == "monte-carlo"

    def test_outputs_of_a_linear_model(self):
        x, model = images(), linear_model()
        found = am.output_moments(model, x, self.POLICY)
        weight = model[1].weight.detach()
        gap = (x - x.flip(-1)).flatten(1) @ weight.T / 2
        truth = gap[:, :, None] * gap[:, None] + 0.3**2 * weight @ weight.T
        torch.testing.assert_close(found.covariance.detach(), truth, rtol=0, atol=1e-11)

    def test_sensitivity_along_noise_is_isotropic(self):
        x, y, model = images(), torch.tensor([0, 2, 1, 0]), network()
        s = am.sensitivity(model, "cross_entropy", x, y, am.GaussianNoise(0.0, 0.2, clip=False))
        ones = torch.ones(4, dtype=torch.float64)
        torch.testing.assert_close(s.ratio, ones)
        torch.testing.assert_close(s.isotropic, ones)
        torch.testing.assert_close(s.spectrum, torch.full_like(s.spectrum, 0.04))
        power = s.saliency.flatten(1).square().sum(1)
        torch.testing.assert_close(s.linearized_variance, 0.04 * power)

    def test_a_network_by_samples_holds_its_error(self):
        """Against 200,000 plain draws, in standard errors of these."""
        x, y, model = images(2), torch.tensor([0, 2]), network()
        found = am.expected_loss(model, "cross_entropy", x, y, self.POLICY, max_nodes=8192)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for n in range(2):
                draws = self.POLICY(x[n].expand(200_000, *SHAPE), generator)
                losses = F.cross_entropy(model(draws), y[n].expand(len(draws)), reduction="none")
                spread = float(losses.std()) / len(draws) ** 0.5
                gap = abs(float(found.value[n] - losses.mean()))
                assert gap <= float(found.error[n]) + 4 * spread


def test_the_loss_of_a_linear_model_is_known_better_than_the_moments():
    """The covariance by quasi-Monte Carlo is rough, but the loss is one number."""
    policy = am.Compose(
        [am.RandomRotation(30, "bilinear"), am.RandomResizedCrop(4), am.ColorJitter(0.3)]
    )
    x, y, model = images(shape=(1, 7, 8)), torch.tensor([0, 2, 1, 0]), linear_model(shape=(1, 4, 4))
    found = am.expected_loss(model, "squared_error", x, y, policy, 1e-2, max_nodes=1024)
    truth = am.expected_loss(model, "squared_error", x, y, policy, 1e-5, max_nodes=2**15, seed=9)
    assert (found.error < 0.1 * found.value).all()
    assert ((found.value - truth.value).abs() <= found.error + truth.error).all()
    torch.testing.assert_close(found.residual, torch.zeros_like(found.residual))


def pipelines():
    """The same steps in three libraries."""
    transforms = pytest.importorskip("torchvision.transforms.v2")
    kornia = pytest.importorskip("kornia.augmentation")
    albumentations = pytest.importorskip("albumentations")
    return {
        "torchvision": transforms.Compose(
            [transforms.CenterCrop(4), transforms.RandomHorizontalFlip(0.3)]
        ),
        "kornia": nn.Sequential(kornia.CenterCrop(4), kornia.RandomHorizontalFlip(p=0.3)),
        "albumentations": albumentations.Compose(
            [albumentations.CenterCrop(4, 4), albumentations.HorizontalFlip(p=0.3)]
        ),
    }


@pytest.mark.parametrize("library", ["torchvision", "kornia", "albumentations"])
def test_pipelines_are_taken_as_they_are(library):
    pipeline, meant = (
        pipelines()[library],
        am.Compose([am.CenterCrop(4), am.RandomHorizontalFlip(0.3)]),
    )
    x, y, model = images(shape=(1, 6, 6)), torch.tensor([0, 2, 1, 0]), network(shape=(1, 4, 4))

    def run(policy):
        loss = am.expected_loss(model, "cross_entropy", x, y, policy)
        sensitivity = am.sensitivity(model, "cross_entropy", x, y, policy, 3)
        outputs = am.output_moments(model, x, policy)
        function = am.expectation(lambda z: z.flatten(1).exp(), x, policy)
        return (
            loss.value,
            loss.variance,
            loss.regularizer,
            sensitivity.linearized_variance,
            outputs.covariance,
            function.value,
            am.samples_needed(x, policy).first,
            am.samples_needed(x, policy, "covariance").second,
            am.samples_needed(
                x, policy, "loss", model=model, loss="cross_entropy", targets=y
            ).first,
        )

    for got, want in zip(run(pipeline), run(meant), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-9)


def test_what_is_no_policy_is_refused():
    x, y, model = images(), torch.tensor([0, 2, 1, 0]), network()
    for call in (
        lambda p: am.expectation(model, x, p),
        lambda p: am.output_moments(model, x, p),
        lambda p: am.expected_loss(model, "cross_entropy", x, y, p),
        lambda p: am.sensitivity(model, "cross_entropy", x, y, p),
        lambda p: am.samples_needed(x, p),
        lambda p: am.DatasetMoments(p),
        lambda p: am.AugmentedRidge(p).fit(x, y),
    ):
        with pytest.raises(InputTypeError, match="a policy is an augmentation"):
            call(nn.ReLU())


def test_policies_that_mix_a_batch_are_refused():
    """What they make of an image depends on the others, and so does its label."""
    x, y, model = images(), torch.tensor([0, 2, 1, 0]), linear_model()
    for policy in (am.MixUp(), am.Compose([am.RandomHorizontalFlip(), am.CutMix(alpha=0.5)])):
        for call in (
            lambda p: am.expectation(model, x, p),
            lambda p: am.output_moments(model, x, p),
            lambda p: am.expected_loss(model, "squared_error", x, y, p),
            lambda p: am.sensitivity(model, "squared_error", x, y, p),
            lambda p: am.samples_needed(x, p),
            lambda p: am.samples_needed(x, p, "covariance"),
        ):
            with pytest.raises(PolicyError, match="mixes the images of a batch"):
                call(policy)
