import gzip
import struct
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from augmoments import checks, data
from augmoments.data import idx
from augmoments.errors import DataError, InputError, NotEnoughMemoryError


def assert_images(images, *shape):
    assert images.dtype == torch.float32
    assert images.shape == shape
    assert 0 <= images.min() <= images.max() <= 1


class TestEmbedded:
    def test_digits(self):
        images, labels = data.digits()
        assert_images(images, 1797, 1, 8, 8)
        assert images.max() == 1
        assert labels.dtype == torch.int64
        assert labels.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]

    def test_lfw(self):
        images, labels = data.lfw()
        assert_images(images, 200, 1, 25, 25)
        assert labels.tolist() == [1] * 100 + [0] * 100

    @pytest.mark.parametrize("name", data.PHOTOS)
    def test_every_photo_is_there(self, name):
        image = data.photo(name)
        assert_images(image, 1, image.shape[1], *image.shape[-2:])
        assert image.shape[1] in (1, 3)
        assert image.std() > 0.02

    def test_photos_as_scikit_learn_and_scikit_image_give_them(self):
        from skimage.data import cat
        from sklearn.datasets import load_sample_image

        for name, pixels in (("china", load_sample_image("china.jpg")), ("cat", cat())):
            assert np.array_equal(data.photo(name)[0].permute(1, 2, 0) * 255, pixels)

    def test_an_unknown_photo_names_the_nearest(self):
        with pytest.raises(DataError, match=r"'astronut' \(did you mean 'astronaut'\?\).*coffee"):
            data.photo("astronut")


class TestResize:
    def test_a_pair_stretches_and_a_number_takes_the_central_square(self):
        photo = data.photo("coffee")
        assert photo.shape[-2:] == (400, 600)
        assert_images(data.photo("coffee", size=(30, 20)), 1, 3, 30, 20)
        square = data.photo("coffee", size=50)
        assert torch.equal(square, data.resize(photo[..., 100:500], (50, 50)))

    def test_it_averages_what_it_leaves_out(self):
        stripes = torch.arange(64).remainder(2).float().expand(1, 1, 64, 64)
        assert data.resize(stripes, 16)[..., 2:-2].sub(0.5).abs().max() < 0.1

    def test_it_does_nothing_without_a_reason(self):
        images, _ = data.digits()
        assert data.resize(images, None) is images
        assert torch.equal(data.resize(images, 8), images)

    @pytest.mark.parametrize("size", [0, -3, 2.5, True, (8,), (8, 0), "8"])
    def test_sizes_that_are_none(self, size):
        with pytest.raises(InputError, match="expected pixels"):
            data.resize(torch.rand(1, 1, 4, 4), size)


def write_idx(path, array, magic=None, shape=None, cut=None, more=b""):
    """An IDX file of the array, as damaged as asked."""
    header = magic or bytes((0, 0, 8, array.ndim))
    header += struct.pack(f">{array.ndim}I", *(shape or array.shape))
    content = (header + array.tobytes() + more)[:cut]
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (6, 5, 4), dtype=np.uint8)


class TestMnist:
    @pytest.fixture
    def root(self, tmp_path, pixels):
        labels = np.array([3, 0, 1, 1, 9, 2], np.uint8)
        write_idx(tmp_path / "train-images-idx3-ubyte.gz", pixels)
        write_idx(tmp_path / "train-labels-idx1-ubyte", labels)
        write_idx(tmp_path / "t10k-images.idx3-ubyte", pixels[:2])
        write_idx(tmp_path / "t10k-labels.idx1-ubyte.gz", labels[:2])
        return tmp_path

    def test_plain_and_gzip(self, root, pixels):
        images, labels = data.mnist(root)
        assert_images(images, 6, 1, 5, 4)
        assert np.allclose(images[:, 0] * 255, pixels, atol=1e-4)
        assert labels.tolist() == [3, 0, 1, 1, 9, 2]
        images, labels = data.mnist(root, split="test")
        assert_images(images, 2, 1, 5, 4)
        assert labels.tolist() == [3, 0]

    def test_a_split_that_is_none(self, root):
        with pytest.raises(DataError, match="expected 'train' or 'test'"):
            data.mnist(root, split="validation")

    def test_missing_files(self, tmp_path):
        with pytest.raises(DataError, match=r"neither train-images-idx3-ubyte nor .*\.gz"):
            data.mnist(tmp_path)
        (tmp_path / "mnist").mkdir()
        with pytest.raises(DataError, match=r"no mnsit in .* \(did you mean 'mnist'\?\)"):
            data.mnist(tmp_path / "mnsit")
        with pytest.raises(DataError, match=r"there is no folder .*nowhere: check the path"):
            data.mnist(tmp_path / "nowhere" / "mnist")

    def test_images_and_labels_of_different_number(self, root):
        write_idx(root / "train-labels-idx1-ubyte", np.zeros(5, np.uint8))
        with pytest.raises(DataError, match="6 train images but 5 labels"):
            data.mnist(root)

    @pytest.mark.parametrize("suffix", ["", ".gz"])
    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            ({"magic": b"\x89PNG"}, "begins with 89 50 4e 47, expected 00 00 08 03"),
            ({"magic": bytes((0, 0, 13, 3))}, "begins with 00 00 0d 03"),
            ({"cut": 0}, "begins with nothing"),
            ({"cut": 9}, "not an IDX file"),
            ({"cut": 100}, r"a shape of \(6, 5, 4\), 120 bytes, but has only 84"),
            ({"more": b"x"}, "120 bytes, but has more"),
            ({"shape": (0, 5, 4)}, "is empty"),
        ],
    )
    def test_damaged_files(self, tmp_path, pixels, damage, message, suffix):
        path = tmp_path / f"images{suffix}"
        write_idx(path, pixels, **damage)
        with pytest.raises(DataError, match=message):
            idx.read_idx(path, ndim=3)

    @pytest.mark.parametrize("flipped", [0, 12, -6])
    def test_damaged_gzip(self, tmp_path, pixels, flipped):
        path = tmp_path / "images.gz"
        write_idx(path, pixels)
        content = bytearray(path.read_bytes())
        content[flipped] ^= 0xFF
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"images\.gz"):
            idx.read_idx(path, ndim=3)

    def test_truncated_gzip(self, tmp_path, pixels):
        path = tmp_path / "images.gz"
        write_idx(path, pixels)
        path.write_bytes(path.read_bytes()[:60])
        with pytest.raises(DataError, match="cannot be read"):
            idx.read_idx(path, ndim=3)

    def test_a_header_that_tells_of_terabytes(self, tmp_path, pixels):
        write_idx(tmp_path / "images", pixels, shape=(2**31, 2**10, 2**10))
        with pytest.raises(NotEnoughMemoryError, match=r"needs 1\.35e"):
            idx.read_idx(tmp_path / "images", ndim=3)

    def test_mnist_itself(self, data_root):
        images, labels = data.mnist(data_root / "mnist", split="test")
        assert_images(images, 10000, 1, 28, 28)
        assert labels.bincount().tolist() == [
            *(980, 1135, 1032, 1010, 982),
            *(892, 958, 1028, 974, 1009),
        ]
        assert images.double().mean().item() == pytest.approx(0.1325, abs=1e-4)


class TestNpz:
    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "some.npz"

    @pytest.mark.parametrize(
        ("shape", "expected"),
        [
            ((6, 3, 5, 4), (6, 3, 5, 4)),
            ((6, 5, 7, 3), (6, 3, 5, 7)),
            ((6, 5, 7, 1), (6, 1, 5, 7)),
            ((6, 5, 7, 4), (6, 4, 5, 7)),
            ((6, 5, 7), (6, 1, 5, 7)),
            ((1, 5, 7), (1, 1, 5, 7)),
            ((5, 7, 3), (1, 3, 5, 7)),
        ],
    )
    def test_layouts(self, path, shape, expected):
        pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        np.savez(path, images=pixels)
        images, labels = data.npz(path)
        assert_images(images, *expected)
        assert labels is None
        assert images.sum().item() == pytest.approx(pixels.sum() / 255, rel=1e-5)
        if shape == (6, 5, 7, 3):
            assert torch.equal(
                images.permute(0, 2, 3, 1).mul(255).round().byte(), torch.tensor(pixels)
            )

    def test_labels_tell_gray_images_from_one_color_image(self, path):
        pixels = np.zeros((8, 9, 3), np.uint8)
        np.savez(path, images=pixels, labels=np.arange(8))
        assert_images(data.npz(path).images, 8, 1, 9, 3)

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
    def test_floats(self, path, dtype):
        values = np.random.default_rng(0).random((2, 1, 5, 6)).astype(dtype)
        np.savez_compressed(path, x=values)
        images = data.npz(path).images
        assert_images(images, 2, 1, 5, 6)
        assert np.array_equal(images, values.astype(np.float32))

    @pytest.mark.parametrize(
        ("key", "label_key"),
        [("images", "labels"), ("x", "y"), ("X", "Y"), ("x_train", "y_train"), ("arr_0", "arr_1")],
    )
    def test_known_keys(self, path, pixels, key, label_key):
        np.savez(path, **{key: pixels, label_key: np.arange(6, dtype=np.uint8)[:, None]})
        dataset = data.npz(path)
        assert_images(dataset.images, 6, 1, 5, 4)
        assert dataset.labels.tolist() == [*range(6)]
        assert dataset.name == "some.npz"

    def test_chosen_keys(self, path, pixels):
        half = {"x_test": pixels[:2], "y_test": np.array([1, 0])}
        np.savez(path, x_train=pixels, y_train=np.zeros(6, int), other=np.arange(2), **half)
        assert len(data.npz(path)) == 6
        assert data.npz(path, key="x_test").labels.tolist() == [1, 0]
        assert data.npz(path, key="x_test", label_key="other").labels.tolist() == [0, 1]
        with pytest.raises(DataError, match=r"no array 'x_tst' \(did you mean 'x_test'\?\)"):
            data.npz(path, key="x_tst")

    def test_names_of_classes(self, path, pixels):
        labels = np.array([1, 0, 1, 1, 0, 0])
        np.savez(path, x=pixels, y=labels, classes=np.array(["cat", "dog"]))
        assert data.npz(path).classes == ("cat", "dog")
        np.savez(path, x=pixels, y=np.array(["cat", "dog"])[labels])
        dataset = data.npz(path)
        assert dataset.classes == ("cat", "dog")
        assert dataset.labels.tolist() == labels.tolist()

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"weights": np.zeros(3)}, "has the arrays weights; none is called images, x"),
            ({}, "has the arrays none"),
            ({"x": np.zeros((2, 10, 8, 8))}, r"shape \(2, 10, 8, 8\): save them as \(N, C, H, W\)"),
            ({"x": np.zeros((3, 8, 8))}, r"shape \(3, 8, 8\)"),
            ({"x": np.zeros((8, 8))}, r"shape \(8, 8\)"),
            ({"x": np.zeros((2, 1, 8, 8), int)}, "are int64: save them as uint8"),
            ({"x": np.zeros((2, 1, 8, 8), bool)}, "are bool"),
            ({"x": np.full((2, 1, 8, 8), 255.0)}, "values from 255 to 255.*save images / 255"),
            ({"x": np.full((2, 1, 8, 8), np.nan)}, "128 NaN"),
            ({"x": np.zeros((0, 1, 8, 8))}, "the batch is empty"),
            ({"x": np.array([None, {}])}, "plain arrays: Object arrays cannot be loaded"),
            (
                {"x": np.zeros((2, 1, 8, 8)), "y": np.zeros(3, int)},
                r"2 images, but labels .*\(3,\)",
            ),
            ({"x": np.zeros((2, 1, 8, 8)), "y": np.array(1)}, r"labels of shape \(\)"),
            ({"x": np.zeros((2, 1, 8, 8)), "y": np.zeros(2)}, "labels of float64"),
            ({"x": np.zeros((2, 1, 8, 8)), "y": np.array([0, -1])}, "from -1 to 0, expected 0 to"),
            (
                {
                    "x": np.zeros((2, 1, 8, 8)),
                    "y": np.array([0, 2]),
                    "classes": np.array(["a", "b"]),
                },
                "from 0 to 2, expected 0 to 1",
            ),
        ],
    )
    def test_other_arrays_are_refused(self, path, arrays, message):
        np.savez(path, **arrays)
        with pytest.raises(DataError, match=message):
            data.npz(path)

    def test_other_files_are_refused(self, path, tmp_path):
        with pytest.raises(DataError, match=r"there is no some\.npz in"):
            data.npz(path)
        np.save(tmp_path / "a.npy", np.zeros((2, 1, 8, 8)))
        for content in (b"", b"nothing", (tmp_path / "a.npy").read_bytes()):
            path.write_bytes(content)
            with pytest.raises(DataError, match=r"cannot be read as an \.npz file"):
                data.npz(path)

    def test_a_damaged_archive_is_refused(self, path, pixels):
        np.savez_compressed(path, x=pixels)
        content = bytearray(path.read_bytes())
        content[100] ^= 0xFF
        path.write_bytes(content)
        with pytest.raises(DataError, match="cannot be read"):
            data.npz(path)

    def test_an_archive_that_does_not_fit_is_refused_unread(self, path, pixels, monkeypatch):
        np.savez(path, x=pixels)
        monkeypatch.setattr(checks, "available_memory", lambda: 1_000)
        with pytest.raises(NotEnoughMemoryError, match=r"some\.npz needs"):
            data.npz(path)

    @pytest.mark.parametrize("shape", ["(9000000000, 1000, 1000)", "(6, 5, 5)", "(-1, 5, 4)", "x"])
    def test_a_header_that_does_not_fit_its_array_is_refused(self, path, pixels, shape):
        header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}".encode()
        content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + pixels.tobytes()
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", content)
        with pytest.raises(DataError, match="cannot be read"):
            data.npz(path)

    def test_something_else_in_place_of_an_array_is_refused(self, path):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", b"nothing")
        with pytest.raises(DataError, match="x is not a NumPy array"):
            data.npz(path)

    def test_cifar(self, data_root):
        dataset = data.npz(data_root / "cifar10" / "cifar10_10000_2000.npz", key="x_test")
        assert_images(dataset.images, 2000, 3, 32, 32)
        assert dataset.labels.bincount().tolist() == [200] * 10
        assert len(dataset.classes) == 10


@pytest.fixture
def save(tmp_path):
    """Write an image of noise and return its pixels."""
    rng = np.random.default_rng(0)

    def write(name, size=(6, 8), mode="RGB"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = size if mode in ("L", "I;16") else (*size, len(mode))
        dtype = np.uint16 if mode == "I;16" else np.uint8
        pixels = rng.integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)
        Image.fromarray(pixels).save(path)
        return pixels

    return write


class TestFolder:
    def test_class_folders(self, tmp_path, save):
        first = save("cats/1.png")
        for name in ("dogs/b/2.png", "dogs/a.png", ".hidden/3.png", "cats/.DS_Store.png"):
            save(name)
        (tmp_path / "empty").mkdir()
        steps = []
        dataset = data.folder(tmp_path, progress=lambda done, total: steps.append((done, total)))
        assert_images(dataset.images, 3, 3, 6, 8)
        assert np.array_equal(dataset.images[0].permute(1, 2, 0).mul(255).round(), first)
        assert dataset.labels.tolist() == [0, 1, 1]
        assert dataset.labels.dtype == torch.int64
        assert dataset.classes == ("cats", "dogs")
        assert dataset.name == tmp_path.name
        assert dataset.skipped == ()
        assert steps == [(1, 3), (2, 3), (3, 3)]

    def test_a_flat_folder_and_a_single_image_have_no_labels(self, tmp_path, save):
        for name in ("b.png", "a.jpg", "c.bmp", "d.webp"):
            save(name)
        (tmp_path / "empty").mkdir()
        images, labels = data.folder(tmp_path)
        assert_images(images, 4, 3, 6, 8)
        assert labels is None
        single = data.folder(tmp_path / "b.png")
        assert torch.equal(single.images, images[1:2])
        assert single.name == "b.png"

    def test_gray_stays_gray_unless_one_is_not(self, tmp_path, save):
        gray, deep = save("a.png", mode="L"), save("b.png", mode="I;16")
        Image.new("1", (8, 6), 1).save(tmp_path / "c.png")
        images = data.folder(tmp_path).images
        assert_images(images, 3, 1, 6, 8)
        assert np.allclose(images[0, 0], gray / 255)
        assert np.allclose(images[1, 0], deep / 65535)
        assert (images[2] == 1).all()
        save("d.png", mode="RGBA")
        color = data.folder(tmp_path).images
        assert_images(color, 4, 3, 6, 8)
        assert torch.equal(color[:3], images.expand(-1, 3, -1, -1))

    def test_different_sizes_need_a_size(self, tmp_path, save):
        for name, size in (("a.png", (6, 8)), ("b.png", (6, 8)), ("c.png", (9, 7))):
            save(name, size)
        with pytest.raises(DataError, match=r"2 sizes, .*: 2 of 6 x 8, 1 of 9 x 7\. .*size=64"):
            data.folder(tmp_path)
        assert_images(data.folder(tmp_path, size=5).images, 3, 3, 5, 5)
        assert_images(data.folder(tmp_path, size=(5, 4)).images, 3, 3, 5, 4)
        with pytest.raises(InputError, match="expected pixels"):
            data.folder(tmp_path, size=0)

    @pytest.fixture
    def bad(self, tmp_path, save, monkeypatch):
        """A folder of one good image and one of each kind of bad file."""
        save("good.png")
        save("truncated.png", (40, 50))
        save("truncated.jpg", (40, 50))
        for path in (tmp_path / "truncated.png", tmp_path / "truncated.jpg"):
            path.write_bytes(path.read_bytes()[:-900])
        save("corrupt.png")
        content = bytearray((tmp_path / "corrupt.png").read_bytes())
        content[60] ^= 0xFF
        (tmp_path / "corrupt.png").write_bytes(content)
        (tmp_path / "notes.txt").write_text("not an image")
        (tmp_path / "empty.png").touch()
        (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere.png")
        Image.new("F", (8, 6)).save(tmp_path / "float.tiff")
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5_000)
        Image.new("1", (80, 80)).save(tmp_path / "large.png")
        Image.new("1", (800, 800)).save(tmp_path / "huge.png")
        return tmp_path

    def test_links_are_followed(self, tmp_path):
        """A subset made of links, of files or of class folders, is read as its originals are."""
        originals, subset = tmp_path / "originals" / "cat", tmp_path / "subset"
        originals.mkdir(parents=True)
        Image.new("L", (8, 6), 51).save(originals / "a.png")
        (subset / "dog").mkdir(parents=True)
        (subset / "cat").symlink_to(originals)
        (subset / "dog" / "b.png").symlink_to(originals / "a.png")
        dataset = data.folder(subset)
        assert dataset.classes == ("cat", "dog")
        assert len(dataset) == 2
        assert dataset.images.unique().tolist() == pytest.approx([0.2])
        assert dataset.skipped == ()

    def test_bad_files_are_skipped_and_told(self, bad):
        dataset = data.folder(bad, size=(6, 8))
        reasons = {path.name: reason for path, reason in dataset.skipped}
        assert_images(dataset.images, 1, 3, 6, 8)
        assert reasons.keys() == {path.name for path in bad.iterdir()} - {"good.png"}
        for name, reason in {
            "truncated.png": "truncated",
            "truncated.jpg": "truncated",
            "corrupt.png": "cannot be decoded",
            "notes.txt": "is not an image",
            "empty.png": "is empty",
            "dangling.png": "No such file",
            "float.tiff": "mode F have no known range",
            "large.png": "more than 5,000 pixels",
            "huge.png": "more than 5,000 pixels",
        }.items():
            assert reason in reasons[name]
        assert "9 skipped" in repr(dataset)

    @pytest.mark.parametrize("name", ["truncated.png", "notes.txt", "huge.png"])
    def test_strict_stops_at_a_bad_file(self, bad, name):
        for path in bad.iterdir():
            if path.name not in ("good.png", name):
                path.unlink()
        with pytest.raises(DataError, match=name):
            data.folder(bad, size=(6, 8), strict=True)

    def test_files_beside_class_folders_are_skipped(self, tmp_path, save):
        save("cats/1.png")
        save("2.png")
        dataset = data.folder(tmp_path)
        assert len(dataset) == 1
        assert [(path.name, reason) for path, reason in dataset.skipped] == [
            ("2.png", "lies beside the class folders")
        ]

    def test_no_images(self, tmp_path):
        with pytest.raises(DataError, match="it is empty"):
            data.folder(tmp_path)
        (tmp_path / "notes.txt").write_text("not an image")
        with pytest.raises(DataError, match=r"no image that can be read; of 1 file.*notes\.txt"):
            data.folder(tmp_path)
        with pytest.raises(DataError, match=r"there is no nots\.txt .*did you mean 'notes\.txt'"):
            data.folder(tmp_path / "nots.txt")


class TestLoad:
    def test_embedded(self):
        dataset = data.load("digits")
        assert torch.equal(dataset.images, data.digits()[0])
        assert torch.equal(dataset.labels, data.digits()[1])
        assert dataset.classes == tuple("0123456789")
        assert data.load("lfw").classes == ("no face", "face")
        assert_images(data.load("digits", size=(4, 6)).images, 1797, 1, 4, 6)
        photo = data.load("photo:cat", size=20)
        assert torch.equal(photo.images, data.photo("cat", size=20))
        assert (photo.name, photo.labels) == ("photo:cat", None)

    def test_files(self, tmp_path, save, pixels):
        save("folder/1.png")
        assert_images(data.load(tmp_path / "folder").images, 1, 3, 6, 8)
        assert_images(data.load(f"{tmp_path}/folder/1.png", size=4).images, 1, 3, 4, 4)
        np.savez(tmp_path / "a.npz", mine=pixels, yours=np.arange(6))
        dataset = data.load(str(tmp_path / "a.npz"), key="mine", label_key="yours", size=3)
        assert_images(dataset.images, 6, 1, 3, 3)
        assert dataset.labels.tolist() == [*range(6)]
        write_idx(tmp_path / "t10k-images-idx3-ubyte", pixels)
        write_idx(tmp_path / "t10k-labels-idx1-ubyte", np.arange(6, dtype=np.uint8))
        dataset = data.load(f"mnist:{tmp_path}", split="test")
        assert_images(dataset.images, 6, 1, 5, 4)
        assert dataset.classes == tuple("012345")
        assert dataset.name == tmp_path.name

    def test_strict_reaches_the_folder(self, tmp_path, save):
        save("1.png")
        (tmp_path / "notes.txt").touch()
        assert len(data.load(tmp_path).skipped) == 1
        with pytest.raises(DataError, match=r"notes\.txt is empty"):
            data.load(tmp_path, strict=True)

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ("digit", r"no file or folder digit \(did you mean 'digits'\?\)\. A source is digits"),
            ("phto:cat", r"did you mean 'photo'\?"),
            ("photo:dog", "there is no photo 'dog'"),
            ("mnist:/nowhere/mnist", "there is no folder /nowhere"),
            ("/nowhere/images", "there is no file or folder /nowhere/images"),
            ("nowhere.npz", r"there is no nowhere\.npz in"),
        ],
    )
    def test_other_sources_are_refused(self, source, message, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(DataError, match=message):
            data.load(source)
