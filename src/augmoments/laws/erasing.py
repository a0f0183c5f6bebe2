"""Which box of an image is erased, as torchvision, kornia and albumentations draw it."""

from __future__ import annotations

import numpy as np

from augmoments.checks import check_probability
from augmoments.laws.boxes import BoxLaw
from augmoments.laws.cells import Range, cell_probabilities, rounding_edges
from augmoments.laws.crops import accepted, check_box
from augmoments.laws.joint import Array
from augmoments.laws.profiles import anywhere


def erasing_law(
    height: int,
    width: int,
    p: float = 0.5,
    scale: Range = (0.02, 0.33),
    ratio: Range = (0.3, 3.3),
) -> BoxLaw:
    """The box of torchvision's ``RandomErasing``; no box is the outcome of size 0 x 0.

    The area is uniform on ``scale H W``, the logarithm of the ratio ``h / w`` uniform; sides are
    rounded, and the first of ten tries with ``h < H`` and ``w < W`` is erased, at a uniform place.
    If no try fits, and with probability ``1 - p``, nothing is erased.

    Args:
        height: Height of the image.
        width: Width of the image.
        p: Probability that a box is drawn.
        scale: Range of the area, as a share of the image's.
        ratio: Range of the ratio height / width.

    Raises:
        LawError: An impossible range or probability.

    Example:
        >>> law = erasing_law(32, 32, scale=(0.02, 0.4), ratio=(0.3, 1 / 0.3))
        >>> round(law.area_moment() / 32**2, 4)
        0.1018
    """
    image = check_box("erasing_law", height, width, scale, ratio, largest=1.0)
    edges = rounding_edges(height - 1), rounding_edges(width - 1)
    sizes, _ = accepted(cell_probabilities(*edges, _areas(image, scale), ratio))
    return _erase(image, sizes, p)


def kornia_erasing_law(
    height: int,
    width: int,
    p: float = 0.5,
    scale: Range = (0.02, 0.33),
    ratio: Range = (0.3, 3.3),
) -> BoxLaw:
    """The box of kornia's ``RandomErasing``: one try, whose sides are clamped to the image.

    The ratio ``h / w`` is uniform; where its range has 1 inside, a fair coin says whether it is
    uniform below or above 1. Sides are rounded and clamped to at least 1 and at most the image's.
    Arguments and errors are those of :func:`erasing_law`, but the scale has no upper limit.
    """
    image = check_box("kornia_erasing_law", height, width, scale, ratio)
    low, high = ratio
    ranges = [(low, 1.0), (1.0, high)] if low < 1 < high else [ratio]
    edges = _clamped_edges(height), _clamped_edges(width)
    areas = _areas(image, scale)
    tables = [cell_probabilities(*edges, areas, r, "linear") for r in ranges]
    return _erase(image, np.pad(np.mean(tables, axis=0), ((1, 0), (1, 0))), p)


def albumentations_erasing_law(
    height: int,
    width: int,
    p: float = 0.5,
    scale: Range = (0.02, 0.33),
    ratio: Range = (0.3, 3.3),
) -> BoxLaw:
    """The box of albumentations' ``Erasing``: one try, from the areas that fit at every ratio.

    The ratio ``w / h`` is uniform, and the area is uniform between the lower end of its range and
    ``min(s1 H W, r0 H^2, W^2 / r1)``; where that is empty nothing is ever erased. Arguments and
    errors are those of :func:`erasing_law`, but the scale has no upper limit.
    """
    image = check_box("albumentations_erasing_law", height, width, scale, ratio)
    least, most = _areas(image, scale)
    most = min(most, ratio[0] * height**2, width**2 / ratio[1])
    if most < least:
        return _erase(image, np.zeros((1, 1)), p)
    edges = rounding_edges(width), rounding_edges(height)
    return _erase(image, cell_probabilities(*edges, (least, most), ratio, "linear").T, p)


def _areas(image: tuple[int, int], scale: Range) -> Range:
    size = image[0] * image[1]
    return scale[0] * size, scale[1] * size


def _clamped_edges(n: int) -> Array:
    """Edges of the cells of numbers that round to 1, ..., n after clamping to that range."""
    edges = rounding_edges(n)[1:]
    edges[0], edges[-1] = 0.0, np.inf
    return edges


def _erase(image: tuple[int, int], sizes: Array, p: float) -> BoxLaw:
    """A box of a size from 0 anywhere in the image, drawn with probability ``p``."""
    weights = check_probability(p) * sizes
    nothing = max(1.0 - float(weights.sum()), 0.0)
    h, w = np.nonzero(weights)
    drawn = weights[h, w]
    if nothing > 1e-15:
        h, w, drawn = np.append(h, 0), np.append(w, 0), np.append(drawn, nothing)
    return BoxLaw(image, h, w, drawn, anywhere(image[0], h), anywhere(image[1], w))
