r"""A reference for the average of a resampling that shares nothing with the library.

The parameter is written as its quantile function, :math:`E[f(\theta)] = \int_0^1 f(Q(u)) du`, with
SciPy's Q; coordinates come from torchvision's matrix; the u at which a coordinate crosses a grid
line are found by bisection between the points of a fine mesh. On each piece between them, and
between points that halve towards both ends of [0, 1], 20 Gauss-Legendre nodes; with nearest
neighbours the same input pixel is read throughout a piece.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy import special, stats
from torchvision.transforms.v2.functional._geometry import _get_inverse_affine_matrix

import augmoments as am

_MESH = 500
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
    """The same for pixels ``x``, ``y`` at many parameters, written out."""
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
    for inverse, knots in _sides(law):
        mesh = np.unique(np.concatenate([np.linspace(0, 0.5, _MESH), *_between(knots)]))
        parameters = inverse(mesh)
        for pixel in range(height * width):
            y, x = divmod(pixel, width)

            def source(theta, x=x, y=y):
                return coordinates(family, theta, float(x), float(y), shape, centre)

            cuts = _crossings(source, inverse, mesh, parameters, interpolation == "nearest")
            ends = [0.0, 0.5] if interpolation == "nearest" else knots
            edges = np.unique(np.concatenate([ends, cuts]))
            theta, weight, middle = _gauss(inverse, edges)
            row, inside = _weights(source, theta, middle, shape, interpolation)
            factor = weight * inside if twice and interpolation == "bilinear" else weight
            matrix[pixel] += np.einsum("ij,ijk->k", factor, row)
            mask[pixel] += np.sum(weight * inside)
    return matrix, mask


def quantile(law, side):
    """The quantile function, counted from the lower or from the upper end; tested against SciPy.

    Written out, as SciPy's distributions take most of their time for checks.
    """
    lower = side == "lower"
    sign = 1 if lower else -1
    match law:
        case am.Uniform(low, high):
            return lambda u: (low if lower else high) + sign * u * (high - low)
        case am.Normal(loc, std):
            return lambda u: loc + sign * std * special.ndtri(u)
        case am.TruncatedNormal(loc, std, low, high):
            a, b = (low - loc) / std, (high - loc) / std
            a, b = (a, b) if lower else (-b, -a)
            if a > 0:
                top = special.ndtr(-a)
                return lambda u: (
                    loc - sign * std * special.ndtri(top - u * (top - special.ndtr(-b)))
                )
            bottom = special.ndtr(a)
            return lambda u: (
                loc + sign * std * special.ndtri(bottom + u * (special.ndtr(b) - bottom))
            )
        case am.Triangular(low, high):
            near, far = (low, high) if lower else (high, low)
            width, rise = high - low, abs(law.peak - near)

            def triangular(u):
                up = near + sign * np.sqrt(u * width * rise)
                return np.where(
                    u * width < rise, up, far - sign * np.sqrt((1 - u) * width * (width - rise))
                )

            return triangular
        case am.LogUniform(low, high):
            return lambda u: (low if lower else high) * np.exp(sign * u * np.log(high / low))
        case am.Beta(a, b, low, high):
            if lower:
                return lambda u: low + (high - low) * special.betaincinv(a, b, u)
            return lambda u: high - (high - low) * special.betaincinv(b, a, u)
    raise TypeError(law)


def _sides(law):
    """The quantile function from either end, and points in [0, 1/2] between which it is smooth."""
    graded = np.concatenate([[0.0], 0.5 ** np.arange(_LEVELS, 0, -1)])
    for side in ("lower", "upper"):
        knots = graded
        if isinstance(law, am.Triangular):
            kink = (law.peak - law.low) / (law.high - law.low)
            kink = kink if side == "lower" else 1 - kink
            knots = np.union1d(knots, kink) if 0 < kink < 0.5 else knots
        inverse = quantile(law, side)
        yield lambda u, inverse=inverse: inverse(np.maximum(u, 1e-30)), knots


def _between(points):
    return [np.linspace(a, b, 12) for a, b in pairwise(points)]


def _gauss(inverse, edges):
    low, high = edges[:-1], edges[1:]
    u = (low + high)[:, None] / 2 + (high - low)[:, None] / 2 * _NODES
    return inverse(u), (high - low)[:, None] / 2 * _WEIGHTS, inverse((low + high) / 2)


def _crossings(source, inverse, mesh, parameters, nearest):
    """Where one of two coordinates changes its cell, by bisection in u."""
    found = [np.empty(0)]
    for axis in (0, 1):

        def value(theta, axis=axis):
            return np.broadcast_to(source(theta)[axis], np.shape(theta)) + (0.5 if nearest else 0)

        at, points = value(parameters), mesh
        extrema = _extrema(lambda u: value(inverse(u)), mesh, at)
        if len(extrema):
            points = np.concatenate([mesh, extrema])
            order = np.argsort(points)
            at = np.concatenate([at, value(inverse(extrema))])[order]
            points = points[order]
        clear = np.abs(at - np.rint(at)) > 1e-12  # a line that is touched is not crossed
        at, points = at[clear], points[clear]
        cell = np.floor(np.clip(at, -3, 60))
        change = np.flatnonzero(np.diff(cell))
        steps = np.abs(np.diff(cell)[change]).astype(int)
        index = np.repeat(change, steps)
        rank = np.arange(len(index)) - np.repeat(np.cumsum(steps) - steps, steps)
        line = np.minimum(cell[index], cell[index + 1]) + 1 + rank
        rising = cell[index + 1] > cell[index]
        low, high = points[index], points[index + 1]
        for _ in range(60):
            middle = (low + high) / 2
            left = (value(inverse(middle)) >= line) == rising
            low, high = np.where(left, low, middle), np.where(left, middle, high)
        found.append((low + high) / 2)
    return np.concatenate(found)


def _extrema(value, mesh, at):
    """Turning points between the points of the mesh, by golden-section search."""
    turn = np.flatnonzero(np.diff(np.sign(np.diff(at))) != 0) + 1
    sign = np.where(at[turn] >= np.maximum(at[turn - 1], at[turn + 1]), 1.0, -1.0)
    low, high = mesh[turn - 1], mesh[turn + 1]
    ratio = (np.sqrt(5) - 1) / 2
    for _ in range(60 if len(turn) else 0):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        better = sign * value(left) > sign * value(right)
        low, high = np.where(better, low, left), np.where(better, right, high)
    return (low + high) / 2


def _weights(source, theta, middle, shape, interpolation):
    """Interpolation weights ``(pieces, nodes, HW)`` and their sums inside the image."""
    height, width = shape
    u, v = (np.broadcast_to(c, theta.shape) for c in source(theta))
    um, vm = (np.broadcast_to(c, middle.shape)[:, None] for c in source(middle))
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
    row = np.zeros((*theta.shape, height * width))
    for c, r, weight in taps:
        for piece in np.flatnonzero((c >= 0) & (c < width) & (r >= 0) & (r < height)):
            row[piece, :, int(r[piece, 0]) * width + int(c[piece, 0])] += weight[piece]
    return row, row.sum(-1)
