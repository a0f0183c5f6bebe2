"""Passes that a prediction needs: brute force over finite policies, coverage by real passes."""

from itertools import product

import pytest
import torch
from scipy.stats import binom
from torch import nn

import augmoments as am
from augmoments.errors import InputError
from augmoments.sample_size.predictions.tails import lower_tail, normal_tail, smallest

DIGITS = am.Compose(
    [
        am.RandomRotation(15, interpolation="bilinear"),
        am.RandomTranslation(x=(-1, 1), y=(-1, 1)),
    ]
)
POLICIES = {
    "digits": DIGITS,
    "rotation": am.RandomRotation(30, interpolation="bilinear"),
    "jitter": am.Compose([am.RandomHorizontalFlip(0.4), am.ColorJitter(0.6, 0.6)]),
}
_NETWORK = []


def digits():
    return am.data.digits()


def trained():
    """A network that was trained for three epochs with draws of the policy."""
    if not _NETWORK:
        torch.manual_seed(0)
        images, labels = digits()
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
        optimizer = torch.optim.Adam(net.parameters(), 1e-2)
        generator = torch.Generator().manual_seed(0)
        for _ in range(3):
            for index in torch.randperm(len(images), generator=generator).split(100):
                optimizer.zero_grad()
                moved = DIGITS(images[index], generator=generator)
                nn.functional.cross_entropy(net(moved), labels[index]).backward()
                optimizer.step()
        _NETWORK.append(net.eval())
    return _NETWORK[0]


def averaged(model, images, policy, counts, generator):
    """For each image the average of its own number of real passes, ``(N, K)``."""
    found = []
    with torch.no_grad():
        for image, n in zip(images, counts, strict=True):
            total = 0
            for some in torch.ones(int(n)).split(20_000):
                moved = policy(image.expand(len(some), -1, -1, -1), generator=generator)
                total = total + model(moved).softmax(1).double().sum(0)
            found.append(total / n)
    return torch.stack(found)


COUNTS = [80, pytest.param(1000, marks=pytest.mark.slow)]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_coverage_of_the_error(count, confidence, generator):
    """The probability is right to 5% in as many images as the confidence says: within two points,
    and three standard errors where the images are few."""
    images, model, e = digits()[0][-count:], trained(), 0.05
    size = am.samples_needed(
        images, DIGITS, "prediction", e, confidence, model=model, until="error"
    )
    assert 30 <= size.n.median() < 2000
    found = averaged(model, images, DIGITS, size.n.tolist(), generator)
    limit = am.expectation(lambda x: model(x).softmax(1), images, DIGITS).value.double()
    at = size.prediction[:, None]
    off = (found / limit - 1).gather(1, at).abs()
    coverage = float((off <= e).double().mean())
    slack = 0.02 if count == 1000 else 3 * (confidence * (1 - confidence) / count) ** 0.5
    assert abs(coverage - confidence) <= slack


@pytest.mark.parametrize("count", COUNTS)
def test_coverage_of_decisions(count, generator):
    """With n passes the class is the limit's at least as often as the confidence says; with one
    pass fewer it is not, so that n is the smallest number (two points, and three standard errors
    where the images are few)."""
    images, model, confidence = digits()[0][-count:], trained(), 0.9
    size = am.samples_needed(
        images, DIGITS, "prediction", confidence=confidence, model=model, until="decision"
    )
    used = (size.n <= 5000) & (size.n > 1)
    ones = size.n == 1
    assert used.sum() > 0.2 * count
    assert ones.sum() > 0.1 * count
    repeated = torch.arange(count)[used].repeat(1 if count == 1000 else 3)
    slack = 0.02 + (0 if count == 1000 else 3 * (0.09 / int(used.sum() * 3)) ** 0.5)

    def coverage(index, fewer):
        counts = (size.n[index] - fewer).tolist()
        found = averaged(model, images[index], DIGITS, counts, generator)
        return float((found.argmax(1) == size.prediction[index]).double().mean())

    assert coverage(repeated, 0) >= confidence - slack
    assert coverage(repeated, 1) <= confidence + slack
    assert coverage(torch.arange(count)[ones], 0) >= confidence - slack
    several = repeated[size.n[repeated] >= 10]
    assert abs(coverage(several, 0) - confidence) <= slack + 3 * (0.09 / len(several)) ** 0.5


def scores(first, second):
    """A model of two classes whose probabilities are the first pixel's, by the image's values."""

    def model(x):
        p = first + (second - first) * x[:, 0, 0, :1]
        return torch.cat([p, 1 - p], 1).log()

    return model


IMAGE = torch.tensor([[[[0.0, 1.0]]]], dtype=torch.float64)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("p", [0.003, 0.01, 0.1])
def test_rare_values_that_are_far_off_by_brute_force(p, confidence):
    """A flip, rarer than the risk, moves 0.99 to 0.01: one pass is sure enough, a few are not. By
    binomial counts, to three times the risk: two values are the saddlepoint's hardest law."""
    size = am.samples_needed(
        IMAGE,
        am.RandomHorizontalFlip(p),
        "prediction",
        confidence=confidence,
        model=scores(0.99, 0.01),
    )
    n = int(size.n[0])
    k, limit = torch.arange(n + 1), 0.99 * (1 - p) + 0.01 * p
    off = ((n - k) * 0.99 + k * 0.01) / n - limit
    missed = float(binom.pmf(k[off.abs() > 0.01 * limit], n, p).sum())
    assert missed <= 3 * (1 - confidence)


@pytest.mark.parametrize("p", [0.1, 0.2, 0.3])
def test_decisions_by_brute_force(p):
    """A flip makes 0.9 of the limit's class 0.05: n is the smallest number from which on binomial
    counts leave the average above one half with the confidence."""
    model, confidence = scores(0.9, 0.05), 0.95
    size = am.samples_needed(
        IMAGE,
        am.RandomHorizontalFlip(p),
        "prediction",
        confidence=confidence,
        model=model,
        until="decision",
    )
    chances = []
    for n in range(1, 400):
        worst = [k for k in range(n + 1) if (0.9 * (n - k) + 0.05 * k) / n > 0.5][-1]
        chances.append(binom.cdf(worst, n, p))
    least = max(n for n, chance in enumerate(chances, 1) if chance < confidence) + 1
    assert size.method == "exact"
    if least <= 32:
        assert int(size.n[0]) == least
    else:
        assert int(size.n[0]) == pytest.approx(least, rel=0.15)


def test_decisions_of_several_classes_by_brute_force():
    """Five outcomes, four classes, all sequences of up to five passes."""
    torch.manual_seed(3)
    table = torch.rand(5, 4, dtype=torch.float64).pow(2)
    table = table / table.sum(1, keepdim=True)
    chances = torch.tensor([0.4, 0.2, 0.2, 0.1, 0.1], dtype=torch.float64)
    image = torch.zeros(1, 1, 1, 9, dtype=torch.float64)
    image[..., 4] = 1.0
    policy = am.RandomTranslation(x=am.Discrete([-2.0, -1.0, 0.0, 1.0, 2.0], chances.tolist()))

    def model(x):
        return (x[:, 0, 0, 2:7] @ table).log()

    top = int((chances @ table).argmax())
    right = []
    for n in range(1, 7):
        total = sum(
            float(chances[list(s)].prod())
            for s in product(range(5), repeat=n)
            if int(table[list(s)].mean(0).argmax()) == top
        )
        right.append(total)
    for confidence in sorted({round(value - 0.01, 3) for value in right if 0.01 < value < 1}):
        fails = [n for n, value in enumerate(right, 1) if value < confidence]
        found = am.samples_needed(
            image,
            policy,
            "prediction",
            confidence=confidence,
            model=model,
            until="decision",
        )
        assert int(found.prediction[0]) == top
        assert int(found.n[0]) > max(fails, default=0)
        assert len(fails) == 6 or int(found.n[0]) == max(fails, default=0) + 1


def test_bounds_by_hand():
    """Chebyshev one-sided and Bernstein for a gap of two outcomes; two-sided for the error."""
    p, confidence, e = 0.2, 0.9, 0.1
    flip, options = (
        am.RandomHorizontalFlip(p),
        {"model": scores(0.9, 0.3), "confidence": confidence},
    )
    mean = 0.9 * (1 - p) + 0.3 * p
    variance = p * (1 - p) * 0.36
    gap, spread = 2 * mean - 1, 4 * variance
    ln = torch.log(torch.tensor(1 / (1 - confidence), dtype=torch.float64))

    def n(bound, until):
        found = am.samples_needed(IMAGE, flip, "prediction", e, bound=bound, until=until, **options)
        return int(found.n[0])

    chebyshev = spread / gap**2 * (1 / (1 - confidence) - 1)
    assert n("chebyshev", "decision") == int(-(-chebyshev // 1))
    below = gap - (2 * 0.3 - 1)
    bernstein = ln * (2 * spread + 2 / 3 * below * gap) / gap**2
    assert n("bernstein", "decision") == int(bernstein.ceil())
    two_sided = variance / (1 - confidence) / (e * mean) ** 2
    assert n("chebyshev", "error") == int(-(-two_sided // 1))
    reach = mean - 0.3
    top = torch.log(torch.tensor(2 / (1 - confidence))) * (2 * variance + 2 / 3 * reach * e * mean)
    assert n("bernstein", "error") == int((top / (e * mean) ** 2).ceil())


def test_bounds_are_in_order_and_fall_with_the_risk():
    images, model = digits()[0][:16], trained()
    for until in ("error", "decision"):
        options = {"model": model, "until": until, "rel_error": 0.05}
        n = {
            bound: am.samples_needed(images, DIGITS, "prediction", bound=bound, **options).n
            for bound in ("clt", "bernstein", "chebyshev")
        }
        settled = n["clt"].isfinite()
        assert (n["clt"] <= n["chebyshev"])[settled].all()
        assert (n["clt"] <= n["bernstein"])[settled].all()
        surer = am.samples_needed(images, DIGITS, "prediction", confidence=0.99, **options).n
        assert (surer >= n["clt"]).all()
        every = am.samples_needed(images, DIGITS, "prediction", simultaneous=True, **options).n
        assert (every >= n["clt"]).all()


def lfw(count=6):
    return am.data.load("lfw", size=12).images[:count]


def models(images):
    torch.manual_seed(1)
    channels, height, width = images.shape[1:]
    size = channels * height * width
    last = nn.Linear(8 * (height - 2) * (width - 2), 5)
    found = {
        "linear": nn.Sequential(nn.Flatten(), nn.Linear(size, 5)),
        "mlp": nn.Sequential(nn.Flatten(), nn.Linear(size, 32), nn.Tanh(), nn.Linear(32, 5)),
        "cnn": nn.Sequential(nn.Conv2d(channels, 8, 3), nn.GELU(), nn.Flatten(), last),
    }
    for net in found.values():
        with torch.no_grad():
            [*net.children()][-1].weight *= 4
    return {name: net.eval() for name, net in found.items()}


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("data", ["digits", "lfw"])
def test_predicted_error_is_the_observed_error(data, name, generator):
    """Root mean square over 400 averages of 8 real passes within 15%, for three models."""
    images = lfw() if data == "lfw" else digits()[0][:6]
    for model in models(images).values():
        size = am.samples_needed(images, POLICIES[name], "prediction", model=model, tol=3e-3)
        with torch.no_grad():
            moved = POLICIES[name](images.repeat_interleave(3200, 0), generator=generator)
            outputs = model(moved).softmax(1).double().unflatten(0, (len(images), 400, 8))
        own = outputs.gather(3, size.prediction[:, None, None, None].expand(-1, 400, 8, 1))[..., 0]
        limit = am.expectation(lambda x, m=model: m(x).softmax(1), images, POLICIES[name]).value
        value = limit.double().gather(1, size.prediction[:, None])
        observed = (own.mean(2) / value - 1).square().mean(1).sqrt()
        torch.testing.assert_close(size.predicted_error(8), observed, rtol=0.15, atol=1e-6)


def test_ties_are_never_decided():
    model = scores(0.9, 0.1)
    size = am.samples_needed(
        IMAGE, am.RandomHorizontalFlip(), "prediction", model=model, until="decision"
    )
    assert size.n.isinf().all()
    assert not size.settled.any()
    assert "no class ahead beyond the integration error" in size.summary()


def test_one_pass_where_all_agree():
    size = am.samples_needed(
        IMAGE, am.RandomHorizontalFlip(), "prediction", model=scores(0.9, 0.6), until="decision"
    )
    assert size.n.tolist() == [1]
    still = am.samples_needed(
        IMAGE, am.RandomHorizontalFlip(0.0), "prediction", model=scores(0.9, 0.1)
    )
    assert still.n.tolist() == [1]
    assert still.summary().startswith("prediction to 0.01 with 95% confidence: 1 draws")


def test_rare_events_are_not_taken_for_none():
    """More images than nodes can vouch for: the normal law stands in, no certainty is claimed."""
    images, model = digits()[0][:2], trained()
    options = {"model": model, "until": "decision", "max_nodes": 128}
    sure = am.samples_needed(images, DIGITS, "prediction", confidence=1 - 1e-9, **options)
    assert (sure.n > 1).any()


@pytest.mark.parametrize("n", [3, 10, 40])
def test_tails_of_exponential_averages(n):
    """The average of n exponentials less 0.6 of the mean is a gamma law: the tail to a tenth."""
    from scipy.stats import expon, gamma

    shares = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    draws = torch.from_numpy(expon.ppf(shares.numpy())) - 0.6
    weights = torch.full_like(shares, 1 / len(shares))
    tail = lower_tail(draws[:, None], weights)
    truth = gamma.cdf(0.6 * n, n)
    assert float(tail.chance(torch.tensor([float(n)]))[0]) == pytest.approx(truth, rel=0.02)


def test_tails_where_nothing_is_below():
    weights = torch.full((4,), 0.25, dtype=torch.float64)
    tail = lower_tail(torch.tensor([[0.1, 0.2, 0.3, 0.4]], dtype=torch.float64).T, weights)
    assert float(tail.chance(torch.tensor([1.0]))[0]) == 0


def test_smallest_number_is_where_the_chance_falls_below():
    mean = torch.tensor([0.1, 0.01, 1.0, 1e-12], dtype=torch.float64)
    tail = normal_tail(mean, torch.ones_like(mean))
    n = smallest(tail.chance, 0.05, mean)
    quantile = torch.special.ndtri(torch.tensor(0.95, dtype=torch.float64))
    expected = (quantile / mean).square().ceil()
    torch.testing.assert_close(n[:3], expected[:3])
    assert n[3].isinf()


def test_smallest_number_is_found_behind_a_hump():
    """The chance rises at first: it is that of ``n e^(-n / 100) / 1000``."""
    one = torch.ones(1, dtype=torch.float64)
    n = smallest(lambda n: n * torch.exp(-n / 100) / 1000, 0.01, one)
    assert n.tolist() == [358.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": None}, 'of="prediction" needs model='),
        ({"until": "never"}, "until='never' is none of"),
        ({"average": "logits"}, "average='logits' is none of"),
        ({"average": "outputs", "bound": "bernstein"}, "how large outputs can become"),
    ],
)
def test_refusals(change, message):
    given = {"model": trained(), **change}
    with pytest.raises(InputError, match=message):
        am.samples_needed(digits()[0][:2], DIGITS, "prediction", **given)
