"""A monitor says what is so, costs what it says, and leaves the training as it was."""

import copy
import json

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import augmoments as am
from augmoments.alignment import AlignmentMonitor
from augmoments.errors import InputError, ModelError, PolicyError

POLICY = am.Compose([am.RandomTranslation(x=(-1, 1)), am.RandomHorizontalFlip()])
PROBES = 12


def data(n=PROBES, dtype=torch.float32):
    x = torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=dtype)
    return x, torch.arange(n) % 3


class Counting(nn.Module):
    """Counts its calls in a buffer, in whatever mode."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, x):
        self.calls += 1
        return x


class Strict(nn.Sequential):
    """Its own ``train`` must not be called by anyone but its owner."""

    def train(self, mode=True):
        if hasattr(self, "sealed"):
            raise AssertionError("train() was called")
        return super().train(mode)


def network(**options):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        Counting(),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(256, 3),
    ).to(**options)


def monitor(**options):
    return AlignmentMonitor("cross_entropy", *data(), POLICY, 5, **options)


def trained(watch):
    """Eight steps; the monitor looks before, between and after forward and backward passes."""
    model = network()
    model[1].eval()  # a layer that its owner froze
    model[0].bias.requires_grad_(False)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-2)
    losses, states = [], []
    x, y = data(40)
    for step in range(8):
        index = torch.randint(len(x), (10,))
        noisy = x[index] + 0.1 * torch.randn(10, 1, 8, 8)
        watch(model, step)
        loss = F.cross_entropy(model(noisy), y[index])
        watch(model, step)
        optimizer.zero_grad()
        loss.backward()
        watch(model, step)
        optimizer.step()
        losses.append(loss.item())
        states.append([module.training for module in model.modules()])
    grads = [p.grad for p in model.parameters()]
    return model.state_dict(), optimizer.state_dict(), losses, states, grads, torch.get_rng_state()


def same(first, second):
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second


def test_training_is_the_same_to_the_last_bit():
    """Weights, running statistics, optimizer, gradients, modes and the random state."""
    plain = trained(lambda model, step: None)
    found = monitor(variance_every=9, variance_nodes=128)
    watched = trained(found.record)
    assert len(found.history) == 24
    for before, after in zip(plain, watched, strict=True):
        assert same(before, after)


def test_modes_are_set_without_calling_train():
    model = Strict(*network())
    model.sealed = True
    monitor().record(model, 0)
    assert model.training


def test_grads_that_are_not_there_stay_away():
    model = network()
    monitor().record(model, 0)
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


class TestCost:
    def count(self, found, records):
        """Images that go forward and backward in each record."""
        model, passes = network().eval(), []
        model[0].register_forward_hook(lambda m, x, y: passes.__setitem__(0, passes[0] + len(y)))

        def back(module, inputs, outputs):
            passes[1] += len(outputs[0])

        model[0].register_full_backward_hook(back)
        counts = []
        for step in range(records):
            passes[:] = [0, 0]
            found.record(model, step)
            counts.append(tuple(passes))
        return counts

    def test_one_forward_and_one_backward_pass(self):
        """And, the first time, four checks of two images."""
        counts = self.count(monitor(), 3)
        assert counts == [(PROBES + 8, PROBES), (PROBES, PROBES), (PROBES, PROBES)]

    def test_the_variance_costs_what_it_says(self):
        counts = self.count(monitor(variance_every=3, variance_nodes=256, tol=1e-3), 7)
        dear = [forward - PROBES for forward, _ in counts]
        assert all(backward == PROBES for _, backward in counts)
        assert [extra > 0 for extra in dear] == [True, False, False] * 2 + [True]
        assert all(extra < 2 * 256 * PROBES for extra in dear[1:])

    def test_the_policy_is_not_needed_any_more(self):
        found = monitor()
        found._policy = None
        found._judged = None
        model = network()
        with pytest.raises(AttributeError):
            found.record(model, 0)  # to check the model
        found = monitor()
        found.record(model, 0)
        found._policy = None
        found.record(model, 1)


class TestWhatIsSeen:
    def test_by_definition(self):
        x, y = data(dtype=torch.float64)
        model = network(dtype=torch.float64)
        found = AlignmentMonitor("cross_entropy", x, y, POLICY, 5, variance_every=2)
        record, second = found.record(model, 3), found.record(model, 4.5)
        model.eval()
        m = am.moments(x, POLICY)
        point = m.mean.clone().requires_grad_()
        losses = F.cross_entropy(model(point), y, reduction="none")
        losses.sum().backward()
        losses = losses.detach()
        g, v = point.grad.flatten(1), m.covariance.dense()
        values, vectors = (part.flip(-1) for part in torch.linalg.eigh(v))
        along = torch.einsum("nd,ndk->nk", g, vectors).square()[:, :5]
        quadratic, power = torch.einsum("nd,nde,ne->n", g, v, g), g.square().sum(1)
        assert record.step == 3
        assert second.step == 4.5
        assert record.loss == pytest.approx(float(losses.mean()))
        ratio = (quadratic / values[:, 0] / power).mean()
        assert record.ratio == pytest.approx(float(ratio))
        pooled = quadratic.sum() / (values[:, 0] * power).sum()
        assert record.pooled_ratio == pytest.approx(float(pooled))
        assert record.alignment == pytest.approx((along / power[:, None]).mean(0).tolist())
        explained = (values[:, :5] * along / quadratic[:, None]).mean(0)
        assert record.explained == pytest.approx(explained.tolist())
        assert record.linearized_variance == pytest.approx(float(quadratic.mean()))
        truth = am.expected_loss(model, "cross_entropy", x, y, POLICY)
        error = record.variance_error + float(truth.variance_error.mean())
        assert record.variance == pytest.approx(float(truth.variance.mean()), abs=error)
        assert second.variance is None
        assert sum(record.energy) == pytest.approx(1)
        assert record.low + record.high == pytest.approx(1)
        isotropic = values.sum(1) / 64 / values[:, 0]
        assert record.isotropic == pytest.approx(float(isotropic.mean()))
        weight = values[:, 0] * power
        assert record.pooled_isotropic == pytest.approx(float(weight @ isotropic / weight.sum()))

    def test_it_follows_training(self):
        """A model that learns with the augmentation turns its saliency away from it."""
        images, labels = am.data.digits()
        policy = am.RandomRotation(20, interpolation="bilinear")
        found = AlignmentMonitor("cross_entropy", images[:64], labels[:64], policy)
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        generator = torch.Generator().manual_seed(0)
        found.record(model, 0)
        for _ in range(120):
            index = torch.randint(len(images), (64,), generator=generator)
            optimizer.zero_grad()
            draws = policy(images[index], generator=generator)
            F.cross_entropy(model(draws), labels[index]).backward()
            optimizer.step()
        found.record(model, 120)
        before, after = found.history
        assert after.loss < 0.2 * before.loss
        assert after.pooled_ratio < before.pooled_ratio

    def test_surroundings_do_not_matter(self):
        model, found = network(), monitor()
        plain = found.record(model, 0)
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            assert found.record(model, 0) == plain
        assert found.record(copy.deepcopy(model).eval(), 0) == plain

    def test_json(self):
        found = monitor(variance_every=2)
        model = network()
        for step in range(3):
            found.record(model, step)
        again = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert [record["step"] for record in again["history"]] == [0, 1, 2]
        assert again["history"][1]["variance"] is None
        assert again["method"] == "exact"
        assert len(again["edges"]) == len(again["history"][0]["energy"]) + 1

    def test_given_moments(self):
        x, _ = data()
        model = network()
        given = monitor(given=am.moments(x, POLICY)).record(model, 0)
        assert given == monitor(tol=1e-3).record(model, 0)
        with pytest.raises(InputError, match="given has moments"):
            monitor(given=am.moments(x[:2], POLICY))


class TestRefusals:
    def test_losses_that_are_not_finite(self):
        """The model is as before even then."""
        model, found = network(), monitor()
        found.record(model, 0)
        with torch.no_grad():
            model[6].weight.fill_(torch.nan)
        with pytest.raises(ModelError, match="not finite at 12 of 12"):
            found.record(model, 1)
        assert len(found.history) == 1
        assert all(module.training for module in model.modules())

    def test_a_model_without_gradients(self):
        model = network()
        with pytest.raises(ModelError, match="not differentiable"):
            monitor().record(lambda x: model.eval()(x).detach(), 0)

    def test_arguments(self):
        x, y = data()
        for options in ({"k": 0}, {"variance_every": 0}, {"variance_nodes": 0}):
            with pytest.raises(InputError, match="whole number of at least 1"):
                AlignmentMonitor("cross_entropy", x, y, POLICY, **options)
        with pytest.raises(InputError, match="crossentropy"):
            AlignmentMonitor("crossentropy", x, y, POLICY)
        with pytest.raises(InputError):
            AlignmentMonitor("cross_entropy", x, y[:3], POLICY)
        with pytest.raises(InputError, match=r"0\.\.2"):
            AlignmentMonitor("cross_entropy", x, y + 1, POLICY).record(network(), 0)
        with pytest.raises(PolicyError, match="mixes"):
            AlignmentMonitor("cross_entropy", x, y, am.MixUp())
