"""Training without sampling against enumeration, finite differences and plain draws."""

import copy
import pickle
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import augmoments as am
from augmoments.errors import InputError, InputTypeError, ModelError, PolicyError
from augmoments.losses.loss import as_loss
from augmoments.training import ExpectedLoss, ExplicitRegularizer, TangentProp, TaylorWarning
from augmoments.training.curvature import curvature

SHAPE = (1, 6, 5)
WARP = am.Compose(
    [
        am.RandomRotation(15, interpolation="bilinear"),
        am.RandomTranslation(x=am.Uniform(-1, 1), y=am.Uniform(-1, 1)),
    ]
)
SHIFT = am.RandomTranslation(x=am.Uniform(-1, 1))
FINITE = am.Compose(
    [am.RandomHorizontalFlip(0.3), am.RandomTranslation(x=am.Discrete([-1, 0, 1.5]))]
)


def batch(n=4, shape=SHAPE, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(n, *shape, generator=generator, dtype=dtype)
    return images, torch.randint(3, (n,), generator=generator)


def digits(n, dtype=torch.float64):
    images, labels = am.data.digits()
    return images[:n].to(dtype), labels[:n]


def linear_model(outputs=3, shape=SHAPE, seed=0):
    torch.manual_seed(seed)
    size = shape[0] * shape[1] * shape[2]
    return nn.Sequential(nn.Flatten(), nn.Linear(size, outputs)).double()


def network(outputs=3, shape=SHAPE, seed=0, scale=1.0):
    """A small convolutional network with pooling, normalisation and in-place operations."""
    torch.manual_seed(seed)
    channels, height, width = shape
    model = nn.Sequential(
        nn.Conv2d(channels, 4, 3, padding=1),
        nn.GroupNorm(2, 4),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * (height // 2) * (width // 2), 8),
        nn.Tanh(),
        nn.Linear(8, outputs),
    ).double()
    with torch.no_grad():
        model[-1].weight.mul_(scale)
    return model


def gradient(value, model):
    return torch.cat([g.flatten() for g in torch.autograd.grad(value, list(model.parameters()))])


def drawn_loss(model, images, targets, policy, k, generator):
    """The loss of ``k`` plain draws an image."""
    repeated = images.repeat_interleave(k, 0)
    return F.cross_entropy(model(policy(repeated, generator)), targets.repeat_interleave(k, 0))


@pytest.mark.parametrize("nodes", [1, 3, 4])
def test_a_step_is_unbiased(nodes):
    x, y = digits(8)
    model = network(10, (1, 8, 8), scale=4)
    criterion = ExpectedLoss("cross_entropy", WARP, nodes=nodes, seed=3)
    with torch.no_grad():
        values = torch.stack([criterion(model, x, y) for _ in range(600)])
    truth = am.expected_loss(model, "cross_entropy", x, y, WARP, tol=1e-3).value.mean()
    z = (values.mean() - truth) / (values.std() / len(values) ** 0.5)
    assert criterion.method_used == "quasi-monte-carlo"
    assert criterion.passes == nodes
    assert abs(float(z)) < 4, f"z = {float(z):.2f}"


@pytest.mark.parametrize(("nodes", "least_value", "least_gradient"), [(1, 0.8, 1.0), (4, 3, 2.3)])
def test_a_step_has_less_variance_than_draws(nodes, least_value, least_gradient, generator):
    x, y = digits(32)
    model = network(10, (1, 8, 8), scale=4)
    criterion = ExpectedLoss("cross_entropy", WARP, nodes=nodes)
    found = []
    for loss in (
        lambda: criterion(model, x, y),
        lambda: drawn_loss(model, x, y, WARP, nodes, generator),
    ):
        values = [loss() for _ in range(300)]
        gradients = torch.stack([gradient(value, model) for value in values])
        variance = torch.stack([value.detach() for value in values]).var()
        found.append((float(variance), float(gradients.var(0).sum())))
    (value, slope), (drawn_value, drawn_slope) = found
    assert drawn_value / value > least_value
    assert drawn_slope / slope > least_gradient


def test_images_share_their_points():
    """With one node an image, a loss that does not depend on the image is stratified."""
    x, y = torch.full((64, 1, 1, 1), 0.5, dtype=torch.float64), torch.zeros(64, 1)
    bright = am.ColorJitter(brightness=(0, 2), clamp=False)
    model, losses = nn.Flatten(), lambda z, _: z[:, 0]
    criterion = ExpectedLoss(losses, bright, nodes=1)
    values = torch.stack([criterion(model, x, y) for _ in range(100)])
    plain = 0.5 * (1 / 3 / 64) ** 0.5
    assert values.std() < plain / 20
    assert abs(values.mean() - 0.5) < 4 * plain / 20 / 10


def test_finite_laws_are_enumerated():
    x, y = batch()
    model = network()
    criterion = ExpectedLoss("cross_entropy", am.RandomHorizontalFlip(0.3), nodes=2)
    found = criterion(model, x, y)
    exact = 0.7 * F.cross_entropy(model(x), y) + 0.3 * F.cross_entropy(model(x.flip(-1)), y)
    assert (criterion.method_used, criterion.passes) == ("exact", 2)
    torch.testing.assert_close(found, exact, rtol=0, atol=1e-12)
    torch.testing.assert_close(criterion(model, x, y), found, rtol=0, atol=0)


def test_enumeration_is_the_expected_loss():
    x, y = batch()
    model = network().eval()
    criterion = ExpectedLoss("cross_entropy", FINITE, nodes=6)
    exact = am.expected_loss(model, "cross_entropy", x, y, FINITE).value.mean()
    torch.testing.assert_close(criterion(model, x, y).detach(), exact, rtol=0, atol=1e-12)
    assert criterion.method_used == "exact"


def test_few_nodes_of_a_finite_law_are_unbiased():
    x, y = batch()
    model = network().eval()
    criterion = ExpectedLoss("cross_entropy", FINITE, nodes=2)
    exact = float(am.expected_loss(model, "cross_entropy", x, y, FINITE).value.mean())
    with torch.no_grad():
        values = torch.stack([criterion(model, x, y) for _ in range(500)])
    assert criterion.method_used == "quasi-monte-carlo"
    z = (float(values.mean()) - exact) / float(values.std() / 500**0.5)
    assert abs(z) < 4, f"z = {z:.2f}"


def test_at_mean_is_the_loss_at_the_mean_image():
    x, y = batch()
    model = network()
    mean = am.expected_operator(WARP, SHAPE) @ x
    criterion = ExpectedLoss("cross_entropy", WARP, method="at_mean")
    torch.testing.assert_close(criterion(model, x, y), F.cross_entropy(model(mean), y))
    assert (criterion.method_used, criterion.passes) == ("at_mean", 1)


def test_at_mean_of_a_policy_that_is_not_affine():
    x, y = batch()
    model, policy = network(), am.ColorJitter(brightness=(0, 3))
    mean = am.moments(x, policy, 1e-3).mean
    criterion = ExpectedLoss("cross_entropy", policy, method="at_mean", tol=1e-3)
    torch.testing.assert_close(criterion(model, x, y), F.cross_entropy(model(mean), y))


def test_second_order_is_what_its_formula_says():
    x, y = batch()
    model = network(scale=4)
    criterion = ExpectedLoss("cross_entropy", FINITE, method="second_order", nodes=6)
    atoms = FINITE.atoms(SHAPE)
    theta, weights = torch.from_numpy(atoms.points), torch.from_numpy(atoms.weights)
    outputs = torch.stack([model(FINITE.apply(x[None], row[None])[0]) for row in theta])
    mean = torch.einsum("k,knj->nj", weights, outputs)
    gaps = outputs - mean
    covariance = torch.einsum("k,kni,knj->nij", weights, gaps, gaps)
    p = mean.softmax(1)
    hessian = p.diag_embed() - p[:, :, None] * p[:, None]
    exact = F.cross_entropy(mean, y) + (hessian * covariance).sum((1, 2)).mean() / 2
    torch.testing.assert_close(criterion(model, x, y), exact, rtol=1e-12, atol=0)


def test_second_order_is_exact_for_a_squared_error():
    x, y = batch()
    model = network()
    found = [
        ExpectedLoss("squared_error", WARP, method=method)(model, x, y)
        for method in ("nodes", "second_order")
    ]
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error", nn.SmoothL1Loss()])
def test_curvature_is_that_of_the_hessian(loss):
    loss = as_loss(loss)
    z = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    d = torch.randn(3, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    y = torch.tensor([0, 1, 2, 3, 0]) if loss.classes else torch.zeros(5, 4).double()
    hessian = loss.gradient_and_hessian(z, y)[1]
    exact = torch.einsum("rni,nij,rnj->rn", d, hessian, d)
    torch.testing.assert_close(curvature(loss, z, y, d), exact)


def test_draws_depend_on_seed_and_step_alone():
    x, y = batch()
    model = network()
    one, same, other = (ExpectedLoss("cross_entropy", WARP, seed=s) for s in (1, 1, 2))
    torch.manual_seed(0)
    values = [float(one(model, x, y).detach()) for _ in range(3)]
    torch.manual_seed(1)
    assert [float(same(model, x, y).detach()) for _ in range(3)] == values
    assert len(set(values)) == 3
    assert float(other(model, x, y).detach()) != values[0]
    assert int(one.step) == 3


def test_training_is_resumed_where_it_was():
    x, y = batch()
    model = network()
    criterion = ExpectedLoss("cross_entropy", WARP)
    for _ in range(5):
        criterion(model, x, y)
    resumed = ExpectedLoss("cross_entropy", WARP)
    resumed.load_state_dict(criterion.state_dict())
    assert float(resumed(model, x, y).detach()) == float(criterion(model, x, y).detach())


def test_evaluation_mode_repeats_its_draws():
    x, y = batch()
    model = network()
    criterion = ExpectedLoss("cross_entropy", WARP).eval()
    assert float(criterion(model, x, y).detach()) == float(criterion(model, x, y).detach())
    assert int(criterion.step) == 0


def test_micro_batches_add_up():
    x, y = batch(8)
    model = network()
    criterion = ExpectedLoss("cross_entropy", FINITE, nodes=6)
    whole = gradient(criterion(model, x, y), model)
    parts = [
        gradient(criterion(model, a, b), model) for a, b in zip(x.split(4), y.split(4), strict=True)
    ]
    torch.testing.assert_close(sum(parts) / 2, whole)
    regularizer = ExplicitRegularizer(SHIFT, check_every=0)
    whole = gradient(regularizer.total(model, x, y), model)
    parts = [
        gradient(regularizer.total(model, a, b), model)
        for a, b in zip(x.split(4), y.split(4), strict=True)
    ]
    torch.testing.assert_close(sum(parts) / 2, whole)


class Recorder(nn.Module):
    """A model that keeps what it was given."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        self.seen = x.detach().clone(memory_format=torch.preserve_format)
        return self.model(x)


@pytest.mark.parametrize("method", ["nodes", "at_mean", "second_order"])
def test_autocast_leaves_the_augmentation_alone(method):
    x, y = batch(dtype=torch.float32)
    model = Recorder(network().float())
    found, seen, dtypes = [], [], []
    for enabled in (False, True):
        criterion = ExpectedLoss("cross_entropy", WARP, method=method)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            value = criterion(model, x, y)
        value.backward()
        found.append(float(value.detach()))
        dtypes.append(value.dtype)
        seen.append(model.seen)
    assert dtypes == [torch.float32, torch.float32]
    assert torch.equal(*seen)
    assert found[0] != found[1]
    assert found[0] == pytest.approx(found[1], rel=0.02)


def test_second_order_losses_in_autocast():
    x, y = batch(dtype=torch.float32)
    model = network().float()
    found = []
    for enabled in (False, True):
        criterion = ExplicitRegularizer(SHIFT)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            value = criterion.total(model, x, y)
        value.backward()
        found.append(float(value.detach()))
    assert found[0] == pytest.approx(found[1], rel=0.03)


def test_memory_format_is_kept():
    x, y = batch(shape=(3, 6, 5))
    x = x.contiguous(memory_format=torch.channels_last)
    model = Recorder(network(shape=(3, 6, 5)))
    for method in ("nodes", "at_mean"):
        ExpectedLoss("cross_entropy", WARP, method=method)(model, x, y)
        assert model.seen.is_contiguous(memory_format=torch.channels_last)


def test_gradients_reach_the_images():
    x, y = batch(2)
    model = network()
    for method in ("nodes", "at_mean", "second_order"):
        criterion = ExpectedLoss("cross_entropy", WARP, method=method).eval()
        assert torch.autograd.gradcheck(lambda z, c=criterion: c(model, z, y), x.requires_grad_())


def test_one_image_and_one_node():
    x, y = batch(1)
    model = network()
    found = ExpectedLoss("cross_entropy", WARP, nodes=1)(model, x[0], y)
    assert torch.isfinite(found)
    still = ExpectedLoss("cross_entropy", am.RandomTranslation(x=0.0), nodes=1)
    torch.testing.assert_close(still(model, x, y), F.cross_entropy(model(x), y))
    assert still.method_used == "exact"


def test_policies_that_draw_numbers_of_their_own():
    x, y = batch()
    criterion = ExpectedLoss("cross_entropy", am.GaussianNoise())
    assert torch.isfinite(criterion(network(), x, y))
    assert criterion.method_used == "monte-carlo"


def test_any_mode_of_the_model():
    x, y = batch(16)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten()
    ).double()
    model.append(nn.Linear(4 * 4 * 3, 3).double())
    before = model[1].running_mean.clone()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    criterion = ExpectedLoss("cross_entropy", WARP)
    values = []
    for _ in range(60):
        optimizer.zero_grad()
        value = criterion(model.train(), x, y)
        value.backward()
        optimizer.step()
        values.append(float(value.detach()))
    assert values[-1] < values[0] - 0.1
    assert int(model[1].num_batches_tracked) == 60
    assert not torch.equal(model[1].running_mean, before)


def test_pipelines_of_torchvision():
    from torchvision.transforms import v2

    x, y = batch()
    pipeline = v2.Compose([v2.RandomHorizontalFlip(), v2.RandomRotation(10)])
    ours = am.Compose([am.RandomHorizontalFlip(), am.RandomRotation(10)])
    model = network()
    found = [ExpectedLoss("cross_entropy", p)(model, x, y) for p in (pipeline, ours)]
    torch.testing.assert_close(*found)


def test_copies_and_pickles():
    x, y = batch()
    model = network()
    for criterion in (ExpectedLoss("cross_entropy", WARP), ExplicitRegularizer(SHIFT)):
        criterion(model, x, y)
        first = criterion(model, x, y)
        assert "RandomTranslation" in repr(criterion)
        for again in (copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion))):
            assert int(again.step) == 2
            assert torch.isfinite(again(model, x, y))
        assert torch.isfinite(first)


@pytest.mark.parametrize("kind", [ExpectedLoss, ExplicitRegularizer, TangentProp])
@pytest.mark.parametrize("policy", [am.MixUp(), am.Compose([WARP, am.CutMix()])])
def test_mixing_is_refused_by_name(kind, policy):
    with pytest.raises(PolicyError, match=r"MixUp|CutMix"):
        kind("cross_entropy", policy) if kind is ExpectedLoss else kind(policy)


def test_wrong_arguments_are_refused():
    x, y = batch()
    model = network()
    with pytest.raises(InputError, match="did you mean 'nodes'"):
        ExpectedLoss("cross_entropy", WARP, method="node")
    with pytest.raises(InputError, match="nodes must be a whole number of at least 1"):
        ExpectedLoss("cross_entropy", WARP, nodes=0)
    with pytest.raises(InputError, match="seed"):
        ExpectedLoss("cross_entropy", WARP, seed=-1)
    with pytest.raises(InputError, match="Unknown loss"):
        ExpectedLoss("entropy", WARP)
    with pytest.raises(InputTypeError, match="policy"):
        ExpectedLoss("cross_entropy", lambda z: z)
    with pytest.raises(InputError, match="rank"):
        ExplicitRegularizer(WARP, rank=0)
    with pytest.raises(InputError, match="warn_above"):
        ExplicitRegularizer(WARP, warn_above=0)
    for criterion in (ExpectedLoss("cross_entropy", WARP), ExplicitRegularizer(SHIFT)):
        with pytest.raises(InputError, match="/ 255"):
            criterion(model, (255 * x).byte(), y)
        with pytest.raises(InputError, match="one target an image"):
            criterion(model, x, y[:2])
        with pytest.raises(InputError, match=r"outside 0\.\.2"):
            criterion(model, x, y + 3)
        with pytest.raises(ModelError, match="outputs of shape"):
            criterion(nn.Identity(), x, y)
        with pytest.raises(InputTypeError, match="callable"):
            criterion("model", x, y)
    with pytest.raises(InputError, match="one value a sample"):
        ExpectedLoss(lambda z, y: F.cross_entropy(z, y), WARP)(model, x, y)


def test_regularizer_of_a_linear_model_is_exact():
    x, y = batch()
    model = linear_model()
    targets = F.one_hot(y, 3).double()
    criterion = ExplicitRegularizer(SHIFT, loss="squared_error", rank=30, tol=1e-9)
    m = am.moments(x, SHIFT)
    W = model[1].weight
    spread = torch.einsum("ki,nij,kj->n", W, m.covariance.dense(), W).mean()
    torch.testing.assert_close(criterion(model, x, targets), spread, rtol=1e-10, atol=0)
    exact = am.expected_loss(model.eval(), "squared_error", x, targets, SHIFT).value.mean()
    total = criterion.total(model, x, targets).detach()
    torch.testing.assert_close(total, exact, rtol=1e-10, atol=0)
    assert criterion.explained == pytest.approx(1)


def test_regularizer_is_that_of_the_expected_loss():
    x, y = batch()
    model = network(scale=4)
    criterion = ExplicitRegularizer(WARP, rank=30, tol=1e-4, check_every=0)
    whole = am.expected_loss(model, "cross_entropy", x, y, WARP, tol=1e-4)
    torch.testing.assert_close(
        criterion(model, x, y).detach(), whole.regularizer.mean(), rtol=1e-4, atol=0
    )
    total = criterion.total(model, x, y).detach()
    torch.testing.assert_close(total, (whole.at_mean + whole.regularizer).mean(), rtol=1e-4, atol=0)


def test_regularizer_has_the_gradient_of_finite_differences():
    x, y = batch()
    model = network(scale=4)
    criterion = ExplicitRegularizer(WARP, rank=3, check_every=0)
    known = criterion.expansion(x)
    found = gradient(criterion(model, x, y, known), model)
    parameters = nn.utils.parameters_to_vector(model.parameters()).detach()
    direction = torch.randn(
        len(parameters), dtype=torch.float64, generator=torch.Generator().manual_seed(5)
    )
    ends = []
    for sign in (1, -1):
        nn.utils.vector_to_parameters(parameters + sign * 1e-6 * direction, model.parameters())
        ends.append(float(criterion(model, x, y, known).detach()))
    assert float(found @ direction) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5)


class ReverseOnly(torch.autograd.Function):
    """tanh, without a derivative in forward mode."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.tanh()

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * (1 - x.tanh() ** 2)


def test_models_without_forward_mode():
    x, y = batch()
    linear, layers = linear_model(), (torch.tanh, ReverseOnly.apply)
    found = []
    for layer in layers:
        criterion = ExplicitRegularizer(WARP)
        value = criterion(lambda z, f=layer: f(linear(z)), x, y)
        found.append((criterion.mode, value.detach(), gradient(value, linear)))
    assert [mode for mode, _, _ in found] == ["forward", "reverse"]
    torch.testing.assert_close(found[0][1:], found[1][1:])


class Attention(nn.Module):
    """One layer of a vision transformer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.patch = nn.Conv2d(1, 8, 2, stride=2)
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        tokens = self.norm(self.patch(x).flatten(2).mT)
        mixed, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        return self.head(F.gelu(tokens + mixed).mean(1))


def test_attention_is_differentiated():
    x, y = batch()
    model = Attention().double()
    criterion = ExplicitRegularizer(SHIFT, rank=30, tol=1e-6, check_every=0)
    found = criterion(model, x, y)
    exact = am.expected_loss(model, "cross_entropy", x, y, SHIFT).regularizer.mean()
    assert criterion.mode == "forward"
    torch.testing.assert_close(found.detach(), exact, rtol=1e-4, atol=0)
    assert torch.isfinite(gradient(found, model)).all()


class OnceOnly(ReverseOnly):
    """tanh, which can be differentiated once."""

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        return ReverseOnly.backward(ctx, gradient)


def test_models_without_second_derivatives_are_refused():
    x, y = batch()
    linear = linear_model()
    with pytest.raises(ModelError, match="Use ExpectedLoss"):
        ExplicitRegularizer(SHIFT)(lambda z: OnceOnly.apply(linear(z)), x, y)
    with pytest.raises(ModelError, match="cannot be differentiated"):
        ExplicitRegularizer(SHIFT)(nn.Linear(3, 3), x, y)


def test_dropout_has_one_mask():
    x, y = batch()
    model = nn.Sequential(linear_model(8), nn.Dropout(0.5), nn.Linear(8, 3).double())
    criterion = ExplicitRegularizer(SHIFT, check_every=0)
    torch.manual_seed(1)
    found = criterion.total(model, x, y).detach()
    assert criterion.mode == "forward"
    torch.manual_seed(1)
    mask = F.dropout(torch.ones(4, 8, dtype=torch.float64))
    fixed = criterion.total(lambda z: model[2](model[0](z) * mask), x, y).detach()
    torch.testing.assert_close(found, fixed)


def test_batch_norm_in_training_mode_is_refused():
    x, y = batch()
    model = nn.Sequential(nn.BatchNorm2d(1), linear_model()).double()
    criterion = ExplicitRegularizer(SHIFT)
    with pytest.raises(ModelError, match=r"0 normalise by the batch.*\.eval\(\)"):
        criterion(model, x, y)
    model[0].eval()
    assert torch.isfinite(criterion(model, x, y))


def confident():
    """A model far from linear over the shifts, and images for which it is sure."""
    x = torch.zeros(4, *SHAPE, dtype=torch.float64)
    x[:, 0, :, 2] = 1
    return x, torch.zeros(4, dtype=torch.long), network(scale=60)


def test_it_measures_and_warns_once():
    x, y, model = confident()
    criterion = ExplicitRegularizer(SHIFT, check_every=2)
    with pytest.warns(TaylorWarning, match="Train with ExpectedLoss"):
        criterion.total(model, x, y)
    measured = criterion.residual
    truth = am.expected_loss(model.eval(), "cross_entropy", x, y, SHIFT)
    exact = truth.residual.mean() / truth.value.mean()
    assert measured == pytest.approx(float(exact), rel=0.1)
    criterion.total(model, x, y)
    assert criterion.residual == measured
    criterion.total(model, x, y)


def test_it_does_not_measure_when_told_so():
    x, y, model = confident()
    for criterion in (
        ExplicitRegularizer(SHIFT, check_every=0),
        ExplicitRegularizer(SHIFT).eval(),
        TangentProp(SHIFT, check_every=0),
    ):
        criterion(model, x, y)
        assert criterion.residual is None


def test_measuring_leaves_the_random_state_alone():
    x, y = batch()
    model = nn.Sequential(linear_model(), nn.Dropout(0.5))
    found = []
    for check_every in (0, 1):
        torch.manual_seed(0)
        ExplicitRegularizer(SHIFT, check_every=check_every, warn_above=1e9)(model, x, y)
        found.append(torch.rand(3))
    assert torch.equal(*found)


def test_it_says_that_directions_are_missing():
    x, y = digits(8)
    criterion = ExplicitRegularizer(WARP, rank=1, check_every=0)
    with pytest.warns(TaylorWarning, match="raise rank"):
        criterion(network(10, (1, 8, 8)), x, y)
    assert criterion.explained < 0.5
    m = am.moments(x, WARP, 1e-2)
    share = m.covariance.eigh(1).values[:, 0] / m.covariance.trace()
    assert criterion.explained == pytest.approx(float(share.mean()), rel=0.02)


def test_expansions_are_known_beforehand():
    x, y = batch(80)
    model = network()
    criterion = ExplicitRegularizer(WARP, rank=4, check_every=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TaylorWarning)
        known = criterion.expansion(x)
        index = torch.tensor([70, 3, 5])
        given = criterion.total(model, x[index], y[index], known[index])
        torch.testing.assert_close(given, criterion.total(model, x[index], y[index]))
    with pytest.raises(InputError, match="given is an expansion"):
        criterion.total(model, x[index], y[index], known)


def test_expansions_with_unequal_ranks(monkeypatch):
    x = torch.rand(2, 1, 20, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x[1] = 0
    criterion = ExplicitRegularizer(am.RandomRotation(30, interpolation="bilinear"), rank=399)
    alone = [criterion.expansion(one[None]) for one in x]
    assert alone[0].directions.shape != alone[1].directions.shape
    monkeypatch.setattr("augmoments.training.regularizer._IMAGES_AT_ONCE", 1)
    both = criterion.expansion(x)
    for i, one in enumerate(alone):
        V, W = (d.flatten(1).T @ d.flatten(1) for d in (both.directions[i], one.directions[0]))
        torch.testing.assert_close(V, W)


def test_tangents_of_a_shift_are_central_differences():
    x, y = batch()
    model = linear_model()
    criterion = TangentProp(am.RandomTranslation(x=am.Uniform(-0.3, 0.3)), loss="squared_error")
    padded = F.pad(x, (1, 1))
    tangent = (padded[..., :-2] - padded[..., 2:]) / 2
    moved = tangent.flatten(1) @ model[1].weight.T
    exact = 0.3**2 / 3 * moved.square().sum(1).mean()
    found = criterion(model, x, F.one_hot(y, 3).double())
    torch.testing.assert_close(found, exact, rtol=1e-8, atol=0)


@pytest.mark.parametrize(
    "policy",
    [
        am.ColorJitter(brightness=0.5, contrast=0.5, clamp=False),
        am.ColorJitter(brightness=0.5, contrast=0.5, saturation=0.5, clamp=False),
    ],
)
def test_it_is_the_limit_of_the_regularizer(policy):
    x, y = batch(shape=(3, 6, 5))
    model = network(shape=(3, 6, 5), scale=4)
    limit = float(TangentProp(policy)(model, x, y).detach())
    gaps = []
    for eps in (0.1, 0.05, 0.025):
        narrow = ExplicitRegularizer(policy.scaled(eps), rank=90, tol=1e-7, check_every=0)
        gaps.append(float(narrow(model, x, y).detach()) / eps**2 / limit - 1)
    assert abs(gaps[-1]) < 1e-3
    assert abs(gaps[-1]) < abs(gaps[0]) / 3


def test_it_is_the_limit_for_a_ramp():
    """A shift of an image that is linear in x is smooth, but for its border."""
    x = torch.linspace(0.2, 0.8, 9).expand(2, 1, 6, 9).double()
    y = torch.tensor([0, 2])
    inner = linear_model(shape=(1, 6, 5))
    policy = am.RandomTranslation(x=(-1, 1))

    def model(z):
        return inner(z[..., 2:7])

    limit = float(TangentProp(policy)(model, x, y).detach())
    for eps in (0.1, 0.01):
        narrow = ExplicitRegularizer(policy.scaled(eps), rank=54, tol=1e-7, check_every=0)
        found = float(narrow(model, x, y).detach()) / eps**2
        assert found == pytest.approx(limit, rel=1e-6)


def test_a_kink_keeps_it_from_the_limit():
    """At a whole pixel a bilinear shift has two slopes, D- and D+.

    For theta uniform on [-e, e], Var T / e^2 is then (D+ + D-)^2 / 12 + (D+ - D-)^2 / 48 instead
    of (D+ + D-)^2 / 12.
    """
    x, y = batch()
    model = linear_model()
    targets = F.one_hot(y, 3).double()
    policy = am.RandomTranslation(x=(-1, 1))
    padded = F.pad(x, (1, 1))
    left, right = padded[..., :-2] - x, x - padded[..., 2:]
    W = model[1].weight
    odd = (((left + right) / 2).flatten(1) @ W.T).square().sum(1).mean() / 3
    even = (((left - right) / 2).flatten(1) @ W.T).square().sum(1).mean() / 12
    limit = TangentProp(policy, loss="squared_error")(model, x, targets)
    narrow = ExplicitRegularizer(
        policy.scaled(1e-3), loss="squared_error", rank=30, tol=1e-9, check_every=0
    )
    torch.testing.assert_close(limit, odd, rtol=1e-7, atol=0)
    torch.testing.assert_close(narrow(model, x, targets) / 1e-6, odd + even, rtol=1e-6, atol=0)


def test_laws_about_another_value_move_the_point():
    x, y = batch()
    model = linear_model()
    policy = am.ColorJitter(brightness=(1.2, 1.6), clamp=False)
    total = TangentProp(policy, loss="squared_error").total(model, x, y).detach()
    exact = am.expected_loss(model.eval(), "squared_error", x, y, policy).value.mean()
    torch.testing.assert_close(total, exact, rtol=1e-7, atol=0)


def test_parameters_that_are_drawn_together():
    x, y = batch(shape=(1, 8, 8))
    model = network(shape=(1, 8, 8), scale=4)
    joint = am.RandomAffine(2, scale=(0.98, 1.02), interpolation="bilinear")
    steps = am.Compose(
        [am.RandomRotation(2, interpolation="bilinear"), am.RandomZoom((0.98, 1.02))]
    )
    found = [float(TangentProp(p)(model, x, y).detach()) for p in (joint, steps)]
    assert found[0] == pytest.approx(found[1], rel=1e-5)


@pytest.mark.parametrize(
    "policy",
    [
        am.RandomHorizontalFlip(),
        am.Compose([am.RandomRotation(5, interpolation="bilinear"), am.RandomHorizontalFlip()]),
        am.RandomRotation(5),
        am.RandomApply(SHIFT, 0.5),
        am.RandomErasing(),
        am.RandomSolarize(0.5),
        am.RandomCrop((6, 5), padding=1),
        am.GaussianBlur(3),
        am.RandomResizedCrop(4),
    ],
)
def test_what_has_no_tangents_is_refused(policy):
    x, y = batch()
    with pytest.raises(PolicyError):
        TangentProp(policy)(network(), x, y)
