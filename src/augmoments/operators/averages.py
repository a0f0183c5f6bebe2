r"""Averages :math:`E[R X C^\top]` of random separable operators, as sums of Kronecker products."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from augmoments.checks import check_memory
from augmoments.errors import LawError
from augmoments.laws.base import Array, ContinuousLaw
from augmoments.laws.boxes import BoxLaw
from augmoments.laws.discrete import Discrete
from augmoments.laws.profiles import Whole
from augmoments.operators.base import Shape
from augmoments.operators.blur import Blur, convolutions, gaussian
from augmoments.operators.crop import Crop
from augmoments.operators.interpolation import Interpolation
from augmoments.operators.kronecker import KroneckerSum
from augmoments.operators.resize import CropResize

_BLOCK = 1 << 23
"""Values of the matrices that are averaged at once, 64 MB."""


def expected_crop(operator: Crop, shape: Shape) -> KroneckerSum:
    """The average over all corners, alike and independent along both axes: one term."""
    tops, lefts = operator.corners(shape)
    corner = torch.arange(max(tops, lefts), dtype=torch.float64)[:, None].expand(-1, 2)
    rows, columns = operator.picks(corner, shape)
    return KroneckerSum(_shares(rows[:tops], shape[1]), _shares(columns[:lefts], shape[2]))


def expected_crop_resize(operator: CropResize, law: BoxLaw, shape: Shape) -> KroneckerSum:
    r"""The average over random boxes, :math:`\sum_{hw} p(h, w) \bar R_h X \bar C_w^\top`.

    The bars average over the places of a box of this size. The sum is rewritten with the singular
    value decomposition of the table ``p``.

    Raises:
        LawError: The law is that of images of another size, or has boxes without pixels.
        NotEnoughMemoryError: The matrices do not fit.
    """
    if law.image != tuple(shape[1:]):
        raise LawError(f"These are boxes in images of {law.image}, not of {tuple(shape[1:])}.")
    if not (law.heights.all() and law.widths.all()):
        raise LawError("A box without pixels cannot be resized.")
    heights, i = _kinds(law.heights, law.tops)
    widths, j = _kinds(law.widths, law.lefts)
    table = np.zeros((len(heights), len(widths)))
    np.add.at(table, (i, j), law.probabilities)
    values = len(heights) * operator.size[0] * shape[1] + len(widths) * operator.size[1] * shape[2]
    check_memory(16.0 * values + 40.0 * _BLOCK, "The average over all boxes", "fewer pixels")
    weights = operator.interpolation
    return KroneckerSum.of_table(
        torch.from_numpy(table),
        _average_places(weights, heights, shape[1], operator.size[0]),
        _average_places(weights, widths, shape[2], operator.size[1]),
    )


def expected_blur(operator: Blur, law: Discrete | ContinuousLaw, shape: Shape) -> KroneckerSum:
    r"""The average over sigma, :math:`\sum_{ij} E[k_i k_j] S_i X S_j^\top`.

    ``S_i`` moves the image by i pixels to both sides and ``k`` is the kernel. The expectations are
    those of Gauss-Legendre nodes, doubled in number until they change by less than 1e-14.

    Raises:
        LawError: Sigma is not positive, or the nodes do not converge.
    """
    low, high = law.support
    if low < 0 or high <= 0 or (low == 0 and isinstance(law, Discrete)):
        raise LawError(f"sigma must be positive, its law is {law}.")
    across, down = (_shifts(taps) for taps in operator.kernel_size)
    table = _kernel_products(operator, law)
    return KroneckerSum.of_table(
        table, convolutions(down, shape[1]), convolutions(across, shape[2])
    )


def _shares(picks: Tensor, size: int) -> Tensor:
    """How often, out of all ``(T, out)`` picks, each pixel is picked: ``(1, out, size)``."""
    inside = (picks >= 0).T.double() / len(picks)
    shares = torch.zeros(picks.shape[1], size, dtype=torch.float64)
    return shares.scatter_add_(1, picks.T.clamp(min=0), inside)[None]


def _kinds(lengths: Whole, starts: Whole) -> tuple[Whole, Whole]:
    """The different ``(length, first start, number of starts)``, and which one each box has."""
    kinds, which = np.unique(np.column_stack([lengths, starts]), axis=0, return_inverse=True)
    return kinds, which.reshape(-1)


def _average_places(weights: Interpolation, kinds: Whole, size: int, out: int) -> Tensor:
    """Matrices ``(m, out, size)`` for intervals, averaged over their starts.

    Matrices of the same interval at other starts are shifted, so that their average is a moving
    one along the rows of the first: a difference of sums.
    """
    average = torch.empty(len(kinds), out, size, dtype=torch.float64)
    share = max(1, _BLOCK // (out * size))
    pixel = torch.arange(1, size + 1)
    blocks = torch.from_numpy(kinds.astype(np.int64)).split(share)
    for block, target in zip(blocks, average.split(share), strict=True):
        length, first, count = block.unbind(1)
        sums = torch.zeros(len(block), out, size + 1, dtype=torch.float64)
        torch.cumsum(weights.matrices(first, length, size, out), 2, out=sums[..., 1:])
        before = (pixel - count[:, None]).clamp(min=0)[:, None].expand(-1, out, -1)
        target.copy_((sums[..., 1:] - sums.gather(2, before)) / count[:, None, None])
    return average


def _shifts(taps: int) -> Tensor:
    """The kernels ``((taps + 1) / 2, taps)`` that move an image to both sides."""
    distance = (torch.arange(taps) - taps // 2).abs()
    return (distance == torch.arange(taps // 2 + 1)[:, None]).double()


def _kernel_products(operator: Blur, law: Discrete | ContinuousLaw) -> Tensor:
    """``E[k_i k_j]`` of the kernel along y and the one along x, at distances i and j."""
    if isinstance(law, Discrete):
        return _products(operator, *law.atoms)
    low, high = law.support
    halved = high * 0.5 ** np.arange(64)
    cuts = np.concatenate([law.knots, halved])
    edges = np.unique(cuts[(cuts >= low) & (cuts <= high)])
    before = None
    for order in (8, 16, 32, 64, 128):
        points, shares = law.quadrature(edges[:-1], edges[1:], order)
        table = _products(operator, points.reshape(-1), shares.reshape(-1))
        if before is not None and (table - before).abs().max() < 1e-14:
            return table
        before = table
    raise LawError(f"The average over sigma did not converge for {law}.")


def _products(operator: Blur, sigma: Array, weights: Array) -> Tensor:
    across, down = (
        gaussian(torch.from_numpy(sigma), taps)[:, taps // 2 :] for taps in operator.kernel_size
    )
    return torch.einsum("k,ki,kj->ij", torch.from_numpy(weights), down, across)
