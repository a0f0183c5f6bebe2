"""Which part of an image a random resized crop keeps, as torchvision and kornia draw it.

Albumentations' ``RandomResizedCrop`` draws as torchvision's.
"""

from __future__ import annotations

from numbers import Integral

import numpy as np

from augmoments.errors import LawError
from augmoments.laws.base import check_finite
from augmoments.laws.boxes import BoxLaw
from augmoments.laws.cells import Range, cell_probabilities, rounding_edges
from augmoments.laws.joint import Array
from augmoments.laws.profiles import Whole, anywhere

TRIES = 10


def resized_crop_law(
    height: int, width: int, scale: Range = (0.08, 1.0), ratio: Range = (3 / 4, 4 / 3)
) -> BoxLaw:
    r"""The crop of torchvision's ``RandomResizedCrop``.

    The area is uniform on ``scale H W``, the logarithm of the ratio ``w / h`` uniform; sides are
    rounded, and the first of ten tries that fits is taken, its corner uniform. So sizes that fit
    have probability ``P(h, w) (1 - q^10) / (1 - q)``, with ``q`` the probability that a try does
    not fit. If no try fits, the image's centre is cropped to the nearest ratio allowed.

    Args:
        height: Height of the image.
        width: Width of the image.
        scale: Range of the area, as a share of the image's.
        ratio: Range of the ratio width / height.

    Raises:
        LawError: An impossible range, or a crop without pixels.

    Example:
        >>> law = resized_crop_law(24, 32)
        >>> len(law.heights), law.count
        (193, 27245)
    """
    image = check_box("resized_crop_law", height, width, scale, ratio)
    sizes, kept = _tries(image, scale, ratio)
    h, w = _fallback(image, ratio)
    corner = np.array([[(height - h) // 2, 1]]), np.array([[(width - w) // 2, 1]])
    return _with_fallback(image, sizes, kept, (h, w), corner)


def kornia_resized_crop_law(
    height: int, width: int, scale: Range = (0.08, 1.0), ratio: Range = (3 / 4, 4 / 3)
) -> BoxLaw:
    """The crop of kornia's ``RandomResizedCrop``.

    It is that of :func:`resized_crop_law`, with the same arguments and errors, but where no try
    fits the crop is not centred: it lies anywhere, and has at least one pixel.
    """
    image = check_box("kornia_resized_crop_law", height, width, scale, ratio)
    sizes, kept = _tries(image, scale, ratio)
    h, w = (max(side, 1) for side in _fallback(image, ratio, np.float32))
    corner = anywhere(height, np.array([h])), anywhere(width, np.array([w]))
    return _with_fallback(image, sizes, kept, (h, w), corner)


def check_box(
    law: str, height: int, width: int, scale: Range, ratio: Range, largest: float = np.inf
) -> tuple[int, int]:
    """Refuse images without pixels and impossible ranges of the scale or of the ratio."""
    if not all(isinstance(side, Integral) and side >= 1 for side in (height, width)):
        raise LawError(f"{law}: an image has whole sides from 1, got {height} x {width}.")
    for name, values in (("scale", scale), ("ratio", ratio)):
        if np.shape(values) != (2,):
            raise LawError(f"{law}: {name} has two ends (low, high), got {values!r}.")
        check_finite(law, **{f"{name}[0]": values[0], f"{name}[1]": values[1]})
        if values[0] > values[1]:
            raise LawError(f"{law}: {name} must have low <= high, got {values!r}. Swap the two?")
    if scale[0] < 0 or scale[1] <= 0 or scale[1] > largest:
        limit = "" if largest == np.inf else f" and at most {largest:g}"
        raise LawError(f"{law}: scale is a share of the image, above 0{limit}, got {scale!r}.")
    if ratio[0] <= 0:
        raise LawError(f"{law}: ratio must be positive, got {ratio!r}.")
    return int(height), int(width)


def accepted(probabilities: Array) -> tuple[Array, float]:
    """Law of the first success in ten tries, and the probability that there is one.

    Args:
        probabilities: What one try gives, successes only.
    """
    p = min(float(probabilities.sum()), 1.0)
    if p == 0:
        return probabilities, 0.0
    some = -np.expm1(TRIES * np.log1p(-p)) if p < 1 else 1.0
    return probabilities * (some / p), some


def _tries(image: tuple[int, int], scale: Range, ratio: Range) -> tuple[Array, float]:
    """Probabilities ``(H, W)`` of the sizes from 1, and of all of them together."""
    height, width = image
    areas = scale[0] * height * width, scale[1] * height * width
    edges = rounding_edges(width)[1:], rounding_edges(height)[1:]
    return accepted(cell_probabilities(*edges, areas, ratio).T)


def _fallback(
    image: tuple[int, int], ratio: Range, number: type[float | np.float32] = float
) -> tuple[int, int]:
    """The largest crop of an allowed ratio, rounded from that type of number."""
    height, width = image
    if width / height < ratio[0]:
        return round(number(width) / number(ratio[0])), width
    if width / height > ratio[1]:
        return height, round(number(height) * number(ratio[1]))
    return image


def _with_fallback(
    image: tuple[int, int],
    sizes: Array,
    kept: float,
    size: tuple[int, int],
    corner: tuple[Whole, Whole],
) -> BoxLaw:
    h, w = (side + 1 for side in np.nonzero(sizes))
    weights = sizes[h - 1, w - 1]
    tops, lefts = anywhere(image[0], h), anywhere(image[1], w)
    if kept < 1:
        if 0 in size:
            raise LawError(
                f"resized_crop_law: where no crop fits an image of {image[0]} x {image[1]}, the "
                f"crop would be {size[0]} x {size[1]}: allow ratios nearer to the image's."
            )
        h, w = np.append(h, size[0]), np.append(w, size[1])
        tops, lefts = np.concatenate([tops, corner[0]]), np.concatenate([lefts, corner[1]])
        weights = np.append(weights, 1 - kept)
    return BoxLaw(image, h, w, weights, tops, lefts)
