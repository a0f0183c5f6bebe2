"""Numbers of the experiments about images, at reduced size, against closed forms by hand."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional

import augmoments as am
from augmoments.reproduce import experiment
from augmoments.reproduce.context import Context
from augmoments.reproduce.experiments import (
    convergence,
    expected_images,
    policies_compared,
    tangent_directions,
)
from augmoments.reproduce.experiments.convergence import image_draws, network_cases, network_draws
from augmoments.reproduce.families import FAMILIES, family
from augmoments.reproduce.models import architecture, train

CONTEXT = Context(quick=True)


@pytest.fixture(scope="module")
def digits():
    return CONTEXT.labelled("digits", 60)


def sound(numbers, *texts):
    """Ready for JSON, and told without anything that is no number."""
    json.dumps(numbers, allow_nan=False)
    for text in texts:
        assert len(text) > 100
        assert "nan" not in text.lower().split()
        assert "inf" not in text.lower().split()


def flipped(image, p):
    """Mean and total variance of an image that is flipped with probability p."""
    gap = image.flip(-1) - image
    return image + p * gap, p * (1 - p) * float(gap.square().sum())


class TestExpectedImages:
    def test_flips_by_hand(self, digits):
        image = digits.images[:1]
        numbers, cells = expected_images.measure({"d": image}, 50, CONTEXT, (family("flip"),))
        for place, row in enumerate(numbers["cells"]):
            mean, variance = flipped(image, row["strength"] / 100)
            power = float(mean.square().sum())
            assert row["norm_of_mean"] == pytest.approx(power**0.5 / float(image.norm()), rel=1e-5)
            assert row["variance_share"] == pytest.approx(variance / (variance + power), rel=1e-4)
            assert torch.allclose(cells["d", "flip", place].mean, mean[0], atol=1e-6)
            assert row["method"] == "exact"

    def test_draws_agree(self, digits):
        """Pooled over 27 policies the squared distance is within 4 standard errors of 1."""
        images = {"a": digits.images[:1], "b": digits.images[7:8]}
        numbers, _ = expected_images.measure(images, 200, CONTEXT)
        assert len(numbers["cells"]) == 2 * 3 * len(FAMILIES)
        assert abs(numbers["pooled"]["z"]) < 4
        assert 0.7 < numbers["pooled"]["rms_distance"] < 1.3
        told = expected_images._measured(numbers)
        assert " agree with the exact ones" in told
        sound(numbers, told, expected_images._differs(numbers))

    def test_wrong_means_are_seen(self, digits, generator):
        """A mean that is off by a fifth of a standard deviation shows at 2,000 draws."""
        image, policy = digits.images[:1], am.RandomRotation(15, "bilinear")
        m = am.moments(image, policy)
        found = expected_images._observed(image, policy, m, 2000, generator)
        m.mean.add_(0.2 * m.covariance.diagonal().clamp_min(0).sqrt())
        wrong = expected_images._observed(image, policy, m, 2000, generator)
        assert found["distance"] < 3
        assert wrong["distance"] > 5

    def test_strengths_are_in_order(self, digits):
        image = digits.images[:1]
        for one in FAMILIES:
            traces = [
                float(am.moments(image, one.make(s, 8), 1e-2).covariance.trace())
                for s in one.strengths
            ]
            assert traces == sorted(traces), one.name
            assert len(set(one.labels)) == 3


class TestTangentDirections:
    @pytest.mark.parametrize("strength", [0.02, 0.4, 1.0])
    def test_shifts_below_a_pixel_by_hand(self, digits, strength):
        """T = x + θ d + |θ| c there, so that V = s²/3 d dᵀ + s²/12 c cᵀ."""
        x = digits.images[3, 0].double()
        right, left = functional.pad(x, (1, 0))[:, :-1], functional.pad(x, (0, 1))[:, 1:]
        d, c = ((right - left) / 2).flatten(), ((right + left) / 2 - x).flatten()
        v = strength**2 * (torch.outer(d, d) / 3 + torch.outer(c, c) / 12)
        values, vectors = np.linalg.eigh(v.numpy())
        tangent = (d / d.norm()).numpy()
        policy = am.RandomTranslation(x=(-strength, strength))
        found = tangent_directions.against_tangents(digits.images[3:4], policy)
        assert found["cosine"] == pytest.approx(abs(tangent @ vectors[:, -1]), abs=1e-3)
        share = tangent @ v.numpy() @ tangent / values.sum()
        assert found["tangent_share"] == pytest.approx(share, abs=1e-3)
        assert found["directions_99"] == 2

    def test_brightness_is_a_line(self, digits):
        policy = am.ColorJitter(brightness=0.8, clamp=False)
        found = tangent_directions.against_tangents(digits.images[:3], policy)
        assert found["cosine"] == pytest.approx(1, abs=1e-6)
        assert found["tangent_share"] == pytest.approx(1, abs=1e-6)

    def test_cosines_fall_with_the_strength(self, digits):
        moves = tangent_directions.MOVES[:1]
        (row,) = tangent_directions.alignment({"d": digits.images[:3]}, CONTEXT, moves)
        assert row["cosine"][0] > 0.99
        assert row["cosine"][-1] < row["cosine"][-2] < row["cosine"][0]
        assert row["strengths"][0] * 64 == row["strengths"][-1] == 45
        assert row["falls_below"] is None or 0 < row["falls_below"] < 45

    def test_spectra(self, digits):
        images = {"d": digits.images[:2]}
        families = (family("flip"), family("erasing"))
        flip, erasing = tangent_directions.spectra(images, CONTEXT, families)
        assert flip["shares"][0] == pytest.approx(1, abs=1e-5)
        assert flip["effective_rank"] == pytest.approx(1, abs=1e-4)
        assert flip["directions_99"] == 1
        assert 5 < erasing["directions_90"] < erasing["directions_99"] <= 64

    def test_directions(self):
        values = torch.tensor([0.6, 0.3, 0.06, 0.04])
        found = [tangent_directions._directions(values, share) for share in (0.5, 0.7, 0.95, 0.999)]
        assert found == [1, 2, 3, 4]

    def test_texts(self, digits):
        images = {"photos": digits.images[:2]}
        moves = tangent_directions.MOVES[1:3] + tangent_directions.MOVES[-1:]
        numbers = {
            "spectra": tangent_directions.spectra(images, CONTEXT, (family("flip"),)),
            "alignment": tangent_directions.alignment(images, CONTEXT, moves),
        }
        texts = (tangent_directions.measured(numbers), tangent_directions.differs(numbers))
        sound(numbers, *texts)


@pytest.fixture(scope="module")
def network(digits):
    size = tuple(digits.images.shape[1:])
    model = architecture("cnn", size, 10, 0)
    generator = CONTEXT.generator()
    return train(model, digits.images, digits.labels, epochs=30, generator=generator)


def gradient(model, loss):
    parts = torch.autograd.grad(loss, list(model.parameters()), retain_graph=True)
    return torch.cat([part.flatten() for part in parts]).double()


class TestConvergence:
    def test_flips_by_enumeration(self, digits):
        model, p = image_draws.classifier(digits), 0.25
        found = image_draws.needed(digits, 5, family("flip"), model, 0)
        means, covariances, ratios, sums = [], [], [], [0.0, 0.0]
        for image, target in zip(digits.images[:5], image_draws.one_hot(digits)[:5], strict=True):
            mean, variance = flipped(image.double(), p)
            means.append(variance / 0.01**2 / float(mean.square().sum()))
            fourth = variance**2 * ((1 - p) ** 3 + p**3) / (p * (1 - p))
            covariances.append((fourth / variance**2 - 1) / 0.01**2)
            with torch.no_grad():
                outputs = model(torch.stack([image, image.flip(-1)]))
            losses = (outputs - target).square().sum(1).double()
            expected = float((1 - p) * losses[0] + p * losses[1])
            spread = p * (1 - p) * float(losses[0] - losses[1]) ** 2
            ratios.append(spread / expected**2)
            sums = [sums[0] + spread, sums[1] + expected]
        draws = {of: n[-1] for of, n in found["draws"].items()}
        assert draws["mean"] == pytest.approx(np.median(means), rel=2e-3, abs=1)
        assert draws["covariance"] == pytest.approx(np.median(covariances), rel=2e-3, abs=2)
        assert draws["linear loss"] == pytest.approx(np.median(ratios) / 0.01**2, rel=2e-3, abs=1)
        assert draws["mean linear loss"] == pytest.approx(
            sums[0] / sums[1] ** 2 / 0.01**2, rel=2e-3, abs=1
        )

    def test_networks_under_flips_by_enumeration(self, digits, network):
        p, count = 0.25, 5
        policy, labels = am.RandomHorizontalFlip(p), digits.labels[:count]
        drawn = network_draws.needed(network, digits.images[:count], labels, policy, 0, 64)
        values, spreads, slopes, noise = [], [], [], []
        for image, label in zip(digits.images[:count], labels, strict=True):
            outputs = network(torch.stack([image, image.flip(-1)]))
            losses = functional.cross_entropy(outputs, label.expand(2), reduction="none")
            kept, turned = (gradient(network, loss) for loss in losses)
            first, second = losses.detach().double()
            values.append(float((1 - p) * first + p * second))
            spreads.append(p * (1 - p) * float(first - second) ** 2)
            slopes.append((1 - p) * kept + p * turned)
            noise.append(p * (1 - p) * float((kept - turned).square().sum()))
        loss = np.array(spreads) / np.square(values)
        slope = np.array(noise) / np.array([float(g.square().sum()) for g in slopes])
        whole = torch.stack(slopes).mean(0)
        expected = {
            "loss": np.median(loss),
            "gradient": np.median(slope),
            "mean loss": sum(spreads) / sum(values) ** 2,
            "mean gradient": sum(noise) / count**2 / float(whole.square().sum()),
        }
        found = drawn.about()
        assert found["method"] == "exact"
        for of, relative in expected.items():
            wanted = [relative / error**2 for error in (0.1, 0.05, 0.01)]
            assert found["draws"][of] == pytest.approx(wanted, rel=2e-3, abs=1), of
        assert found["loss_to_1%_at_95%"] == pytest.approx(
            1.959964**2 * expected["loss"] / 0.01**2, rel=2e-3, abs=1
        )
        between = float((torch.stack(slopes) - whole).square().sum(1).mean())
        share = np.mean(noise) / (np.mean(noise) + between)
        assert found["augmentation_share"] == pytest.approx(share, rel=2e-3)

    def test_sampling_does_what_is_predicted(self, digits, generator):
        """Mean squared errors of 60 repetitions: within 45% (four standard errors or more)."""
        policy = am.RandomTranslation(x=(-1, 1), y=(-1, 1))
        found = image_draws.observed(digits, policy, (5, 50), 60, generator)
        for of in ("mean", "covariance"):
            seen, said = np.array(found["observed"][of]["rms"]), np.array(found["predicted"][of])
            assert np.allclose(seen, said, rtol=0.45)

    def test_networks_do_what_is_predicted(self, digits, network, generator):
        """Root mean squares of 100 repetitions: within 35% (four standard errors or more)."""
        policy = am.RandomTranslation(x=(-1, 1), y=(-1, 1))
        images, labels, counts = digits.images[:4], digits.labels[:4], (20, 80)
        draws = network_draws.needed(network, images, labels, policy, 0, 1024)
        case = network_cases.Case(network, images, labels, policy, draws)
        found = case.observed(counts, 100, generator)
        assert set(found["observed"]) == {"loss", "gradient", "mean loss", "mean gradient"}
        for of, spread in found["observed"].items():
            assert np.allclose(spread["rms"], found["predicted"][of], rtol=0.35), of

    def test_cases(self, digits):
        effort = network_cases.Effort(images=3, augmentations=1, epochs=2, nodes=64, largest=64)
        rows = [row for row, _ in network_cases.networks(digits, effort, CONTEXT)]
        asked = [(row["model"], row["training"]) for row in rows]
        assert asked == [(m, t) for m in ("mlp", "cnn") for t in ("plain", "augmented")]
        small = effort._replace(largest=63)
        assert {row["model"] for row, _ in network_cases.networks(digits, small, CONTEXT)} == {
            "cnn"
        }

    def test_verdict_and_texts(self):
        of_images = ("mean", "covariance", "linear loss", "mean linear loss")
        draws = {of: [10.0, 40.0, 9000.0] for of in of_images}
        many = {**draws, "covariance": [200.0, 800.0, 20_000.0]}
        rows = [{"draws": draws}, {"draws": many}]
        network = {
            "model": "cnn",
            "augmentation": "flip",
            "training": "plain",
            "epochs": 3,
            "count": 2,
            "method": "exact",
            "draws": {
                of: [100.0, 400.0, 10_000.0] for of in convergence.QUANTITIES if of not in of_images
            },
            "error_of_draws": {"loss": 0.0, "gradient": 0.01},
            "loss_to_1%_at_95%": 38_415.0,
            "reliable": 1.0,
            "expected_losses": [0.001, 1.0],
            "draws_of_losses": [20_000.0, 100.0],
            "augmentation_share": 0.5,
        }
        networks = [network, {**network, "training": "augmented"}]
        found = convergence.verdict([*rows, *networks])
        assert found["covariance to 1%"]["holds"]
        assert found["covariance to 1%"]["tens_of_thousands"] == 1
        assert not found["mean to 1%"]["holds"]
        assert found["gradient to 1%"]["holds"]
        assert not found["gradient to 5%"]["holds"]
        spread = {"rms": [0.1], "low": [0.0], "high": [0.2]}
        seen = {"observed": {"mean": spread}, "predicted": {"mean": [0.1]}, "repetitions": 20}
        numbers = {"needed": rows, "networks": networks, "observed": [seen], "verdict": found}
        sound(numbers, convergence.measured(numbers), convergence.differs(numbers))
        told = convergence.differs(numbers)
        assert "right in some cases, too many in others, for its covariance (1 of 2 cases" in told
        assert "right for the gradient of that (2 of 2 cases need 10,000 or more, 2 of all" in told
        assert "more than most cases need for its mean (0 of 2 cases" in told
        assert "below 0.01 (50% of them) need more draws for 1%, 20,000" in told


class TestPoliciesCompared:
    def test_two_flips_by_hand(self, digits):
        a, b = am.RandomHorizontalFlip(0.1), am.RandomHorizontalFlip(0.3)
        found = policies_compared.pair(digits.images[:2], a, b, 0)
        both = 0.1 * 0.7 + 0.9 * 0.3
        expected = both * (1 - both) / (0.1 * 0.9 + 0.3 * 0.7)
        assert found["variance_over_sum"] == pytest.approx(expected, rel=1e-3)
        alone = 0.1 * 0.9 / (both * (1 - both))
        assert found["first_alone"] == pytest.approx(alone, abs=0.05)
        assert found["second_beyond"] == pytest.approx(1 - alone, abs=0.05)

    def test_brightness_by_hand(self, digits):
        """With b independent and E b = 1 the variance of b t is E b² (tr V + |μ|²) - |μ|²."""
        image = digits.images[:1].double()
        shift = am.RandomTranslation(x=(-2, 2))
        found = policies_compared.pair(image, shift, am.ColorJitter(brightness=0.4, clamp=False), 0)
        m = am.moments(image, shift)
        trace, power = float(m.covariance.trace()), float(m.mean.square().sum())
        spread = 0.8**2 / 12
        both = (1 + spread) * (trace + power) - power
        apart = trace + spread * float(image.square().sum())
        assert found["variance_over_sum"] == pytest.approx(both / apart, rel=1e-3)
        assert found["variance_error"] < 1e-2

    def test_the_same_policy_overlaps_with_itself(self, digits):
        policy = am.RandomTranslation(x=(-1, 1), y=(-1, 1))
        found = policies_compared.pair(digits.images[:1], policy, policy, 0)
        assert found["overlap"] == pytest.approx(1, abs=1e-4)

    def test_table_and_texts(self, digits):
        families = tuple(family(name) for name in ("translation", "crop and resize", "flip"))
        one = policies_compared.measure("d", digits.images[:1], CONTEXT, families)
        numbers = {"augmentations": [f.name for f in families], "sets": [one]}
        numbers["pooled"] = policies_compared.pooled([one])
        table = policies_compared.table(numbers, "second_beyond", "first_beyond")
        assert [table[i][i] for i in range(3)] == [None] * 3
        assert table[0][1] == one["pairs"][0]["second_beyond"]
        assert table[1][0] == one["pairs"][0]["first_beyond"]
        texts = (policies_compared._measured(numbers), policies_compared._differs(numbers))
        sound(numbers, *texts)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["expected-images", "tangent-directions", "convergence", "policies-compared"]
)
def test_quick_runs(name):
    found = experiment(name).run(CONTEXT)
    sound(found.numbers, found.measured, found.differs)
    assert found.figure.axes
