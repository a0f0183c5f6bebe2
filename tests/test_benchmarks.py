"""The page on benchmarks is made from what a run left; its rows know what they measure."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from rows import NAMES, row
from rows.row import distance, extrapolated, sampling, smallest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def page():
    spec = importlib.util.spec_from_file_location("benchmarks_page", ROOT / "docs/benchmarks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def results(page):
    return json.loads((page.KEPT / "results.json").read_text(encoding="utf-8"))


def test_the_page_is_what_its_program_makes_of_the_results(page, results):
    text = (ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")
    for name, part in page.parts(results).items():
        assert (page.KEPT / name).read_text(encoding="utf-8") == part
        assert f"_static/benchmarks/{name}" in text
    assert "_static/benchmarks/growth.svg" in text
    assert (page.KEPT / "growth.svg").stat().st_size > 10_000


def test_results_are_of_the_rows_as_they_are(results):
    assert list(results["rows"]) == list(NAMES)
    for name, found in results["rows"].items():
        one = row(name)
        assert (found["title"], found["accuracy"]) == (one.title, one.accuracy)
        assert found["targets"] == [vars(target) for target in one.targets]


def test_stated_errors_of_the_results_bound_the_true_ones(results):
    for found in results["rows"].values():
        if "figures" in found:
            assert found["true_error"] <= found["stated_error"]


def test_errors_of_sampling_follow_their_law(results):
    """Within 75 %, three standard deviations of a root mean square over eight groups of draws."""
    for found in results["rows"].values():
        if "figures" in found:
            sampled = found["sampled"]
            assert sampled["errors"] == pytest.approx(sampled["law"], rel=0.75)


def test_a_target_is_met_or_not(page):
    found = {"figures": {"draws": 3.0, "images a second": 5.0}}
    assert page.met(found, {"figure": "draws", "limit": 3, "at_least": False})
    assert not page.met(found, {"figure": "draws", "limit": 2, "at_least": False})
    assert page.met(found, {"figure": "images a second", "limit": 5, "at_least": True})
    assert not page.met({"skipped": "no data"}, {"figure": "draws", "limit": 9, "at_least": False})


def test_a_bound_is_the_longer_of_operations_and_bytes(page):
    """60 million operations at 2 GFLOP/s, 30 ms, and 10 MB at 1 GB/s, 10 ms; 90 ms were taken."""
    least = {"seconds": 0.09, "operations": 6e7, "moved": 1e7, "how": "sums"}
    row = {"title": "work", "figures": {}, "draw_seconds": {"a": 2e-6}, "least": least}
    found = page.bounds({"machine": {"GFLOP/s": 2.0, "GB/s": 1.0}, "rows": {"work": row}})
    assert found.splitlines()[-1] == ("| work | a 2 µs | sums | 60 M | 10 MB | 30 ms | 90 ms | 3 |")


def test_the_law_of_sampling_is_extrapolated():
    found = extrapolated((1, 4, 16), (1.0, 0.5, 0.25), 0.01)
    assert found["needed"] == pytest.approx(10_000)
    assert found["law"] == pytest.approx([1.0, 0.5, 0.25])
    exact = extrapolated((1, 4, 16), (1.0, 0.5, 0.25), 1e-15)
    assert (exact["goal"], exact["needed"]) == (1e-3, pytest.approx(1e6))


def test_errors_of_sampling_are_root_mean_squares_over_groups():
    """The mean of n unit normals is off by n^-1/2; eight groups, within 60 % of it."""
    draws = torch.randn(1024, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = sampling(draws, (16, 64, 128), lambda group: float(group.mean().abs()), 0.01)
    assert found["errors"] == pytest.approx([16**-0.5, 64**-0.5, 128**-0.5], rel=0.6)
    assert found["needed"] == pytest.approx(10_000, rel=0.6)


def test_the_smallest_setting_that_is_accurate_is_taken():
    assert smallest((1, 2, 4, 8), lambda n: n, lambda n: 1 / n, 0.3) == (4, 4, 0.25)
    assert smallest((1, 2), lambda n: n, lambda n: 1 / n, 0.1) == (2, 2, 0.5)


def test_distances_are_relative_and_of_the_worst_image():
    truth = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    assert distance(truth + torch.tensor([[0.0, 1.0], [0.0, 0.1]]), truth) == pytest.approx(0.2)


def test_residual_of_ridge_under_crop_and_flip():
    """Enumerating all 162 outcomes of 12 images: our weights solve their equations, others not."""
    from rows.ridge_crop_flip import fit, normal_residual

    generator = torch.Generator().manual_seed(0)
    images = torch.rand(12, 1, 6, 6, generator=generator)
    targets = torch.rand(12, 2, generator=generator, dtype=torch.float64)
    coef = fit(images, targets).coef_
    assert normal_residual(coef, images, targets) < 1e-6
    assert normal_residual(0.9 * coef, images, targets) > 0.05
