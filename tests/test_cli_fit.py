import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from typer.testing import CliRunner

import augmoments as am
from augmoments.cli import app

SHIFT = "policy: [RandomHorizontalFlip, {RandomTranslation: {x: [-1, 1]}}]\n"
DIGITS = ("--images", "digits", "--policy", "shift.yaml")


def run(*arguments):
    return CliRunner().invoke(app, ["fit", *(str(argument) for argument in arguments)])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    (tmp_path / "shift.yaml").write_text(SHIFT)
    return tmp_path


@pytest.fixture
def halves(here):
    """The digits, half to fit and half to validate with."""
    images, labels = (found.numpy() for found in am.data.digits())
    np.savez(here / "fit.npz", x_train=images[::2], y_train=labels[::2])
    np.savez(here / "check.npz", x_test=images[1::2], y_test=labels[1::2])
    return here


def fitted(path="augmoments-fit/fit.json"):
    with open(path) as file:
        return json.load(file)


class TestWhatItWrites:
    def test_the_model_is_the_ridge_classifier(self, here):
        done = run(*DIGITS, "--alpha", "0.01", "--partition-size", 300)
        assert done.exit_code == 0, done.output
        assert "digits: 1,797 images of 1 × 8 × 8, 10 classes" in done.stdout
        assert "augmoments-fit/model.pt2" in done.stdout
        assert not done.stderr
        images, labels = am.data.digits()
        policy = am.load_policy("shift.yaml")
        ridge = am.AugmentedRidgeClassifier(policy, alpha=0.01).fit(images, labels)
        with torch.no_grad():
            outputs = am.load_model("augmoments-fit/model.pt2")(images)
        assert np.allclose(outputs, ridge.decision_function(images), atol=1e-5)
        found = fitted()
        (solution,) = found["solutions"]
        assert found["alpha"] == solution["alpha"] == 0.01
        assert solution["coef_norm"] == pytest.approx(np.linalg.norm(ridge.coef_), rel=1e-9)
        assert solution["loss"] == pytest.approx(ridge.loss_, rel=1e-9)
        assert solution["training_accuracy"] == pytest.approx(ridge.score(images, labels))
        assert solution["validation_accuracy"] is None
        assert found["moments"]["method"] == "exact"
        assert found["moments"]["error"] == 0
        assert found["images"]["count"] == 1797
        assert found["policy"] == policy_steps(policy)
        assert found["schema"] == "augmoments.fit/1"
        assert found["command"].startswith("augmoments")

    def test_the_moments_can_be_loaded_and_added_to(self, here):
        assert run(*DIGITS).exit_code == 0
        policy = am.load_policy("shift.yaml")
        data = am.DatasetMoments.load("augmoments-fit/moments.safetensors", policy)
        expected = am.data.one_hot(am.data.stream("digits")).read(0, 1797)
        whole = am.DatasetMoments(policy).update(*expected)
        assert data.fingerprint == fitted()["moments"]["fingerprint"]
        assert torch.allclose(data.solve(0.1).coef, whole.solve(0.1).coef, atol=1e-12)
        assert data.merge(whole).count == 2 * 1797

    def test_hashes_of_the_files(self, here):
        import hashlib

        assert run(*DIGITS, "-o", "out").exit_code == 0
        for name, digest in fitted("out/fit.json")["files"].values():
            content = (here / "out" / name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == digest

    def test_json_is_all_that_standard_output_has(self, here):
        done = run(*DIGITS, "--json")
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout) == fitted()
        assert "model.pt2" in done.stderr
        assert "model.pt2" not in run(*DIGITS, "--json", "-q").stderr

    def test_quantify_takes_the_model(self, here):
        (here / "crop.yaml").write_text("[{RandomCrop: 6}]")
        for policy in ("shift.yaml", "crop.yaml"):
            done = run("-i", "digits", "-p", policy)
            assert done.exit_code == 0, done.output
            arguments = ["--model", "augmoments-fit/model.pt2", "--loss", "squared_error"]
            arguments = ["quantify", "-i", "digits", "-p", policy, "--limit", "3", *arguments]
            done = CliRunner().invoke(app, arguments)
            assert done.exit_code == 0, done.output
            assert "expected loss" in done.stdout

    def test_accuracies_that_cannot_be_told(self, here):
        (here / "crop.yaml").write_text("[{RandomCrop: 6}]")
        done = run("-i", "digits", "-p", "crop.yaml", "--validation", "digits")
        assert done.exit_code == 0, done.output
        assert "accuracies cannot be told" in done.stderr
        found = fitted()
        assert found["moments"]["output_shape"] == [1, 6, 6]
        assert "(1, 8, 8) into (1, 6, 6)" in found["no_accuracy_because"]
        assert found["solutions"][0]["validation_accuracy"] is None
        done = run("-i", "digits", "-p", "crop.yaml", "--validation", "digits", "--alpha", "1,2")
        assert done.exit_code == 2
        assert "give one alpha" in done.stderr


def policy_steps(policy):
    return am.policy_to_dict(policy)["policy"]


class TestAlphas:
    def test_the_best_in_validation_is_chosen(self, halves):
        alphas = [1e-6, 1e-2, 1.0, 100.0]
        options = ("--validation", "check.npz", "--alpha", "1e-2,1,100,1e-6")
        done = run("-i", "fit.npz", "-p", "shift.yaml", *options)
        assert done.exit_code == 0, done.output
        train, check = am.data.npz("fit.npz"), am.data.npz("check.npz")
        policy = am.load_policy("shift.yaml")
        scores = [
            am.AugmentedRidgeClassifier(policy, alpha=alpha)
            .fit(train.images, train.labels)
            .score(check.images, check.labels)
            for alpha in alphas
        ]
        found = fitted()
        assert [each["alpha"] for each in found["solutions"]] == alphas
        assert [each["validation_accuracy"] for each in found["solutions"]] == pytest.approx(scores)
        assert found["alpha"] == alphas[int(np.argmax(scores))]
        line = next(line for line in done.stdout.splitlines() if "chosen" in line)
        assert line.split()[0] == f"{found['alpha']:g}"

    @pytest.mark.parametrize(
        ("alpha", "message"),
        [
            ("1,2", "give --validation SOURCE"),
            ("1e-3x", "expected a number"),
            ("-1", "at least 0"),
            ("nan", "finite"),
            ("", "expected a number"),
        ],
    )
    def test_bad_ones(self, here, alpha, message):
        done = run(*DIGITS, f"--alpha={alpha}")
        assert done.exit_code == 2
        assert message in done.stderr
        assert not (here / "augmoments-fit").exists()

    def test_classes_are_matched_by_name(self, here):
        rng = np.random.default_rng(0)
        for folder, names in (("fit", "abc"), ("check", "ca")):
            for name in names:
                (here / folder / name).mkdir(parents=True)
                for place in range(5):
                    level = 70 * "abc".index(name) + 30
                    pixels = rng.integers(level, level + 10, (4, 4), np.uint8)
                    Image.fromarray(pixels).save(here / folder / name / f"{place}.png")
        done = run("-i", "fit", "-p", "shift.yaml", "--validation", "check")
        assert done.exit_code == 0, done.output
        (solution,) = fitted()["solutions"]
        images, labels = am.data.folder("check")
        outputs = am.load_model("augmoments-fit/model.pt2")(images).argmax(1)
        expected = (outputs == 2 * labels).double().mean()  # a, c are classes 0, 2 of a, b, c
        assert solution["validation_accuracy"] == pytest.approx(float(expected))
        assert solution["validation_accuracy"] >= 0.5
        (here / "check/a").rename(here / "check/d")
        done = run("-i", "fit", "-p", "shift.yaml", "--validation", "check")
        assert done.exit_code == 3
        assert "has classes that fit has not: d" in done.stderr


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (("-i", "nowhere", "-p", "shift.yaml"), 3, "there is no file or folder nowhere"),
            (("-i", "photo:cat", "-p", "shift.yaml"), 3, "photo:cat has no labels"),
            (("-i", "digits", "-p", "no.yaml"), 2, "no.yaml cannot be read"),
            ((*DIGITS, "--validation", "lfw"), 3, "give both one size (--size)"),
            ((*DIGITS, "--tol", "2"), 3, "tol must lie between 0 and 1"),
            ((*DIGITS, "--workers", "2", "--scheduler", "tcp://x"), 2, "give one of the two"),
            ((*DIGITS, "--checkpoint", "shift.yaml"), 2, "cannot be written"),
            ((*DIGITS, "--checkpoint", "."), 3, "has other files and no manifest.json"),
            ((*DIGITS, "--out", "shift.yaml"), 2, "cannot be written"),
            ((*DIGITS, "--split", "half", "-i", "mnist:."), 3, "expected 'train' or 'test'"),
        ],
    )
    def test_one_message_and_a_code(self, here, arguments, code, message):
        done = run(*arguments)
        assert done.exit_code == code, done.output
        assert message in done.stderr
        assert "Traceback" not in done.output

    @pytest.mark.parametrize("option", ["--workers", "--partition-size", "--nodes", "--size"])
    def test_counts_are_positive(self, here, option):
        assert run(*DIGITS, option, 0).exit_code == 2

    def test_a_checkpoint_of_another_policy(self, here):
        assert run(*DIGITS, "--checkpoint", "kept").exit_code == 0
        (here / "shift.yaml").write_text(SHIFT.replace("-1", "-2"))
        done = run(*DIGITS, "--checkpoint", "kept")
        assert done.exit_code == 3
        assert "what differs is the policy" in done.stderr

    def test_files_that_cannot_be_read(self, here):
        rng = np.random.default_rng(0)
        for name in "ab":
            (here / "pictures" / name).mkdir(parents=True)
            for place in range(4):
                pixels = rng.integers(0, 256, (6, 6), np.uint8)
                Image.fromarray(pixels).save(here / "pictures" / name / f"{place}.png")
        cut = here / "pictures/b/2.png"
        cut.write_bytes(cut.read_bytes()[:50])
        (here / "pictures/a/notes.txt").touch()
        arguments = ("-i", "pictures", "-p", "shift.yaml")
        done = run(*arguments)
        assert done.exit_code == 0, done.output
        assert "2 files were skipped, the first" in done.stderr
        found = fitted()
        assert (found["images"]["listed"], found["images"]["count"]) == (8, 7)
        assert [each["file"] for each in found["skipped"]] == [
            "pictures/a/notes.txt",
            "pictures/b/2.png",
        ]
        done = run(*arguments, "--strict")
        assert done.exit_code == 3
        assert "notes.txt is empty" in done.stderr
        (here / "pictures/a/notes.txt").unlink()
        done = run(*arguments, "--strict")
        assert done.exit_code == 3
        assert "2.png cannot be decoded" in done.stderr

    def test_a_tolerance_that_is_not_reached(self, here):
        (here / "turn.yaml").write_text(
            "[{RandomRotation: {degrees: 40, interpolation: bilinear}}]"
        )
        options = ("-i", "digits", "-p", "turn.yaml", "--max-nodes", 128, "--tol", "1e-9")
        done = run(*options)
        assert done.exit_code == 0, done.output
        assert "the tolerance of 1e-09 was not reached" in done.stderr
        assert fitted()["moments"]["error"] > 1e-9
        done = run(*options, "--strict")
        assert done.exit_code == 1
        assert "--strict asks for it" in done.stderr

    def test_values_that_are_no_images(self, here):
        images = np.random.default_rng(0).random((20, 1, 4, 4))
        images[13, 0, 2, 2] = np.nan
        np.savez(here / "a.npz", x=images, y=np.arange(20) % 2)
        done = run("-i", "a.npz", "-p", "shift.yaml", "--partition-size", 4)
        assert done.exit_code == 3
        assert "from image 12 on: images have 1 NaN" in done.stderr


def bits(path):
    return {name: tensor.numpy().tobytes() for name, tensor in load_file(path).items()}


class TestKilled:
    def test_a_run_that_was_killed_goes_on(self, here):
        """SIGKILL while partitions are being added; what is found is the same to the last bit."""
        images = torch.rand(3000, 1, 12, 12, generator=torch.Generator().manual_seed(0)).numpy()
        np.savez(here / "a.npz", images=images, labels=np.arange(3000) % 3)
        options = ["-i", "a.npz", "-p", "shift.yaml", "--partition-size", "15"]
        command = [sys.executable, "-c", "from augmoments.cli import main; main()", "fit", *options]
        first = subprocess.Popen([*command, "--checkpoint", "kept", "-o", "out"])
        deadline = time.monotonic() + 60
        while len(list(here.glob("kept/node-*.json"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.001)
        first.send_signal(signal.SIGKILL)
        assert first.wait() == -signal.SIGKILL
        assert list(here.glob("kept/node-*.json"))
        assert not (here / "out/fit.json").exists()
        assert run(*options, "--checkpoint", "kept", "-o", "out").exit_code == 0
        assert run(*options, "-o", "undisturbed").exit_code == 0
        assert bits("out/moments.safetensors") == bits("undisturbed/moments.safetensors")
        solutions = [fitted(f"{name}/fit.json")["solutions"] for name in ("out", "undisturbed")]
        assert solutions[0] == solutions[1]

    @pytest.mark.slow
    def test_workers_from_the_command_line(self, here):
        command = [sys.executable, "-c", "from augmoments.cli import main; main()", "fit", *DIGITS]
        options = ["--workers", "2", "--partition-size", "200", "--checkpoint", "kept"]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        (solution,) = fitted()["solutions"]
        assert run(*DIGITS, "--partition-size", 200, "-o", "alone").exit_code == 0
        (alone,) = fitted("alone/fit.json")["solutions"]
        assert solution["coef_norm"] == pytest.approx(alone["coef_norm"], rel=1e-10)
        assert solution["training_accuracy"] == alone["training_accuracy"]
