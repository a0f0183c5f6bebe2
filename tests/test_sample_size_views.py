"""Views: against enumeration of all views, and against real mini-batches."""

import itertools
from functools import cache

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import augmoments as am
from augmoments.errors import InputError, InputTypeError, ModelError

TURN = am.Compose(
    [am.RandomRotation(20, interpolation="bilinear"), am.RandomTranslation((-1, 1), (-1, 1))]
)
FLIPS = am.Compose([am.RandomHorizontalFlip(0.3), am.RandomVerticalFlip(0.6)])
MODELS = {
    "linear": lambda size, k: nn.Sequential(nn.Flatten(), nn.Linear(size**2, k)),
    "mlp": lambda size, k: nn.Sequential(
        nn.Flatten(), nn.Linear(size**2, 8), nn.Tanh(), nn.Linear(8, k)
    ),
    "cnn": lambda size, k: nn.Sequential(
        nn.Conv2d(1, 4, 3, 2), nn.Tanh(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, k)
    ),
}


@cache
def data(name):
    images, labels = am.data.digits() if name == "digits" else am.data.lfw()
    index = torch.linspace(0, len(images) - 1, 8).long()
    return images[index], labels[index], 10 if name == "digits" else 2


def model_of(name, size, classes, scale=1.0):
    torch.manual_seed(3)
    model = MODELS[name](size, classes).eval()
    for parameter in model.parameters():
        parameter.data *= scale
    return model


def cosine(a, b):
    return 1 - F.cosine_similarity(a, b)


def flips(x):
    """The four outcomes of FLIPS with their probabilities."""
    weights = torch.tensor([0.28, 0.42, 0.12, 0.18], dtype=torch.float64)
    return weights, [x, x.flip(-2), x.flip(-1), x.flip((-1, -2))]


def losses_and_gradients(model, x, y):
    rows, values = [], []
    for image, target in zip(x, y, strict=True):
        loss = F.cross_entropy(model(image[None]), target[None])
        parts = torch.autograd.grad(loss, list(model.parameters()))
        rows.append(torch.cat([part.flatten() for part in parts]))
        values.append(loss.detach())
    return torch.stack(values)[:, None].double(), torch.stack(rows).double()


def covariances(weights, outcomes):
    """Means ``(N, P)`` and total variances ``(N,)`` over enumerated outcomes ``(K, N, P)``."""
    mean = torch.einsum("k,knp->np", weights, outcomes)
    return mean, torch.einsum("k,knp->n", weights, (outcomes - mean).square())


@pytest.mark.parametrize("of", ["loss", "gradient"])
def test_views_of_flips_by_hand(of):
    x, y, classes = data("digits")
    x, y = x.double(), y
    model = model_of("mlp", 8, classes).double()
    weights, outcomes = flips(x)
    place = 0 if of == "loss" else 1
    values = torch.stack([losses_and_gradients(model, v, y)[place] for v in outcomes])
    mean, within = covariances(weights, values)
    between = float((mean - mean.mean(0)).square().sum(-1).mean())
    within = float(within.mean())
    options = {"model": model, "loss": "cross_entropy", "targets": y}
    found = am.samples_needed(x, FLIPS, of, views=4, batch_size=3, **options).views
    expected = [(between + within / k) / 3 for k in (1, 2, 3, 4)]
    assert found.variance.tolist() == pytest.approx(expected)
    taken = [1 - b / a for a, b in itertools.pairwise(expected)]
    assert found.reduction[1:].tolist() == pytest.approx(taken)
    assert bool(found.reduction[0].isnan())
    passes = [(k * between + within) / (between + within) for k in (1, 2, 3, 4)]
    assert found.equal_passes.tolist() == pytest.approx(passes)
    scale = float(mean.mean(0).norm())
    assert found.relative_error.tolist() == pytest.approx([v**0.5 / scale for v in expected])
    assert found.count.tolist() == [1, 2, 3, 4]
    assert found.method == "exact"
    assert float(found.error.max()) < 1e-9


@pytest.mark.parametrize("of", ["loss", "gradient"])
def test_multi_crop_by_enumeration(of):
    """Two flips and then a shifted view; all outcomes of the three together."""
    x, y, classes = data("digits")
    x, y = x[:3].double(), y[:3]
    model = model_of("cnn", 8, classes).double()
    flip, crop = am.RandomHorizontalFlip(0.3), am.RandomCrop((6, 8))
    place = 0 if of == "loss" else 1
    own = [
        torch.stack([losses_and_gradients(model, v, y)[place] for v in views])
        for views in ([x, x.flip(-1)], [x[:, :, i : i + 6] for i in range(3)])
    ]
    weights = [[0.7, 0.3], [1 / 3] * 3]
    options = {"model": model, "loss": "cross_entropy", "targets": y}
    found = am.samples_needed(x, flip, of, views=[(flip, 2), (crop, 1)], **options).views
    for k, kinds in enumerate([[0], [0, 0], [0, 0, 1]]):
        rows, probabilities = [], []
        for picks in itertools.product(*(range(len(own[kind])) for kind in kinds)):
            views = [own[kind][pick] for kind, pick in zip(kinds, picks, strict=True)]
            rows.append(torch.stack(views).mean(0))
            chances = [weights[kind][pick] for kind, pick in zip(kinds, picks, strict=True)]
            probabilities.append(torch.tensor(chances, dtype=torch.float64).prod())
        mean, within = covariances(torch.stack(probabilities), torch.stack(rows))
        between = (mean - mean.mean(0)).square().sum(-1).mean()
        assert float(found.within[k]) == pytest.approx(float(within.mean()))
        assert float(found.between[k]) == pytest.approx(float(between))
    assert found.method == "exact"


@pytest.mark.parametrize("source", ["digits", "lfw"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("policy", ["turn", "flips", "jitter"])
def test_losses_observed_in_real_batches(source, name, policy):
    """1,000 mini-batches of 2 images with 1 and with 3 views of each: within 15%."""
    x, y, classes = data(source)
    law = {
        "turn": TURN,
        "flips": FLIPS,
        "jitter": am.Compose([FLIPS, am.ColorJitter(0.6, 0.6)]),
    }[policy]
    model = model_of(name, x.shape[-1], classes, scale=2.0)
    options = {"model": model, "loss": "cross_entropy", "targets": y}
    found = am.samples_needed(x, law, "loss", views=3, batch_size=2, max_nodes=512, **options)
    generator = torch.Generator().manual_seed(2)
    for k in (1, 3):
        index = torch.randint(8, (1000, 2), generator=generator)
        flat = index.repeat_interleave(k, 1).flatten()
        with torch.no_grad():
            values = F.cross_entropy(
                model(law(x[flat], generator=generator)), y[flat], reduction="none"
            )
        observed = values.unflatten(0, (1000, 2 * k)).mean(1).var()
        assert float(observed / found.views.variance[k - 1]) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("of", ["loss", "gradient"])
def test_multi_crop_observed(of):
    """Global and smaller local crops, 1,000 mini-batches of 2 images: within 15%."""
    x, y, classes = data("lfw")
    large, small = am.RandomResizedCrop(16, (0.5, 1.0)), am.RandomResizedCrop(10, (0.1, 0.4))
    model = model_of("cnn", 25, classes, scale=4.0)
    options = {"model": model, "loss": "cross_entropy", "targets": y, "max_nodes": 512}
    found = am.samples_needed(x, large, of, views=[(large, 2), (small, 3)], batch_size=2, **options)
    generator = torch.Generator().manual_seed(2)
    index = torch.randint(8, (1000, 2), generator=generator)
    total = 0.0
    for law, count in ((large, 2), (small, 3)):
        flat = index.repeat_interleave(count, 1).flatten()
        moved = law(x[flat], generator=generator)
        if of == "loss":
            with torch.no_grad():
                g = F.cross_entropy(model(moved), y[flat], reduction="none")[:, None]
        else:
            values = {name: p.detach() for name, p in model.named_parameters()}

            def single(chosen, image, target):
                outputs = torch.func.functional_call(model, chosen, (image[None],))
                return F.cross_entropy(outputs, target[None])

            each = torch.func.vmap(torch.func.grad(single), (None, 0, 0))
            parts = each(values, moved, y[flat]).values()
            g = torch.cat([part.flatten(1) for part in parts], 1)
        total = total + g.double().unflatten(0, (1000, 2 * count)).sum(1) / 10
    observed = float(total.var(0).sum())
    assert observed / float(found.views.variance[-1]) == pytest.approx(1, abs=0.15)
    assert float(found.views.error.max()) < 0.5


def pair_statistics(model, loss, x):
    """Mean and variance of the average over pairs of k views, all outcomes enumerated."""
    weights, outcomes = flips(x)
    with torch.no_grad():
        z = [model(v) for v in outcomes]
        table = torch.stack([torch.stack([loss(a, b) for b in z]) for a in z])
    table = ((table + table.transpose(0, 1)) / 2).double()
    found = {}
    for k in (2, 3, 4):
        mean = square = torch.zeros(len(x), dtype=torch.float64)
        for picks in itertools.product(range(4), repeat=k):
            chance = weights[list(picks)].prod()
            pairs = [table[a, b] for a, b in itertools.combinations(picks, 2)]
            value = torch.stack(pairs).mean(0)
            mean, square = mean + chance * value, square + chance * value**2
        found[k] = mean, square - mean**2
    return found


@pytest.mark.parametrize("loss", [cosine, lambda a, b: (a - 2 * b).square().sum(1)])
def test_pairs_of_views_by_enumeration(loss):
    """Symmetric and not: the average counts both orders."""
    x, _, classes = data("digits")
    x = x.double()
    model = model_of("mlp", 8, classes).double()
    truth = pair_statistics(model, loss, x)
    found = am.samples_needed(
        x, FLIPS, "loss", model=model, pair_loss=loss, views=4, batch_size=5, rel_error=0.1
    )
    for place, (k, (mean, variance)) in enumerate(truth.items()):
        torch.testing.assert_close(found.predicted_error(k), variance.sqrt() / mean)
        between = mean.var(correction=0)
        total = float((between + variance.mean()) / 5)
        assert float(found.views.variance[place]) == pytest.approx(total)
        assert float(found.views.between[place]) == pytest.approx(float(between))
    assert found.method == "exact"
    assert found.views.count.tolist() == [2, 3, 4]
    n = found.n
    z = 1.959963984540054
    enough = torch.tensor([float(found.predicted_error(float(k))[i]) for i, k in enumerate(n)])
    assert bool((z * enough <= 0.1 + 1e-9).all())
    one_less = [float(found.predicted_error(max(float(k) - 1, 2))[i]) for i, k in enumerate(n)]
    assert all(z * e > 0.1 or k == 2 for e, k in zip(one_less, n.tolist(), strict=True))
    with pytest.raises(InputError, match="at least 2"):
        found.predicted_error(1)


@pytest.mark.parametrize("policy", [TURN, am.RandomRotation(30, interpolation="bilinear")])
@pytest.mark.parametrize("source", ["digits", "lfw"])
def test_pairs_of_views_observed(source, policy):
    """250 repetitions of 2 and of 4 views of each image, the median image: within 15%."""
    x, _, classes = data(source)
    model = model_of("cnn", x.shape[-1], classes + 4)
    found = am.samples_needed(x, policy, "loss", model=model, pair_loss=cosine)
    generator = torch.Generator().manual_seed(4)
    for k in (2, 4):
        with torch.no_grad():
            z = model(policy(x.repeat_interleave(250 * k, 0), generator=generator))
            z = z.unflatten(0, (8 * 250, k))
            pairs = [cosine(z[:, a], z[:, b]) for a, b in itertools.combinations(range(k), 2)]
            average = torch.stack(pairs).mean(0).unflatten(0, (8, 250))
        observed = average.std(1) / average.mean(1)
        ratio = observed / found.predicted_error(k)
        assert float(ratio.median()) == pytest.approx(1, abs=0.15)


def test_the_error_of_pairs_covers_what_other_nodes_find():
    """The squared relative error at 3 views, from 128 and from 512 nodes of other seeds."""
    x, _, classes = data("digits")
    model = model_of("mlp", 8, classes)
    options = {"model": model, "pair_loss": cosine, "rel_error": 0.2}
    rough = am.samples_needed(x, TURN, "loss", max_nodes=128, **options)
    fine = am.samples_needed(x, TURN, "loss", seed=9, **options)
    gap = (rough.n - fine.n).abs() - 1
    assert bool((gap <= rough.error * rough.n + fine.error * fine.n).all())


@pytest.mark.parametrize("degrees", [20, 80])
def test_a_grid_of_pairs_is_right_to_its_error(degrees):
    """First-order coefficients against 2000 rotations and all their pairs; float64."""
    x, _, classes = data("digits")
    x, model = x[:4].double(), model_of("mlp", 8, classes).double()
    policy = am.RandomRotation(degrees, interpolation="bilinear")
    theta = degrees * (torch.arange(2000, dtype=torch.float64)[:, None] / 1000 - 0.9995)
    with torch.no_grad():
        z = F.normalize(model(policy.apply(x[None].expand(2000, *x.shape), theta).flatten(0, 1)))
    z = z.unflatten(0, (2000, 4))
    table = 1 - torch.einsum("anc,bnc->abn", z, z)
    first = 4 * table.mean(1).var(0) / table.mean((0, 1)).square()
    for most in (64, 256):
        options = {"model": model, "pair_loss": cosine, "rel_error": 1e-4, "max_nodes": most}
        found = am.samples_needed(x, policy, "loss", **options)
        assert found.method == "cubature"
        assert bool(((found.first / first - 1).abs() <= found.error + 2e-3).all())


def test_rounding_of_pairs_is_in_the_error():
    """A loss that varies by little about a large number, in single and double precision."""
    x, _, classes = data("digits")
    model = model_of("mlp", 8, classes)

    def loss(a, b):
        return 100 + (a - b).square().sum(1)

    ask = {"pair_loss": loss, "rel_error": 1e-7}
    single = am.samples_needed(x, FLIPS, "loss", model=model, **ask)
    double = am.samples_needed(x.double(), FLIPS, "loss", model=model.double(), **ask)
    gap = (single.first - double.first).abs()
    assert bool((gap > 1e-5 * double.first).any())
    assert bool((gap <= single.error * single.first).all())


def test_two_grids_have_an_error_together():
    x, y, classes = data("digits")
    model = model_of("mlp", 8, classes)
    turns = [am.RandomRotation(d, interpolation="bilinear") for d in (20, 80)]
    options = {"of": "loss", "model": model, "loss": "cross_entropy", "targets": y}
    views = [(turn, 1) for turn in turns]
    rough = am.samples_needed(x, FLIPS, views=views, max_nodes=64, **options).views
    losses = []
    for turn, degrees in zip(turns, (20, 80), strict=True):
        theta = degrees * (torch.arange(2000, dtype=torch.float64)[:, None] / 1000 - 0.9995)
        with torch.no_grad():
            z = model(turn.apply(x[None].expand(2000, *x.shape), theta).flatten(0, 1))
        loss = F.cross_entropy(z, y.repeat(2000), reduction="none").double()
        losses.append(loss.unflatten(0, (2000, 8)))
    between = torch.stack([loss.mean(0) for loss in losses]).mean(0).var(correction=0)
    within = sum(loss.var(0).mean() for loss in losses) / 4
    off = float((rough.variance[1] - between - within).abs() / rough.variance[1])
    assert rough.method == "cubature"
    assert off <= float(rough.error[1]) < 0.1


def test_enough_views_and_what_is_said():
    x, y, classes = data("digits")
    model = model_of("mlp", 8, classes)
    options = {"model": model, "loss": "cross_entropy", "targets": y}
    found = am.samples_needed(x, FLIPS, "loss", views=8, **options).views
    enough = found.enough(0.03)
    assert enough is not None
    assert bool((found.reduction[enough:] <= 0.03).all())
    assert enough == 1 or float(found.reduction[enough - 1]) > 0.03
    assert found.enough(0.0) is None
    assert "8 views leave" in found.summary()
    assert len(found.table().splitlines()) == 9
    single = am.samples_needed(x, FLIPS, "loss", views=1, **options).views
    assert single.enough() is None
    assert bool((found.equal_passes >= 1).all())


def test_images_that_do_not_change_gain_nothing():
    x = torch.full((2, 1, 4, 4), 0.5)
    model = MODELS["linear"](4, 2).eval()
    y = torch.tensor([0, 1])
    found = am.samples_needed(
        x, FLIPS, "gradient", model=model, loss="cross_entropy", targets=y, views=2
    ).views
    assert found.reduction[1:].tolist() == [0.0]
    assert found.equal_passes.tolist() == [1.0, 2.0]


def negatives(a, b):
    return F.cross_entropy(a @ b.T, torch.arange(len(a)), reduction="none")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"of": "mean", "views": 2}, InputError, "views= is for"),
        ({"of": "gradient", "pair_loss": cosine}, InputError, "pair_loss= is for"),
        ({"views": 0}, InputError, "views must be"),
        ({"views": 2.5}, InputError, "views must be"),
        ({"views": []}, InputError, "empty"),
        ({"views": [FLIPS]}, InputError, "pairs"),
        ({"views": [(FLIPS, 0)]}, InputError, "number of views"),
        ({"views": 2, "batch_size": 0}, InputError, "batch_size"),
        ({"pair_loss": cosine}, InputError, "leave these out"),
    ],
)
def test_bad_questions_are_refused(options, error, message):
    x, y, classes = data("digits")
    model = model_of("linear", 8, classes)
    asked = {"of": "loss", "model": model, "loss": "cross_entropy", "targets": y, **options}
    with pytest.raises(error, match=message):
        am.samples_needed(x, FLIPS, **asked)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"pair_loss": negatives}, InputError, "other pairs"),
        ({"pair_loss": lambda a, b: cosine(a, b).mean()}, InputError, "one value a pair"),
        ({"pair_loss": "cosine"}, InputTypeError, "function"),
        ({"pair_loss": lambda a, b: cosine(a, b) / (a != b).any(1)}, ModelError, "not finite"),
        ({"pair_loss": cosine, "views": 1}, InputError, "at least 2 views"),
        ({"pair_loss": cosine, "views": [(FLIPS, 2)]}, InputError, "one number"),
        ({"pair_loss": cosine, "bound": "bernstein"}, InputError, "bernstein"),
        ({"pair_loss": cosine, "model": None}, InputError, "model="),
    ],
)
def test_bad_losses_of_pairs_are_refused(options, error, message):
    x, _, classes = data("digits")
    asked = {"model": model_of("linear", 8, classes), **options}
    with pytest.raises(error, match=message):
        am.samples_needed(x, FLIPS, "loss", **asked)
