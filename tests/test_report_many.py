"""Reports on more images than have their covariances found."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

import augmoments as am
from augmoments.cli.app import app
from augmoments.reporting import Options, Request, Subject, quantify, write
from augmoments.reporting.results import Results

COUNT = 70
POLICY = am.Compose([am.RandomHorizontalFlip(), am.ColorJitter(brightness=0.4, contrast=0.4)])


def images() -> Tensor:
    return torch.rand(COUNT, 1, 6, 6, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def results() -> Results:
    subject = Subject(am.data.Dataset(images(), name="seventy"))
    options = Options(limit=COUNT, tol=1e-3, max_nodes=128, rough=1e-3, detailed_values=4 * 36)
    return quantify(Request((subject,), POLICY, options))


def rows(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_image_has_its_row(results: Results, tmp_path: Path) -> None:
    written = write(results, tmp_path)
    assert written.csv is not None
    found = rows(written.csv)
    assert [int(row["image"]) for row in found] == list(range(COUNT))
    assert {row["subject"] for row in found} == {"seventy"}
    every = json.loads(written.json.read_text())["subjects"][0]["every"]
    for name in ("norm_of_mean", "total_variance", "draws", "mean_error", "draws_error"):
        assert [float(row[name]) for row in found] == every[name]


def test_covariances_of_some_spread_evenly(results: Results) -> None:
    (subject,) = results.subjects
    assert subject.used == [0, 17, 35, 52]
    assert len(subject.moments.total_variance) == len(subject.samples[0].n) == 4


def test_draws_agree_with_sampling(results: Results) -> None:
    """Against 2,000 draws of the policy itself, beside the stated error: z-scores below 4.5."""
    every = results.subjects[0].every
    assert every is not None
    generator = torch.Generator().manual_seed(2)
    for place in (3, 44, 69):
        draws = POLICY(images()[place].expand(2000, -1, -1, -1), generator=generator).flatten(1)
        gaps = (draws - draws.mean(0)).square().sum(1)
        sampled = gaps.sum() / 1999
        off = abs(float(sampled) - every.total_variance[place])
        allowed = every.variance_error[place] * every.total_variance[place]
        assert off < allowed + 4.5 * float(gaps.std()) / 2000**0.5
        needed = every.total_variance[place] / (0.01 * every.norm_of_mean[place]) ** 2
        assert every.draws[place] == pytest.approx(needed, abs=1)


def test_up_to_64_images_all_are_detailed() -> None:
    subject = Subject(am.data.Dataset(images(), name="some"))
    found = quantify(Request((subject,), am.RandomHorizontalFlip(), Options(limit=64)))
    assert found.subjects[0].every is None
    assert len(found.subjects[0].used) == 64


def test_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("policy.yaml").write_text("[{RandomResizedCrop: 8}, {ColorJitter: {brightness: 0.4}}]")
    given = ["quantify", "-i", "digits", "-p", "policy.yaml", "-m", "none", "--limit", "66"]
    few = [*given, "--max-nodes", "128", "-q"]
    done = CliRunner().invoke(app, [*few, "--strict", "--tol", "0.001"], env={"COLUMNS": "120"})
    assert len(rows(tmp_path / "augmoments-report" / "images.csv")) == 66
    assert "64 of 66 of 1,797 images" in done.stdout
    assert "all 66, draws: mean to 1%" in done.stdout
    warned = json.loads(Path("augmoments-report/results.json").read_text())["warnings"]
    assert bool(warned) == (done.exit_code == 1)


def test_a_tolerance_that_is_not_reached_is_told(results: Results) -> None:
    assert not results.subjects[0].converged
    (warning,) = results.warnings
    assert "not reached by all images" in warning
