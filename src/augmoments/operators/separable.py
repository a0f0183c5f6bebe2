r"""Operators that act on rows and columns apart, :math:`Y = R X C^\top` on every channel."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from augmoments.operators.base import Operator


class Separable(Operator):
    r""":math:`Y = R(\theta)\, X\, C(\theta)^\top + f (1 - R 1 1^\top C^\top)` on every channel.

    ``f`` is the value outside the image, see :meth:`fill_like`.
    """

    acts_on = "space"

    @property
    def affine(self) -> bool:
        return True

    @abstractmethod
    def row_matrices(self, theta: Tensor, height: int) -> Tensor:
        """R, shape ``(B, H', H)``, float64."""

    @abstractmethod
    def column_matrices(self, theta: Tensor, width: int) -> Tensor:
        """C, shape ``(B, W', W)``, float64."""

    def fill_like(self, images: Tensor) -> Tensor | None:
        """The value outside the image a channel, shape ``(C, 1, 1)``; ``None`` if none is read."""
        return None

    def linear(self, images: Tensor, theta: Tensor) -> Tensor:
        rows, columns = self._matrices(images, theta)
        return torch.einsum("bih,bnchw,bjw->bncij", rows, images, columns)

    def offset(self, theta: Tensor, like: Tensor) -> Tensor:
        rows, columns = self._matrices(like, theta)
        mask = rows.sum(2)[:, :, None] * columns.sum(2)[:, None, :]
        fill = self.fill_like(like)
        out = torch.zeros_like(mask)[:, None] if fill is None else fill * (1 - mask[:, None])
        return out.expand(-1, like.shape[-3], -1, -1)[:, None]

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        out = self.linear(images, theta)
        return out if self.fill_like(images) is None else out + self.offset(theta, images)

    def _matrices(self, images: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        height, width = images.shape[-2:]
        rows, columns = self.row_matrices(theta, height), self.column_matrices(theta, width)
        return rows.to(images), columns.to(images)
