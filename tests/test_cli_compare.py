import json

import pytest
from typer.testing import CliRunner

import augmoments as am
from augmoments.cli import app
from augmoments.cli.failures import Exit
from augmoments.config import load_policy


def run(*arguments):
    return CliRunner().invoke(app, ["compare", *(str(argument) for argument in arguments)])


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    (tmp_path / "a.yaml").write_text("[RandomHorizontalFlip, {RandomTranslation: {x: [-1, 1]}}]")
    (tmp_path / "b.yaml").write_text("RandomTranslation: {x: [-1, 1]}")
    (tmp_path / "still.yaml").write_text("Normalize: {mean: 0, std: 1}")
    return tmp_path


def test_table():
    done = run("--a", "a.yaml", "--b", "b.yaml", "--limit", 3)
    assert done.exit_code == 0, done.output
    assert "digits: 3 of 1,797 images" in done.stdout
    assert "Wasserstein distance / std of b" in done.stdout
    assert "medians of 3; a exact, b exact" in done.stdout
    assert not done.stderr


def test_json_says_what_the_library_says():
    done = run("--a", "a.yaml", "--b", "b.yaml", "--limit", 2, "-k", 2, "--json", "-q")
    found = json.loads(done.stdout)
    assert found["used"] == [0, 898]
    images = am.data.digits()[0][found["used"]]
    policies = [load_policy(name) for name in ("a.yaml", "b.yaml")]
    expected = am.compare(images, *policies, k=2)
    assert found["wasserstein"]["value"] == pytest.approx(expected.wasserstein.value.tolist())
    assert found["angles"]["error"] == expected.angles.error.tolist()
    assert found["method_a"] == "exact"


def test_what_is_not_finite_is_null():
    done = run("--a", "a.yaml", "--b", "still.yaml", "--limit", 1, "--json")
    assert json.loads(done.stdout)["relative_wasserstein"]["value"] == [None]


def test_other_images():
    done = run("--a", "a.yaml", "--b", "b.yaml", "--images", "photo:camera", "--size", 12)
    assert done.exit_code == 0, done.output
    assert "photo:camera: 1 of 1 images" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--a", "no.yaml", "--b", "b.yaml"], Exit.BAD_USAGE, "no.yaml cannot be read"),
        (["--a", "a.yaml", "--b", "b.yaml", "-i", "nowhere"], Exit.BAD_INPUT, "no file or folder"),
        (
            ["--a", "a.yaml", "--b", "b.yaml", "-k", "99"],
            Exit.BAD_INPUT,
            "k must be a whole number",
        ),
        (["--a", "a.yaml", "--b", "b.yaml", "--tol", "2"], Exit.BAD_INPUT, "tol must lie"),
    ],
)
def test_refusals(arguments, code, message):
    done = run(*arguments)
    assert done.exit_code == code, done.output
    assert message in done.stderr
    assert not done.stdout
