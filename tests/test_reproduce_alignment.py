"""Saliency against augmentations: the experiments' numbers against draws, NumPy and SciPy."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr, rankdata, ttest_1samp
from torch.nn import functional as F

import augmoments as am
from augmoments.reproduce import experiment
from augmoments.reproduce.context import Context
from augmoments.reproduce.experiments import alignment_over_training, saliency_alignment
from augmoments.reproduce.experiments.alignment_over_training.report import (
    summary as training_summary,
)
from augmoments.reproduce.experiments.alignment_over_training.trends import Run, compared, trend
from augmoments.reproduce.experiments.saliency_alignment.factors import (
    FACTORS,
    Factors,
    changes,
    correlations,
    partial_rank_correlation,
    shares,
)
from augmoments.reproduce.experiments.saliency_alignment.report import summary as saliency_summary
from augmoments.reproduce.models import architecture

QUICK = Context(quick=True)
ROTATION = am.RandomRotation(15, interpolation="bilinear")
DRAWS = 4_000


def no_nan(findings):
    numbers = json.dumps(findings.numbers, allow_nan=False)
    for text in (findings.measured, findings.differs):
        assert len(text) > 200
        assert "nan" not in text.lower()
        assert "inf" not in text.split()
    return json.loads(numbers)


@pytest.fixture(scope="module")
def cases():
    with pytest.MonkeyPatch.context() as patch:
        every = saliency_alignment.policies(8)
        some = {title: every[title] for title in ("rotation ±3°", "rotation ±15°")}
        patch.setattr(saliency_alignment, "policies", lambda width: some)
        return saliency_alignment.measure(QUICK, "digits", count=200, probed=8, epochs=6)


@pytest.fixture(scope="module")
def followed():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            alignment_over_training, "policies", lambda width: {"rotation ±15°": ROTATION}
        )
        return alignment_over_training.measure(
            QUICK, "digits", count=200, probed=4, epochs=2, seeds=2
        )


@pytest.fixture(scope="module")
def seen():
    """Draws of the probe images, ``(n, DRAWS, 1, 8, 8)``, and their classes."""
    data = Context().labelled("digits", 8)
    generator = torch.Generator().manual_seed(11)
    images = data.images.double().repeat_interleave(DRAWS, 0)
    return ROTATION(images, generator).unflatten(0, (8, DRAWS)), data.labels


def by_draws(model, seen, n):
    """Losses of all draws, and saliency maps by autograd.

    These are at the mean images of the experiments: gradients of networks with kinks may jump from
    there to the means of the draws.
    """
    draws, labels = seen[0][:n], seen[1][:n]
    model = model.double()
    with torch.no_grad():
        targets = labels.repeat_interleave(DRAWS)
        losses = F.cross_entropy(model(draws.flatten(0, 1)), targets, reduction="none")
    images = Context().labelled("digits", n).images.double()
    means = am.moments(images, ROTATION, 0.05).mean.requires_grad_()
    torch.testing.assert_close(means.detach(), draws.mean(1), atol=0.03, rtol=0)
    F.cross_entropy(model(means), labels, reduction="sum").backward()
    return losses.unflatten(0, (n, DRAWS)), means.grad.flatten(1)


def test_points_against_draws(cases, seen):
    """Untrained CNN, rotation: variance, size, gVg and alignment from 4,000 draws, 10 %.

    The relative standard error of a variance of 4,000 draws is about 2 %.
    """
    losses, saliency = by_draws(architecture("cnn", (1, 8, 8), 10, QUICK.seed), seen, 8)
    flat = seen[0].flatten(2)
    case = next(c for c in cases if "points" in c and c["training"] == "untrained")
    along = torch.einsum("nsd,nd->ns", flat, saliency).var(1)
    size = saliency.square().sum(1)
    spread = [np.linalg.eigvalsh(np.cov(one.numpy().T))[-1] for one in flat]
    expected = {
        "variance": losses.var(1),
        "size": size,
        "linearized": along,
        "alignment": along / torch.tensor(spread) / size,
    }
    for name, values in expected.items():
        np.testing.assert_allclose(case["points"][name], values.detach().numpy(), rtol=0.1)
    assert case["relative_deviation"] == pytest.approx(
        float((losses.std(1) / losses.mean(1)).median()), rel=0.1
    )


def test_weak_rotations_are_of_first_order(cases):
    """Across images; at ±3° the linear model's variance is g'Vg up to a fifth once trained."""
    linear = [c for c in cases if c["weak"] and c["model"] == "linear"]
    assert len(linear) == 3
    for case in linear:
        assert case["rank_correlations"]["linearized"] > 0.9
        assert case["nonlinearity"] == pytest.approx(1, abs=0.2)
    assert linear[0]["nonlinearity"] == pytest.approx(1, abs=0.01)


def test_shares_and_changes_of_cases(cases):
    for case in cases:
        assert sum(case["shares"].values()) == pytest.approx(1)
        change = case["change_from_plain"]
        parts = change["size"] * change["alignment"] * change["nonlinearity"]
        assert change["variance"] == pytest.approx(parts)
        if case["training"] == "plain":
            assert change["variance"] == 1


@pytest.fixture
def factors():
    generator = torch.Generator().manual_seed(0)
    make = partial(torch.rand, 40, generator=generator, dtype=torch.float64)
    spread, size, alignment, rest, expected = (make() + 0.1 for _ in range(5))
    linearized = spread * size**3 * alignment
    return Factors(
        variance=linearized * rest,
        relative=(linearized * rest).sqrt() / expected,
        linearized=linearized,
        spread=spread,
        size=size**3,
        alignment=alignment,
        nonlinearity=rest,
        excess=alignment * 3,
    )


def test_shares_are_slopes(factors):
    """The share of a factor is the least-squares slope of its log on the log variance."""
    target = factors.variance.log().numpy()
    for name in FACTORS:
        slope = np.polyfit(target, getattr(factors, name).log().numpy(), 1)[0]
        assert shares(factors)[name] == pytest.approx(slope)
    found = correlations(factors)
    assert found["size"] > 0.6 > found["alignment"] > 0
    assert found["alignment_at_equal_size"] > found["alignment"]


def test_partial_correlation_is_that_of_residuals():
    a, b, c = torch.rand(3, 30, generator=torch.Generator().manual_seed(1))
    b, c = b + a, c + a
    ranks = [rankdata(values.numpy()) for values in (a, b, c)]
    rest = [r - np.polyval(np.polyfit(ranks[2], r, 1), ranks[2]) for r in ranks[:2]]
    expected = pearsonr(*rest).statistic
    assert partial_rank_correlation(a, b, c) == pytest.approx(expected)


def test_images_without_variance_are_left_out(factors):
    factors.variance[3] = 0
    masked = factors.masked(torch.arange(40) != 5)
    assert masked.sound().nonzero().flatten().tolist() == [n for n in range(40) if n not in (3, 5)]
    kept = masked.where(masked.sound())
    assert len(kept.size) == 38
    assert changes(masked, factors)["variance"] == pytest.approx(1)


def test_what_predicts_the_variance_is_decided(cases):
    total = saliency_summary(cases)
    for training, found in total["predicted_by"].items():
        rho = total[training]["rank_correlations"]
        better = "alignment" if rho["alignment"] > rho["size"] else "size"
        assert found in (better, "both alike")
        assert (found == "both alike") == (abs(rho["alignment"] - rho["size"]) < 0.1)


def test_records_against_draws(followed, seen):
    """Untrained models of both seeds: gain, energy and frequencies from draws and NumPy."""
    case = next(c for c in followed if c["model"] == "cnn")
    gains, outside, frequencies = [], [], []
    draws = seen[0][:4].flatten(2).numpy()
    pairs = [np.linalg.eigh(np.cov(one.T)) for one in draws]
    axis = 2 * np.fft.fftfreq(8)
    radius = np.hypot(axis[:, None], axis)
    for seed in range(2):
        _, saliency = by_draws(architecture("cnn", (1, 8, 8), 10, seed), seen, 4)
        ratios, isotropic, rest, means = [], [], [], []
        for g, (values, vectors) in zip(saliency.numpy(), pairs, strict=True):
            energy = (vectors.T @ g) ** 2 / (g @ g)
            ratios.append(energy @ values / values[-1])
            isotropic.append(values.sum() / 64 / values[-1])
            rest.append(energy[: 64 - case["directions"]].sum())
            power = np.abs(np.fft.fft2(g.reshape(8, 8))) ** 2
            means.append((power * radius).sum() / power.sum())
        gains.append(np.mean(ratios) / np.mean(isotropic))
        outside.append(np.mean(rest))
        frequencies.append(np.mean(means))
    held = np.mean([values[::-1][: case["directions"]].sum() / values.sum() for values, _ in pairs])
    assert held > 0.985
    for training in ("plain", "augmented"):
        curves = case["curves"][training]
        assert curves["gain"]["mean"][0] == pytest.approx(np.mean(gains), rel=0.07)
        assert curves["smallest"]["mean"][0] == pytest.approx(np.mean(outside), abs=0.01)
        assert curves["mean_frequency"]["mean"][0] == pytest.approx(np.mean(frequencies), rel=0.01)
        spread = np.std(frequencies, ddof=1) / 2**0.5
        assert curves["mean_frequency"]["error"][0] == pytest.approx(spread, rel=0.1)


def test_curves_of_every_epoch(followed):
    for case in followed:
        for curves in case["curves"].values():
            assert all(len(curve["mean"]) == 3 for curve in curves.values())
            assert curves["loss"]["mean"][2] < curves["loss"]["mean"][0]
        plain, augmented = case["curves"]["plain"]["loss"], case["curves"]["augmented"]["loss"]
        assert plain["mean"][0] == augmented["mean"][0]
        assert plain["mean"][1] != augmented["mean"][1]


def test_trend_is_students():
    generator = np.random.default_rng(0)
    signs = set()
    for shift in (-1.0, -0.6, 0.0, 0.6, 1.0):
        values = generator.normal(shift, 0.7, 6)
        found = trend(values.tolist())
        test = ttest_1samp(values, 0)
        assert found.mean / found.error == pytest.approx(test.statistic)
        assert (found.sign != 0) == (test.pvalue < 0.05)
        signs.add(found.sign)
    assert signs == {-1, 0, 1}


def runs(*curves):
    return [Run({"gain": curve, "mean_frequency": curve}, 0.5) for curve in curves]


def test_paired_runs():
    """Quotients where the quantity is one, from the start and from the turn."""
    found = compared(
        runs([1, 4, 2], [1, 6, 2.2], [1, 5, 1.8]),
        runs([1, 3, 1.0], [1, 3, 1.1], [1, 2, 0.9]),
        "gain",
    )
    assert found["turn"] == {"plain": 1, "augmented": 1}
    effect = found["effect"]["gain"]
    assert effect["mean"] == pytest.approx(np.log(0.5))
    assert effect["sign"] == -1
    assert found["effect"]["mean_frequency"]["mean"] == pytest.approx(-1)
    assert found["over_training"]["plain"]["gain"]["sign"] == 1
    assert found["over_training"]["augmented"]["gain"]["sign"] == 0
    assert found["from_turn"]["plain"]["gain"]["sign"] == -1


@pytest.mark.parametrize(
    ("factor", "verdict"), [(0.5, "yes"), (2.0, "no")], ids=["lower", "higher"]
)
def test_verdict_follows_the_numbers(factor, verdict):
    plain = [[1.0, 2.0 + 0.1 * seed] for seed in range(4)]
    names = ("gain", "pooled_gain", "smallest", "mean_frequency", "high", "loss")
    both = [
        [Run({name: [1.0, scale * last] for name in names}, 0.5) for _, last in plain]
        for scale in (1.0, factor)
    ]
    total = training_summary([compared(*both, "gain")] * 3)
    assert total["verdict"]["alignment_lower_with_than_without"] == verdict
    assert total["effect"]["gain"]["mean"] == pytest.approx(factor)


@pytest.mark.parametrize("name", ["saliency-alignment", "alignment-over-training"])
def test_findings(name, cases, followed, monkeypatch):
    """Numbers for JSON, and texts and figures from them, whatever the effort."""
    home = saliency_alignment if name == "saliency-alignment" else alignment_over_training
    found = cases if name == "saliency-alignment" else followed
    monkeypatch.setattr(home, "measure", lambda context, source, **effort: found)
    findings = experiment(name).run(QUICK)
    numbers = no_nan(findings)
    assert numbers["sources"] == ["digits"]
    assert len(findings.figure.axes) >= 6
