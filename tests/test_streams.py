import gzip
import itertools
import pickle
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

from augmoments import data
from augmoments.data.streams import rows
from augmoments.errors import DataError, InputError, InputTypeError

zarr = pytest.importorskip("zarr")

N = 11
PIXELS = np.random.default_rng(0).integers(0, 256, (N, 3, 5, 4), dtype=np.uint8)
LABELS = np.array([3, 0, 1, 1, 2, 2, 0, 3, 1, 0, 2])


def idx(path, array):
    header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    content = header + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_zarr(path, chunks=(4, 3, 5, 4), **arrays):
    group = zarr.open_group(str(path), mode="w")
    with zarr.config.set({"array.write_empty_chunks": True}):
        for name, values in arrays.items():
            pieces = chunks if values.ndim == 4 else (max(1, len(values) // 3),)
            array = group.create_array(name, shape=values.shape, chunks=pieces, dtype=values.dtype)
            array[...] = values
    return path


class Pairs(Dataset):
    """A dataset of somebody's own."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index], self.labels[index]


def as_floats():
    return torch.from_numpy(PIXELS).float() / 255


def make(kind, root):
    """A source with the known pixels and labels; of IDX files, with their first channel."""
    match kind:
        case "npz":
            np.savez(root / "a.npz", images=PIXELS, labels=LABELS)
        case "compressed npz":
            np.savez_compressed(root / "a.npz", x=PIXELS.transpose(0, 2, 3, 1), y=LABELS)
        case "floats":
            np.savez(root / "a.npz", x=(PIXELS / 255).astype(">f8"), y=LABELS)
        case "float32":
            np.savez(root / "a.npz", x=(PIXELS / 255).astype(np.float32), y=LABELS)
        case "zarr":
            return write_zarr(root / "a.zarr", images=PIXELS, labels=LABELS)
        case "idx" | "idx.gz":
            end = ".gz" if kind == "idx.gz" else ""
            idx(root / f"train-images-idx3-ubyte{end}", PIXELS[:, 0])
            idx(root / f"train-labels-idx1-ubyte{end}", LABELS)
            return f"mnist:{root}"
        case "folder":
            for place in np.argsort(LABELS, kind="stable"):
                folder = root / "images" / f"class {LABELS[place]}"
                folder.mkdir(parents=True, exist_ok=True)
                pixels = PIXELS[place].transpose(1, 2, 0)
                Image.fromarray(pixels).save(folder / f"{place:02d}.png")
            return root / "images"
        case "tensors":
            return as_floats(), torch.from_numpy(LABELS)
        case "dataset":
            return Pairs(as_floats(), LABELS.tolist())
        case "TensorDataset":
            return TensorDataset(as_floats(), torch.from_numpy(LABELS))
    return root / "a.npz"


KINDS = [
    "npz",
    "compressed npz",
    "floats",
    "float32",
    "zarr",
    "idx",
    "idx.gz",
    "folder",
    "tensors",
    "dataset",
    "TensorDataset",
]


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def source(kind, tmp_path):
    return make(kind, tmp_path)


@pytest.fixture
def expected(kind):
    images, labels = as_floats(), torch.from_numpy(LABELS)
    if kind.startswith("idx"):
        images = images[:, :1]
    if kind == "folder":
        order = labels.argsort(stable=True)
        return images[order], labels[order]
    return images, labels


class TestEveryKind:
    def test_what_it_tells(self, source, expected, kind):
        stream = data.stream(source)
        assert (stream.count, len(stream)) == (N, N)
        assert stream.shape == tuple(expected[0].shape[1:])
        names = {"folder": tuple(f"class {k}" for k in range(4)), "dataset": ()}
        names["TensorDataset"] = ()
        assert stream.classes == names.get(kind, tuple("0123"))
        assert stream.skipped == ()
        assert torch.equal(stream.labels(), expected[1])
        assert f"11 images of shape {stream.shape}" in repr(stream)

    @pytest.mark.parametrize(("start", "stop"), [(0, N), (0, 1), (3, 8), (N - 1, N), (1, 2)])
    def test_ranges(self, source, expected, start, stop):
        images, labels = data.stream(source).read(start, stop)
        assert images.dtype == torch.float32
        assert labels.dtype == torch.int64
        assert torch.allclose(images, expected[0][start:stop], atol=1e-7)
        assert torch.equal(labels, expected[1][start:stop])

    def test_parts_of_parts_go_through_pickle(self, source, expected):
        stream = data.stream(source)
        part = pickle.loads(pickle.dumps(stream.part(2, 9).part(1, 5)))
        assert (part.count, part.fingerprint) == (4, stream.fingerprint)
        images, labels = part.read(1, 4)
        assert torch.allclose(images, expected[0][4:7], atol=1e-7)
        assert torch.equal(labels, expected[1][4:7])
        assert torch.equal(part.labels(), expected[1][3:7])
        with pytest.raises(InputError, match="has no images 3 to 5: it has 4"):
            part.read(3, 5)

    @pytest.mark.parametrize(("start", "stop"), [(-1, 2), (0, N + 1), (2, 2), (5, 3)])
    def test_ranges_that_are_none(self, source, start, stop):
        with pytest.raises(InputError, match=f"has no images {start} to {stop}"):
            data.stream(source).read(start, stop)

    @pytest.mark.parametrize("size", [3, (6, 2)])
    def test_sizes(self, source, expected, size):
        stream = data.stream(source, size=size)
        whole = data.resize(expected[0], size)
        assert stream.shape == tuple(whole.shape[1:])
        part = pickle.loads(pickle.dumps(stream.part(2, 7)))
        assert torch.allclose(part.read(1, 5).images, whole[3:7], atol=1e-6)
        assert torch.equal(stream.labels(), expected[1])
        assert stream.fingerprint != data.stream(source).fingerprint

    def test_one_hot(self, source, expected):
        stream = data.one_hot(data.stream(source))
        assert len(stream.classes) == 4
        part = pickle.loads(pickle.dumps(stream.part(3, 8)))
        images, targets = part.read(1, 4)
        assert targets.dtype == torch.float64
        assert torch.equal(targets, torch.eye(4, dtype=torch.float64)[expected[1][4:7]])
        assert torch.allclose(images, expected[0][4:7], atol=1e-7)
        assert torch.equal(stream.labels().argmax(1), expected[1])
        assert stream.fingerprint != data.stream(source).fingerprint

    def test_the_fingerprint_stays_and_changes_with_the_source(self, kind, tmp_path):
        first = data.stream(make(kind, tmp_path))
        assert data.stream(make(kind, tmp_path)) is not first
        if kind in ("tensors", "dataset", "TensorDataset"):
            assert data.stream(make(kind, tmp_path)).fingerprint == first.fingerprint
            images = as_floats()
            images[-1, 0, 0, 0] = 0.5
            changed = data.stream((images, torch.from_numpy(LABELS)))
        else:
            source = make(kind, tmp_path)
            assert data.stream(source).fingerprint == data.stream(source).fingerprint
            PIXELS[0, 0, 0, 0] ^= 1
            changed = data.stream(make(kind, tmp_path))
            PIXELS[0, 0, 0, 0] ^= 1
        assert changed.fingerprint != first.fingerprint


@given(st.lists(st.integers(0, N), min_size=2, max_size=6, unique=True))
def test_compressed_files_can_be_read_in_any_order(tmp_path_factory, ends):
    root = tmp_path_factory.mktemp("any")
    for kind in ("compressed npz", "idx.gz"):
        stream = data.stream(make(kind, root))
        for start, stop in itertools.pairwise(ends):
            if start < stop:
                found = stream.read(start, stop).images
                expected = as_floats()[start:stop, : stream.shape[0]]
                assert torch.allclose(found, expected, atol=1e-7)


class TestSources:
    def test_embedded(self):
        stream = data.stream("digits")
        assert (stream.count, stream.shape, stream.classes) == (
            1797,
            (1, 8, 8),
            tuple("0123456789"),
        )
        assert data.stream("photo:cat", size=16).shape == (3, 16, 16)
        assert data.stream(stream) is stream
        assert data.stream(data.load("lfw")).classes == ("no face", "face")

    def test_images_alone(self, tmp_path):
        np.savez(tmp_path / "a.npz", images=PIXELS)
        for source in (as_floats(), tmp_path / "a.npz", TensorDataset(as_floats())):
            if isinstance(source, TensorDataset):
                source = [image for (image,) in source]  # a list is a map-style dataset too
            stream = data.stream(source)
            assert stream.read(0, 2).targets is None
            assert stream.labels() is None
            with pytest.raises(DataError, match="has no labels"):
                data.one_hot(stream)

    def test_real_targets(self):
        targets = torch.randn(N, 2, dtype=torch.float64)
        for source in ((as_floats(), targets), Pairs(as_floats(), targets)):
            stream = data.stream(source)
            assert torch.equal(stream.read(2, 5).targets, targets[2:5])
            with pytest.raises(DataError, match="no classes: expected whole numbers"):
                data.one_hot(stream)

    def test_whole_zarr_groups_can_be_loaded_too(self, tmp_path):
        images, labels = data.load(make("zarr", tmp_path))
        assert torch.equal(images, as_floats())
        assert labels.tolist() == LABELS.tolist()

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ("digit", r"did you mean 'digits'.*a Zarr group"),
            ("/nowhere/images", "there is no file or folder"),
            ("nowhere.npz", r"there is no nowhere\.npz"),
            ("nowhere.zarr", r"there is no nowhere\.zarr"),
            ("mnist:nowhere", "there is no nowhere"),
        ],
    )
    def test_other_sources_are_refused(self, source, message, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(DataError, match=message):
            data.stream(source)
        with pytest.raises(InputTypeError, match="int has no length"):
            data.stream(3)


class TestNpz:
    def test_only_the_rows_asked_for_are_read(self, tmp_path, monkeypatch):
        stream = data.stream(make("npz", tmp_path))
        taken = []
        read = rows.Bytes.open

        def opened(self):
            file = read(self)
            inner = file.read
            file.read = lambda n=-1: taken.append(n) or inner(n)
            return file

        monkeypatch.setattr(rows.Bytes, "open", opened)
        rows._handle.cache_clear()
        stream.read(4, 6)
        assert taken[-1] == 2 * 60

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"weights": PIXELS}, "has the arrays weights; none is called images, x"),
            ({"x": PIXELS.astype(int)}, "are int64: save them as uint8"),
            ({"x": PIXELS[:, 0, 0]}, r"shape \(11, 4\)"),
            ({"x": PIXELS[:0]}, "the batch is empty"),
            ({"x": np.asfortranarray(PIXELS)}, "Fortran order.*ascontiguousarray"),
            ({"x": np.array([None, {}])}, "Object arrays cannot be loaded"),
            ({"x": PIXELS, "y": LABELS[:5]}, r"11 images, but labels of shape \(5,\)"),
            ({"x": PIXELS, "y": LABELS / 2}, "labels of float64"),
            ({"x": PIXELS, "y": LABELS - 1}, "labels from -1"),
        ],
    )
    def test_other_arrays_are_refused(self, tmp_path, arrays, message):
        np.savez(tmp_path / "a.npz", **arrays)
        with pytest.raises(DataError, match=message):
            data.stream(tmp_path / "a.npz")

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            (PIXELS.astype(float), "values from .*save images / 255"),
            (np.where(PIXELS[9, 0, 0, 0] == PIXELS, np.nan, 0.5), "NaN"),
            (np.full((N, 1, 2, 2), np.inf), "infinite"),
        ],
    )
    def test_values_are_checked_when_they_are_read(self, tmp_path, values, message):
        np.savez(tmp_path / "a.npz", x=values)
        with pytest.raises(DataError, match=rf"a\.npz, from image 9 on: images have .*{message}"):
            data.stream(tmp_path / "a.npz").read(9, 11)

    @pytest.mark.parametrize("kind", ["npz", "compressed npz"])
    @pytest.mark.parametrize("cut", [-1, -300, 300])
    def test_damage(self, tmp_path, kind, cut):
        path = make(kind, tmp_path)
        whole = path.read_bytes()
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError, match=r"a\.npz cannot be read"):
            data.stream(path)
        path.write_bytes(whole[:300] + bytes([whole[300] ^ 4]) + whole[301:])
        with pytest.raises(DataError, match=r"a\.npz cannot be read"):
            data.stream(path)

    def test_a_file_that_changes_meanwhile(self, tmp_path):
        stream = data.stream(make("npz", tmp_path))
        np.savez(tmp_path / "a.npz", images=PIXELS[:4])
        with pytest.raises(DataError, match="has changed since it was first read"):
            stream.read(0, 2)

    def test_a_single_image(self, tmp_path):
        np.savez(tmp_path / "a.npz", x=PIXELS[0].transpose(1, 2, 0))
        stream = data.stream(tmp_path / "a.npz")
        assert (stream.count, stream.shape) == (1, (3, 5, 4))
        assert torch.equal(stream.read(0, 1).images, as_floats()[:1])


class TestZarr:
    def test_only_chunks_asked_for_are_read(self, tmp_path, monkeypatch):
        stream = data.stream(make("zarr", tmp_path))
        stream.read(0, 1)
        asked = []
        store = zarr.storage.LocalStore
        get = store.get

        async def watched(self, key, *arguments, **named):
            asked.append(key)
            return await get(self, key, *arguments, **named)

        monkeypatch.setattr(store, "get", watched)
        stream.read(5, 7)
        assert [key for key in asked if "/c/" in key] == ["images/c/1/0/0/0"]
        asked.clear()
        stream.read(2, 9)
        assert sorted(key for key in asked if "/c/" in key) == [
            f"images/c/{k}/0/0/0" for k in range(3)
        ]

    @pytest.mark.parametrize("layout", ["NHWC", "NHW"])
    def test_layouts_and_names(self, tmp_path, layout):
        values = PIXELS.transpose(0, 2, 3, 1) if layout == "NHWC" else PIXELS[:, 0]
        names = np.array(["ant", "bee", "cat", "dog"])[LABELS]
        group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
        group.create_array("x_train", data=values)
        group.create_array("y_train", shape=names.shape, dtype=str)[:] = names
        stream = data.stream(tmp_path / "a.zarr")
        assert stream.classes == ("ant", "bee", "cat", "dog")
        assert stream.labels().tolist() == LABELS.tolist()
        assert torch.equal(stream.read(3, 7).images, as_floats()[3:7, : stream.shape[0]])

    def test_chosen_arrays(self, tmp_path):
        path = write_zarr(tmp_path / "a.zarr", mine=PIXELS, yours=LABELS, images=PIXELS[:2])
        assert data.stream(path).count == 2
        assert data.stream(path, key="mine").labels() is None
        assert data.stream(path, key="mine", label_key="yours").labels().tolist() == [*LABELS]
        with pytest.raises(DataError, match=r"no array 'min' \(did you mean 'mine'\?\)"):
            data.stream(path, key="min")

    @pytest.mark.parametrize("name", ["images", "labels"])
    def test_chunks_that_are_lost(self, tmp_path, name):
        path = make("zarr", tmp_path)
        chunks = sorted(p for p in (path / name / "c").rglob("*") if p.is_file())
        chunks[1].unlink()
        with pytest.raises(DataError, match=f"lacks 1 of the . chunks of {name}.*write_empty"):
            data.stream(path)

    @pytest.mark.parametrize("content", [b"", b"short"])
    def test_chunks_that_are_cut_short(self, tmp_path, content):
        path = make("zarr", tmp_path)
        stream = data.stream(path)
        (path / "images/c/1/0/0/0").write_bytes(content)
        stream.read(0, 4)
        with pytest.raises(DataError, match="rows 3 to 6 of images cannot be read as Zarr"):
            stream.read(3, 6)

    def test_labels_that_are_cut_short(self, tmp_path):
        path = make("zarr", tmp_path)
        (path / "labels/c/0").write_bytes(b"")
        with pytest.raises(DataError, match="cannot be read as Zarr"):
            data.stream(path)

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"weights": LABELS}, "has the arrays weights"),
            ({"images": PIXELS.astype(np.int32)}, "are int32"),
            ({"images": LABELS.astype(np.uint8)}, r"shape \(11,\)"),
            ({"images": PIXELS, "labels": LABELS[:4]}, r"labels of shape \(4,\)"),
            ({"images": PIXELS, "labels": LABELS - 2}, "labels from -2"),
        ],
    )
    def test_other_arrays_are_refused(self, tmp_path, arrays, message):
        with pytest.raises(DataError, match=message):
            data.stream(write_zarr(tmp_path / "a.zarr", **arrays))

    def test_values_are_checked_when_they_are_read(self, tmp_path):
        values = (PIXELS / 255).astype(np.float32)
        values[6] = np.nan
        stream = data.stream(write_zarr(tmp_path / "a.zarr", images=values))
        stream.read(0, 6)
        with pytest.raises(DataError, match="from image 5 on: images have 60 NaN"):
            stream.read(5, 8)

    def test_damaged_groups(self, tmp_path):
        path = make("zarr", tmp_path)
        (path / "zarr.json").write_text("{")
        with pytest.raises(DataError, match="cannot be read as Zarr"):
            data.stream(path)
        (tmp_path / "empty.zarr").mkdir()
        with pytest.raises(DataError, match="cannot be read as Zarr"):
            data.stream(tmp_path / "empty.zarr")

    def test_it_is_optional(self, tmp_path, monkeypatch):
        path = make("zarr", tmp_path)
        monkeypatch.setitem(sys.modules, "zarr", None)
        with pytest.raises(DataError, match=r"pip install 'augmoments\[zarr\]'"):
            data.stream(path)


class TestIdx:
    @pytest.mark.parametrize("end", ["", ".gz"])
    def test_damage(self, tmp_path, end):
        source = make(f"idx{end}", tmp_path)
        path = tmp_path / f"train-images-idx3-ubyte{end}"
        whole = path.read_bytes()
        for content in (whole[:-5], whole[:3], whole + b"x", b""):
            path.write_bytes(content)
            with pytest.raises(DataError, match="train-images"):
                data.stream(source)
        path.write_bytes(whole)
        idx(tmp_path / f"train-labels-idx1-ubyte{end}", LABELS[:3])
        with pytest.raises(DataError, match="11 train images but 3 labels"):
            data.stream(source)
        with pytest.raises(DataError, match="neither t10k-images"):
            data.stream(source, split="test")

    def test_mnist_itself(self, data_root):
        stream = data.stream(f"mnist:{data_root / 'mnist'}", split="test")
        images, labels = data.mnist(data_root / "mnist", split="test")
        for start in (9000, 100, 4000):
            assert torch.equal(stream.read(start, start + 50).images, images[start : start + 50])
        assert torch.equal(stream.labels(), labels)


class TestFolder:
    @pytest.fixture
    def folder(self, tmp_path):
        root = make("folder", tmp_path)
        cut = sorted(root.rglob("*.png"))[4]
        cut.write_bytes(cut.read_bytes()[:60])
        (root / "class 1" / "notes.txt").write_text("no image")
        return root, cut

    def test_bad_files_leave_the_others_in_their_places(self, folder):
        root, cut = folder
        stream = data.stream(root)
        assert [path.name for path, _ in stream.skipped] == ["notes.txt"]
        assert stream.count == N
        order = LABELS.argsort(kind="stable")
        batch = stream.read(3, 7)
        assert [path for path, _ in batch.skipped] == [cut]
        kept = order[[3, 5, 6]]
        assert torch.equal(batch.images, as_floats()[kept])
        assert batch.targets.tolist() == LABELS[kept].tolist()
        alone = stream.read(4, 5)
        assert len(alone.images) == len(alone.targets) == 0
        hot = data.one_hot(stream).read(4, 6)
        assert hot.targets.shape == (1, 4)
        assert hot.skipped == alone.skipped

    def test_strict(self, folder):
        root, cut = folder
        with pytest.raises(DataError, match=r"notes\.txt is not an image"):
            data.stream(root, strict=True)
        (root / "class 1" / "notes.txt").unlink()
        stream = data.stream(root, strict=True)
        stream.read(0, 4)
        with pytest.raises(DataError, match=cut.name):
            stream.read(2, 6)

    def test_nothing_to_read(self, tmp_path):
        with pytest.raises(DataError, match="it is empty"):
            data.stream(tmp_path)

    def test_one_class(self, tmp_path):
        (tmp_path / "only").mkdir()
        Image.fromarray(PIXELS[0, 0]).save(tmp_path / "only" / "a.png")
        with pytest.raises(DataError, match="only one class, only"):
            data.one_hot(data.stream(tmp_path))


class TestDatasets:
    @pytest.mark.parametrize(
        ("dataset", "message"),
        [
            (Pairs(torch.from_numpy(PIXELS), LABELS), "uint8 of shape .*scale=True"),
            (Pairs(as_floats().flatten(1), LABELS), r"of shape \(60,\)"),
            (Pairs(list(PIXELS), LABELS), "that is ndarray"),
            (Pairs(as_floats(), ["cat"] * N), "a target that is str"),
            (Pairs(as_floats()[:0], []), "Pairs is empty"),
        ],
    )
    def test_items_that_are_no_images(self, dataset, message):
        with pytest.raises(DataError, match=message):
            data.stream(dataset)

    def test_items_that_change(self):
        class Random(Pairs):
            def __getitem__(self, index):
                return torch.rand(1, 4, 4), 0

        with pytest.raises(DataError, match="two different items for index 0: leave random"):
            data.stream(Random(as_floats(), LABELS))

    def test_items_that_differ(self):
        images = list(as_floats())
        images[3] = torch.rand(3, 6, 6)
        stream = data.stream(Pairs(images, LABELS))
        stream.read(0, 3)
        with pytest.raises(DataError, match=r"item 3 has shape \(3, 6, 6\)"):
            stream.read(2, 5)
        stream = data.stream(Pairs(as_floats() * 2, LABELS))
        with pytest.raises(DataError, match="values from"):
            stream.read(0, N)
        stream = data.stream([*zip(as_floats(), [1] * N, strict=True)][:9] + [as_floats()[0]] * 2)
        with pytest.raises(DataError, match="some items have a target"):
            stream.read(0, N)

    def test_known_classes(self):
        stream = data.stream(Pairs(as_floats(), LABELS), classes=("a", "b", "c"))
        with pytest.raises(DataError, match=r"outside 0\.\.2"):
            stream.read(0, 3)


class TestTensors:
    @pytest.mark.parametrize(
        ("source", "error", "message"),
        [
            (torch.rand(3, 1, 4, 4) * 255, InputError, "values from"),
            (torch.full((3, 1, 4, 4), float("nan")), InputError, "NaN"),
            (torch.zeros(0, 1, 4, 4), InputError, "empty"),
            ((torch.rand(3, 1, 4, 4), torch.arange(2)), InputError, "for 3 images"),
            ((PIXELS, torch.arange(N)), InputTypeError, "torch.from_numpy"),
        ],
    )
    def test_bad_input(self, source, error, message):
        with pytest.raises(error, match=message):
            data.stream(source)

    def test_parts_hold_no_more_than_they_need(self):
        stream = data.stream((torch.rand(1000, 1, 8, 8), torch.arange(1000) % 3))
        assert len(pickle.dumps(stream.part(10, 12))) < 5000


def test_paths_and_strings_are_the_same(tmp_path):
    source = make("npz", tmp_path)
    assert data.stream(str(source)).fingerprint == data.stream(Path(source)).fingerprint
