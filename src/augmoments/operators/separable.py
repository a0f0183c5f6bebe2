r"""Operators that act on rows and columns apart, :math:`Y = R X C^\top` on every channel."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from augmoments.operators.base import Operator, Shape


class Separable(Operator):
    r""":math:`Y = R(\theta)\, X\, C(\theta)^\top + f (1 - R 1 1^\top C^\top)` on every channel.

    ``f`` is the value outside the image, see :meth:`fill_like`.
    """

    acts_on = "space"

    @property
    def affine(self) -> bool:
        return True

    @abstractmethod
    def matrices(self, theta: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
        """``R`` ``(B, H', H)`` and ``C`` ``(B, W', W)`` for images of ``shape``, float64."""

    def linear(self, images: Tensor, theta: Tensor) -> Tensor:
        rows, columns = self._matrices_like(images, theta)
        return contract(images, rows, columns)

    def offset(self, theta: Tensor, like: Tensor) -> Tensor:
        rows, columns = self._matrices_like(like, theta)
        mask = rows.sum(2)[:, None, :, None] * columns.sum(2)[:, None, None, :]
        return (self.fill_like(like) * (1 - mask))[:, None]

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        out = self.linear(images, theta)
        return out + self.offset(theta, images) if self.fill_like(images).any() else out

    def _matrices_like(self, images: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        shape: Shape = tuple(images.shape[-3:])  # type: ignore[assignment]
        rows, columns = self.matrices(theta.to(images.device), shape)
        return rows.to(images), columns.to(images)


def contract(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    r""":math:`R X C^\top` for ``images`` ``(B, n, C, H, W)`` and matrices ``(B, out, in)``.

    Columns come first where all groups are the same images, as those need no copy then.
    """
    groups, n, channels, height, width = images.shape
    planes = images.reshape(groups, n * channels, height, width)
    if groups > 1 and images.stride(0) == 0:
        lines = torch.bmm(planes.reshape(groups, -1, width), columns.mT)
        out = rows[:, None] @ lines.reshape(groups, n * channels, height, -1)
    else:
        out = torch.bmm((rows[:, None] @ planes).reshape(groups, -1, width), columns.mT)
    return out.reshape(groups, n, channels, rows.shape[1], columns.shape[1])
