"""What reading images gives, and the one resampling that reading may do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from augmoments.checks import did_you_mean
from augmoments.errors import AugmomentsError, DataError, InputError

Size = int | tuple[int, int]


_IN_FILES = {
    "remove these images or use images.nan_to_num()": "remove or repair these images",
    "pass value_range=None if they are normalized on purpose and the policy does not clamp": (
        "save them scaled to [0, 1], and let the policy normalize them (Normalize)"
    ),
    "use images": "save images",
    "use (images": "save (images",
}
"""How messages about tensors advise where the images are in a file."""


def for_files(error: Exception) -> str:
    """What a message about tensors says where they were read from a file.

    >>> for_files(ValueError("images have values from 0 to 255: use images / 255."))
    'images have values from 0 to 255: save images / 255.'
    """
    message = str(error)
    for tensor, file in _IN_FILES.items():
        message = message.replace(tensor, file)
    return message


class Skipped(NamedTuple):
    """A file that was not read, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images, with labels where the source has them.

    ``images, labels = dataset`` unpacks the two.

    Attributes:
        images: Float32 in [0, 1].
        labels: Class indices, or None.
        classes: The classes' names, in the order of the indices; empty where they have none.
        name: What a report calls it.
        skipped: Files that could not be read.
    """

    images: Float[Tensor, "N C H W"]
    labels: Int64[Tensor, "N"] | None = None
    classes: tuple[str, ...] = ()
    name: str = ""
    skipped: tuple[Skipped, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[Any]:
        yield self.images
        yield self.labels

    def __repr__(self) -> str:
        n, *shape = self.images.shape
        if self.labels is None:
            labels = "no labels"
        else:
            labels = f"{len(self.classes) or int(self.labels.max()) + 1} classes"
        skipped = f", {len(self.skipped)} skipped" if self.skipped else ""
        return f"Dataset({self.name}: {n} images of shape {tuple(shape)}, {labels}{skipped})"


def resize(images: Float[Tensor, "N C H W"], size: Size | None) -> Float[Tensor, "N C h w"]:
    """Bilinear resampling with antialiasing; the result stays in the range of the input.

    Args:
        images: Images.
        size: ``(H, W)`` in pixels stretches to exactly that; a number N takes the central square
            and makes it N x N, so that nothing is distorted; None leaves the images as they are.

    Raises:
        InputError: A size that is not positive.
    """
    if size is None:
        return images
    check_size(size)
    if isinstance(size, int):
        height, width = images.shape[-2:]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        images = images[..., top : top + side, left : left + side]
        size = (size, size)
    if tuple(images.shape[-2:]) == tuple(size):
        return images
    return functional.interpolate(images, size=size, mode="bilinear", antialias=True)


def check_size(size: object) -> None:
    """Refuse what is neither a positive number nor a pair (H, W) of them."""
    sides = size if isinstance(size, tuple | list) else (size, size)
    if len(sides) != 2 or not all(
        isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in sides
    ):
        raise InputError(f"size={size!r}: expected pixels, N or (H, W), as in size=64.")


def printable(text: object) -> str:
    r"""A name as it can be shown anywhere: what is no text in UTF-8, or no character, is escaped.

    >>> printable("cats\x1b[2J")
    'cats\\x1b[2J'
    """
    letters = str(text)
    if letters.isprintable():
        return letters
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in letters)


def reason(error: Exception) -> str:
    """What an error of a library says, on one line of bearable length."""
    return printable(" ".join(str(error).split()))[:300] or type(error).__name__


@contextmanager
def accessible(source: object) -> Iterator[None]:
    """What the file system refuses inside, as a permission or a name too long, is told of."""
    try:
        yield
    except AugmomentsError:
        raise
    except OSError as error:
        raise DataError(
            f"{printable(source)[:300]} cannot be read: {error.strerror or error}. Check path and "
            "permissions."
        ) from error


def check_file(path: Path) -> None:
    """Refuse what is no regular file: to read a pipe or a device may never end."""
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "a pipe or a device"
        raise DataError(f"{path} cannot be read: it is {what}, expected a file.")


def missing(path: Path) -> DataError:
    """The error for a path that is not there, with the nearest one that is."""
    if not path.parent.is_dir():
        return DataError(f"there is no folder {path.parent}: check the path.")
    near = did_you_mean(path.name, (entry.name for entry in path.parent.iterdir()))
    return DataError(f"there is no {path.name} in {path.parent.resolve()}{near}: check the path.")
