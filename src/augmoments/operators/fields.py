"""Blends of images with a constant by fields of weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from augmoments.operators.base import Operator


@dataclass(frozen=True, eq=False)
class FieldExpansion(Operator):
    r"""The terms of :math:`x + B (v - x)` in an expansion :math:`B = f_0 + \sum_k \varphi_k f_k`.

    Term ``theta`` is :math:`x + f_0 (v - x)` for 0, and :math:`f_k (v - x)` for ``k`` above.

    Attributes:
        fields: Weights f of the pixels, ``(1 + K, H, W)``, float64.
        value: The constant v, one number or one a channel.
    """

    fields: Tensor
    value: tuple[float, ...] = (0.0,)
    acts_on = "space"
    monomial = True

    @property
    def parameter(self) -> str:
        return "term of the expansion"

    @property
    def affine(self) -> bool:
        return True

    def fill_like(self, images: Tensor) -> Tensor:
        value = torch.tensor(self.value, dtype=images.dtype, device=images.device)
        return value.reshape(-1, 1, 1).expand(images.shape[-3], 1, 1)

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        return self.linear(images, theta) + self.offset(theta, images)

    @cached_property
    def kept(self) -> Tensor:
        """The weights of x in the terms, ``(1 + K, H, W)``: 1 - f for the first, then -f."""
        return torch.cat([1 - self.fields[:1], -self.fields[1:]])

    def linear(self, images: Tensor, theta: Tensor) -> Tensor:
        chosen = theta[:, 0].round().long().to(self.fields.device)
        return self.kept[chosen].to(images)[:, None, None] * images

    def offset(self, theta: Tensor, like: Tensor) -> Tensor:
        chosen = theta[:, 0].round().long().to(self.fields.device)
        return self.fields[chosen].to(like)[:, None, None] * self.fill_like(like)


def box_masks(boxes: Tensor, height: int, width: int) -> Tensor:
    """Which pixels boxes cover, ``(B, H, W)``.

    Args:
        boxes: First row, first column, height and width of each, ``(B, 4)``.
        height: Height of the image.
        width: Width of the image.
    """
    top, left, tall, wide = boxes.T[..., None]
    rows, columns = (torch.arange(size, device=boxes.device) for size in (height, width))
    down = (rows >= top) & (rows < top + tall)
    across = (columns >= left) & (columns < left + wide)
    return down[:, :, None] & across[:, None, :]
