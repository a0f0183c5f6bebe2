"""Bounds for averages, against exact binomial tails."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import binom, gamma, norm
from torch import nn

import augmoments as am
from augmoments.errors import InputError, ModelError
from augmoments.sample_size.bounds import draws_needed, normal_from

SHARES = (0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001)
ERRORS = np.geomspace(0.003, 0.9, 30)
CONFIDENCES = (0.9, 0.95, 0.99, 0.9999)
MOST = 100_000  # draws for which tails are summed


def number(value):
    return torch.tensor(value, dtype=torch.float64)


def draws(bound, variance, error, risk, span=None):
    span = None if span is None else number(span)
    return int(draws_needed(bound, number(variance), number(error), risk, span))


def covered(n, p, error):
    """Probability that the average of n zeros and ones is within ``error`` of p."""
    k = np.arange(n + 1)
    return float(binom.pmf(k, n, p)[np.abs(k / n - p) <= error * (1 + 1e-12)].sum())


def cases(bound):
    """Share, n, and what n is short of the confidence."""
    for p in SHARES:
        for error in ERRORS:
            for confidence in CONFIDENCES:
                n = draws(bound, p * (1 - p), error, 1 - confidence, max(p, 1 - p))
                if n <= MOST:
                    yield p, n, confidence, confidence - covered(n, p, error)


@pytest.mark.parametrize("bound", ["chebyshev", "bernstein"])
def test_bounds_that_hold_for_any_law_hold_for_two_values(bound):
    """Never below the confidence, at every share, error and confidence."""
    found = list(cases(bound))
    assert len(found) > 800
    assert max(short for *_, short in found) <= 1e-12


def test_the_normal_law_where_it_is_said_to_hold():
    """At 95% never more than 1.6 points short, at 99% 0.5; nowhere more than a lattice costs.

    Averages of values 1 apart are 1/n apart, so that a tail is off by up to half of one such
    average's probability, phi(z) / (sigma sqrt n) for both tails.
    """
    seen = 0
    for p, n, confidence, short in cases("clt"):
        sd = math.sqrt(p * (1 - p))
        if n < float(normal_from(number((1 - 2 * p) / sd), 1 - confidence)):
            continue
        seen += 1
        z = norm.isf((1 - confidence) / 2)
        assert short <= 1.03 * norm.pdf(z) / (sd * math.sqrt(n)) + 1e-6
        assert short <= {0.95: 0.016, 0.99: 0.005, 0.9999: 2e-5}.get(confidence, 0.04)
    assert seen > 300


def test_the_normal_law_for_many_draws():
    """From 10,000 draws on within half a point where it is said to hold."""
    for p in (0.5, 0.2, 0.02):
        variance = p * (1 - p)
        error = math.sqrt(3.8416 * variance / 20_000)
        n = draws("clt", variance, error, 0.05)
        assert n == pytest.approx(20_000, rel=1e-3)
        assert abs(covered(n, p, error) - 0.95) < 0.005


@pytest.mark.parametrize("shape", [1.0, 0.25, 0.04])
def test_the_normal_law_of_a_skewed_law(shape):
    """Gamma laws (skewness 2 to 10), whose averages are gamma: within 0.5 points from there on."""
    skewness = 2 / math.sqrt(shape)
    n = math.ceil(float(normal_from(number(skewness), 0.05)))
    assert n == math.ceil(max(30, (norm.isf(0.025) ** 3 * skewness * 2 / 3) ** 2))
    for count in (n, 4 * n, 64 * n):
        error = norm.isf(0.025) * math.sqrt(shape / count)
        assert draws("clt", shape, error, 0.05) == pytest.approx(count, abs=1)
        total = gamma(count * shape)
        inside = total.cdf(count * (shape + error)) - total.cdf(count * (shape - error))
        assert abs(inside - 0.95) < 0.005


def test_far_tails_need_more_draws_to_be_normal():
    """An exponential law at a risk of 1e-5: 3x as likely after n / 100 draws, 1.03x after n."""
    risk = 1e-5
    z = norm.isf(risk / 2)

    def outside(n):
        law = gamma(n)
        return law.sf(n + z * math.sqrt(n)) + law.cdf(n - z * math.sqrt(n))

    n = math.ceil(float(normal_from(number(2.0), risk)))
    assert n > 10 * float(normal_from(number(2.0), 0.05))
    assert outside(n) < 1.04 * risk
    assert outside(n // 100) > 3 * risk


@pytest.mark.parametrize("bound", ["clt", "chebyshev", "bernstein"])
def test_more_confidence_or_less_error_takes_more_draws(bound):
    numbers = [[draws(bound, 0.2, e, r, 0.9) for e in (0.3, 0.1, 0.03)] for r in (0.2, 0.05, 1e-4)]
    assert all(row == sorted(set(row)) for row in numbers)
    assert all(list(column) == sorted(set(column)) for column in zip(*numbers, strict=True))


def test_formulas():
    assert draws("clt", 2.0, 0.1, 0.05) == math.ceil(1.959963984540054**2 * 200)
    assert draws("chebyshev", 2.0, 0.1, 0.0625) == 3200
    terms = math.log(2 / 0.05) * (2 * 2.0 + 2 / 3 * 3.0 * 0.1) / 0.01
    assert draws("bernstein", 2.0, 0.1, 0.05, 3.0) == math.ceil(terms)


@pytest.mark.parametrize("bound", ["clt", "chebyshev", "bernstein"])
def test_nothing_to_find_out(bound):
    """One draw of a constant, no number for an error of zero, one where values reach no farther."""
    assert draws(bound, 0.0, 0.0, 0.05, 1.0) == 1
    assert draws(bound, 0.0, 0.1, 0.05, 1.0) == 1
    endless = draws_needed(bound, number([0.1, 4.0]), number([0.0, 0.0]), 0.05, number([1.0, 1.0]))
    assert endless.tolist() == [math.inf, math.inf]
    assert draws("bernstein", 0.1, 0.5, 0.05, 0.5) == 1


def test_bernstein_needs_a_span():
    with pytest.raises(InputError, match="how far"):
        draws_needed("bernstein", number(1.0), number(1.0), 0.05)


class TestLoss:
    """The same through samples_needed: a flip gives the loss two values."""

    x = am.data.photo("camera", size=8).double()
    y = torch.tensor([1])

    @pytest.fixture
    def model(self):
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).double().eval()

    def two(self, model):
        with torch.no_grad():
            views = (self.x, self.x.flip(-1))
            return [float(nn.functional.cross_entropy(model(v), self.y)) for v in views]

    def size(self, model, p=0.3, images=None, targets=None, **options):
        images = self.x if images is None else images
        return am.samples_needed(
            images,
            am.RandomHorizontalFlip(p),
            of="loss",
            model=model,
            targets=self.y if targets is None else targets,
            **{"loss": "cross_entropy", **options},
        )

    @pytest.mark.parametrize("p", [0.5, 0.1, 0.01])
    @pytest.mark.parametrize("bound", ["chebyshev", "bernstein"])
    def test_confidence(self, model, p, bound):
        plain, mirrored = self.two(model)
        mean = (1 - p) * plain + p * mirrored
        for rel_error in (0.3, 0.1, 0.03, 0.01):
            n = int(self.size(model, p, rel_error=rel_error, bound=bound).n)
            step = rel_error * mean / abs(mirrored - plain)
            assert covered(n, p, step) >= 0.95

    def test_span_that_is_found_and_span_that_is_given(self, model):
        plain, mirrored = sorted(self.two(model))
        options = {"bound": "bernstein", "rel_error": 0.003}
        found, given = (
            self.size(model, **options, loss_range=r) for r in (None, (plain, mirrored))
        )
        assert found.n.tolist() == given.n.tolist()
        wide = self.size(model, **options, loss_range=(0, 100))
        assert wide.n > found.n
        assert float(found.error) < 1e-12

    @pytest.mark.parametrize("wrong", ["below", "between"])
    def test_a_range_that_the_loss_leaves(self, model, wrong):
        plain, mirrored = sorted(self.two(model))
        gap = mirrored - plain
        low, high = {
            "below": (plain - 3 * gap, plain - gap),
            "between": (plain + 0.2 * gap, mirrored - 0.2 * gap),
        }[wrong]
        with pytest.raises(InputError, match="does not hold all"):
            self.size(model, 0.5, bound="bernstein", loss_range=(low, high))

    @pytest.mark.parametrize("wrong", [(0.0, float("inf")), (0.0,), "ab", 5])
    def test_a_range_that_is_none(self, model, wrong):
        with pytest.raises(InputError, match="two finite numbers"):
            self.size(model, 0.5, bound="bernstein", loss_range=wrong)

    def test_a_law_that_cannot_be_enumerated_needs_a_range(self, model):
        options = {"model": model, "loss": "cross_entropy", "targets": self.y}
        with pytest.raises(InputError, match="loss_range"):
            am.samples_needed(self.x, am.RandomRotation(9), "loss", bound="bernstein", **options)

    def test_all_images_at_once(self, model):
        """The union bound: a share of the risk for each of four images."""
        x, y = self.x.repeat(4, 1, 1, 1), torch.tensor([0, 1, 2, 1])
        for bound in ("clt", "chebyshev", "bernstein"):
            each = self.size(model, images=x, targets=y, bound=bound, confidence=0.9875)
            all_ = self.size(
                model, images=x, targets=y, bound=bound, confidence=0.95, simultaneous=True
            )
            assert each.n.tolist() == pytest.approx(all_.n.tolist(), abs=1)

    def test_images_that_do_not_change_and_losses_of_zero(self, model):
        even = torch.full((1, 1, 8, 8), 0.5).double()
        assert self.size(model, images=even).n.tolist() == [1]
        assert self.size(model, images=even, loss=lambda z, _: 0 * z[:, 0]).n.tolist() == [1]
        centred = self.size(
            lambda x: x.flatten(1) @ (self.x - self.x.flip(-1)).flatten()[:, None],
            0.5,
            loss=lambda z, _: z[:, 0],
        )
        assert float(centred.n) > 1e12

    def test_where_the_normal_law_does_not_hold(self, model):
        """A flip once in a hundred times has a skewness of 9.85."""
        few = self.size(model, 0.01, rel_error=0.01)
        assert float(few.skewness.abs()) == pytest.approx(0.98 / math.sqrt(0.0099), rel=1e-6)
        assert 1 < float(few.n) < 25 * 97
        assert few.reliable.tolist() == [False]
        assert "1 of 1 images" in few.summary()
        assert "chebyshev" in few.summary()
        many = self.size(model, 0.01, rel_error=0.0001)
        assert many.reliable.tolist() == [True]
        assert "chebyshev" not in many.summary()
        sure = self.size(model, 0.01, rel_error=0.01, bound="chebyshev")
        assert sure.reliable.tolist() == [True]
        assert sure.skewness is None
        assert sure.n > few.n

    def test_a_loss_that_is_not_finite(self, model):
        with pytest.raises(ModelError, match=r"1 of 1 images.* not finite"):
            self.size(model, loss=lambda z, _: z[:, 0] * math.inf)
