"""Folders of image files."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from augmoments.checks import check_memory
from augmoments.data.dataset import (
    Dataset,
    Size,
    Skipped,
    accessible,
    check_size,
    printable,
    resize,
)
from augmoments.data.listing import File, list_files, skip
from augmoments.errors import DataError, NotEnoughMemoryError

Progress = Callable[[int, int], None]
"""Called with the number of files done and the number of all."""

_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N")
_GRAY = ("1", "L", "LA", *_SIXTEEN_BITS)
_COLOR = ("RGB", "RGBA", "RGBX", "P", "PA", "CMYK", "YCbCr")
_PROGRAMS = ("EPS", "WMF")  # page descriptions, which Pillow has another program draw


class Scan(NamedTuple):
    """What a folder has, before any pixels are read."""

    root: Path
    files: tuple[File, ...]
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    skipped: tuple[Skipped, ...]


class _Header(NamedTuple):
    size: tuple[int, int]
    gray: bool


def folder(
    path: str | Path,
    size: Size | None = None,
    strict: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Images from a folder: one subfolder a class, or all images in the folder itself.

    All become RGB, or gray if all are gray; transparency is dropped and the orientation left as it
    is stored, as torchvision's ImageFolder does. Hidden files are passed over. A file that is
    corrupt, truncated, too large or no image is skipped and told in ``.skipped``, and so is a link
    to a folder that it lies in.

    Args:
        path: The folder, or a single image.
        size: As in :func:`~augmoments.data.resize`. Without it, all images must have one size.
        strict: Raise at the first file that would be skipped.
        progress: Called as ``progress(done, total)``.

    Raises:
        DataError: There is no image, the images differ in size, or ``strict`` met a bad file.
    """
    found = scan(path, size, strict)
    count, shape = len(found.files), found.shape
    check_memory(
        4 * count * math.prod(shape), f"{found.root} with {count} images", "a smaller size"
    )
    images = torch.empty(count, *shape)
    labels: list[int] = []
    skipped = list(found.skipped)
    for done, file in enumerate(found.files, start=1):
        with skipping(file.path, skipped, strict):
            images[len(labels)] = read_pixels(file.path, size, channels=shape[0])
            labels.append(file.label)
        if progress is not None:
            progress(done, count)
    if not labels:
        raise _nothing(found.root, skipped)
    return Dataset(
        images[: len(labels)],
        torch.tensor(labels) if found.classes else None,
        found.classes,
        printable(found.root.resolve().name),
        tuple(skipped),
    )


def scan(path: str | Path, size: Size | None, strict: bool) -> Scan:
    """The files of a folder and the shape that they get, from their headers alone."""
    root = Path(path)
    if size is not None:
        check_size(size)
    with accessible(root):
        files, classes, skipped = list_files(root)
    if strict and skipped:
        raise _refusal(skipped[0])
    headers: dict[File, _Header] = {}
    for file in files:
        with skipping(file.path, skipped, strict):
            headers[file] = _read_header(file.path)
    shape = _common_shape(root, headers, size, skipped)
    return Scan(root, tuple(headers), classes, shape, tuple(skipped))


def _common_shape(
    root: Path, headers: dict[File, _Header], size: Size | None, skipped: Sequence[Skipped]
) -> tuple[int, int, int]:
    """The (C, H, W) that all images get."""
    if not headers:
        raise _nothing(root, skipped)
    if size is None:
        sizes = Counter(header.size for header in headers.values())
        if len(sizes) > 1:
            shown = ", ".join(f"{count} of {h} x {w}" for (h, w), count in sizes.most_common(5))
            raise DataError(
                f"{root} has images of {len(sizes)} sizes, height x width: {shown}"
                f"{', ...' if len(sizes) > 5 else ''}. Say the size that all shall have, as in "
                "size=64 (--size 64)."
            )
        (height, width), *_ = sizes
    else:
        height, width = (size, size) if isinstance(size, int) else size
    channels = 1 if all(header.gray for header in headers.values()) else 3
    return channels, height, width


def _open(path: Path) -> Image.Image:
    image = Image.open(path)
    if image.format in _PROGRAMS:
        image.close()
        raise ValueError(f"{image.format} is a program that draws an image: save it as PNG")
    return image


def _read_header(path: Path) -> _Header:
    with _open(path) as image:
        if image.mode not in _GRAY + _COLOR:
            raise ValueError(f"pixels of mode {image.mode} have no known range")
        return _Header((image.height, image.width), image.mode in _GRAY)


def read_pixels(path: Path, size: Size | None, channels: int) -> Float[Tensor, "C H W"]:
    """One image, gray or RGB as asked, of the size asked."""
    with _open(path) as image:
        check_memory(
            (8 + 10 * channels) * image.width * image.height,
            f"{printable(path)} with {image.width} x {image.height} pixels",
            "smaller files",
        )
        if image.mode in _SIXTEEN_BITS:
            gray = np.asarray(image).astype(np.float32) / 65535
            pixels = np.repeat(gray[..., None], channels, axis=2)
        else:
            converted = image.convert("L" if channels == 1 else "RGB")
            pixels = np.atleast_3d(np.asarray(converted)).astype(np.float32)
            pixels /= 255
    return resize(torch.from_numpy(pixels).permute(2, 0, 1)[None], size)[0]


@contextmanager
def skipping(path: Path, skipped: list[Skipped], strict: bool) -> Iterator[None]:
    """Whatever a decoder stumbles over inside is the file's fault, and noted or refused."""
    known = len(skipped)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        skipped.append(skip(path, f"has more than {Image.MAX_IMAGE_PIXELS:,} pixels"))
    except UnidentifiedImageError:
        empty = path.stat().st_size == 0
        skipped.append(skip(path, "is empty" if empty else "is not an image that Pillow knows"))
    except NotEnoughMemoryError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        skipped.append(skip(path, f"cannot be decoded: {reason[:300]}"))
    if strict and len(skipped) > known:
        raise _refusal(skipped[-1])


def _refusal(bad: Skipped) -> DataError:
    return DataError(f"{bad.path} {bad.reason}. Without strict it would be skipped.")


def _nothing(root: Path, skipped: Sequence[Skipped]) -> DataError:
    if not skipped:
        return DataError(f"{root} has no images: it is empty.")
    return DataError(
        f"{root} has no image that can be read; of {len(skipped)} files, the first, "
        f"{skipped[0].path}, {skipped[0].reason}."
    )
