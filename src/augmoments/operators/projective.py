"""Resampling along projective maps: affine maps with several parameters, and perspective."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from augmoments.operators.base import Operator, Shape
from augmoments.operators.warp import Resampling

_OUTSIDE = 4.0
"""A position well outside the image, whose inside reaches from -1 to 1 or from 0 to 2."""


class Projective(Operator):
    """The output pixel at ``(x, y)`` reads the input at ``(u / w, v / w)``.

    ``(u, v, w) = matrix (x, y, 1)``, in pixels from :meth:`origin`.
    """

    acts_on = "space"
    resampling: Resampling
    margin: tuple[int, int] = (0, 0)
    """By how many pixels the output is wider than the input on either side, and higher."""

    @property
    def smooth(self) -> bool:
        return self.resampling.interpolation == "bilinear"

    @property
    def affine(self) -> bool:
        return True

    @abstractmethod
    def matrices(self, theta: Tensor, shape: Shape) -> Tensor:
        """From output to input pixels, for input images of ``shape``: float64, on any device.

        Shape ``(B, 3, 3)``, or ``(B, 2, 3)`` if ``w`` is always 1.
        """

    def origin(self, shape: Shape) -> tuple[float, float]:
        """Where ``x = y = 0`` in the matrices' coordinates; pixel centres are whole numbers."""
        return 0.0, 0.0

    def fill_like(self, images: Tensor) -> Tensor:
        return self.resampling.fill_like(images)

    def check_shape(self, shape: Shape) -> None:
        self.resampling.check_shape(shape)

    def output_shape(self, shape: Shape) -> Shape:
        return shape[0], shape[1] + 2 * self.margin[1], shape[2] + 2 * self.margin[0]

    def positions(self, theta: Tensor, shape: Shape, device: torch.device) -> tuple[Tensor, Tensor]:
        """Input pixels that are read, each ``(B, H', W')``, computed on ``device``.

        The operations are torchvision's, one by one, so that source coordinates half-way between
        two pixels, which rounding errors decide, are decided alike. Where ``w`` is 0, and
        torchvision has no number to give, the position is outside the image.
        """
        _, height, width = self.output_shape(shape)
        origin = self.origin(shape)
        size = torch.tensor([shape[2], shape[1]], dtype=torch.float64, device=device)
        shift = (2 * torch.tensor(origin).to(size) + 1) / size - 1
        across, down = self.margin
        corner = origin[0] + across, origin[1] + down
        points = _lattice(height, width, corner, device).expand(len(theta), -1, -1)
        matrix = self.matrices(theta, shape).to(device)
        grid = points.bmm((matrix[:, :2] / (0.5 * size)[:, None]).mT)
        if matrix.shape[1] == 3:
            w = points.bmm(matrix[:, 2:].mT)
            grid = torch.where(w == 0, _OUTSIDE, grid / w)
        pixels = grid.mT.contiguous().reshape(-1, 2, height, width)
        pixels.add_(_planes(shift)).add_(1).mul_(_planes(size / 2)).sub_(0.5)
        return pixels[:, 0], pixels[:, 1]

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        shape: Shape = tuple(images.shape[-3:])  # type: ignore[assignment]
        x, y = self.positions(theta, shape, images.device)
        return self.resampling.sample(images, x, y)

    def linear(self, images: Tensor, theta: Tensor) -> Tensor:
        if not self.resampling.fill_like(images).any():
            return self(images, theta)
        return super().linear(images, theta)


def _planes(pair: Tensor) -> Tensor:
    """A number for x and one for y, shaped to broadcast against ``(B, 2, H, W)``."""
    return pair[:, None, None]


def _lattice(height: int, width: int, origin: tuple[float, float], device: torch.device) -> Tensor:
    """All pixels as ``(x, y, 1)``, shape ``(1, height width, 3)``."""
    x = torch.arange(width, dtype=torch.float64, device=device) - origin[0]
    y = torch.arange(height, dtype=torch.float64, device=device) - origin[1]
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([columns, rows, torch.ones_like(rows)], -1).reshape(1, -1, 3)
