import numpy as np
import pytest
import torch
from PIL import Image

from augmoments import checks
from augmoments.checks import (
    check_images,
    check_memory,
    check_probability,
    check_targets,
    did_you_mean,
)
from augmoments.errors import (
    AugmomentsError,
    InputError,
    InputTypeError,
    LawError,
    NotEnoughMemoryError,
)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (1, 1, 1, 1), (7, 1, 6, 1), (2, 3, 4, 4)])
def test_images_are_taken_as_they_are(shape, dtype, generator):
    images = torch.rand(shape, generator=generator).to(dtype)
    assert check_images(images) is images


def test_an_image_becomes_a_batch_and_keeps_its_gradient():
    image = torch.rand(3, 4, 5, requires_grad=True)
    batch = check_images(image)
    assert batch.shape == (1, 3, 4, 5)
    batch.sum().backward()
    assert image.grad is not None


def test_many_channels_are_taken_where_they_are_not_ambiguous():
    assert check_images(torch.rand(2, 16, 4, 4)).shape == (2, 16, 4, 4)
    assert check_images(torch.rand(2, 13, 64, 64)).shape == (2, 13, 64, 64)


NAN = torch.full((2, 1, 3, 3), 0.5)
NAN[1, 0, 2, 1] = torch.nan
NAN[1, 0, 2, 2] = torch.inf


@pytest.mark.parametrize(
    ("images", "error", "found", "fix"),
    [
        (np.zeros((2, 1, 4, 4)), InputTypeError, "NumPy array", "torch.from_numpy(images)."),
        (
            np.zeros((2, 8, 8, 3), np.uint8),
            InputTypeError,
            "(2, 8, 8, 3), uint8",
            "torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255.",
        ),
        (
            Image.new("RGB", (8, 6)),
            InputTypeError,
            "a PIL image",
            "torch.from_numpy(numpy.array(images)).permute(2, 0, 1).float() / 255.",
        ),
        (
            Image.new("L", (8, 6)),
            InputTypeError,
            "a PIL image",
            "torch.from_numpy(numpy.array(images))[None].float() / 255.",
        ),
        ([torch.rand(1, 4, 4)], InputTypeError, "a list of tensors", "torch.stack(images)"),
        ([[0.5]], InputTypeError, "got list", "torch.as_tensor(images)"),
        (None, InputTypeError, "got NoneType", "torch.Tensor"),
        (torch.rand(1, 1, 4, 4).to_sparse(), InputTypeError, "sparse", "images.to_dense()"),
        (torch.rand(4, 4), InputError, "(4, 4)", "images[None, None]"),
        (torch.rand(2, 2, 1, 4, 4), InputError, "(2, 2, 1, 4, 4)", "images.flatten(0, 1)"),
        (torch.rand(()), InputError, "()", "expected (N, C, H, W)"),
        (torch.rand(2, 8, 8, 3), InputError, "channels last", ".permute(0, 3, 1, 2)"),
        (torch.rand(2, 8, 9, 1), InputError, "channels last", ".permute(0, 3, 1, 2)"),
        (torch.rand(8, 9, 3), InputError, "channels last", ".permute(2, 0, 1)"),
        (torch.rand(60, 8, 8), InputError, "60 gray images", "images[:, None] or images[None]"),
        (torch.rand(0, 1, 8, 8), InputError, "(0, 1, 8, 8)", "the batch is empty"),
        (torch.rand(2, 1, 0, 8), InputError, "(2, 1, 0, 8)", "no pixels"),
        (
            torch.tensor([3, 250]).to(torch.uint8).reshape(1, 1, 1, 2),
            InputError,
            "uint8 with values from 3 to 250",
            "use images.float() / 255.",
        ),
        (
            torch.tensor([0, 40000]).to(torch.uint16).reshape(1, 1, 1, 2),
            InputError,
            "uint16 with values from 0 to 40000",
            "use images.float() / 65535.",
        ),
        (torch.ones(1, 1, 2, 2).int(), InputError, "from 1 to 1", "use images.float()."),
        (-torch.ones(1, 1, 2, 2).long(), InputError, "from -1 to -1", "scale images.float()"),
        (torch.ones(1, 1, 2, 2).bool(), InputTypeError, "bool", "images.float()"),
        (torch.ones(1, 1, 2, 2).cfloat(), InputTypeError, "complex64", "images.real"),
        (torch.ones(1, 1, 2, 2).to(torch.float8_e5m2), InputTypeError, "float8", "images.float()"),
        (
            NAN,
            InputError,
            "1 NaN and 1 infinite values, the first at index (1, 0, 2, 1)",
            "images.nan_to_num()",
        ),
        (
            torch.tensor([0.0, 254.5]).reshape(1, 1, 1, 2),
            InputError,
            "values from 0 to 254.5, expected [0, 1]",
            "use images / 255.",
        ),
        (
            torch.tensor([-1.0, 0.9]).reshape(1, 1, 1, 2),
            InputError,
            "values from -1 to 0.9",
            "use (images + 1) / 2",
        ),
        (
            torch.tensor([-2.1, 2.6]).reshape(1, 1, 1, 2),
            InputError,
            "values from -2.1 to 2.6",
            "value_range=None",
        ),
    ],
)
def test_other_images_are_refused_with_what_was_found_and_a_fix(images, error, found, fix):
    with pytest.raises(error) as caught:
        check_images(images)
    message = str(caught.value)
    assert isinstance(caught.value, AugmomentsError)
    assert message.startswith("images ")
    assert found in message
    assert fix in message


@pytest.mark.parametrize(
    ("images", "fix"),
    [
        (np.zeros((2, 8, 8, 3), np.uint8), lambda x: torch.from_numpy(x).permute(0, 3, 1, 2) / 255),
        (torch.rand(8, 9, 3), lambda x: x.permute(2, 0, 1)),
        (torch.rand(60, 8, 8), lambda x: x[:, None]),
        (torch.rand(1, 1, 2, 2) * 255, lambda x: x / 255),
        (torch.rand(1, 1, 2, 2) * 2 - 1, lambda x: (x + 1) / 2),
        (NAN, torch.nan_to_num),
    ],
)
def test_the_fix_that_is_proposed_works(images, fix):
    check_images(fix(images), value_range=(0, 1) if images is not NAN else None)


def test_rounding_beyond_the_range_is_taken_and_more_is_not():
    image = torch.ones(1, 1, 2, 2)
    check_images(image * (1 + 1e-6))
    with pytest.raises(InputError, match="expected"):
        check_images(image * 1.001)
    with pytest.raises(InputError, match=r"expected \[-1, 1\]"):
        check_images(image * 1.001, value_range=(-1, 1))


def test_no_range_lifts_the_range_only():
    images = torch.randn(2, 3, 4, 4)
    assert check_images(images, value_range=None) is images
    with pytest.raises(InputError, match="NaN"):
        check_images(NAN, value_range=None)
    with pytest.raises(InputError, match="uint8"):
        check_images(images.to(torch.uint8), value_range=None)


def test_the_name_is_the_callers():
    with pytest.raises(InputError, match=r"^references of shape \(4, 4\)"):
        check_images(torch.rand(4, 4), name="references")


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_class_indices_become_int64(dtype):
    targets = check_targets(torch.tensor([0, 2, 1], dtype=dtype), 3, classes=3)
    assert targets.dtype == torch.int64
    assert targets.tolist() == [0, 2, 1]


def test_real_targets_are_taken_as_they_are():
    for targets in (torch.rand(3), torch.rand(3, 5)):
        assert check_targets(targets, 3) is targets
    probabilities = torch.rand(3, 4).softmax(1)
    assert check_targets(probabilities, 3, classes=4) is probabilities


@pytest.mark.parametrize(
    ("targets", "classes", "error", "found", "fix"),
    [
        ([0, 1, 2], None, InputTypeError, "got list", "torch.as_tensor(targets)"),
        (np.arange(3), None, InputTypeError, "shape (3,), int64", "torch.from_numpy(targets)."),
        (torch.arange(4), None, InputError, "shape (4,) for 3 images", "shape (3,)"),
        (torch.tensor(1), None, InputError, "shape () for 3 images", "shape (3,)"),
        (torch.ones(3).bool(), None, InputTypeError, "bool", "targets.long()"),
        (torch.ones(3).cfloat(), None, InputTypeError, "complex64", "targets.float()"),
        (torch.eye(3).long(), 3, InputError, "int64 of shape (3, 3)", "targets.argmax(1)"),
        (torch.ones(3), 4, InputError, "float32 of shape (3,)", "targets.long()"),
        (torch.ones(3, 5), 4, InputError, "(3, 5), but the 4 classes", "probabilities (3, 4)"),
        (
            torch.tensor([0, 4, 7]),
            4,
            InputError,
            "2 class indices outside 0..3, the first is 4 at index 1",
            "4 classes are known",
        ),
        (torch.tensor([0, 1, -100]), 4, InputError, "the first is -100 at index 2", "4 classes"),
        (torch.tensor([0, 1, torch.nan]), None, InputError, "1 NaN", "index (2,)"),
    ],
)
def test_other_targets_are_refused(targets, classes, error, found, fix):
    with pytest.raises(error) as caught:
        check_targets(targets, 3, classes)
    assert found in str(caught.value)
    assert fix in str(caught.value)


@pytest.mark.parametrize("p", [0, 1, 0.25, np.float32(0.25), torch.tensor(0.25)])
def test_probabilities_become_floats(p):
    value = check_probability(p)
    assert type(value) is float
    assert value == float(p)


@pytest.mark.parametrize(
    ("p", "error", "message"),
    [
        (-0.1, LawError, "confidence=-0.1 is not a probability in [0, 1]."),
        (float("nan"), LawError, "confidence=nan is not"),
        (float("inf"), LawError, "confidence=inf is not"),
        (95, LawError, "for 95 % write confidence=0.95."),
        ("0.5", InputTypeError, "got str"),
        (True, InputTypeError, "got bool"),
        (torch.rand(2), InputTypeError, "got Tensor"),
        (None, InputTypeError, "got NoneType"),
    ],
)
def test_other_probabilities_are_refused(p, error, message):
    with pytest.raises(error) as caught:
        check_probability(p, "confidence")
    assert message in str(caught.value)


def test_memory_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(checks, "available_memory", lambda: 2_500_000_000)
    check_memory(2.4e9, "The dense covariance", "V @ z")
    with pytest.raises(NotEnoughMemoryError) as caught:
        check_memory(7.24e10, "The dense covariance", "V @ z")
    assert str(caught.value) == ("The dense covariance needs 72.4 GB, 2.5 GB available: use V @ z.")
    monkeypatch.setattr(checks, "available_memory", lambda: None)
    check_memory(1e30, "The dense covariance", "V @ z")


def test_the_systems_memory_is_found():
    available = checks.available_memory()
    assert available is not None
    assert 1e6 < available < 1e15


def test_a_containers_limit_counts_but_not_its_cached_files(tmp_path):
    assert checks._container_memory(tmp_path) is None
    (tmp_path / "memory.max").write_text("max\n")
    assert checks._container_memory(tmp_path) is None
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 400\ninactive_file 300\n")
    assert checks._container_memory(tmp_path) == 600


def test_the_nearest_name_is_proposed_if_one_is_near():
    assert did_you_mean("astronut", ["cat", "astronaut"]) == " (did you mean 'astronaut'?)"
    assert did_you_mean("zzz", ["cat", "astronaut"]) == ""
