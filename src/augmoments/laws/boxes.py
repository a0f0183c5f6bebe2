"""The joint law of the size and the place of a random box in an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augmoments.checks import check_memory
from augmoments.errors import LawError
from augmoments.laws.joint import Array, JointAtoms, JointLaw
from augmoments.laws.profiles import Profile, Whole


@dataclass(frozen=True, eq=False)
class BoxLaw(JointLaw):
    r"""Random boxes ``(top, left, height, width)`` within an image.

    A mixture of blocks: a size with a probability, whose corner is uniform on a rectangle of whole
    pixels, ``P(t, l, h, w) = sum_k p_k 1{(h, w) = (h_k, w_k)} 1{(t, l) in block k} / n_k``. Boxes
    without pixels are one outcome, all zeros. The uniform numbers of :meth:`ppf` choose the width,
    the height given the width, the top and the left (Rosenblatt's transform).

    Args:
        image: Height and width of the image.
        heights: Heights ``(K,)`` of the blocks, whole numbers.
        widths: Widths ``(K,)``.
        probabilities: Probabilities ``(K,)``, they sum to 1. Blocks of probability 0 are dropped
            and equal ones merged; the fields hold what is left, ordered by width and height.
        tops: First top and number of tops ``(K, 2)``.
        lefts: First left and number of lefts ``(K, 2)``.

    Raises:
        LawError: Boxes that leave the image, or weights that are not probabilities.

    Example:
        >>> corners = np.array([[0, 3], [0, 1]]), np.array([[0, 2], [0, 1]])
        >>> law = BoxLaw((4, 4), np.array([2, 4]), np.array([3, 4]), np.array([0.8, 0.2]), *corners)
        >>> law.count
        7
        >>> law.coverage()[0].round(3).tolist()
        [0.333, 0.467, 0.467, 0.333]
    """

    image: tuple[int, int]
    heights: Whole
    widths: Whole
    probabilities: Array
    tops: Whole
    lefts: Whole

    def __post_init__(self) -> None:
        blocks = np.column_stack([self.widths, self.heights, self.tops, self.lefts])
        _check_blocks(blocks, self.probabilities, self.image)
        blocks = blocks.astype(np.int64)
        blocks[(blocks[:, 0] == 0) | (blocks[:, 1] == 0)] = (0, 0, 0, 1, 0, 1)
        kept = self.probabilities > 0
        blocks, which = np.unique(blocks[kept], axis=0, return_inverse=True)
        weights = np.bincount(which.reshape(-1), self.probabilities[kept])
        fields = {
            "heights": blocks[:, 1],
            "widths": blocks[:, 0],
            "probabilities": weights / weights.sum(),
            "tops": blocks[:, 2:4],
            "lefts": blocks[:, 4:6],
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def __str__(self) -> str:
        low = f"{self.heights.min()} x {self.widths.min()}"
        if len(self.heights) == 1:
            return f"1 box, {low}"
        high = f"{self.heights.max()} x {self.widths.max()}"
        return f"{len(self.heights)} boxes from {low} to {high}"

    @property
    def width(self) -> int:
        return 4

    @property
    def dimension(self) -> int:
        return 4

    @property
    def count(self) -> float:
        """Blocks times corners; where a block with one corner lies in another, both count."""
        return int(np.sum(self._corners))

    def atoms(self) -> JointAtoms:
        """All boxes ``(count, 4)`` and their probabilities ``(count,)``.

        Raises:
            NotEnoughMemoryError: They are too many.
        """
        check_memory(120.0 * self.count, f"The list of {self.count} boxes", "nodes instead")
        corners = self._corners
        block = np.repeat(np.arange(len(corners)), corners)
        place = np.arange(len(block)) - np.repeat(np.cumsum(corners) - corners, corners)
        down, right = np.divmod(place, self.lefts[block, 1])
        points = [self.tops[block, 0] + down, self.lefts[block, 0] + right]
        points += [self.heights[block], self.widths[block]]
        weights = (self.probabilities / corners)[block]
        return JointAtoms(np.column_stack(points).astype(float), weights)

    def ppf(self, u: Array) -> Array:
        block = self._block(u[:, 0], u[:, 1])
        corner = [
            starts[block, 0] + np.minimum(np.floor(v * starts[block, 1]), starts[block, 1] - 1)
            for starts, v in ((self.tops, u[:, 2]), (self.lefts, u[:, 3]))
        ]
        return np.column_stack([*corner, self.heights[block], self.widths[block]]).astype(float)

    def coverage(self) -> Array:
        """Probability ``(H, W)`` that the box covers a pixel."""
        return self._covered(0)

    def area_coverage(self) -> Array:
        """``E[area 1{pixel in the box}]``, ``(H, W)``, the area in pixels."""
        return self._covered(1)

    def joint_coverage(self) -> Array:
        r"""Probability that the box covers two pixels, ``(H W, H W)`` in row-major order.

        Given its block a box covers rows ``i, i'`` and columns ``j, j'`` independently, so this is
        ``sum_k p_k R_k[i, i'] C_k[j, j']``, summed first over blocks with equal rows.

        Raises:
            NotEnoughMemoryError: The matrix does not fit.
        """
        height, width = self.image
        size = height * width
        check_memory(24.0 * size**2, f"The coverage of pairs of {size} pixels", "coverage()")
        table, rows, columns = self._axes()
        pairs = rows.both_covered(height).reshape(len(table), -1).T @ table
        pairs = pairs @ columns.both_covered(width).reshape(table.shape[1], -1)
        pairs = pairs.reshape(height, height, width, width).transpose(0, 2, 1, 3)
        return np.ascontiguousarray(pairs).reshape(size, size)

    def area_moment(self, degree: int = 1) -> float:
        """``E[area ** degree]``, the area in pixels."""
        areas = (self.heights * self.widths).astype(float)
        return float(np.sum(self.probabilities * areas**degree))

    @property
    def _corners(self) -> Whole:
        """How many corners each block has."""
        return self.tops[:, 1] * self.lefts[:, 1]

    def _block(self, u: Array, v: Array) -> Whole:
        """The blocks that belong to uniform numbers for the width and for the rest given it."""
        ends = np.concatenate([[0.0], np.cumsum(self.probabilities)])
        limits = np.append(np.flatnonzero(np.diff(self.widths, prepend=-1)), len(self.widths))
        group = np.searchsorted(ends[limits[1:]], u * ends[-1], side="right")
        group = np.minimum(group, len(limits) - 2)
        start, stop = limits[group], limits[group + 1]
        level = ends[start] + v * (ends[stop] - ends[start])
        return np.clip(np.searchsorted(ends[1:], level, side="right"), start, stop - 1)

    def _axes(self) -> tuple[Array, Profile, Profile]:
        """Probabilities ``(m, n)`` by what a block is along the rows and along the columns."""
        sides = (self.heights, self.tops), (self.widths, self.lefts)
        (rows, i), (columns, j) = (
            np.unique(np.column_stack(side), axis=0, return_inverse=True) for side in sides
        )
        table = np.zeros((len(rows), len(columns)))
        np.add.at(table, (i.reshape(-1), j.reshape(-1)), self.probabilities)
        return table, Profile(*rows.T), Profile(*columns.T)

    def _covered(self, degree: int) -> Array:
        """``E[area ** degree 1{pixel in the box}]``."""
        table, rows, columns = self._axes()
        weights = table * np.multiply.outer(rows.length, columns.length) ** degree
        return rows.covered(self.image[0]).T @ weights @ columns.covered(self.image[1])


def _check_blocks(blocks: Whole, probabilities: Array, image: tuple[int, int]) -> None:
    """Refuse blocks that leave the image and weights that are not probabilities."""
    width, height, top, tops, left, lefts = blocks.T
    low = np.min([height, width, top, left, tops - 1, lefts - 1])
    over = np.max([top + tops - 1 + height - image[0], left + lefts - 1 + width - image[1]])
    if low < 0 or over > 0 or np.any(blocks != np.floor(blocks)):
        raise LawError(
            f"BoxLaw: boxes must be whole pixels within the image of {image[0]} x {image[1]}, but "
            f"one begins or ends {max(-low, over):g} outside or is not whole."
        )
    if len(probabilities) != len(blocks) or np.any(probabilities < 0):
        raise LawError("BoxLaw: give every block one probability, not negative.")
    if not np.isclose(probabilities.sum(), 1, rtol=0, atol=1e-9):
        raise LawError(f"BoxLaw: probabilities must sum to 1, they sum to {probabilities.sum()}.")
