import csv
import json

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import augmoments as am
from augmoments.averaging import tta
from augmoments.cli import app
from augmoments.cli.failures import Exit
from augmoments.config import load_policy
from augmoments.reporting.task import spread


def run(*arguments):
    return CliRunner().invoke(app, ["tta", *(str(argument) for argument in arguments)])


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    (tmp_path / "p.yaml").write_text("[RandomHorizontalFlip, {RandomTranslation: {x: [-1, 1]}}]")
    (tmp_path / "flip.yaml").write_text("RandomHorizontalFlip")
    return tmp_path


@pytest.fixture
def model():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10)).eval()
    with torch.no_grad():
        net[3].weight *= 6
    program = torch.export.export(
        net, (torch.zeros(2, 1, 8, 8),), dynamic_shapes=({0: torch.export.Dim.AUTO},)
    )
    torch.export.save(program, "net.pt2")
    return net


def test_table():
    done = run("-i", "digits", "-p", "p.yaml", "-m", "ridge", "--limit", 40, "--passes", "1,4")
    assert done.exit_code == 0, done.output
    assert "digits: 40 of 1,797 images of 1 × 8 × 8, model linear classifier" in done.stdout
    assert "no augmentation" in done.stdout
    assert "need more than 4 passes for 95% confidence" in done.stdout
    assert "runner-up" in done.stdout
    assert not done.stderr


def test_json_says_what_the_library_says(model):
    done = run(
        *("-i", "digits", "-p", "p.yaml", "-m", "net.pt2", "--limit", 12, "--passes", "1,4"),
        *("--until", "decision", "--json", "-q"),
    )
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    images, labels = am.data.digits()
    used = spread(len(images), 12)
    policy = load_policy("p.yaml")
    expected = tta(model, images[used], policy, labels[used], passes=(1, 4))
    assert found["images"]["used"] == used.tolist()
    assert found["accuracy"] == expected.accuracy
    assert found["prediction"]["method"] == expected.method
    torch.testing.assert_close(
        torch.tensor(found["prediction"]["mean"]), expected.mean, atol=1e-5, rtol=1e-4
    )
    needed = am.samples_needed(images[used], policy, "prediction", model=model, until="decision")
    assert found["needed"]["n"] == [n if n < float("inf") else None for n in needed.n.tolist()]


def test_files_of_all_images(model, here):
    common = ("-i", "digits", "-p", "flip.yaml", "-m", "net.pt2", "--limit", 7, "--passes", "2")
    done = run(*common, "--until", "error", "--out", "all.csv")
    assert done.exit_code == 0, done.output
    assert "every image  all.csv" in done.stdout
    rows = list(csv.DictReader((here / "all.csv").read_text().splitlines()))
    assert len(rows) == 7
    assert float(rows[0]["passes_needed"]) >= 1
    assert sum(float(rows[0][f"mean_{k}"]) for k in range(10)) == pytest.approx(1, abs=1e-5)
    done = run(*common, "--out", "all.json", "-q")
    assert done.exit_code == 0, done.output
    assert len(json.loads((here / "all.json").read_text())["prediction"]["agreement"]) == 7


def test_labels_are_optional(model):
    """A photo has none: agreement alone."""
    arguments = ("-i", "photo:camera", "--size", 8, "-p", "p.yaml", "-m", "net.pt2", "--json")
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["accuracy"] is None
    assert found["prediction"]["right"] is None
    done = run(*arguments[:-1])
    assert done.exit_code == 0, done.output
    assert "photo:camera: 1 of 1 images" in done.stdout


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"-p": "no.yaml"}, Exit.BAD_USAGE, "no.yaml cannot be read"),
        ({"-m": "no.pt2"}, Exit.BAD_INPUT, "no.pt2"),
        ({"-i": "nowhere"}, Exit.BAD_INPUT, "no file or folder"),
        ({"--passes": "1,x"}, Exit.BAD_USAGE, "whole numbers from 1 on"),
        ({"--passes": "0"}, Exit.BAD_USAGE, "whole numbers from 1 on"),
        ({"--passes": "1,1000000"}, Exit.BAD_USAGE, "beyond them is the limit"),
        ({"--until": "never"}, Exit.BAD_USAGE, "--until never: expected error or decision"),
        ({"--bound": "hoeffding"}, Exit.BAD_USAGE, "--bound hoeffding: expected clt"),
        ({"--average": "logits"}, Exit.BAD_USAGE, "probabilities or outputs"),
        ({"--rel-error": "3"}, Exit.BAD_USAGE, "--rel-error 3: expected a number between"),
        ({"--max-nodes": "0"}, Exit.BAD_USAGE, "'--max-nodes'"),
        ({"--split": "x"}, Exit.BAD_USAGE, "train or test"),
        ({"--out": "p.yaml/all.csv"}, Exit.BAD_USAGE, "cannot be written"),
        ({"--average": "probabilities"}, Exit.BAD_USAGE, "no probabilities"),
        ({"--out": "all.txt"}, Exit.BAD_USAGE, ".csv or .json"),
        ({"--confidence": "2"}, Exit.BAD_USAGE, "--confidence 2: expected"),
        ({"-i": "photo:camera"}, Exit.BAD_INPUT, "no labels"),
    ],
)
def test_refusals(change, code, message):
    given = {"-i": "digits", "-p": "p.yaml", "-m": "ridge", "--limit": 4, "--passes": 1, **change}
    done = run(*(part for pair in given.items() for part in pair))
    assert done.exit_code == code, done.output
    assert message in done.stderr
    assert not done.stdout


def test_what_fails_leaves_nothing_behind(here):
    before = set(here.rglob("*"))
    common = ("-p", "p.yaml", "-m", "ridge", "--out", "new/deep/all.csv")
    done = run("-i", "photo:camera", "--size", 8, *common)
    assert done.exit_code == Exit.BAD_INPUT
    assert "no labels" in done.stderr
    assert set(here.rglob("*")) == before
