"""Arrays in NumPy's ``.npz`` files."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from augmoments.checks import check_images, check_memory, did_you_mean
from augmoments.data.dataset import Dataset, for_files, printable
from augmoments.data.members import read_member, reading
from augmoments.errors import DataError, InputError, InputTypeError

Layout = Literal["NCHW", "NHWC", "NHW", "HWC"]

_KEYS = {
    "images": "labels",
    "x": "y",
    "x_train": "y_train",
    "x_test": "y_test",
    "train_images": "train_labels",
    "test_images": "test_labels",
    "arr_0": "arr_1",
}

_MOST_CLASSES = 2**20


def npz(path: str | Path, key: str | None = None, label_key: str | None = None) -> Dataset:
    """Images and labels from an ``.npz`` file; pickled objects in it are refused.

    Images are uint8, or floats in [0, 1], of shape (N, C, H, W), (N, H, W, C) or (N, H, W), or one
    image (H, W, C); with 1, 3 or 4 channels. Where both layouts fit, channels come first. Labels
    are integers or strings. An array ``classes``, if there is one, names the classes.

    Args:
        path: The file.
        key: The array of images. By default the first that there is of ``images``, ``x``,
            ``x_train``, ``x_test``, ``train_images``, ``test_images``, ``arr_0``.
        label_key: The array of labels. By default the companion of the images': ``labels``, ``y``,
            ``y_train``, and so on; none is fine.

    Raises:
        DataError: It cannot be read, or the arrays are not images and labels.
    """
    path = Path(path)
    arrays = _read(path, key, label_key)
    array, labels = arrays["images"], arrays.get("labels")
    try:
        layout = layout_of(array.shape, array.dtype, None if labels is None else labels.shape)
        images = check_images(to_images(array, layout))
    except (InputError, InputTypeError) as error:
        raise DataError(f"{path}: {for_files(error)}") from error
    classes = to_names(path, arrays.get("classes", ()))
    if labels is None:
        return Dataset(images, None, classes, path.name)
    indices, classes = to_labels(path, labels, len(images), classes)
    return Dataset(images, indices, classes, path.name)


def _read(path: Path, key: str | None, label_key: str | None) -> dict[str, np.ndarray]:
    """The arrays of images, labels and classes, as far as there are any, by these names."""
    with reading(path), zipfile.ZipFile(path) as archive:
        sizes = {
            entry.filename.removesuffix(".npy"): entry.file_size
            for entry in archive.infolist()
            if entry.filename.endswith(".npy")
        }
    names = choose(path, list(sizes), key, label_key)
    needed = 6 * sum(sizes[name] for name in names.values())
    check_memory(needed, f"{path}", "a file with fewer images")
    with reading(path), zipfile.ZipFile(path) as archive:
        return {role: read_member(archive, f"{name}.npy") for role, name in names.items()}


def choose(path: Path, names: list[str], key: str | None, label_key: str | None) -> dict[str, str]:
    """Which array has which role: images, labels, classes.

    Raises:
        DataError: None is called as images are, or the one that was asked for is not there.
    """
    for asked in (key, label_key):
        if asked is not None and asked not in names:
            raise DataError(
                f"{path} has no array {asked!r}{did_you_mean(asked, names)}: it has "
                f"{', '.join(names)}."
            )
    lower = {name.lower(): name for name in names}
    images = key or next((lower[known] for known in _KEYS if known in lower), None)
    if images is None:
        raise DataError(
            f"{path} has the arrays {', '.join(names) or 'none'}; none is called "
            f"{', '.join(_KEYS)}: say which are the images by key=."
        )
    labels = label_key or lower.get(_KEYS.get(images.lower(), ""))
    chosen = {"images": images, "labels": labels, "classes": lower.get("classes")}
    return {role: name for role, name in chosen.items() if name is not None}


def to_images(array: np.ndarray, layout: Layout) -> Float[Tensor, "N C H W"]:
    """Channels first, uint8 divided by 255."""
    match layout:
        case "NHWC":
            first = array.transpose(0, 3, 1, 2)
        case "NHW":
            first = array[:, None]
        case "HWC":
            first = array.transpose(2, 0, 1)[None]
        case "NCHW":
            first = array
    images = torch.from_numpy(np.ascontiguousarray(first, dtype=np.float32))
    return images.div_(255) if array.dtype == np.uint8 else images


def layout_of(
    shape: tuple[int, ...], dtype: np.dtype[Any], labels: tuple[int, ...] | None
) -> Layout:
    """What the axes of an array of images are; ``labels`` is the shape of the labels, if any.

    Raises:
        InputError: No images have such a dtype or shape.
    """
    if dtype != np.uint8 and dtype.kind != "f":
        raise InputError(f"the images are {dtype}: save them as uint8, or as floats in [0, 1].")
    channels = (1, 3, 4)
    if len(shape) == 4 and shape[1] in channels:
        return "NCHW"
    if len(shape) == 4 and shape[3] in channels:
        return "NHWC"
    if len(shape) == 3 and labels is not None and shape[:1] == labels[:1]:
        return "NHW"
    if len(shape) == 3 and shape[2] in channels and shape[0] not in channels:
        return "HWC"
    if len(shape) == 3 and shape[2] not in channels and shape[0] not in (3, 4):
        return "NHW"
    raise InputError(
        f"the images have the shape {shape}: save them as (N, C, H, W) or (N, H, W, C) with 1, 3 "
        "or 4 channels."
    )


def to_labels(
    path: Path, array: np.ndarray, n: int, classes: tuple[str, ...]
) -> tuple[Tensor, tuple[str, ...]]:
    """Class indices ``(n,)`` and the classes' names, where there are any.

    Raises:
        DataError: The array is not labels of ``n`` images.
    """
    if array.shape not in ((n,), (n, 1)):
        raise DataError(f"{path} has {n} images, but labels of shape {array.shape}.")
    array = array.ravel()
    if array.dtype.kind == "U":
        names, indices = np.unique(array, return_inverse=True)
        return torch.from_numpy(indices.astype(np.int64)), to_names(path, names)
    if array.dtype.kind not in "iu":
        raise DataError(f"{path} has labels of {array.dtype}: save them as integers or strings.")
    low, high = int(array.min()), int(array.max())
    most = len(classes) or _MOST_CLASSES
    if low < 0 or high >= most:
        raise DataError(
            f"{path} has labels from {low} to {high}, expected 0 to "
            f"{len(classes) - 1 if classes else 'the number of classes - 1'}"
            f"{'' if classes or low < 0 else f', of which there are at most {most:,}'}."
        )
    return torch.from_numpy(array.astype(np.int64)), classes


def to_names(path: Path, values: Any) -> tuple[str, ...]:
    """The names of classes in an array.

    Raises:
        DataError: It has something that is no character.
    """
    try:
        return tuple(printable(name) for name in np.ravel(values))
    except (ValueError, SystemError) as error:
        raise DataError(f"{path} has names of classes that are no text: {error}.") from error
