"""Laws against mpmath (30 digits) and SciPy's distributions, at ordinary and extreme parameters."""

from functools import cache

import mpmath as mp
import numpy as np
import pytest
import torch
from scipy import stats

import augmoments as am
from augmoments.errors import AugmomentsError, InputTypeError, LawError
from augmoments.laws import ContinuousLaw, as_law, bernoulli
from augmoments.laws.scaled import Stretched, rescaled_law

LAWS = [
    am.Uniform(-2, 3),
    am.Uniform(1e-3, 1.1e-3),
    am.Normal(1.5, 0.7),
    am.Normal(-3e4, 1e-2),
    am.TruncatedNormal(0, 1, -1, 2),
    am.TruncatedNormal(5, 2, -10, 4),
    am.TruncatedNormal(0, 1, 3, 9),
    am.TruncatedNormal(0, 1, 8.3, 20),
    am.TruncatedNormal(0, 1, -30, -7),
    am.TruncatedNormal(0, 100, -1, 1.5),
    am.Triangular(-1, 2),
    am.Triangular(-1, 2, 1.7),
    am.Triangular(0, 2, 0),
    am.Triangular(0, 2, 2),
    am.LogUniform(0.5, 2),
    am.LogUniform(1e-3, 1e3),
    rescaled_law(am.LogUniform(0.4, 3.0), 1.0, 0.6),
    am.Beta(2, 2),
    am.Beta(1, 1, -1, 3),
    am.Beta(5, 1, 2, 4),
    am.Beta(0.2, 0.3),
    am.Beta(0.5, 4.5, -30, 30),
    am.Beta(200, 300),
    am.Beta(1.5, 0.8, -1, 1),
    am.Beta(3e3, 2, 0, 10),
]
ids = [repr(law) for law in LAWS]
every_law = pytest.mark.parametrize("law", LAWS, ids=ids)


def scipy_law(law):
    match law:
        case am.Uniform(low, high):
            return stats.uniform(low, high - low)
        case am.Normal(loc, std):
            return stats.norm(loc, std)
        case am.TruncatedNormal(loc, std, low, high):
            return stats.truncnorm((low - loc) / std, (high - loc) / std, loc, std)
        case am.Triangular(low, high):
            return stats.triang((law.peak - low) / (high - low), low, high - low)
        case am.LogUniform(low, high):
            return stats.loguniform(low, high)
        case Stretched(am.LogUniform(low, high), about, factor):
            return stats.loguniform(low, high, loc=about * (1 - factor), scale=factor)
        case am.Beta(a, b, low, high):
            return stats.beta(a, b, low, high - low)
    raise TypeError(law)


def unnormalised(law, x):
    match law:
        case am.Uniform():
            return mp.mpf(1)
        case am.Normal(loc, std) | am.TruncatedNormal(loc, std):
            return mp.exp(-(((x - mp.mpf(loc)) / mp.mpf(std)) ** 2) / 2)
        case am.Triangular(low, high):
            rise, fall = mp.mpf(law.peak) - low, mp.mpf(high) - law.peak
            return (x - low) / rise if x < law.peak else (high - x) / fall if fall else mp.mpf(1)
        case am.LogUniform():
            return 1 / x
        case Stretched(am.LogUniform(), about, factor):
            return 1 / (about + (x - mp.mpf(about)) / mp.mpf(factor))
    raise TypeError(law)


def integral(law, f, low, high):
    """``int f(x) p(x) dx`` over [low, high] in 30 digits, up to one factor for each law."""
    with mp.workdps(30):
        inner = [mp.mpf(float(k)) for k in law.knots if low < k < high]
        return mp.quad(lambda x: f(x) * unnormalised(law, x), [mp.mpf(low), *inner, mp.mpf(high)])


@cache
def mass(law):
    return integral(law, lambda x: mp.mpf(1), *wide_support(law))


def wide_support(law):
    """The whole support where it is bounded; far beyond where the law stops caring."""
    match law:
        case am.Normal(loc, std):
            return loc - 12 * std, loc + 12 * std
        case am.TruncatedNormal(loc, std, low, high):
            return max(low, loc - 15 * std), min(high, loc + 15 * std)
    return law.support


def true_partial_moment(law, degree, x=None):
    """``E[theta^degree 1{theta <= x}]``, or all of it; for Beta in closed form."""
    start, stop = wide_support(law)
    stop = stop if x is None else float(x)
    if not isinstance(law, am.Beta):
        return float(integral(law, lambda t: t**degree, start, stop) / mass(law))
    with mp.workdps(40):
        width, total = mp.mpf(law.high) - law.low, mp.mpf(0)
        unit = (mp.mpf(stop) - law.low) / width
        for k in range(degree + 1):
            share = mp.betainc(law.a + k, law.b, 0, unit, regularized=True)
            moment = mp.rf(law.a, k) / mp.rf(mp.mpf(law.a) + law.b, k)
            total += (
                mp.binomial(degree, k) * mp.mpf(law.low) ** (degree - k) * width**k * moment * share
            )
        return float(total)


def true_wave(law):
    """``E[cos 2t + exp t]`` of the parameter t scaled from the support to [0, 1]."""
    if isinstance(law, am.Beta):
        total = mp.mpf(law.a) + law.b
        return float(mp.re(mp.hyp1f1(law.a, total, 2j)) + mp.hyp1f1(law.a, total, 1))
    low, high = (mp.mpf(end) for end in law.support)
    width = high - low

    def wave(x):
        t = (x - low) / width
        return mp.cos(2 * t) + mp.exp(t)

    return float(integral(law, wave, *wide_support(law)) / mass(law))


def inner_points(law, n=9):
    return np.asarray(law.ppf(np.linspace(0.02, 0.98, n)))


@every_law
def test_density(law):
    x = inner_points(law)
    np.testing.assert_allclose(law.density(x), scipy_law(law).pdf(x), rtol=1e-9)
    if not isinstance(law, am.Beta):
        want = [float(unnormalised(law, mp.mpf(float(t))) / mass(law)) for t in x]
        np.testing.assert_allclose(law.density(x), want, rtol=1e-12)


@every_law
def test_cdf(law):
    x = inner_points(law, 5)
    want = [true_partial_moment(law, 0, t) for t in x]
    np.testing.assert_allclose(law.cdf(x), want, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(law.cdf(x), scipy_law(law).cdf(x), rtol=1e-9)


@every_law
def test_cdf_beyond_the_support_and_at_its_ends(law):
    low, high = law.support
    width = high - low
    np.testing.assert_allclose(law.cdf([low - width, low]), 0, atol=1e-15)
    np.testing.assert_allclose(law.cdf([high, high + width]), 1, rtol=1e-14)
    np.testing.assert_allclose(law.partial_mean([low - width, low]), 0, atol=1e-14 * (1 + abs(low)))
    end = law.partial_mean([high, high + width])
    np.testing.assert_allclose(end, law.mean, rtol=1e-12, atol=1e-14 * (abs(low) + abs(high)))


@every_law
def test_ppf_inverts_cdf(law):
    q = np.array([1e-6, 1e-3, 0.1, 0.5, 0.73, 0.999, 1 - 1e-6])
    x = law.ppf(q)
    spacing = np.spacing(np.abs(x)) * np.maximum(law.density(x), 1)
    assert (np.abs(law.cdf(x) - q) <= 1e-12 + 8 * spacing).all()
    assert (np.diff(x) > 0).all()
    low, high = law.support
    assert law.ppf(0.0) == pytest.approx(low, rel=1e-12, abs=1e-12 * (high - low))
    assert law.ppf(1.0) <= high
    assert law.cdf(law.ppf(1.0)) == pytest.approx(1, abs=1e-15)


@every_law
def test_partial_mean(law):
    x = inner_points(law, 4)
    want = [true_partial_moment(law, 1, t) for t in x]
    scale = abs(np.asarray(law.support)).max()
    np.testing.assert_allclose(law.partial_mean(x), want, rtol=1e-12, atol=1e-14 * scale)


@every_law
@pytest.mark.parametrize("degree", [0, 1, 2, 3, 4, 7])
def test_raw_moments(law, degree):
    want = true_partial_moment(law, degree)
    scale = abs(np.asarray(law.support)).max() ** degree
    assert law.expect(degree) == pytest.approx(want, rel=1e-12, abs=2e-15 * scale)


@every_law
def test_quadrature_over_the_knots_integrates_smooth_functions(law):
    points, weights = law.quadrature(law.knots[:-1], law.knots[1:], 12)
    low, high = law.support
    assert weights.sum() == pytest.approx(1, abs=1e-13)
    assert (weights >= 0).all()
    assert ((points >= low) & (points <= high)).all()
    unit = (points - low) / (high - low)
    assert np.sum(weights * (np.cos(2 * unit) + np.exp(unit))) == pytest.approx(
        true_wave(law), abs=1e-12
    )


@every_law
def test_quadrature_of_parts(law):
    """Cells cut at points of one's own, as between two crossings, hold their own mass."""
    edges = np.union1d(law.knots, inner_points(law, 6))
    points, weights = law.quadrature(edges[:-1], edges[1:], 12)
    assert points.shape == weights.shape == (len(edges) - 1, 12)
    np.testing.assert_allclose(weights.sum(1), np.diff(law.cdf(edges)), atol=1e-15)
    moment = np.sum(weights * points, 1)
    scale = abs(np.asarray(law.support)).max()
    np.testing.assert_allclose(moment, np.diff(law.partial_mean(edges)), atol=1e-12 * scale)


@every_law
def test_no_interval_has_a_negative_mass(law, generator):
    """However close its ends: a distribution function that is rounded need not be monotone."""
    start = law.sample(4000, generator).numpy()
    stop = np.minimum(start + 4 * np.spacing(np.abs(start)), law.support[1])
    assert (law.mass(start, stop) >= 0).all()
    assert (law.quadrature(start, stop, 3).weights >= 0).all()
    assert (law.cells(4096).weights >= 0).all()


@every_law
@pytest.mark.parametrize("n", [1, 2, 16, 333])
def test_cells(law, n):
    low, high = law.support
    edges = law.cell_edges(n)
    assert edges.shape == (n + 1,)
    assert (edges[0], edges[-1]) == (low, high)
    assert (np.diff(edges) >= 0).all()
    points, weights = law.cells(n)
    assert weights.sum() == pytest.approx(1, abs=1e-14)
    assert ((points >= edges[:-1]) & (points <= edges[1:])).all()
    assert np.sum(weights * points) == pytest.approx(law.mean, abs=1e-11 * (abs(low) + abs(high)))


@every_law
def test_cells_converge_at_second_order(law):
    """For a smooth function and for a kink, which the midpoint rule takes in its stride."""
    low, high = law.support
    kink = float(law.ppf(0.37))

    def smooth(t):
        return np.cos(3 * (t - low) / (high - low))

    def kinked(t):
        return np.abs(t - kink) / (high - low)

    for f in (smooth, kinked):
        fine = law.quadrature(*_pairs(np.union1d(law.knots, kink)), 24)
        want = np.sum(fine.weights * f(fine.points))
        errors = [
            abs(np.sum(law.cells(n).weights * f(law.cells(n).points)) - want) for n in (64, 512)
        ]
        spread = np.sqrt(max(law.expect(2) - law.mean**2, 0.0)) / (high - low)
        assert errors[0] < 40 * (1 + spread) / 64**2
        assert errors[1] < 40 * (1 + spread) / 512**2


def _pairs(edges):
    return edges[:-1], edges[1:]


@every_law
def test_declared_degree_of_the_density(law):
    if law.degree is None or law.degree > 8:
        return
    for low, high in zip(*_pairs(law.knots), strict=True):
        points = low + (high - low) * np.linspace(0.01, 0.99, law.degree + 2)
        gap = np.diff(law.density(points), law.degree + 1)
        assert np.abs(gap).max() <= 1e-11 * 2**law.degree * np.abs(law.density(points)).max()


@every_law
def test_samples_follow_the_law(law):
    """Kolmogorov-Smirnov, 20,000 draws, seed 7: no p-value below 1e-4 among 24 laws."""
    drawn = law.sample(20_000, torch.Generator().manual_seed(7)).numpy()
    low, high = law.support
    assert drawn.dtype == np.float64
    assert ((drawn >= low) & (drawn <= high)).all()
    assert stats.kstest(drawn, scipy_law(law).cdf).pvalue > 1e-4


def test_sampling_leaves_the_global_state_alone():
    before = torch.get_rng_state()
    first = am.Beta(2, 3).sample(5, torch.Generator().manual_seed(1))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first, am.Beta(2, 3).sample(5, torch.Generator().manual_seed(1)))


def test_support_of_a_tail_holds_the_tail():
    """What lies beyond 8.5 standard deviations is a third of what lies beyond 8.4."""
    law = am.TruncatedNormal(0, 1, 8.4, 100)
    assert law.mean == pytest.approx(stats.truncnorm(8.4, 100).mean(), rel=1e-9)
    assert law.support[1] > 11


@pytest.mark.parametrize("probabilities", [None, [0.2, 0.5, 0.3], [0.0, 1.0, 0.0], [0.4, 0.0, 0.6]])
def test_discrete(probabilities):
    values = [3.0, -1.0, 0.5]
    law = am.Discrete(values, probabilities)
    weights = np.full(3, 1 / 3) if probabilities is None else np.array(probabilities)
    for degree in range(4):
        assert law.expect(degree) == pytest.approx(np.sum(weights * np.array(values) ** degree))
    assert law.support == (-1.0, 3.0)
    drawn = law.sample(20_000, torch.Generator().manual_seed(3)).numpy()
    counts = np.array([(drawn == v).sum() for v in values])
    assert counts.sum() == 20_000
    assert (counts[weights == 0] == 0).all()
    if (weights > 0).sum() > 1:
        kept = weights > 0
        assert stats.chisquare(counts[kept], 20_000 * weights[kept]).pvalue > 1e-4
    np.testing.assert_array_equal(law.ppf([0.0, 1.0]), np.array(values)[kept_ends(weights)])


def kept_ends(weights):
    kept = np.flatnonzero(weights)
    return [kept[0], kept[-1]] if weights[-1] else [kept[0], 2]


def test_discrete_takes_arrays_and_is_a_value():
    law = am.Discrete(np.arange(3), np.array([0.25, 0.5, 0.25]))
    assert law == am.Discrete([0, 1, 2], (0.25, 0.5, 0.25))
    assert hash(law) == hash(am.Discrete([0, 1, 2], (0.25, 0.5, 0.25)))


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_bernoulli(p):
    law = bernoulli(p)
    assert law.mean == p
    assert law.expect(5) == p


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: am.Uniform(2, 1), "low must be below high, got low=2, high=1. Swap the two"),
        (lambda: am.Uniform(1, 1), "plain number"),
        (lambda: am.Uniform(NAN, 1), "low must be a finite number, got nan"),
        (lambda: am.Uniform(0, INF), "high must be a finite number, got inf"),
        (lambda: am.Normal(NAN, 1), "loc must be a finite number"),
        (lambda: am.Normal(0, -1), "std must be positive, got -1"),
        (lambda: am.Normal(0, 0), "std must be positive, got 0"),
        (lambda: am.Normal(0, INF), "std must be a finite"),
        (lambda: am.TruncatedNormal(0, -1, 0, 1), "std must be positive"),
        (lambda: am.TruncatedNormal(0, 1, 1, 0), "low must be below high"),
        (lambda: am.TruncatedNormal(0, 1, 9, 10), "no mass is left"),
        (lambda: am.TruncatedNormal(0, 1, -20, -8.6), "no mass is left"),
        (lambda: am.Triangular(1, 0), "low must be below high"),
        (lambda: am.Triangular(0, 1, 2), r"mode 2 is outside \[0, 1\]"),
        (lambda: am.Triangular(0, 1, NAN), "mode nan"),
        (lambda: am.LogUniform(0, 1), "low must be positive"),
        (lambda: am.LogUniform(-1, 1), "low must be positive"),
        (lambda: am.LogUniform(2, 1), "low must be below high"),
        (lambda: am.Beta(0, 1), "a must be positive"),
        (lambda: am.Beta(1, -2), "b must be positive"),
        (lambda: am.Beta(NAN, 1), "a must be a finite"),
        (lambda: am.Beta(1, 1, 3, 2), "low must be below high"),
        (lambda: am.Discrete([]), "values is empty"),
        (lambda: am.Discrete([1, NAN]), "values must be finite"),
        (lambda: am.Discrete([1, 2], [0.5, 0.4]), "must sum to 1, they sum to 0.9"),
        (lambda: am.Discrete([1, 2], [1.5, -0.5]), "must be non-negative"),
        (lambda: am.Discrete([1, 2], [NAN, 1]), "must be non-negative"),
        (lambda: am.Discrete([1, 2], [1.0]), "2 values but 1 probabilities"),
        (lambda: bernoulli(1.2), r"p=1.2 is not a probability in \[0, 1\]"),
        (lambda: bernoulli(-0.1), r"is not a probability"),
        (lambda: bernoulli(NAN), r"is not a probability"),
        (lambda: as_law((1, 0), "degrees"), "low must be below high"),
        (lambda: as_law((1, 2, 3), "degrees"), r"degrees: a range has two ends"),
        (lambda: as_law(NAN, "degrees"), "must be finite"),
    ],
)
def test_impossible_parameters(make, says):
    with pytest.raises(LawError, match=says) as caught:
        make()
    assert isinstance(caught.value, AugmomentsError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "make",
    [
        lambda: as_law("wide", "degrees"),
        lambda: as_law(None, "degrees"),
        lambda: as_law(("a", "b"), "degrees"),
        lambda: am.Uniform("a", 1),
        lambda: am.Normal(0, None),
        lambda: am.Beta([1, 2], 1),
        lambda: am.Discrete(["a"]),
        lambda: am.Discrete(3),
        lambda: bernoulli("half"),
    ],
)
def test_parameters_of_a_wrong_type(make):
    with pytest.raises(InputTypeError):
        make()


def test_what_reads_as_a_law():
    assert as_law((0, 1)) == am.Uniform(0, 1)
    assert as_law([2, 2]) == am.Discrete([2.0])
    assert as_law(1.5) == am.Discrete([1.5])
    assert as_law(np.float32(0.5)) == am.Discrete([0.5])
    assert as_law(am.Beta(1, 2)) == am.Beta(1, 2)


def test_every_continuous_law_is_covered():
    assert {type(law) for law in LAWS} == {
        cls
        for base in (ContinuousLaw, *ContinuousLaw.__subclasses__())
        for cls in base.__subclasses__()
        if not cls.__name__.startswith("_") and cls.__module__.startswith("augmoments.laws.")
    }
