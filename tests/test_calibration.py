"""Stated errors of random cases, and whether the references that judge them are right."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import augmoments as am
import augmoments.cli.calibrate  # bound to the real cases before any are patched
from augmoments.cli import app
from augmoments.cli.failures import Exit
from augmoments.errors import InputError
from augmoments.testing import calibrate
from augmoments.testing.calibration import Calibration, verdicts
from augmoments.testing.calibration.cases import Case
from augmoments.testing.calibration.result import Share
from augmoments.testing.calibration.sums import Subject
from augmoments.testing.calibration.truths import _stretched, truths
from augmoments.testing.calibration.verdicts import QUANTITIES, Verdict, examine
from reference import mean_operator

DOCS = Path(__file__).parents[1] / "docs"


def run(*arguments):
    return CliRunner().invoke(app, ["calibrate", *map(str, arguments)])


def last(policy, image):
    """The best reference moments, with the brightest pixel as the function."""
    found = Subject(policy, image, lambda x: x.flatten(1).amax(1, keepdim=True))
    *_, truth = truths(found, [5])
    return truth


class TestReferences:
    def test_a_flip_by_hand(self):
        image = torch.tensor([[[[0.0, 1.0]]]], dtype=torch.float64)
        truth = last(am.RandomHorizontalFlip(0.25), image)
        assert truth.exact
        torch.testing.assert_close(truth.mean, torch.tensor([0.25, 0.75]).double())
        want = 3 / 16 * torch.tensor([[1.0, -1], [-1, 1]]).double()
        torch.testing.assert_close(truth.covariance, want)
        assert float(truth.values) == 1

    def test_clamped_brightness_by_hand(self):
        """min(0.8 b, 1) with b uniform on [0.5, 1.5]: 3/4 of the law below the clamp."""
        image = torch.full((1, 1, 1, 1), 0.8, dtype=torch.float64)
        truth = last(am.ColorJitter((0.5, 1.5)), image)
        mean = 0.8 * (1.25**2 - 0.5**2) / 2 + 0.25
        square = 0.64 * (1.25**3 - 0.5**3) / 3 + 0.25
        for got, want, error in (
            (truth.mean, mean, truth.mean_error),
            (truth.covariance, square - mean**2, truth.covariance_error),
            (truth.values, mean, truth.values_error),
            (truth.variances, square - mean**2, truth.variances_error),
        ):
            assert abs(float(got) - want) <= float(error) < 1e-4

    @pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
    def test_a_rotation_by_piecewise_integrals(self, interpolation):
        law, image = am.Beta(0.8, 2, -40, 70), torch.rand(1, 1, 3, 4, dtype=torch.float64)
        truth = last(am.RandomRotation(law, interpolation), image)
        matrix, _ = mean_operator("rotation", law, (3, 4), interpolation)
        gap = truth.mean - torch.from_numpy(matrix) @ image.flatten()
        assert float(gap.norm()) <= truth.mean_error < 2e-3

    def test_jumps_are_not_agreed_upon(self):
        """Sixteen sets of 256 points put 2.005 points below a jump: the spread has to tell it."""
        rng = np.random.default_rng(0)
        points = (np.arange(256)[:, None] + 0.5) / 256
        found = []
        for cut in rng.uniform(0.3, 0.7, (16, 1)):
            u, weights = _stretched(points, cut)
            assert weights.mean() == pytest.approx(1)
            found.append(weights @ (u[:, 0] < 2.005 / 256) / 256)
        assert np.std(found) > 5e-4
        assert abs(np.mean(found) - 2.005 / 256) <= 3.29 * np.std(found) / 15**0.5


class TestVerdicts:
    @pytest.mark.parametrize(
        ("stated", "true", "reference", "state"),
        [
            (1e-3, 5e-4, 1e-4, "held"),
            (1e-3, 2e-3, 1e-4, "failed"),
            (1e-3, 1.05e-3, 1e-4, "undecided"),
            (1e-15, 2e-4, 1e-4, "undecided"),
            (1e-15, 5e-4, 1e-4, "failed"),
            (float("nan"), 0.0, 0.0, "failed"),
        ],
    )
    def test_what_is_said(self, stated, true, reference, state):
        assert Verdict.of(stated, true, reference).state == state

    def test_wrong_moments_are_caught(self, monkeypatch):
        """A mean that is 1% off and a covariance with half the factor, both stated as exact."""

        def wrong(*arguments, **options):
            found = am.moments(*arguments, **options)
            covariance = type(found.covariance)(found.covariance.factor / 2)
            return replace(found, mean=1.01 * found.mean, covariance=covariance)

        monkeypatch.setattr(verdicts, "moments", wrong)
        states = examine(Case.drawn(0, 3), 0)["quantities"]
        for name in ("mean", "covariance", "trace", "spectral"):
            assert states[name]["state"] == "failed"

    def test_shares(self):
        rows = [("held", 2.0, 1.0), ("held", 4.0, 1.0), ("failed", 1.0, 2.0), ("undecided", 1, 1)]
        records = [
            {"case": k, "quantities": {"mean": {"state": s, "stated": a, "true": b}}}
            for k, (s, a, b) in enumerate(rows)
        ]
        found = Share.of([*records, {"case": 9, "quantities": {}}], "mean")
        assert found == Share(4, 2, 1, 1, 2.0, (2,))
        assert found.share == pytest.approx(2 / 3)
        assert not Calibration(0, 0.99, tuple(records)).met


def test_a_case_is_the_same_whatever_came_before():
    first, again = (Case.drawn(4, 7) for _ in range(2))
    assert first.about() == again.about()
    assert torch.equal(first.image, again.image)
    assert first.about() != Case.drawn(5, 7).about()


def test_stated_errors_hold():
    """15 random cases, all eight quantities; nothing may fail."""
    seen = []
    found = calibrate(15, progress=lambda done, total: seen.append(done))
    assert seen == list(range(1, 16))
    assert not found.refused
    assert {n: s.failures for n, s in found.shares.items()} == dict.fromkeys(QUANTITIES, ())
    assert Calibration.from_plain(found.plain()) == found


def test_values_that_all_nodes_agree_on_are_rounded_all_the_same():
    """Angles and factors too small to move a pixel: no spread, but float32."""
    policy = am.RandomAffine((-0.1, 0.1), scale=(0.99, 1.01))
    image = torch.full((1, 1, 3, 3), 0.3)

    def fn(x):
        return (x.flatten(1) / 7).exp().sum(1)

    found = am.expectation(fn, image, policy)
    assert found.method == "quasi-monte-carlo"
    gap = (found.value.double() - fn(image.double())).abs()
    assert 0 < float(gap) <= float(found.error) < 1e-4
    assert float(found.variance) <= float(found.variance_error) < 1e-8


def test_what_all_nodes_agree_on_takes_more_nodes():
    """One bright pixel of 11 x 9, which none of the first 128 crops reads at all."""
    found = examine(Case.drawn(0, 232), 0)["quantities"]
    assert found["expectation"]["stated"] > 0
    assert found["expectation"]["state"] == found["variance"]["state"] == "held"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_stated_errors_hold_for_99_of_100():
    """200 random cases: at a share of 0.99, more than five failures come up once in 100 times."""
    found = calibrate(200, seed=2)
    assert all(share.failed <= 5 for share in found.shares.values()), found.shares


class TestCommand:
    @pytest.fixture
    def cheap(self, monkeypatch):
        """Cases of no cost: the first of four fails in its mean."""

        def examined(number, seed):
            rows = {
                name: {"stated": 1.0, "true": 0.5, "reference": 0.1, "state": "held"}
                for name in QUANTITIES
            }
            if number == 0:
                rows["mean"] |= {"true": 2.0, "state": "failed"}
            return {"case": number, "family": "told", "quantities": rows}

        monkeypatch.setattr("augmoments.testing.calibration.run.examined", examined)

    def test_a_share_that_is_missed(self, cheap, tmp_path):
        out = tmp_path / "deep" / "calibration.json"
        done = run("--cases", 4, "--out", out)
        assert done.exit_code == Exit.CHECK_FAILED
        assert "75.0%" in done.stdout
        assert "Worst cases" in done.stdout
        assert Calibration.from_plain(json.loads(out.read_text())).shares["mean"].failures == (0,)

    def test_a_share_that_is_met(self, cheap):
        done = run("--cases", 4, "--require", 0.7, "--json")
        assert done.exit_code == Exit.OK
        told = json.loads(done.stdout)
        assert told["met"]
        assert told["quantities"]["mean"]["share"] == 0.75
        assert told["families"]["told"]["loss"]["held"] == 4

    def test_one_case(self):
        done = run("--case", 3)
        assert done.exit_code == Exit.OK
        assert "policy: " in done.stdout
        assert "held" in done.stdout
        told = json.loads(run("--case", 3, "--json").stdout)
        assert told["case"] == 3

    @pytest.mark.parametrize("options", [("--require", 1.5), ("--cases", 0)])
    def test_impossible_numbers(self, options):
        assert run(*options).exit_code in (Exit.BAD_USAGE, Exit.BAD_INPUT)

    def test_a_file_that_cannot_be_written(self, cheap, tmp_path):
        (tmp_path / "file").write_text("")
        done = run("--out", tmp_path / "file" / "calibration.json")
        assert done.exit_code == Exit.BAD_USAGE
        assert "cannot be written" in done.stderr


def test_numbers_out_of_range():
    with pytest.raises(InputError, match="cases must be"):
        calibrate(0)


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location("calibration_page", DOCS / "calibration.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_its_program_makes_of_the_cases(program):
    assert (DOCS / "calibration.md").read_text(encoding="utf-8") == program.page()


def test_the_cases_are_those_of_the_seed(program):
    """Image, policy and tolerance of the first."""
    found = program.kept()
    for record in found.records[:20]:
        about = Case.drawn(found.seed, record["case"]).about()
        about["tol"] = float(f"{about['tol']:.4g}")
        assert {name: record[name] for name in about} == about
