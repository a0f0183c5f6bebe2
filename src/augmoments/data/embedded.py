"""Images that come inside the wheels of scikit-learn and scikit-image."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from augmoments.checks import did_you_mean
from augmoments.data.dataset import Size, resize
from augmoments.errors import DataError

_OF_SKLEARN = ("china", "flower")
_OF_SKIMAGE = (
    "astronaut",
    "brick",
    "camera",
    "cat",
    "cell",
    "checkerboard",
    "clock",
    "coffee",
    "coins",
    "colorwheel",
    "grass",
    "gravel",
    "hubble_deep_field",
    "immunohistochemistry",
    "microaneurysms",
    "moon",
    "page",
    "retina",
    "rocket",
    "text",
)
PHOTOS = tuple(sorted(_OF_SKLEARN + _OF_SKIMAGE))
"""The names that :func:`photo` knows."""


def digits() -> tuple[Float[Tensor, "1797 1 8 8"], Int64[Tensor, "1797"]]:
    """Scikit-learn's handwritten digits: ``(images, labels)``, 1,797 gray images of 8 x 8.

    >>> images, labels = digits()
    >>> images.shape, labels[:4]
    (torch.Size([1797, 1, 8, 8]), tensor([0, 1, 2, 3]))
    """
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = torch.from_numpy(np.asarray(pixels, dtype=np.float32) / 16)
    return images.reshape(-1, 1, 8, 8), torch.from_numpy(np.asarray(labels, dtype=np.int64))


def lfw() -> tuple[Float[Tensor, "200 1 25 25"], Int64[Tensor, "200"]]:
    """Scikit-image's subset of Labeled Faces in the Wild: ``(images, labels)``, gray, 25 x 25.

    Label 1 is a face, label 0 is not; a hundred each.
    """
    from skimage.data import lfw_subset

    images = torch.from_numpy(np.asarray(lfw_subset(), dtype=np.float32))
    return images[:, None], (torch.arange(len(images)) < 100).long()


def photo(name: str, size: Size | None = None) -> Float[Tensor, "1 C H W"]:
    """A photo by its name in scikit-learn or scikit-image, gray or RGB as it is there.

    Args:
        name: One of :data:`PHOTOS`.
        size: As in :func:`~augmoments.data.resize`; None keeps the original pixels.

    Raises:
        DataError: No such photo.

    >>> photo("cat", size=32).shape
    torch.Size([1, 3, 32, 32])
    """
    if name in _OF_SKLEARN:
        from sklearn.datasets import load_sample_image

        pixels = load_sample_image(f"{name}.jpg")
    elif name in _OF_SKIMAGE:
        from skimage import data

        pixels = getattr(data, name)()
    else:
        raise DataError(
            f"there is no photo {name!r}{did_you_mean(name, PHOTOS)}: choose from "
            f"{', '.join(PHOTOS)}."
        )
    image = torch.from_numpy(np.atleast_3d(pixels).astype(np.float32) / 255)
    return resize(image.permute(2, 0, 1)[None].contiguous(), size)
