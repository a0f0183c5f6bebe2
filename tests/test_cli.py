import json
import subprocess
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from typer.testing import CliRunner

import augmoments as am
from augmoments.cli import app
from augmoments.cli.failures import Exit, _explain
from augmoments.config import load_policy

FLIP = "policy: [RandomHorizontalFlip, {RandomTranslation: {x: [-1, 1]}}]\n"


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    (tmp_path / "flip.yaml").write_text(FLIP)
    return tmp_path


@pytest.fixture
def pictures(here):
    """Two classes with names that no page must trust, and two files that are no images."""
    for label, name in enumerate(("<b>cats</b>", "dogs & $x$")):
        folder = here / "pictures" / name
        folder.mkdir(parents=True)
        for place in range(2):
            pixels = np.full((6, 6, 3), 60 * label + 20 * place + 10, np.uint8)
            pixels[1:3, 2:5] += 90
            Image.fromarray(pixels).save(folder / f"{place}.png")
    (folder / "<img src=x onerror=alert(1)>.png").write_bytes(b"no")
    (folder / "cut.png").write_bytes((folder / "0.png").read_bytes()[:40])
    return here / "pictures"


def exported(path, channels=1, side=8, training=False):
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Flatten(),
        nn.Linear(channels * side**2, 12),
        nn.Dropout(0.5),
        nn.ReLU(),
        nn.Linear(12, 10),
    )
    images = torch.rand(2, channels, side, side)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(layers.train(training), (images,)), path)
    return path


class TestQuantify:
    def test_table_report_and_results(self, here):
        done = run("quantify", "-i", "digits", "-p", "flip.yaml", "--limit", 5, "-o", "out")
        assert done.exit_code == 0, done.output
        assert "digits: 5 of 1,797 images of 1 × 8 × 8" in done.stdout
        assert "draws: covariance to 1%" in done.stdout
        assert "out/report.html" in done.stdout
        assert not done.stderr
        results = json.loads((here / "out/results.json").read_text())
        assert results["schema"] == "augmoments.results/1"
        (subject,) = results["subjects"]
        assert subject["used"] == [0, 359, 718, 1078, 1437]
        images, labels = am.data.digits()
        chosen = images[subject["used"]]
        policy = load_policy("flip.yaml")
        needed = am.samples_needed(chosen, policy, tol=1e-2).n.tolist()
        assert subject["samples"][0]["n"] == needed
        model = am.AugmentedRidgeClassifier(policy, alpha=1e-3).fit(images, labels).to_module()
        used = labels[subject["used"]]
        loss = am.expected_loss(model, "squared_error", chosen, used, policy)
        assert subject["loss"]["value"] == pytest.approx(loss.value.tolist(), rel=1e-5)
        assert subject["labels"] == used.tolist()

    def test_a_policy_that_changes_the_size(self, here):
        (here / "crop.yaml").write_text("[{RandomCrop: 6}, {GaussianNoise: {clip: false}}]")
        done = run("quantify", "-i", "digits", "-p", "crop.yaml", "--limit", 3)
        assert done.exit_code == 0, done.output
        assert "digits: 3 of 1,797 images of 1 × 8 × 8, augmented to 1 × 6 × 6" in done.stdout
        assert "expected loss" in done.stdout
        results = json.loads((here / "augmoments-report/results.json").read_text())
        assert results["policy"] == [
            {"RandomCrop": {"size": 6}},
            {"GaussianNoise": {"clip": False}},
        ]

    def test_json_is_all_that_standard_output_has(self, here):
        done = run("quantify", "-i", "photo:camera", "--size", 8, "-p", "flip.yaml", "--json")
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout) == json.loads(
            (here / "augmoments-report/results.json").read_text()
        )
        assert "augmoments-report/report.html" in done.stderr

    def test_the_same_seed_gives_the_same_results(self, here):
        (here / "clamped.yaml").write_text("[{ColorJitter: {brightness: 0.4, contrast: 0.4}}]")
        arguments = (
            "-i",
            "photo:camera",
            "--size",
            "8x6",
            "-p",
            "clamped.yaml",
            "--json",
            "-q",
            "--max-nodes",
            256,
        )
        first, again, other = (
            json.loads(run("quantify", *arguments, "--seed", seed).stdout)["subjects"][0]
            for seed in (1, 1, 2)
        )
        for key in ("moments", "samples", "curves", "pictures", "sha256"):
            assert first[key] == again[key]
        assert first["moments"] != other["moments"]
        assert first["shape"] == [1, 8, 6]

    def test_own_folder_with_bad_files_and_untrusted_names(self, pictures):
        done = run("quantify", "-i", "pictures", "-p", "flip.yaml")
        assert done.exit_code == 0, done.output
        assert "pictures: 2 files were skipped" in done.stderr.replace("\n", "")
        html = Path("augmoments-report/report.html").read_text()
        assert "<img src=x" not in html
        assert "&lt;img src=x onerror=alert(1)&gt;.png" in html
        assert "<b>cats" not in html
        assert "&lt;b&gt;cats" in html
        results = json.loads(Path("augmoments-report/results.json").read_text())
        assert len(results["subjects"][0]["skipped"]) == 2

    def test_strict_stops_at_a_bad_file(self, pictures):
        done = run("quantify", "-i", "pictures", "-p", "flip.yaml", "--strict")
        assert done.exit_code == Exit.BAD_INPUT
        assert "is not an image that Pillow knows" in done.stderr

    def test_strict_fails_where_the_tolerance_is_not_reached(self, here):
        (here / "turn.yaml").write_text("RandomRotation: {degrees: 90, interpolation: bilinear}")
        arguments = ("-i", "photo:camera", "--size", 12, "-p", "turn.yaml", "--max-nodes", 32)
        for strict in (False, True):
            extra = ["--strict"] if strict else []
            done = run("quantify", *arguments, "--tol", 1e-5, *extra)
            assert done.exit_code == (Exit.CHECK_FAILED if strict else 0), done.output
            assert "the tolerance of 1e-05 was not reached" in done.stderr
            assert Path("augmoments-report/report.html").exists()

    def test_own_model(self, here):
        exported("m.pt2")
        arguments = ("-i", "digits", "-p", "flip.yaml", "--limit", 4, "-m", "m.pt2", "--json")
        done = run("quantify", *arguments)
        assert done.exit_code == 0, done.output
        (subject,) = json.loads(done.stdout)["subjects"]
        assert subject["loss"]["loss"] == "cross_entropy"
        assert subject["model"] == "m.pt2"

    def test_no_model_and_no_labels(self, here):
        for arguments in (("-i", "digits", "-m", "none"), ("-i", "photo:camera", "--size", "8")):
            done = run("quantify", *arguments, "-p", "flip.yaml", "--limit", 2)
            assert done.exit_code == 0, done.output
            assert "Nothing is said about a loss" in done.stdout

    def test_a_configuration_file_and_options_over_it(self, here):
        text = (
            "images: photo:camera\nsize: 8\npolicy: [RandomHorizontalFlip]\nseed: 3\njson: true\n"
        )
        (here / "run.yaml").write_text(text)
        done = run("quantify", "--config", "run.yaml", "--seed", 4, "--out", "there")
        assert done.exit_code == 0, done.output
        results = json.loads(done.stdout)
        assert results["config"]["seed"] == 4
        assert results["policy"] == ["RandomHorizontalFlip"]
        assert (here / "there/report.html").exists()


REFUSED = [
    (["--tol", "2"], Exit.BAD_USAGE, "tol: input should be less than 1"),
    (["--size", "big"], Exit.BAD_USAGE, "--size big: expected pixels"),
    (["--loss", "hinge"], Exit.BAD_USAGE, "loss: input should be 'cross_entropy'"),
    (["--policy", "no.yaml"], Exit.BAD_USAGE, "no.yaml cannot be read"),
    (["--policy", "key.yaml"], Exit.BAD_USAGE, "no argument 'degres' (did you mean 'degrees'?)"),
    (["--policy", "law.yaml"], Exit.BAD_USAGE, "no law 'Unifrm' (did you mean 'Uniform'?)"),
    (["--policy", "gray.yaml", "-i", "digits"], Exit.BAD_USAGE, "fill has 3 values"),
    (["--config", "run.yaml"], Exit.BAD_USAGE, "unknown key 'polcy' (did you mean 'policy'?)"),
    (["--out", "flip.yaml"], Exit.BAD_USAGE, "flip.yaml cannot be written"),
    (["--out", "flip.yaml/deep"], Exit.BAD_USAGE, "cannot be written"),
    (["--images", "nowhere"], Exit.BAD_INPUT, "there is no file or folder nowhere"),
    (["--images", "photo:astronut"], Exit.BAD_INPUT, "did you mean 'astronaut'?"),
    (["--images", "empty"], Exit.BAD_INPUT, "has no images: it is empty"),
    (["--images", "broken"], Exit.BAD_INPUT, "has no image that can be read"),
    (["--images", "broken.npz"], Exit.BAD_INPUT, "cannot be read as an .npz file"),
    (["--model", "flip.yaml"], Exit.BAD_INPUT, "is not a model's file"),
    (["--model", "none.pt2"], Exit.BAD_INPUT, "there is no none.pt2"),
    (["--model", "training.pt2"], Exit.BAD_INPUT, "active dropout"),
    (["--model", "other.pt2", "-i", "digits"], Exit.BAD_INPUT, "exported for images of shape"),
    (["--model", "ridge", "-i", "photo:camera"], Exit.BAD_INPUT, "has no labels"),
]


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    folder = tmp_path_factory.mktemp("refused")
    (folder / "flip.yaml").write_text(FLIP)
    (folder / "key.yaml").write_text("- RandomRotation: {degres: 3}")
    (folder / "law.yaml").write_text("- RandomTranslation: {x: {Unifrm: [0, 1]}}")
    (folder / "gray.yaml").write_text("- RandomRotation: {degrees: 3, fill: [0, 0, 1]}")
    (folder / "run.yaml").write_text("polcy: flip.yaml")
    (folder / "broken.npz").write_bytes(b"PK no")
    (folder / "empty").mkdir()
    (folder / "broken").mkdir()
    (folder / "broken/a.png").write_bytes(b"")
    exported(folder / "training.pt2", training=True)
    exported(folder / "other.pt2", channels=3)
    return folder


class TestRefusals:
    @pytest.mark.parametrize(("arguments", "code", "message"), REFUSED, ids=range(len(REFUSED)))
    def test_one_clear_message_and_a_code(self, refused, arguments, code, message, monkeypatch):
        monkeypatch.chdir(refused)
        done = run("quantify", *arguments)
        assert done.exit_code == code, done.output
        assert message in done.stderr
        assert "Traceback" not in done.output
        assert not done.stdout
        assert len(done.stderr.strip().splitlines()) == 1
        assert not list(refused.glob("augmoments-report/report.html"))

    def test_an_unknown_option(self):
        done = run("quantify", "--polcy", "x")
        assert done.exit_code == Exit.BAD_USAGE
        assert "--policy" in done.stderr

    def test_the_output_is_tried_before_anything_is_computed(self, here, monkeypatch):
        monkeypatch.setattr("augmoments.cli.quantify.load", lambda *a, **k: pytest.fail("computed"))
        assert run("quantify", "--out", "flip.yaml").exit_code == Exit.BAD_USAGE

    def test_a_full_disk(self, here, monkeypatch):
        monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2**20))
        done = run("quantify")
        assert done.exit_code == Exit.BAD_USAGE
        assert "has 1 MB left" in done.stderr

    def test_not_enough_memory(self, pictures, monkeypatch):
        monkeypatch.setattr("augmoments.checks.available_memory", lambda: 1000)
        done = run("quantify", "-i", pictures, "-p", "flip.yaml")
        assert done.exit_code == Exit.NO_MEMORY, done.output
        assert "available" in done.stderr

    def test_other_errors(self):
        assert _explain(MemoryError())[0] == Exit.NO_MEMORY
        code, message = _explain(KeyError("x"))
        assert code == Exit.INTERNAL
        assert "KeyError" in message


class TestOthers:
    def test_explain(self, here):
        done = run("explain", "--policy", "flip.yaml", "--shape", "3,32,32")
        assert done.exit_code == 0, done.output
        assert "RandomHorizontalFlip" in done.stdout
        assert "expansion" in done.stdout
        rows = json.loads(run("explain", "-p", "flip.yaml", "--shape", "3,8,8", "--json").stdout)
        assert [row["exact"] for row in rows] == [True, True]
        assert 0 < rows[0]["alone"] < 1
        done = run("explain", "-p", "flip.yaml", "--images", "photo:camera", "--size", 8)
        assert "for 1 image of 1 x 8 x 8" in done.stdout

    @pytest.mark.parametrize("given", [[], ["--shape", "1,8,8", "--images", "digits"]])
    def test_explain_of_a_shape_or_of_images(self, here, given):
        done = run("explain", "--policy", "flip.yaml", *given)
        assert done.exit_code == Exit.BAD_USAGE
        assert "either --shape C,H,W or --images SOURCE" in done.stderr

    @pytest.mark.parametrize("shape", ["3", "3,32", "a,b,c", "0,2,2", "3,-1,2"])
    def test_explain_of_a_shape_that_is_none(self, here, shape):
        done = run("explain", "--policy", "flip.yaml", "--shape", shape)
        assert done.exit_code == Exit.BAD_USAGE
        assert "expected C,H,W" in done.stderr

    def test_doctor(self):
        done = run("doctor", "--json")
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout)
        assert found["known_answer_met"]
        assert found["versions"]["torch"] == torch.__version__
        assert run("doctor").exit_code == 0

    def test_version(self):
        assert run("--version").stdout.strip() == version("augmoments")


def test_the_command_itself(here):
    """A real process: bars and messages to standard error, results to standard output."""
    command = [sys.executable, "-c", "from augmoments.cli import main; main()"]
    arguments = ["quantify", "-i", "photo:camera", "--size", "8", "-p", "flip.yaml", "-o", "o"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "photo:camera: 1 image of 1 × 8 × 8" in done.stdout
    assert done.stderr == ""
    bad = subprocess.run(
        [*command, "quantify", "-i", "nowhere"], capture_output=True, text=True, timeout=120
    )
    assert (bad.returncode, bad.stdout) == (Exit.BAD_INPUT, "")
    assert bad.stderr.startswith("augmoments: there is no file or folder nowhere")


def test_help_needs_nothing_heavy():
    program = (
        "import sys; from typer.testing import CliRunner; from augmoments.cli import app; "
        "assert 'quantify' in CliRunner().invoke(app, ['--help']).output; "
        "print({'torch', 'scipy', 'matplotlib', 'sklearn', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "set()", done.stderr


def test_every_public_name_is_there():
    assert {"moments", "report", "data"} <= set(dir(am))
    for name in am.__all__:
        assert getattr(am, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'momentz'"):
        am.momentz  # noqa: B018
