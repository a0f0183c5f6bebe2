import json
import os
import pickle
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

import augmoments as am
from augmoments.cluster import accumulate
from augmoments.cluster.partitions import Partial, accumulate_part, merge
from augmoments.cluster.reduction import Node, Reduction
from augmoments.data.streams.base import Batch
from augmoments.data.streams.memory import TensorStream
from augmoments.errors import (
    ClusterError,
    ConfigError,
    DataError,
    InputError,
    InputTypeError,
    OutputError,
    PolicyError,
)

POLICY = am.Compose([am.RandomTranslation(x=(-1, 1), y=(-1, 1)), am.RandomHorizontalFlip()])
TESTS = str(Path(__file__).parent)


def images_and_targets(n=90, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(n, 1, 4, 5, generator=generator)
    return images, torch.randn(n, 2, generator=generator, dtype=torch.float64)


@pytest.fixture
def stream():
    return am.data.stream(images_and_targets())


def state(data, folder):
    """Every bit of an accumulator."""
    data.save(folder / "state.safetensors")
    return bits(folder / "state.safetensors")


def bits(path):
    """Every bit of the tensors in a file."""
    return {name: tensor.numpy().tobytes() for name, tensor in load_file(path).items()}


class TestReduction:
    @pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 7, 8, 13])
    def test_it_merges_neighbours_in_order(self, count):
        reduction = Reduction(count, lambda left, right: left + right)
        kept = []
        for leaf in range(count):
            reduction.add(Node(0, leaf), (leaf,))
            kept.append(len(reduction.waiting))
        assert reduction.result == tuple(range(count))
        assert list(reduction.missing()) == []
        assert max(kept) <= np.log2(count) + 1

    @given(count=st.integers(1, 40), data=st.data())
    def test_the_order_of_arrival_does_not_matter(self, count, data):
        order = data.draw(st.permutations(range(count)))
        results = []
        for leaves in (range(count), order):
            reduction = Reduction(count, lambda left, right: f"({left} {right})")
            for place, leaf in enumerate(leaves):
                assert set(reduction.missing()) == set(range(count)) - set(leaves[:place])
                reduction.add(Node(0, leaf), str(leaf))
            results.append(reduction.result)
        assert results[0] == results[1]

    @settings(max_examples=20, deadline=None)
    @given(st.permutations(range(7)))
    def test_moments_are_the_same_to_the_last_bit(self, order):
        images, targets = images_and_targets(35)
        parts = [
            accumulate_part(am.data.stream((x, y)), 0, POLICY, {})
            for x, y in zip(images.split(5), targets.split(5), strict=True)
        ]
        sums = []
        for leaves in (range(7), order):
            reduction = Reduction(7, merge)
            for leaf in leaves:
                reduction.add(Node(0, leaf), pickle.loads(pickle.dumps(parts[leaf])))
            sums.append(reduction.result.moments.moments())
        assert torch.equal(sums[0].covariance, sums[1].covariance)
        assert torch.equal(sums[0].cross, sums[1].cross)

    def test_partitions_without_an_image(self):
        part = accumulate_part(am.data.stream(torch.rand(3, 1, 4, 5)), 0, POLICY, {})
        empty = Partial(None, (am.data.Skipped(Path("a"), "is bad"),))
        assert merge(empty, empty).moments is None
        assert len(merge(empty, empty).skipped) == 2
        assert merge(part, empty).moments is part.moments
        assert merge(empty, part).moments is part.moments


class TestLocal:
    @pytest.mark.parametrize("size", [1, 7, 30, 89, 1000])
    def test_it_is_what_numpy_computes(self, stream, size):
        images, targets = images_and_targets()
        found = accumulate(stream, am.RandomHorizontalFlip(0), partition_size=size)
        rows = images.double().flatten(1).numpy()
        expected = np.cov(rows.T, targets.numpy().T, bias=True)
        moments = found.moments()
        assert found.count == 90
        np.testing.assert_allclose(moments.covariance, expected[:20, :20], atol=1e-13)
        np.testing.assert_allclose(moments.cross, expected[:20, 20:], atol=1e-13)
        np.testing.assert_allclose(moments.mean.flatten(), rows.mean(0), atol=1e-13)

    def test_options_reach_the_moments(self, stream):
        found = accumulate(stream, POLICY, seed=7, tol=0.01)
        assert (found.seed, found.tol) == (7, 0.01)

    def test_progress(self, stream):
        told = []
        accumulate(
            stream,
            POLICY,
            partition_size=40,
            progress=lambda done, total: told.append((done, total)),
        )
        assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]

    def test_images_that_cannot_be_read_are_told(self, tmp_path):
        from PIL import Image

        rng = np.random.default_rng(0)
        for place in range(7):
            Image.fromarray(rng.integers(0, 256, (4, 5), np.uint8)).save(tmp_path / f"{place}.png")
        for place in (2, 3):
            whole = (tmp_path / f"{place}.png").read_bytes()
            (tmp_path / f"{place}.png").write_bytes(whole[:45])
        (tmp_path / "notes.txt").touch()
        skipped = []
        folder = am.data.stream(tmp_path)
        found = accumulate(
            folder,
            POLICY,
            partition_size=2,
            skipped=skipped.append,
            checkpoint=tmp_path / ".checkpoint",
        )
        assert (folder.count, found.count) == (7, 5)
        assert [path.name for path, _ in skipped] == ["notes.txt", "2.png", "3.png"]
        again = []
        accumulate(
            folder,
            POLICY,
            partition_size=2,
            skipped=again.append,
            checkpoint=tmp_path / ".checkpoint",
        )
        assert again == skipped
        (tmp_path / "notes.txt").unlink()
        with pytest.raises(DataError, match=r"2\.png cannot be decoded"):
            accumulate(am.data.stream(tmp_path, strict=True), POLICY, partition_size=2)
        for path in tmp_path.glob("*.png"):
            path.write_bytes(path.read_bytes()[:45])
        with pytest.raises(DataError, match="no image that can be read"):
            accumulate(am.data.stream(tmp_path), POLICY)

    def test_bad_arguments(self, stream, tmp_path):
        with pytest.raises(InputError, match="partition_size=0"):
            accumulate(stream, POLICY, partition_size=0)
        with pytest.raises(ConfigError, match="workers=0"):
            accumulate(stream, POLICY, workers=0)
        with pytest.raises(ConfigError, match="one of the two"):
            accumulate(stream, POLICY, workers=2, scheduler="tcp://127.0.0.1:1")
        with pytest.raises(PolicyError):
            accumulate(stream, am.RandomCrop(9))

    def test_dask_is_optional(self, stream, monkeypatch):
        monkeypatch.delitem(sys.modules, "augmoments.cluster.dask", raising=False)
        monkeypatch.setitem(sys.modules, "distributed", None)
        with pytest.raises(ClusterError, match=r"pip install 'augmoments\[cluster\]'"):
            accumulate(stream, POLICY, workers=2)


class EndedError(Exception):
    """Stands for the end of a process."""


def killed_after(partitions):
    def progress(done, total):
        if done == partitions:
            raise EndedError

    return progress


class TestCheckpoint:
    SIZE = 7  # of 90 images: 13 partitions

    @pytest.fixture
    def expected(self, stream, tmp_path):
        return state(accumulate(stream, POLICY, partition_size=self.SIZE), tmp_path)

    @pytest.fixture
    def run(self, stream, tmp_path):
        return partial(
            accumulate, stream, POLICY, partition_size=self.SIZE, checkpoint=tmp_path / "kept"
        )

    @pytest.mark.parametrize("done", range(14))
    def test_a_run_that_ended_early_goes_on(self, run, expected, tmp_path, done):
        with pytest.raises(EndedError):
            run(progress=killed_after(done))
        nodes = list((tmp_path / "kept").glob("node-*.json"))
        assert len(nodes) == bin(done).count("1") if done < 13 else 1
        told = []
        found = run(progress=lambda done, total: told.append(done))
        assert told[0] == done
        assert state(found, tmp_path) == expected
        assert len(list((tmp_path / "kept").glob("node-*"))) == 2

    @given(st.lists(st.integers(0, 13), max_size=4), st.randoms())
    @settings(max_examples=6, deadline=None)
    def test_again_and_again(self, tmp_path_factory, ends, random):
        folder = tmp_path_factory.mktemp("runs")
        stream = am.data.stream(images_and_targets())
        expected = state(accumulate(stream, POLICY, partition_size=7), folder)
        run = partial(accumulate, stream, POLICY, partition_size=7, checkpoint=folder / "kept")
        for end in sorted(ends):
            with pytest.raises(EndedError):
                run(progress=killed_after(end))
            stale = folder / "kept/.node-00-00000001.safetensors.part"
            stale.write_bytes(random.randbytes(10))
        assert state(run(), folder) == expected
        assert not list((folder / "kept").glob(".*"))

    def test_parts_of_a_merged_node_are_removed(self, run, expected, tmp_path):
        """As if it was killed after a node was written and before its parts were removed."""
        kept = tmp_path / "kept"
        with pytest.raises(EndedError):
            run(progress=killed_after(3))
        (leaf,) = kept.glob("node-00-*.safetensors")
        contents = {path: path.read_bytes() for path in kept.glob("node-00-*")}
        with pytest.raises(EndedError):
            run(progress=killed_after(4))
        for path, content in contents.items():
            path.write_bytes(content)
        (kept / "node-01-00000004.safetensors").write_bytes(b"no note tells of it")
        with pytest.raises(EndedError):
            run(progress=killed_after(4))
        assert not leaf.exists()
        assert sorted(path.name for path in kept.glob("node-*")) == [
            "node-02-00000000.json",
            "node-02-00000000.safetensors",
        ]
        assert state(run(), tmp_path) == expected

    @pytest.mark.parametrize(
        "damage",
        [
            lambda data, note: data.write_bytes(data.read_bytes()[:-8]),
            lambda data, note: data.write_bytes(b""),
            lambda data, note: data.unlink(),
            lambda data, note: note.write_text("{"),
            lambda data, note: note.write_text('{"sha256": 1, "skipped": []}'),
            lambda data, note: data.write_bytes(flipped(data.read_bytes())),
            lambda data, note: (
                data.rename(data.with_name("node-01-00000031.safetensors")),
                note.rename(note.with_name("node-01-00000031.json")),
            ),
        ],
        ids=["cut", "empty", "gone", "note", "hash", "one bit", "no such node"],
    )
    def test_damaged_nodes_are_computed_again(self, run, expected, tmp_path, damage):
        with pytest.raises(EndedError):
            run(progress=killed_after(6))
        (note,) = (tmp_path / "kept").glob("node-01-*.json")
        damage(note.with_suffix(".safetensors"), note)
        told, skipped = [], []
        found = run(progress=lambda done, total: told.append(done), skipped=skipped.append)
        assert told[0] == 4
        assert state(found, tmp_path) == expected
        (bad,) = skipped
        assert "is damaged" in bad.reason

    def test_what_does_not_belong_together_is_refused(self, run, stream, tmp_path):
        run()
        images, targets = images_and_targets(seed=1)
        for change, message in (
            ({"partition_size": 8}, "differs is the partition size"),
            ({"seed": 1}, "the policy or its numerical options"),
            ({"policy": am.RandomHorizontalFlip()}, "the policy"),
            ({"stream": am.data.stream((images, targets))}, "the images or their targets"),
            ({"stream": am.data.stream((stream.images, targets))}, "the images or their targets"),
        ):
            arguments = {"stream": stream, "policy": POLICY, "partition_size": self.SIZE, **change}
            with pytest.raises(DataError, match=message):
                accumulate(checkpoint=tmp_path / "kept", **arguments)

    def test_folders_that_are_no_checkpoint(self, run, tmp_path):
        kept = tmp_path / "kept"
        kept.mkdir()
        (kept / "photo.png").touch()
        with pytest.raises(DataError, match=r"other files and no manifest\.json"):
            run()
        assert [path.name for path in kept.iterdir()] == ["photo.png"]
        (kept / "photo.png").unlink()
        for text in ("{", "[]", '{"format": 1}'):
            (kept / "manifest.json").write_text(text)
            with pytest.raises(DataError, match=r"manifest\.json is damaged"):
                run()
        (tmp_path / "file").touch()
        with pytest.raises(OutputError, match="cannot be written"):
            accumulate(am.data.stream("digits"), POLICY, checkpoint=tmp_path / "file")

    def test_two_runs_at_once(self, run, tmp_path):
        import fcntl

        run()
        with (tmp_path / "kept/lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with pytest.raises(OutputError, match="in use by another run"):
                run()


def flipped(content):
    return content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]


class Slow(TensorStream):
    def _read(self, start, stop):
        time.sleep(0.15)
        return super()._read(start, stop)


class Bad(TensorStream):
    def _read(self, start, stop):
        batch = super()._read(start, stop)
        return Batch(batch.images + 1, batch.targets)


def as_kind(kind, stream):
    return kind(**vars(stream))


@pytest.fixture(autouse=True, scope="module")
def importable_in_workers():
    """So that workers find the streams of this module."""
    import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def workers_of_this_process():
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if "spawn_main" in " ".join(child.cmdline())
    ]


class TestDask:
    def test_two_workers_of_which_one_is_killed(self, stream, tmp_path):
        slow = as_kind(Slow, stream)
        undisturbed = accumulate(slow, POLICY, partition_size=7, workers=2)
        killed = []

        def kill(done, total):
            if done == 3:
                alive = workers_of_this_process()
                assert len(alive) == 2
                os.kill(alive[0].pid, signal.SIGKILL)
                killed.append(alive[0].pid)

        found = accumulate(slow, POLICY, partition_size=7, workers=2, progress=kill)
        assert killed
        assert state(found, tmp_path) == state(undisturbed, tmp_path)
        alone = accumulate(stream, POLICY, partition_size=7).moments()
        moments = found.moments()
        for name in ("mean", "covariance", "cross", "target_covariance"):
            difference = getattr(moments, name) - getattr(alone, name)
            assert difference.abs().max() <= 1e-12
        assert not workers_of_this_process()

    def test_typed_errors_come_back_at_once(self, stream):
        with pytest.raises(DataError, match=r"in memory, from image 0 on: images have values from"):
            accumulate(as_kind(Bad, stream), POLICY, partition_size=7, workers=1)

    @pytest.mark.slow
    def test_a_scheduler_elsewhere(self, stream, tmp_path):
        """Two terminals: a scheduler and a worker; and a checkpoint that went to the first."""
        address = tmp_path / "scheduler.json"
        scheduler = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        worker = ["worker", "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1"]
        common = ["--scheduler-file", str(address)]
        started = []
        try:
            for words in (scheduler, worker):
                started.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "dask", *words, *common],
                        stderr=subprocess.DEVNULL,
                        env={**os.environ, "PYTHONPATH": TESTS},
                    )
                )
                deadline = time.monotonic() + 30
                while not address.exists() and time.monotonic() < deadline:
                    time.sleep(0.05)
            run = partial(accumulate, stream, POLICY, partition_size=7)
            place = json.loads(address.read_text())["address"]
            found = run(scheduler=place, checkpoint=tmp_path / "kept")
        finally:
            for process in started:
                process.terminate()
                process.wait()
        assert state(run(checkpoint=tmp_path / "kept"), tmp_path) == state(found, tmp_path)
        expected = run().moments().covariance
        assert (found.moments().covariance - expected).abs().max() <= 1e-12

    @pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nowhere", "http://x"])
    def test_a_scheduler_that_is_not_there(self, stream, address, monkeypatch):
        monkeypatch.setattr("augmoments.cluster.dask._SECONDS", 1)
        with pytest.raises(ClusterError, match="can be reached"):
            accumulate(stream, POLICY, scheduler=address)

    def test_datasets_that_cannot_be_pickled(self):
        class Local(torch.utils.data.Dataset):
            lock = None

            def __len__(self):
                return 3

            def __getitem__(self, index):
                return torch.full((1, 4, 5), index / 3), 1.0

            def __reduce__(self):
                raise TypeError("cannot pickle this")

        with pytest.raises(InputTypeError, match="cannot be sent to another process"):
            accumulate(Local(), POLICY, workers=1)
