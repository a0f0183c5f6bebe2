"""From the name of a source, as the command line takes it, to images."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from augmoments.checks import check_memory, did_you_mean
from augmoments.data.archives import npz
from augmoments.data.dataset import Dataset, Size, accessible, check_size, printable, resize
from augmoments.data.embedded import digits, lfw, photo
from augmoments.data.folders import Progress, folder
from augmoments.data.idx import mnist
from augmoments.data.streams import (
    Stream,
    from_dataset,
    from_folder,
    from_idx,
    from_npz,
    from_tensors,
    from_zarr,
    resized,
)
from augmoments.data.streams.zarr import is_zarr
from augmoments.errors import DataError

_FORMS = "digits, lfw, photo:NAME, mnist:DIR, FILE.npz, a Zarr group or FOLDER"


def load(
    source: str | Path,
    *,
    size: Size | None = None,
    strict: bool = False,
    split: Literal["train", "test"] = "train",
    key: str | None = None,
    label_key: str | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Images by the name of their source.

    Args:
        source: ``digits``, ``lfw``, ``photo:NAME``, ``mnist:DIR``, an ``.npz`` file, a Zarr group,
            a folder of images or one image; write ``./digits`` for a folder of that name.
        size: As in :func:`~augmoments.data.resize`, for any source.
        strict: Of a folder: stop at the first bad file.
        split: Of ``mnist:DIR``: ``"train"`` or ``"test"``.
        key: Of arrays: which one has the images.
        label_key: Of arrays: which one has the labels.
        progress: Called as ``progress(done, total)`` while a folder is read.

    Raises:
        DataError: No such source, or it cannot be read.

    >>> load("photo:camera", size=(24, 32))
    Dataset(photo:camera: 1 images of shape (1, 24, 32), no labels)
    """
    if size is not None:
        check_size(size)
    with accessible(source):
        return _load(str(source), size, strict, split, key, label_key, progress)


def _load(
    text: str,
    size: Size | None,
    strict: bool,
    split: Literal["train", "test"],
    key: str | None,
    label_key: str | None,
    progress: Progress | None,
) -> Dataset:
    kind, colon, rest = text.partition(":")
    if text == "digits":
        dataset = Dataset(*digits(), tuple("0123456789"), text)
    elif text == "lfw":
        dataset = Dataset(*lfw(), ("no face", "face"), text)
    elif colon and kind == "photo":
        dataset = Dataset(photo(rest, size), name=text)
    elif colon and kind == "mnist":
        images, labels = mnist(rest, split)
        classes = tuple(str(label) for label in range(int(labels.max()) + 1))
        dataset = Dataset(images, labels, classes, printable(Path(rest).resolve().name))
    elif Path(text).suffix == ".npz":
        dataset = npz(text, key, label_key)
    elif is_zarr(Path(text)):
        dataset = _whole(from_zarr(text, key, label_key))
    elif Path(text).exists():
        return folder(text, size, strict, progress)
    else:
        raise _unknown(text)
    return replace(dataset, images=resize(dataset.images, size))


def stream(
    source: Any,
    *,
    size: Size | None = None,
    strict: bool = False,
    split: Literal["train", "test"] = "train",
    key: str | None = None,
    label_key: str | None = None,
    classes: tuple[str, ...] = (),
) -> Stream:
    """Images that are read piece by piece, with only the piece that is asked for in memory.

    Args:
        source: What :func:`load` takes; or images with or without targets as tensors, a
            :class:`Dataset`, a map-style dataset of PyTorch, or a stream.
        size: As in :func:`~augmoments.data.resize`, for any source.
        strict: Of a folder: stop at the first bad file.
        split: Of ``mnist:DIR``: ``"train"`` or ``"test"``.
        key: Of arrays: which one has the images.
        label_key: Of arrays: which one has the labels.
        classes: Of tensors and PyTorch's datasets: the names of the classes.

    Raises:
        DataError: No such source, or it cannot be read.
        InputError: Tensors that are not images and targets.

    >>> images, labels = stream("digits").read(0, 4)
    >>> images.shape, labels
    (torch.Size([4, 1, 8, 8]), tensor([0, 1, 2, 3]))
    """
    if not isinstance(source, str | Path):
        return resized(_of_object(source, classes), size)
    with accessible(source):
        return _stream(str(source), size, strict, split, key, label_key, classes)


def _stream(
    text: str,
    size: Size | None,
    strict: bool,
    split: Literal["train", "test"],
    key: str | None,
    label_key: str | None,
    classes: tuple[str, ...],
) -> Stream:
    kind, colon, rest = text.partition(":")
    if text in ("digits", "lfw") or (colon and kind == "photo"):
        return _of_object(load(text, size=size), classes)
    if colon and kind == "mnist":
        return resized(from_idx(rest, split), size)
    path = Path(text)
    if path.suffix == ".npz":
        return resized(from_npz(path, key, label_key), size)
    if is_zarr(path) or path.suffix == ".zarr":
        return resized(from_zarr(path, key, label_key), size)
    if path.exists():
        return from_folder(path, size, strict)
    raise _unknown(text)


def _of_object(source: Any, classes: tuple[str, ...]) -> Stream:
    if isinstance(source, Stream):
        return source
    if isinstance(source, Dataset):
        return from_tensors(source.images, source.labels, source.classes, source.name)
    if isinstance(source, Tensor):
        return from_tensors(source)
    if isinstance(source, tuple | list) and len(source) == 2:
        images, targets = source
        return from_tensors(images, targets, classes)
    return from_dataset(source, classes)


def _whole(source: Stream) -> Dataset:
    """All images of a stream at once."""
    needed = 4 * source.count * prod(source.shape)
    check_memory(needed, f"{source.name} with {source.count} images", "a stream of them")
    batch = source.read(0, source.count)
    return Dataset(batch.images, batch.targets, source.classes, source.name)


def _unknown(text: str) -> DataError:
    hint = did_you_mean(text.partition(":")[0], ("digits", "lfw", "photo", "mnist"))
    return DataError(
        f"there is no file or folder {printable(text)[:300]}{hint}. A source is {_FORMS}."
    )
