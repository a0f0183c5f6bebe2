import csv
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import augmoments as am
from augmoments.cli import app
from augmoments.cli.failures import Exit
from augmoments.cli.need_ask import QUANTITIES
from augmoments.cli.need_costs import costs
from augmoments.config import load_policy
from augmoments.reporting.judges import with_ridge_if_quick


def run(*arguments):
    return CliRunner().invoke(app, ["need", *(str(argument) for argument in arguments)])


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")
    (tmp_path / "flip.yaml").write_text("[RandomHorizontalFlip]")
    (tmp_path / "shift.yaml").write_text("RandomTranslation: {x: [-1, 1]}")
    (tmp_path / "rare.yaml").write_text("RandomHorizontalFlip: {p: 0.01}")
    (tmp_path / "mix.yaml").write_text("[MixUp]")
    return tmp_path


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 10)).eval()
    dynamic = ({0: torch.export.Dim.AUTO},)
    program = torch.export.export(network, (torch.zeros(2, 1, 8, 8),), dynamic_shapes=dynamic)
    path = tmp_path_factory.mktemp("model") / "model.pt2"
    torch.export.save(program, path)
    return network, path


@pytest.fixture
def model(here, exported):
    shutil.copy(exported[1], here)
    return exported[0]


DIGITS = ("-i", "digits", "-p", "shift.yaml", "--limit", 3)
JUDGED = (*DIGITS, "--model", "model.pt2", "--loss", "squared_error")


def test_tables(model):
    done = run(*JUDGED, "--of", "mean,covariance,loss", "--rel-error", 0.1)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "digits: 3 of 1,797 images of 1 × 8 × 8"
    assert lines[1].split()[-5:] == ["image", "all", "1,797", "found", "in"]
    assert [line.split(" to 10%")[0] for line in lines[2:5]] == ["mean", "covariance", "loss"]
    assert "loss to 10%, 95%" in done.stdout
    assert "a pass through the model" in done.stdout
    assert "thread" in done.stdout
    (head,) = (line for line in lines if line.startswith("error after draws"))
    assert head.split()[-5:] == ["1", "10", "100", "1,000", "10,000"]
    assert "–" in next(line for line in lines if line.startswith("covariance  "))


def test_json_says_what_the_library_says():
    done = run(*DIGITS, "--json", "-q", "--rel-error", 0.05, "--confidence", 0.9)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["schema"] == "augmoments.need/1"
    used = found["images"]["used"]
    assert used == [0, 599, 1198]
    assert set(found["quantities"]) | set(found["refused"]) == set(QUANTITIES)
    assert {"mean", "covariance", "loss"} <= set(found["quantities"])
    images, labels = am.data.digits()
    policy = load_policy("shift.yaml")
    judge = with_ridge_if_quick(am.data.load("digits"), policy).judge
    options = {"model": judge.model, "loss": judge.loss, "targets": labels[used]}
    for of in ("mean", "covariance", "loss"):
        one = found["quantities"][of]
        expected = am.samples_needed(
            images[used], policy, of, 0.05, 0.9, **(options if of == "loss" else {})
        )
        assert one["n"] == expected.n.tolist()
        assert one["error"] == pytest.approx(expected.error.tolist(), abs=1e-12)
        assert one["method"] == expected.method
        assert one["confidence"] == (0.9 if of == "loss" else None)
        assert one["images"] == 3
        each = [None if n < 2 and of == "covariance" else n for n in found["numbers"]]
        for n, row in zip(each, one["predicted"], strict=True):
            assert row is None if n is None else row == expected.predicted_error(n).tolist()
    assert found["images"]["labels"] == labels[used].tolist()
    assert found["model"].startswith("linear classifier")


def test_what_drawing_costs(model):
    """The seconds of an image are those of a draw, and of what goes with it, times n."""
    found = json.loads(run(*JUDGED, "--json", "-q", "--of", "mean,loss,gradient").stdout)
    of_one = found["seconds_of_one"]
    assert all(of_one[work] > 0 for work in ("draw", "forward", "backward"))
    beside = {"mean": 0.0, "loss": of_one["forward"], "gradient": of_one["backward"]}
    for of, one in found["quantities"].items():
        cost = of_one["draw"] + beside[of]
        expected = [None if n is None else n * cost for n in one["n"]]
        assert one["seconds_an_image"] == pytest.approx(expected)
        assert one["found_in_seconds"] > 0


def test_costs_are_those_of_a_clock():
    """A model that sleeps for 20 ms takes 20 ms for a batch of 64."""
    import time

    class Slow(nn.Module):
        def forward(self, x):
            time.sleep(0.02)
            return x.flatten(1)

    found = costs(am.RandomHorizontalFlip(), torch.rand(5, 1, 4, 4), Slow(), None)
    assert found.batch == 64
    assert 0.02 <= found.forward * 64 < 0.1
    assert found.backward is None
    assert found.of("loss") == found.draw + found.forward
    assert found.of("mean") == found.draw


def test_a_line_for_every_image(model):
    done = run(*JUDGED, "--of", "mean,loss", "--bound", "chebyshev", "-o", "out/draws.csv")
    assert done.exit_code == 0, done.output
    assert "out/draws.csv" in done.stdout
    with open("out/draws.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == ["0", "599", "1198"] * 2
    images, labels = am.data.digits()
    assert [row["label"] for row in rows[:3]] == [str(int(labels[i])) for i in (0, 599, 1198)]
    size = am.samples_needed(images[[0, 599, 1198]], load_policy("shift.yaml"))
    assert [float(row["draws"]) for row in rows[:3]] == size.n.tolist()
    assert [row["bound"] for row in rows] == [""] * 3 + ["chebyshev"] * 3


def test_a_model_of_ones_own(model):
    done = run(*DIGITS, "--of", "loss", "--model", "model.pt2", "--json", "-q")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    images, labels = am.data.digits()
    used = found["images"]["used"]
    expected = am.samples_needed(
        images[used],
        load_policy("shift.yaml"),
        "loss",
        model=model,
        loss="cross_entropy",
        targets=labels[used],
    )
    assert found["loss"] == "cross_entropy"
    assert found["quantities"]["loss"]["n"] == expected.n.tolist()
    assert found["quantities"]["loss"]["reliable"] == expected.reliable.tolist()


@pytest.mark.parametrize("of", [name for name in QUANTITIES if name not in ("mean", "covariance")])
def test_further_quantities(of, model):
    """Each has an answer with a model and labels, and a reason without."""
    done = run("-i", "digits", "-p", "shift.yaml", "--limit", 4, "--of", of, "--model", "model.pt2")
    assert done.exit_code == 0, done.output
    assert f"{of} to 1%" in done.stdout
    np.savez("plain.npz", images=am.data.digits()[0][:5].numpy())
    done = run("-i", "plain.npz", "-p", "shift.yaml", "--of", f"mean,{of}")
    assert done.exit_code == 0, done.output
    assert f"{of}: no answer: the images have no labels." in done.stdout
    refused = run("-i", "plain.npz", "-p", "shift.yaml", "--of", of)
    assert refused.exit_code == Exit.BAD_INPUT
    assert "labels" in refused.stderr


def test_what_has_no_answer_is_listed_with_the_reason(model):
    done = run(*JUDGED, "--of", "mean,loss", "--bound", "bernstein")
    assert done.exit_code == 0, done.output
    assert "loss: no answer: " in done.stdout
    assert "loss_range" in done.stdout
    given = run(*JUDGED, "--of", "loss", "--bound", "bernstein", "--loss-range", "0,9")
    assert given.exit_code == 0, given.output
    none = json.loads(run(*DIGITS, "--model", "none", "--of", "mean,loss", "--json").stdout)
    assert none["refused"] == {"loss": "no model was given."}
    assert none["model"] is None


def test_an_average_that_is_not_normal_is_told(model):
    rare = ("--of", "loss", *JUDGED, "-p", "rare.yaml", "--rel-error", 0.05)
    done = run(*rare)
    assert done.exit_code == 0, done.output
    assert "is not normal yet; take --bound chebyshev" in done.stderr
    assert not run(*rare, "--bound", "chebyshev").stderr
    assert not run(*JUDGED, "--of", "loss").stderr


def test_numbers_that_few_nodes_cannot_tell():
    """64 nodes for four parameters of a policy that goes far."""
    steps = [
        {"RandomRotation": {"degrees": 90, "interpolation": "bilinear"}},
        {"ColorJitter": {"brightness": 0.9, "contrast": 0.9}},
    ]
    Path("wide.json").write_text(json.dumps(steps))
    asked = ("--of", "covariance", "--limit", 2, "--max-nodes", 64)
    done = run("-i", "digits", "-p", "wide.json", *asked)
    assert done.exit_code == 0, done.output
    assert "2 of 2 numbers may be off by more than 50%" in done.stderr


def test_all_images_at_once(model):
    each, both = (
        json.loads(run(*JUDGED, "--of", "loss", "--json", *extra).stdout)["quantities"]["loss"]
        for extra in ((), ("--simultaneous",))
    )
    assert all(b > a for a, b in zip(each["n"], both["n"], strict=True))


def test_images_that_do_not_change():
    """One draw is enough, also of black images, for a mean and for a covariance of zero."""
    images = np.stack([np.zeros((1, 4, 4)), np.full((1, 4, 4), 0.5)]).astype(np.float32)
    np.savez("flat.npz", images=images)
    done = run("-i", "flat.npz", "-p", "flip.yaml", "--json", "-q")
    found = json.loads(done.stdout)["quantities"]
    assert found["mean"]["n"] == [1, 1]
    assert found["covariance"]["first"] == [0, 0]
    assert math.isfinite(sum(found["covariance"]["n"]))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-i", "digits", "-p", "no.yaml"], Exit.BAD_USAGE, "no.yaml cannot be read"),
        (["-i", "nowhere", "-p", "flip.yaml"], Exit.BAD_INPUT, "no file or folder"),
        ([*DIGITS, "--of", "mean,los"], Exit.BAD_USAGE, "did you mean 'loss'"),
        ([*DIGITS, "--rel-error", 2], Exit.BAD_USAGE, "--rel-error 2: expected a number between"),
        ([*DIGITS, "--confidence", 0], Exit.BAD_USAGE, "--confidence 0: expected"),
        ([*DIGITS, "--tol", 0, "--of", "mean"], Exit.BAD_USAGE, "--tol 0: expected"),
        ([*DIGITS, "--max-nodes", 0], Exit.BAD_USAGE, "'--max-nodes'"),
        ([*DIGITS, "--bound", "chebychev"], Exit.BAD_USAGE, "did you mean 'chebyshev'"),
        ([*DIGITS, "--until", "never", "--of", "mean"], Exit.BAD_USAGE, "error or decision"),
        ([*DIGITS, "--loss", "hinge"], Exit.BAD_USAGE, "cross_entropy or squared_error"),
        ([*DIGITS, "--split", "tset"], Exit.BAD_USAGE, "train or test"),
        ([*DIGITS, "--alpha", "nan"], Exit.BAD_USAGE, "finite number of at least 0"),
        ([*DIGITS, "--loss-range", "2,1"], Exit.BAD_USAGE, "the lower one first"),
        ([*DIGITS, "--loss-range", "1"], Exit.BAD_USAGE, "two numbers"),
        ([*DIGITS, "--model", "no.pt2"], Exit.BAD_INPUT, "no.pt2"),
        ([*DIGITS, "-o", "/proc/none/draws.csv"], Exit.BAD_USAGE, "cannot be written"),
        (["-i", "digits", "-p", "mix.yaml", "--of", "loss"], Exit.BAD_USAGE, "mixes"),
    ],
)
def test_refusals(arguments, code, message):
    done = run(*arguments)
    assert done.exit_code == code, done.output
    assert message in done.stderr
    assert not done.stdout


@pytest.mark.parametrize("name", ["nan", "none"])
def test_bad_images_leave_nothing_behind(here, name):
    images = np.zeros((3, 1, 4, 4), np.float32)
    images[1, 0, 2, 2] = np.nan
    np.savez("nan.npz", images=images)
    before = set(here.rglob("*"))
    done = run("-i", f"{name}.npz", "-p", "flip.yaml", "-o", "new/deep/draws.csv")
    assert done.exit_code == Exit.BAD_INPUT
    assert name in done.stderr.lower()
    assert set(here.rglob("*")) == before


def test_a_folder_is_no_file_to_write(here):
    (here / "there").mkdir()
    done = run(*DIGITS, "-o", "there")
    assert done.exit_code == Exit.BAD_USAGE
    assert "is a folder" in done.stderr


def test_labels_that_the_model_does_not_have(model):
    """The mean has its answer all the same."""
    images, labels = am.data.digits()
    np.savez("far.npz", images=images[:3].numpy(), labels=labels[:3].numpy() + 20)
    done = run("-i", "far.npz", "-p", "flip.yaml", "-m", "model.pt2", "--of", "mean,loss")
    assert done.exit_code == 0, done.output
    assert "mean to 1%" in done.stdout
    assert "loss: no answer: targets have 3 class indices outside 0..9" in done.stdout
