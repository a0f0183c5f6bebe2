r"""A reference for the average of a resampling that shares nothing with the library.

The parameter is written as its quantile function, :math:`E[f(\theta)] = \int_0^1 f(Q(u)) du`, with
SciPy's Q; coordinates come from torchvision's matrix; the u at which a coordinate crosses a grid
line are found by bisection between the points of a fine mesh. On each piece between them, and
between points that halve towards both ends of [0, 1], 20 Gauss-Legendre nodes.
"""

from __future__ import annotations

import numpy as np
from scipy import stats
from torchvision.transforms.v2.functional._geometry import _get_inverse_affine_matrix

import augmoments as am

_MESH = 1500
_LEVELS = 60
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)


def distribution(law):
    """SciPy's version of a law."""
    match law:
        case am.Uniform(low, high):
            return stats.uniform(low, high - low)
        case am.Normal(loc, std):
            return stats.norm(loc, std)
        case am.TruncatedNormal(loc, std, low, high):
            return stats.truncnorm((low - loc) / std, (high - loc) / std, loc, std)
        case am.Triangular(low, high, mode):
            peak = (low + high) / 2 if mode is None else mode
            return stats.triang((peak - low) / (high - low), low, high - low)
        case am.LogUniform(low, high):
            return stats.loguniform(low, high)
        case am.Beta(a, b, low, high):
            return stats.beta(a, b, low, high - low)
    raise TypeError(law)


def torchvision_coordinates(shape, centre=None, angle=0.0, zoom=1.0, shear=(0.0, 0.0)):
    """What torchvision reads at each output pixel of ``(H, W)``, from its own matrix: x and y."""
    height, width = shape
    offset = [0.0, 0.0] if centre is None else [centre[0] - width / 2, centre[1] - height / 2]
    a, b, c, d, e, f = _get_inverse_affine_matrix(offset, angle, [0.0, 0.0], zoom, list(shear))
    y, x = np.mgrid[:height, :width] + 0.5
    x, y = x - width / 2, y - height / 2
    return a * x + b * y + c + width / 2 - 0.5, d * x + e * y + f + height / 2 - 0.5


def coordinates(family, theta, x, y, shape, centre=None):
    """The same for pixels ``x``, ``y`` at many parameters, written out; tested against the above."""
    height, width = shape
    cx, cy = (width - 1) / 2, (height - 1) / 2
    if centre is not None:
        cx, cy = centre[0] - 0.5, centre[1] - 0.5
    x, y = x - cx, y - cy
    match family:
        case "rotation":
            radians = np.deg2rad(theta)
            u, v = (
                np.cos(radians) * x - np.sin(radians) * y,
                np.sin(radians) * x + np.cos(radians) * y,
            )
        case "shear-x":
            u, v = x + np.tan(np.deg2rad(theta)) * y, y + 0 * theta
        case "shear-y":
            u, v = x + 0 * theta, y + np.tan(np.deg2rad(theta)) * x
        case "zoom":
            u, v = x / theta, y / theta
        case "zoom-x":
            u, v = x / theta, y + 0 * theta
        case "zoom-y":
            u, v = x + 0 * theta, y / theta
        case "translation-x":
            u, v = x - theta, y + 0 * theta
        case "translation-y":
            u, v = x + 0 * theta, y - theta
    return u + cx, v + cy


def mean_operator(family, law, shape, interpolation="bilinear", twice=False, centre=None):
    """``E[M]`` ``(HW, HW)`` and the average inside mask ``E[m]`` ``(HW,)``."""
    height, width = shape
    matrix = np.zeros((height * width, height * width))
    mask = np.zeros(height * width)
    for pixel in range(height * width):
        y, x = divmod(pixel, width)

        def source(theta, x=x, y=y):
            return coordinates(family, theta, float(x), float(y), shape, centre)

        for side in ("lower", "upper"):
            for theta, weight, middle in _pieces(law, source, side, interpolation == "nearest"):
                row, inside = _weights(source, theta, middle, shape, interpolation)
                factor = weight * inside if twice and interpolation == "bilinear" else weight
                matrix[pixel] += factor @ row
                mask[pixel] += weight @ inside
    return matrix, mask


def _quantile(law, side):
    """The quantile function on [0, 1/2], counted from the lower or from the upper end."""
    frozen = distribution(law)
    return frozen.ppf if side == "lower" else frozen.isf


def _pieces(law, source, side, nearest):
    """Nodes, weights and the middle of each piece on which the same input pixels are read."""
    quantile = _quantile(law, side)
    graded = 0.5 ** np.arange(1, _LEVELS)
    knots = np.concatenate([[0.0], graded])
    if isinstance(law, am.Triangular):
        kink = float(distribution(law).cdf(law.peak))
        kink = kink if side == "lower" else 1 - kink
        knots = np.append(knots, kink) if 0 < kink < 0.5 else knots
    mesh = np.unique(np.concatenate([knots, np.linspace(0, 0.5, _MESH), *_between(graded)]))
    cuts = _crossings(lambda u: source(quantile(u)), mesh, nearest)
    edges = np.unique(np.concatenate([knots, cuts]))
    low, high = edges[:-1], edges[1:]
    u = (low + high)[:, None] / 2 + (high - low)[:, None] / 2 * _NODES
    weight = (high - low)[:, None] / 2 * _WEIGHTS
    return zip(quantile(u), weight, quantile((low + high) / 2), strict=True)


def _between(points):
    return [np.linspace(a, b, 12) for a, b in zip(points[:-1], points[1:], strict=True)]


def _crossings(coordinate, mesh, nearest):
    """Where one of two coordinates changes its cell, by bisection in u."""
    found = []
    for axis in (0, 1):

        def value(u, axis=axis):
            shifted = coordinate(u)[axis] + (0.5 if nearest else 0.0)
            return np.broadcast_to(shifted, np.shape(u))

        points = _with_extrema(value, mesh)
        cell = np.floor(np.clip(value(points), -1e6, 1e6))
        for index in np.flatnonzero(np.diff(cell)):
            ends = sorted((cell[index], cell[index + 1]))
            lines = np.arange(max(ends[0] + 1, -3), min(ends[1], 60) + 1)
            low, high = (np.full(len(lines), points[index + i]) for i in (0, 1))
            rising = cell[index + 1] > cell[index]
            for _ in range(90):
                middle = (low + high) / 2
                above = value(middle) >= lines if len(lines) else np.zeros(0, bool)
                go_left = above if rising else ~above
                low, high = np.where(go_left, low, middle), np.where(go_left, middle, high)
            found.append((low + high) / 2)
    return np.concatenate(found) if found else np.empty(0)


def _with_extrema(value, mesh):
    """The mesh, with the turning points between its points by golden-section search."""
    at = value(mesh)
    turn = np.flatnonzero(np.diff(np.sign(np.diff(at))) != 0) + 1
    if not len(turn):
        return mesh
    sign = np.where(at[turn] >= np.maximum(at[turn - 1], at[turn + 1]), 1.0, -1.0)
    low, high = mesh[turn - 1], mesh[turn + 1]
    ratio = (np.sqrt(5) - 1) / 2
    for _ in range(100):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        better = sign * value(left) > sign * value(right)
        low, high = np.where(better, low, left), np.where(better, right, high)
    return np.unique(np.concatenate([mesh, (low + high) / 2]))


def _weights(source, theta, middle, shape, interpolation):
    """Interpolation weights ``(nodes, HW)`` of one piece and their sums inside the image."""
    height, width = shape
    u, v = (np.broadcast_to(c, theta.shape) for c in source(theta))
    um, vm = (float(c) for c in source(np.asarray(middle)))
    row = np.zeros((len(theta), height * width))
    if interpolation == "nearest":
        taps = [(np.floor(um + 0.5), np.floor(vm + 0.5), np.ones_like(theta))]
    else:
        left, top = np.floor(um), np.floor(vm)
        p, q = u - left, v - top
        taps = [
            (left, top, (1 - p) * (1 - q)),
            (left + 1, top, p * (1 - q)),
            (left, top + 1, (1 - p) * q),
            (left + 1, top + 1, p * q),
        ]
    for c, r, weight in taps:
        if 0 <= c < width and 0 <= r < height:
            row[:, int(r) * width + int(c)] += weight
    return row, row.sum(1)
