"""The limit of test-time augmentation, and the accuracy of a few passes, against enumeration."""

from itertools import product

import pytest
import torch
from torch import nn

import augmoments as am
from augmoments.averaging import tta
from augmoments.errors import InputError, ModelError, PolicyError

ANGLES, SHARES, FLIP = (-40.0, 0.0, 60.0), (0.2, 0.5, 0.3), 0.3
FINITE = am.Compose(
    [
        am.RandomHorizontalFlip(FLIP),
        am.RandomRotation(am.Discrete(ANGLES, SHARES), interpolation="bilinear"),
    ]
)


def digits(count=12):
    images, labels = am.data.digits()
    return images[:count].double(), labels[:count]


def lfw(count=8):
    images = am.data.load("lfw", size=12).images[:count]
    return images.double(), torch.arange(count) % 3


def network(kind, shape, outputs=10, seed=0, scale=6.0):
    """A network with random weights, so large that it is sure of itself now and then."""
    torch.manual_seed(seed)
    channels, height, width = shape
    size = channels * height * width
    layers = {
        "linear": [nn.Flatten(), nn.Linear(size, outputs)],
        "mlp": [nn.Flatten(), nn.Linear(size, 32), nn.ReLU(), nn.Linear(32, outputs)],
        "cnn": [
            nn.Conv2d(channels, 8, 3),
            nn.GELU(),
            nn.Flatten(),
            nn.Linear(8 * (height - 2) * (width - 2), outputs),
        ],
    }[kind]
    last = layers[-1]
    model = nn.Sequential(*layers).double().eval()
    with torch.no_grad():
        last.weight *= scale
    return model


def outcomes(images):
    """All six outcomes of FINITE and their probabilities, by hand."""
    for flipped, angle in product((False, True), range(3)):
        moved = images.flip(-1) if flipped else images
        still = am.RandomRotation(am.Discrete([ANGLES[angle]], [1.0]), interpolation="bilinear")
        yield still(moved), (FLIP if flipped else 1 - FLIP) * SHARES[angle]


def enumerated(model, images):
    """Probabilities at all outcomes ``(6, N, K)``, and the chances of these."""
    with torch.no_grad():
        pairs = [(model(moved).softmax(1), chance) for moved, chance in outcomes(images)]
    values, chances = zip(*pairs, strict=True)
    return torch.stack(values), torch.tensor(chances, dtype=torch.float64)


def brute_force(values, chances, n, wanted):
    """Probability that the average of n passes has the class wanted, by all 6**n sequences."""
    found = torch.zeros(len(wanted), dtype=torch.float64)
    for sequence in product(range(len(chances)), repeat=n):
        ahead = values[list(sequence)].mean(0).argmax(1)
        found += (ahead == wanted) * chances[list(sequence)].prod()
    return found


def test_finite_policy_by_enumeration():
    """Average, variance, and accuracy of 1, 2 and 4 passes to rounding."""
    images, labels = digits()
    model = network("mlp", (1, 8, 8))
    found = tta(model, images, FINITE, labels, passes=(1, 2, 4))
    values, chances = enumerated(model, images)
    mean = torch.einsum("o,onk->nk", chances, values)
    assert found.method == "exact"
    assert found.nodes == 6
    torch.testing.assert_close(found.mean, mean)
    variance = torch.einsum("o,onk->nk", chances, (values - mean).square())
    torch.testing.assert_close(found.variance, variance)
    torch.testing.assert_close(found.prediction, mean.argmax(1))
    ranked = mean.sort(1, descending=True).values
    torch.testing.assert_close(found.margin, ranked[:, 0] - ranked[:, 1])
    assert found.settled.all()
    for place, n in enumerate(found.passes):
        torch.testing.assert_close(
            found.agreement[:, place], brute_force(values, chances, n, mean.argmax(1))
        )
        right = brute_force(values, chances, n, labels)
        torch.testing.assert_close(found.right[:, place], right)
        torch.testing.assert_close(found.passes_accuracy[place], right.mean())
    assert found.agreement.min() < 0.9
    assert found.agreement_error.max() < 1e-6
    assert found.accuracy == float((mean.argmax(1) == labels).double().mean())


def test_drawn_averages_by_enumeration():
    """16 passes have too many outcomes for the library, not for a brute force over counts."""
    images, labels = digits()
    model = network("mlp", (1, 8, 8))
    found = tta(model, images, FINITE, labels, passes=(16,))
    values, chances = enumerated(model, images)
    wanted = found.prediction
    truth = torch.zeros(len(images), dtype=torch.float64)
    factorial = torch.lgamma(torch.arange(18, dtype=torch.float64))
    counts = [c for c in product(range(17), repeat=5) if sum(c) <= 16]
    counts = torch.tensor([[*c, 16 - sum(c)] for c in counts])
    logs = factorial[17] - factorial[counts + 1].sum(1) + counts.double() @ chances.log()
    for image in range(len(images)):
        ahead = (counts.double() @ values[:, image]).argmax(1) == wanted[image]
        truth[image] = logs.exp() @ ahead.double()
    off = (found.agreement[:, 0] - truth).abs()
    assert (off <= found.agreement_error[:, 0] + 1e-9).all()
    assert found.agreement_error.max() < 0.04


POLICIES = {
    "rotation": am.RandomRotation(40, interpolation="bilinear"),
    "shift": am.Compose(
        [am.RandomRotation(20, interpolation="bilinear"), am.RandomTranslation(x=(-2, 2))]
    ),
    "jitter": am.Compose([am.RandomHorizontalFlip(0.4), am.ColorJitter(0.6, 0.6)]),
}


@pytest.mark.parametrize("kind", ["linear", "mlp", "cnn"])
@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("data", [digits, lfw])
def test_passes_against_sampling(data, name, kind, generator):
    """150 averages of 1, 4 and 16 real passes an image; over all images within 4 standard errors
    of the sampling beside the stated bound, and the average itself too."""
    images, labels = data(6)
    policy, model, repetitions = POLICIES[name], network(kind, images.shape[1:]), 150
    found = tta(model, images, policy, labels, passes=(1, 4, 16))
    with torch.no_grad():
        batch = images.repeat_interleave(16 * repetitions, 0)
        moved = policy(batch, generator=generator)
        outputs = model(moved).softmax(1).unflatten(0, (len(images), repetitions, 16))
    for place, n in enumerate(found.passes):
        ahead = outputs[:, :, :n].mean(2).argmax(2)
        agree = (ahead == found.prediction[:, None]).double().mean(1)
        share = found.agreement[:, place]
        sampling = (share * (1 - share) / repetitions + 1e-5).sqrt()
        assert ((agree - share).abs() <= 4 * sampling + found.agreement_error[:, place]).all()
        right = (ahead == labels[:, None]).double().mean()
        off = float((right - found.passes_accuracy[place]).abs())
        allowed = 4 * float(sampling.square().sum().sqrt()) / len(images)
        assert off <= allowed + float(found.passes_accuracy_error[place])
    drawn = outputs.flatten(1, 2)
    sampling = 5 * (found.variance / drawn.shape[1]).sqrt()
    assert ((drawn.mean(1) - found.mean).abs() <= sampling + found.error).all()


def test_error_bounds_hold_for_fewer_nodes():
    """What 128 nodes say is within their bounds of what 8192 say, but once in a hundred."""
    images, labels = digits(24)
    policy = am.Compose(
        [am.RandomRotation(30, interpolation="bilinear"), am.RandomZoom((0.8, 1.2))]
    )
    model = network("mlp", (1, 8, 8))
    few = tta(model, images, policy, labels, passes=(1, 4), tol=0.5, max_nodes=128)
    many = tta(model, images, policy, labels, passes=(1, 4), tol=1e-4, max_nodes=8192)
    assert few.nodes == 128
    assert many.nodes == 8192
    inside = (few.mean - many.mean).abs() <= few.error + many.error
    assert inside.double().mean() >= 0.99
    inside = (few.agreement - many.agreement).abs() <= few.agreement_error + many.agreement_error
    assert inside.double().mean() >= 0.95


def test_outputs_as_they_are():
    images, _ = digits()
    model = network("linear", (1, 8, 8))
    found = tta(model, images, FINITE, average="outputs", passes=(1,))
    moments = am.output_moments(model, images, FINITE)
    torch.testing.assert_close(found.mean, moments.mean)
    torch.testing.assert_close(found.variance, moments.covariance.diagonal(dim1=1, dim2=2))
    assert found.right is None
    assert found.accuracy is None
    with torch.no_grad():
        torch.testing.assert_close(found.plain, model(images))


def test_a_policy_that_changes_nothing_agrees_with_itself():
    images, labels = digits()
    model = network("mlp", (1, 8, 8))
    found = tta(model, images, am.RandomHorizontalFlip(0.0), labels, passes=(1, 3))
    assert (found.agreement == 1).all()
    assert found.plain_accuracy == found.accuracy == float(found.passes_accuracy[0])
    assert len(found.more_than(1)) == 0


def test_steps_that_are_not_random_stay():
    images, _ = digits()
    model = network("mlp", (1, 8, 8))
    policy = am.Compose([am.RandomHorizontalFlip(), am.Normalize(0.5, 0.25)])
    found = tta(model, images, policy, average="outputs", passes=(1,))
    with torch.no_grad():
        torch.testing.assert_close(found.plain, model((images - 0.5) / 0.25))


def test_no_plain_output_where_shapes_differ():
    images, labels = digits()
    found = tta(network("mlp", (1, 6, 6)), images, am.RandomCrop(6), labels, passes=(1,))
    assert found.plain is None
    assert found.plain_accuracy is None


def test_a_tie_is_not_settled():
    """An image that is its own mirror image, and a model that takes sides of it."""
    image = torch.tensor([[[[0.2, 0.8]]]])
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False)).eval()
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([[4.0, 0.0], [0.0, 4.0]]))
    found = tta(model, image, am.RandomHorizontalFlip(), passes=(1, 32))
    assert not found.settled[0]
    assert found.more_than(32).tolist() == [0]
    assert "1 of them have no class ahead" in found.summary()


def test_more_than():
    images, _ = digits(40)
    found = tta(network("mlp", (1, 8, 8)), images, FINITE, passes=(1, 8), confidence=0.9)
    places = found.more_than(8)
    share = found.agreement[:, 1]
    assert set(places.tolist()) == set((share < 0.9).nonzero().flatten().tolist())
    assert (share[places].diff() >= 0).all()
    assert len(places) < len(found.more_than(1))
    with pytest.raises(InputError, match="ask for it in passes"):
        found.more_than(3)


def test_chunks_and_seeds_do_not_matter(monkeypatch):
    images, labels = digits(10)
    model, policy = network("cnn", (1, 8, 8)), POLICIES["shift"]
    whole = tta(model, images, policy, labels, passes=(1, 4))
    monkeypatch.setattr("augmoments.averaging.outputs._MOST_AT_ONCE", 3)
    parts = tta(model, images, policy, labels, passes=(1, 4))
    torch.testing.assert_close(parts.mean, whole.mean)
    torch.testing.assert_close(parts.agreement, whole.agreement)
    again = tta(model, images, policy, labels, passes=(1, 4), seed=1)
    assert ((again.mean - whole.mean).abs() <= again.error + whole.error).double().mean() > 0.98
    assert parts.mean.dtype == images.dtype


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"average": "logit"}, InputError, "average='logit' is none of"),
        ({"passes": ()}, InputError, "passes must be whole numbers"),
        ({"passes": 5}, InputError, "passes must be whole numbers"),
        ({"passes": (0, 2)}, InputError, "passes must be whole numbers"),
        ({"passes": (1, 10**6)}, InputError, "beyond them is the limit"),
        ({"confidence": 1.0}, InputError, "confidence must lie"),
        ({"tol": 0.0}, InputError, "tol must lie"),
        ({"targets": torch.zeros(3, dtype=torch.long)}, InputError, "one target an image"),
        ({"targets": torch.full((12,), 10)}, InputError, "outside 0..9"),
        ({"targets": torch.zeros(12, 10)}, InputError, "argmax"),
        ({"policy": am.MixUp()}, PolicyError, "mix"),
        (
            {"model": nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(64, 2))},
            ModelError,
            "eval",
        ),
        ({"model": nn.Sequential(nn.Flatten(), nn.Linear(64, 1)).double()}, InputError, "single"),
        ({"model": lambda x: x.flatten(1)[:, :2] / 0}, ModelError, "not finite"),
    ],
)
def test_refusals(change, error, message):
    given = {"model": network("mlp", (1, 8, 8)), "policy": FINITE, "targets": None, **change}
    model, policy, targets = (given.pop(name) for name in ("model", "policy", "targets"))
    with pytest.raises(error, match=message):
        tta(model, digits()[0], policy, targets, **given)


def test_outputs_that_are_not_finite_somewhere_are_refused():
    def model(x):
        z = x.flatten(1)[:, :2]
        return torch.where(x.flatten(1)[:, :1] > 0.5, torch.nan, z)

    image = torch.zeros(1, 1, 2, 2)
    image[..., 1] = 1.0
    with pytest.raises(ModelError, match="not finite"):
        tta(model, image.flip(-1).flip(-1), am.RandomHorizontalFlip(0.5))
