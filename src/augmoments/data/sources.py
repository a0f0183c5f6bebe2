"""From the name of a source, as the command line takes it, to images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from augmoments.checks import did_you_mean
from augmoments.data.archives import npz
from augmoments.data.dataset import Dataset, Size, check_size, resize
from augmoments.data.embedded import digits, lfw, photo
from augmoments.data.folders import Progress, folder
from augmoments.data.idx import mnist
from augmoments.errors import DataError

_FORMS = "digits, lfw, photo:NAME, mnist:DIR, FILE.npz or FOLDER"


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
        source: ``digits``, ``lfw``, ``photo:NAME``, ``mnist:DIR``, an ``.npz`` file, a folder of
            images or one image; write ``./digits`` for a folder of that name.
        size: As in :func:`~augmoments.data.resize`, for any source.
        strict: Of a folder: stop at the first bad file.
        split: Of ``mnist:DIR``: ``"train"`` or ``"test"``.
        key: Of an ``.npz`` file: the array of images.
        label_key: Of an ``.npz`` file: the array of labels.
        progress: Called as ``progress(done, total)`` while a folder is read.

    Raises:
        DataError: No such source, or it cannot be read.

    >>> load("photo:camera", size=(24, 32))
    Dataset(photo:camera: 1 images of shape (1, 24, 32), no labels)
    """
    if size is not None:
        check_size(size)
    text = str(source)
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
        dataset = Dataset(images, labels, classes, Path(rest).resolve().name)
    elif Path(text).suffix == ".npz":
        dataset = npz(text, key, label_key)
    elif Path(text).exists():
        return folder(text, size, strict, progress)
    else:
        hint = did_you_mean(kind, ("digits", "lfw", "photo", "mnist"))
        raise DataError(f"there is no file or folder {text}{hint}. A source is {_FORMS}.")
    return replace(dataset, images=resize(dataset.images, size))
