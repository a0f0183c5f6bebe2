"""Draws for gradients: against autograd at enumerated outcomes, and against real mini-batches."""

import itertools
from functools import cache

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import augmoments as am
from augmoments.errors import InputError, ModelError
from augmoments.sample_size.gradients import vectors


def linear(size, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(size**2, classes))


def mlp(size, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(size**2, 6), nn.Tanh(), nn.Linear(6, classes))


def cnn(size, classes):
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2),
        nn.BatchNorm2d(4),
        nn.Tanh(),
        nn.Tanh(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, classes),
    )


MODELS = {"linear": linear, "mlp": mlp, "cnn": cnn}
TURN = am.Compose(
    [am.RandomRotation(20, interpolation="bilinear"), am.RandomTranslation((-1, 1), (-1, 1))]
)


@cache
def data(name):
    images, labels = am.data.digits() if name == "digits" else am.data.lfw()
    index = torch.linspace(0, len(images) - 1, 8).long()
    return images[index], labels[index], 10 if name == "digits" else 2


def model_of(name, size, classes, dtype=torch.float32):
    torch.manual_seed(3)
    return MODELS[name](size, classes).to(dtype).eval()


def gradient_of(model, x, y):
    """By plain autograd, image by image: ``(n, P)``."""
    rows = []
    for image, target in zip(x, y, strict=True):
        loss = F.cross_entropy(model(image[None]), target[None])
        parts = torch.autograd.grad(loss, list(model.parameters()))
        rows.append(torch.cat([part.flatten() for part in parts]))
    return torch.stack(rows).double()


def fast_gradients(model, x, y):
    values = {name: p.detach() for name, p in model.named_parameters()}

    def single(chosen, image, target):
        outputs = torch.func.functional_call(model, chosen, (image[None],))
        return F.cross_entropy(outputs, target[None])

    found = torch.func.vmap(torch.func.grad(single), (None, 0, 0))(values, x, y)
    return torch.cat([part.flatten(1) for part in found.values()], 1)


def ask(model, x, y, policy, **options):
    return am.samples_needed(
        x, policy, of="gradient", model=model, loss="cross_entropy", targets=y, **options
    )


def enumerated(model, x, y, p=0.3):
    """Weights and gradients of both outcomes of a flip, ``(2, N, P)``."""
    weights = torch.tensor([1 - p, p], dtype=torch.float64)
    return weights, torch.stack([gradient_of(model, v, y) for v in (x, x.flip(-1))])


@pytest.mark.parametrize("name", MODELS)
def test_a_flip_by_hand(name):
    x, y, classes = data("digits")
    model = model_of(name, 8, classes, torch.float64)
    x = x.double()
    weights, g = enumerated(model, x, y)
    mean = torch.einsum("k,knp->np", weights, g)
    sizes = [p.numel() for p in model.parameters()]
    found = ask(model, x, y, am.RandomHorizontalFlip(0.3), rel_error=0.05)
    names = [n for n, _ in model.named_parameters()]
    assert list(found.parts) == names
    slices = dict(zip(names, torch.arange(g.shape[-1]).split(sizes), strict=True))
    for one, kept in [(found, torch.arange(g.shape[-1]))] + [
        (found.parts[name], slices[name]) for name in names
    ]:
        gap = (g - mean)[..., kept].square().sum(-1)
        trace, square = weights @ gap, mean[:, kept].square().sum(-1)
        whole = mean[:, kept].mean(0).square().sum()
        between = square.mean() - whole
        torch.testing.assert_close(one.first, torch.where(trace > 0, trace / square, 0))
        torch.testing.assert_close(one.n, (one.first / 0.05**2).ceil().clamp_min(1))
        assert one.within == pytest.approx(float(trace.mean()))
        assert one.between == pytest.approx(float(between))
        assert float(one.whole.first) == pytest.approx(float(trace.mean() / 8 / whole))
        assert one.augmentation_share == pytest.approx(
            float(trace.mean() / (trace.mean() + between))
        )
    assert found.method == "exact"
    assert float(found.error.max()) < 1e-9
    assert found.parameters == sum(sizes)


def test_batches_without_replacement_by_enumeration():
    """All pairs of 4 images, all outcomes of each."""
    x, y, classes = data("digits")
    x, y = x[:4].double(), y[:4]
    model = model_of("linear", 8, classes, torch.float64)
    weights, g = enumerated(model, x, y)
    truth = torch.einsum("k,knp->p", weights, g) / 4
    total = 0.0
    for i, j in itertools.combinations(range(4), 2):
        for a, b in itertools.product(range(2), repeat=2):
            gap = (g[a, i] + g[b, j]) / 2 - truth
            total += float(weights[a] * weights[b] * gap.square().sum()) / 6
    found = ask(model, x, y, am.RandomHorizontalFlip(0.3))
    assert found.batch_variance(2, replacement=False) == pytest.approx(total)
    assert found.batch_variance(2) == pytest.approx((found.between + found.within) / 2)
    assert found.batch_variance(4, replacement=False) == pytest.approx(found.within / 4)
    with pytest.raises(InputError, match="too few"):
        found.batch_variance(5, replacement=False)


@pytest.mark.parametrize("source", ["digits", "lfw"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("policy", ["turn", "flip", "crop"])
def test_errors_observed_in_real_batches(source, name, policy):
    """Within 15%: errors after 3 draws of an image (median), of all, and of 500 mini-batches."""
    x, y, classes = data(source)
    size = x.shape[-1]
    law = {
        "turn": TURN,
        "flip": am.RandomHorizontalFlip(0.3),
        "crop": am.RandomResizedCrop(size, (0.4, 1.0)),
    }[policy]
    model = model_of(name, size, classes)
    found = ask(model, x, y, law, rel_error=0.1, max_nodes=512)
    generator = torch.Generator().manual_seed(1)
    repetitions = 200
    many = law(x.repeat_interleave(3 * repetitions, 0), generator=generator)
    g = fast_gradients(model, many, y.repeat_interleave(3 * repetitions))
    copies = g.unflatten(0, (8, repetitions, 3)).mean(2).double()
    centre = copies.mean(1)
    spread = copies.var(1).sum(-1)
    square = centre.square().sum(-1) - spread / repetitions
    ratio = (spread / square).sqrt() / found.predicted_error(3)
    assert float(ratio.median()) == pytest.approx(1, abs=0.15)
    full = copies.mean(0)
    length = full.mean(0).square().sum() - full.var(0).sum() / repetitions
    got = float((full.var(0).sum() / length).sqrt() / found.whole.predicted_error(3))
    assert got == pytest.approx(1, abs=0.15)
    index = torch.randint(8, (500, 4), generator=generator).repeat_interleave(2, 1).flatten()
    batches = fast_gradients(model, law(x[index], generator=generator), y[index])
    observed = batches.unflatten(0, (500, 8)).mean(1).double().var(0).sum()
    assert float(observed) / found.batch_variance(4, 2) == pytest.approx(1, abs=0.15)


def test_the_error_covers_what_more_nodes_find():
    x, y, classes = data("digits")
    model = model_of("mlp", 8, classes)
    rough = ask(model, x, y, TURN, max_nodes=128)
    fine = ask(model, x, y, TURN, max_nodes=2**13, seed=5, tol=1e-9)
    for one, other in [(rough, fine), (rough.whole, fine.whole)]:
        gap = (one.first / other.first - 1).abs()
        assert bool((gap <= one.error + other.error).all())
    assert abs(rough.within - fine.within) <= rough.within_error + fine.within_error
    assert abs(rough.between - fine.between) <= rough.between_error + fine.between_error
    gap = abs(rough.augmentation_share - fine.augmentation_share)
    assert gap <= rough.augmentation_share_error + fine.augmentation_share_error
    assert float(rough.error.max()) > float(fine.error.max())


def test_a_grid_is_right_to_its_error():
    x, y, classes = data("digits")
    model, policy = model_of("mlp", 8, classes), am.RandomRotation(20, interpolation="bilinear")
    found = ask(model, x, y, policy)
    theta = torch.linspace(-20, 20, 2002, dtype=torch.float64)[:-1] + 0.01
    moved = policy.apply(x[None].expand(2001, *x.shape), theta[:, None]).flatten(0, 1)
    g = fast_gradients(model, moved, y.repeat(2001)).unflatten(0, (2001, 8)).double()
    first = g.var(0).sum(-1) / g.mean(0).square().sum(-1)
    assert found.method == "cubature"
    assert bool(((found.first / first - 1).abs() <= found.error + 2e-3).all())
    assert found.within == pytest.approx(float(g.var(0).sum(-1).mean()), rel=0.02)


def test_a_grid_that_changes_little_by_chance_is_not_trusted():
    """A jump that 32 and 64 nodes put at the same place, and 16 elsewhere: 0.5375 of the angles."""
    x = torch.linspace(-1, 1, 9).expand(1, 1, 9, 9)
    policy, share = am.RandomRotation((0, 80), interpolation="bilinear"), 0.5375
    edge = policy.apply(x[None], torch.tensor([[80 * share]], dtype=torch.float64))[0, 0, 0, 4, 7]

    class Jump(nn.Module):
        def __init__(self):
            super().__init__()
            self.height = nn.Parameter(torch.ones(1))

        def forward(self, x):
            return self.height * (x[:, :, 4, 7] > edge)

    found = am.samples_needed(
        x,
        policy,
        "gradient",
        model=Jump(),
        loss=lambda z, _: z[:, 0],
        targets=torch.zeros(1),
        value_range=None,
    )
    off = (found.first * share / (1 - share) - 1).abs()
    assert found.method == "cubature"
    assert 0.02 < float(off) < float(found.error)


def test_gradients_that_are_not_finite_are_refused():
    x, y, classes = data("digits")
    model, asked = model_of("linear", 8, classes), {"targets": y}

    def loss(z, t):
        return F.cross_entropy(z, t, reduction="none") / (t != y[3])

    for options in ({}, {"of": "loss", "views": [(TURN, 1), (am.RandomHorizontalFlip(), 1)]}):
        with pytest.raises(ModelError, match="not finite"):
            am.samples_needed(
                x,
                am.RandomHorizontalFlip(),
                **{"of": "gradient", **options},
                model=model,
                loss=loss,
                **asked,
            )


def test_little_memory_gives_the_same(monkeypatch):
    x, y, classes = data("digits")
    model = model_of("cnn", 8, classes)
    whole = ask(model, x, y, TURN, max_nodes=256)
    monkeypatch.setattr(vectors, "BYTES_AT_ONCE", 4 * 300 * 100)
    monkeypatch.setattr("augmoments.sample_size.gradients.spread.BYTES_AT_ONCE", 4 * 300 * 100)
    pieces = ask(model, x, y, TURN, max_nodes=256)
    torch.testing.assert_close(whole.first, pieces.first, rtol=1e-4, atol=0)
    assert whole.between == pytest.approx(pieces.between, rel=1e-4)


def test_the_model_is_left_alone_and_frozen_and_tied_parameters_count_as_they_should():
    x, y, _ = data("digits")
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64), nn.Linear(64, 10)
    )
    model[3].weight = model[1].weight
    model[4].bias.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = ask(model, x, y, am.RandomHorizontalFlip())
    assert list(found.parts) == ["1.weight", "1.bias", "3.bias", "4.weight"]
    assert all(p.grad is None for p in model.parameters())
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    by_hand = []
    for v in (x, x.flip(-1)):
        loss = F.cross_entropy(model(v[:1]), y[:1])
        by_hand.append(torch.autograd.grad(loss, model[1].weight)[0].double())
    gap = (by_hand[0] - by_hand[1]).square().sum() / 4
    square = (by_hand[0] + by_hand[1]).square().sum() / 4
    torch.testing.assert_close(found.parts["1.weight"].first[0], gap / square, rtol=1e-4, atol=0)


def test_gradients_of_zero():
    x = torch.tensor([[[[-1.0, 1.0]]]])
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False)).eval()
    options = {"model": model, "targets": torch.zeros(1, 1), "value_range": None}
    flip = am.RandomHorizontalFlip()
    nothing = am.samples_needed(x, flip, "gradient", loss=lambda z, _: 0 * z[:, 0], **options)
    assert nothing.n.tolist() == nothing.whole.n.tolist() == [1.0]
    assert nothing.augmentation_share == nothing.augmentation_share_error == 0.0
    cancels = am.samples_needed(x, flip, "gradient", loss=lambda z, _: z[:, 0], **options)
    assert cancels.n.tolist() == cancels.whole.n.tolist() == [torch.inf]
    assert cancels.error.tolist() == [0.0]
    assert cancels.augmentation_share == 1.0


def test_summary_and_table():
    x, y, classes = data("digits")
    found = ask(model_of("mlp", 8, classes), x, y, am.RandomHorizontalFlip(), rel_error=0.1)
    assert "copies of every image" in found.summary()
    lines = found.table().splitlines()
    assert [line.split()[0] for line in lines] == ["parameter", *found.parts, "all"]
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (lambda x: x.flatten(1), ModelError, "torch module"),
        (nn.Flatten(), ModelError, "no parameters"),
        (nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(64, 10)), ModelError, "training"),
        (None, InputError, "model="),
    ],
)
def test_models_without_gradients_are_refused(model, error, message):
    x, y, _ = data("digits")
    with pytest.raises(error, match=message):
        ask(model, x, y, am.RandomHorizontalFlip())


def test_a_model_that_cannot_be_differentiated_image_by_image_is_refused():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(64, 10)

        def forward(self, x):
            z = self.layer(x.flatten(1))
            return z if float(z.sum()) > 1e9 else 2 * z

    x, y, _ = data("digits")
    with pytest.raises(ModelError, match="image by image"):
        ask(Branches().eval(), x, y, am.RandomHorizontalFlip())


def test_a_loss_that_is_reduced_is_refused():
    x, y, classes = data("digits")
    model, flip = model_of("linear", 8, classes), am.RandomHorizontalFlip()
    with pytest.raises(InputError, match="one value a sample"):
        am.samples_needed(
            x, flip, "gradient", model=model, loss=lambda z, t: F.cross_entropy(z, t), targets=y
        )
