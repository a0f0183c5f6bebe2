"""The command ``reproduce`` on experiments of no cost; what the real ones find is tested apart."""

import gzip
import json
import struct

import pytest
import torch
from typer.testing import CliRunner

from augmoments.cli import app
from augmoments.cli.failures import Exit
from augmoments.errors import ConfigError, DataError
from augmoments.reproduce import NAMES, named, runner, sources
from augmoments.reproduce.context import Context
from augmoments.reproduce.drawing import figure, heat_map, show_image
from augmoments.reproduce.experiment import Experiment, Findings


def run(*arguments):
    return CliRunner().invoke(app, ["reproduce", *(str(argument) for argument in arguments)])


def drawn(value):
    made, axes = figure(1, 2, title="What is seen")
    axes[0, 0].plot([1, 2], [value, 2 * value])
    show_image(axes[0, 1], torch.full((1, 4, 4), 0.5))
    return made


def told(name):
    return Experiment(
        name=name,
        title=f"Title of {name}",
        claim="It is so (section 2).",
        run=lambda context: Findings(
            {"value": context.seed + 0.5, "sources": list(context.sources())},
            drawn(context.seed),
            f"It is **{context.seed + 0.5}**, i.e. so. Nothing else.",
            "Nowhere.",
        ),
    )


@pytest.fixture(autouse=True)
def calls(tmp_path, monkeypatch):
    """Names of the experiments that were run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    seen = []

    def experiment(name):
        seen.append(name)
        return told(name)

    monkeypatch.setattr(runner, "experiment", experiment)
    return seen


def breaks(monkeypatch, name, error):
    """Let one experiment raise; what is returned mends it."""

    def fail(context):
        raise error

    before = runner.experiment
    broken = Experiment(name, "Broken", "It is so.", fail)
    monkeypatch.setattr(runner, "experiment", lambda n: broken if n == name else before(n))
    return lambda: monkeypatch.setattr(runner, "experiment", before)


class TestFiles:
    def test_all_experiments(self, tmp_path, calls):
        done = run("--quick", "-o", "out")
        assert done.exit_code == 0, done.output
        assert tuple(calls) == NAMES
        page = (tmp_path / "out/README.md").read_text()
        for name in NAMES:
            folder = tmp_path / "out" / name
            assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
            assert "<svg" in (folder / "figure.svg").read_text()
            assert "**The paper.** It is so" in (folder / "text.md").read_text()
            assert f"]({name}/figure.png)" in page
            assert name in done.stdout
        assert [page.index(f"Title of {name}") for name in NAMES] == sorted(
            page.index(f"Title of {name}") for name in NAMES
        )
        assert "It is 0.5, i.e. so." in done.stdout
        assert "Nothing else." not in done.stdout
        versions = json.loads((tmp_path / "out/environment.json").read_text())["versions"]
        assert {"python", "torch", "augmoments", "matplotlib"} <= set(versions)

    def test_numbers(self, tmp_path):
        run("taylor", "--quick", "--seed", 3, "-o", "out")
        record = json.loads((tmp_path / "out/taylor/numbers.json").read_text())
        assert record["schema"] == 1
        assert record["experiment"] == "taylor"
        assert record["quick"] is True
        assert record["seed"] == 3
        assert record["numbers"] == {"value": 3.5, "sources": ["digits", "lfw"]}
        assert [source["name"] for source in record["sources"]] == ["digits", "lfw"]
        assert record["sources"][0]["images"] == 1797
        assert len(record["fingerprint"]) == 64

    def test_the_same_run_gives_the_same_bytes(self, tmp_path):
        for out in ("a", "b"):
            run("taylor", "--quick", "-o", out)
        for name in ("figure.png", "figure.svg", "text.md"):
            first, second = ((tmp_path / out / "taylor" / name).read_bytes() for out in "ab")
            assert first == second
        assert "<dc:date>" not in (tmp_path / "a/taylor/figure.svg").read_text()

    def test_json(self):
        done = run("convergence", "taylor", "--quick", "--json", "-q", "-o", "out")
        found = json.loads(done.stdout)
        assert [one["experiment"] for one in found["experiments"]] == ["convergence", "taylor"]
        assert found["experiments"][0]["numbers"]["value"] == 0.5
        assert found["failed"] == {}
        assert not done.stderr


class TestResume:
    def test_what_is_done_is_kept(self, tmp_path, calls):
        run("taylor", "--quick", "-o", "out")
        before = (tmp_path / "out/taylor/numbers.json").stat().st_mtime_ns
        done = run("taylor", "--quick", "-o", "out")
        assert calls == ["taylor"]
        assert "taylor: there already" in done.stderr
        assert "It is 0.5" in done.stdout
        assert (tmp_path / "out/taylor/numbers.json").stat().st_mtime_ns == before

    @pytest.mark.parametrize("change", [["--seed", "1"], ["--force"]])
    def test_other_settings_run_again(self, calls, change):
        run("taylor", "--quick", "-o", "out")
        run("taylor", "--quick", "-o", "out", *change)
        assert calls == ["taylor", "taylor"]

    def test_effort_and_version_run_again(self, calls, monkeypatch):
        run("taylor", "--quick", "-o", "out")
        run("taylor", "-o", "out")
        monkeypatch.setattr(runner, "version", lambda _: "99.0")
        run("taylor", "-o", "out")
        assert calls == ["taylor"] * 3

    def test_other_data_run_again(self, tmp_path, calls):
        data = idx_folder(tmp_path / "data", count=3)
        run("taylor", "--data", data, "-o", "out")
        run("taylor", "--data", data, "-o", "out")
        assert calls == ["taylor"]
        idx_folder(tmp_path / "data", count=4)
        run("taylor", "--data", data, "-o", "out")
        assert calls == ["taylor", "taylor"]

    def test_killed_in_the_middle(self, tmp_path, calls, monkeypatch):
        mend = breaks(monkeypatch, "convergence", KeyboardInterrupt())
        done = run("--quick", "-o", "out")
        assert done.exit_code not in (0, Exit.CHECK_FAILED)
        assert calls == ["expected-images", "tangent-directions"]
        assert "Title of tangent-directions" in (tmp_path / "out/README.md").read_text()
        mend()
        calls.clear()
        assert run("--quick", "-o", "out").exit_code == 0
        assert tuple(calls) == NAMES[2:]

    def test_killed_while_writing(self, tmp_path, calls, monkeypatch):
        """Numbers come last, and go first when an experiment is run again."""
        run("taylor", "--quick", "-o", "out")
        before = runner.writing.replace

        def killed(path, content):
            if path.name == "text.md":
                raise KeyboardInterrupt
            before(path, content)

        with monkeypatch.context() as patch:
            patch.setattr(runner.writing, "replace", killed)
            run("taylor", "--quick", "--force", "-o", "out")
        assert not (tmp_path / "out/taylor/numbers.json").exists()
        run("taylor", "--quick", "-o", "out")
        assert calls == ["taylor"] * 3

    @pytest.mark.parametrize("name", ["figure.png", "text.md", "numbers.json"])
    def test_files_that_are_gone_or_broken(self, tmp_path, calls, name):
        run("taylor", "--quick", "-o", "out")
        path = tmp_path / "out/taylor" / name
        path.unlink() if name != "numbers.json" else path.write_text('{"schema": 1')
        run("taylor", "--quick", "-o", "out")
        assert calls == ["taylor", "taylor"]


class TestRefusals:
    def test_one_that_fails_does_not_stop_the_others(self, tmp_path, calls, monkeypatch):
        breaks(monkeypatch, "convergence", ValueError("no\nway"))
        done = run("--quick", "-o", "out")
        assert done.exit_code == Exit.CHECK_FAILED
        assert len(calls) == len(NAMES) - 1
        assert "convergence: failed: ValueError: no way" in done.stderr
        assert "Broken" not in (tmp_path / "out/README.md").read_text()

    def test_numbers_that_are_none(self, monkeypatch):
        made, _ = figure()
        broken = Findings({"value": float("nan")}, made, "It is.", "No.")
        monkeypatch.setattr(
            runner, "experiment", lambda name: Experiment(name, "T", "C", lambda context: broken)
        )
        done = run("taylor", "--quick", "--json", "-o", "out")
        assert done.exit_code == Exit.CHECK_FAILED
        assert "ValueError" in json.loads(done.stdout)["failed"]["taylor"]

    def test_unknown_name(self, tmp_path):
        done = run("convergense", "-o", "out")
        assert done.exit_code == Exit.BAD_USAGE
        assert "did you mean 'convergence'?" in done.stderr
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("folder", ["empty", "nowhere"])
    def test_folder_without_data(self, tmp_path, folder):
        (tmp_path / "empty/mnist").mkdir(parents=True)
        done = run("--data", folder, "-o", "out")
        assert done.exit_code == Exit.BAD_INPUT
        assert "train-images-idx3-ubyte" in done.stderr
        assert not (tmp_path / "out").exists()

    def test_place_that_cannot_be_written(self, tmp_path, calls):
        (tmp_path / "file").write_text("")
        done = run("--quick", "-o", "file/out")
        assert done.exit_code == Exit.BAD_USAGE
        assert "cannot be written" in done.stderr
        assert not calls

    def test_datasets_that_are_missing_are_named(self, tmp_path):
        data = idx_folder(tmp_path / "data", count=3)
        done = run("taylor", "--data", data, "-o", "out", "--json")
        assert "has no fashion-mnist, cifar10: left out" in done.stderr
        (found,) = json.loads(done.stdout)["experiments"]
        assert found["numbers"]["sources"] == ["mnist"]
        assert {file["file"] for file in found["sources"][0]["files"]} == {
            f"{half}-{kind}-ubyte.gz"
            for half in ("train", "t10k")
            for kind in ("images-idx3", "labels-idx1")
        }

    def test_names(self):
        assert named([]) == named(["all", "taylor"]) == NAMES
        with pytest.raises(ConfigError, match="choose from"):
            named(["x"])


class TestContext:
    def test_embedded_images_are_split(self):
        context = Context()
        assert context.sources() == ("digits", "lfw")
        train, test = (context.labelled("digits", split=split) for split in ("train", "test"))
        assert (len(train), len(test)) == (1437, 360)
        together = torch.cat([train.images, test.images]).flatten(1)
        assert len(together.unique(dim=0)) == len(together)
        assert len(context.labelled("lfw", 7)) == 7

    def test_folder(self, tmp_path):
        data = idx_folder(tmp_path / "data", count=5)
        context = Context(data)
        assert context.sources() == ("mnist",)
        assert context.labelled("mnist", 2).images.shape == (2, 1, 4, 4)
        assert Context(data, quick=True).sources() == ("digits", "lfw")
        with pytest.raises(DataError, match="nowhere"):
            sources.missing(tmp_path / "nowhere")

    def test_generators_are_apart_and_the_same_again(self):
        first, second, again = (
            torch.rand(4, generator=Context(seed=1).generator(stream)) for stream in (0, 1, 0)
        )
        assert not torch.equal(first, second)
        assert torch.equal(first, again)


def test_heat_map_takes_gaps():
    _, axes = figure()
    heat_map(axes[0, 0], [[1.0, None], [0.5, 0.0]], ["a", "b"], ["c", "d"], form="{:.1f}")
    assert [text.get_text() for text in axes[0, 0].texts] == ["1.0", "0.5", "0.0"]


def idx_folder(root, count):
    """An MNIST of a few images of 4 x 4."""
    (root / "mnist").mkdir(parents=True, exist_ok=True)
    for half in ("train", "t10k"):
        for kind, shape in (("images-idx3", (count, 4, 4)), ("labels-idx1", (count,))):
            head = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
            body = bytes(i % 7 for i in range(torch.Size(shape).numel()))
            path = root / "mnist" / f"{half}-{kind}-ubyte.gz"
            path.write_bytes(gzip.compress(head + body, mtime=0))
    return root
