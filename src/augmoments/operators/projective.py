"""Resampling along projective maps: affine maps with several parameters, and perspective."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from augmoments.operators.base import Operator, Shape
from augmoments.operators.warp import Resampling


class Projective(Operator):
    """The output pixel at ``(x, y)`` reads the input at ``(u / w, v / w)``.

    ``(u, v, w) = matrix (x, y, 1)``, pixel centres at whole coordinates.
    """

    acts_on = "space"
    resampling: Resampling

    @property
    def affine(self) -> bool:
        return True

    @abstractmethod
    def matrices(self, theta: Tensor, shape: Shape) -> Tensor:
        """From output to input pixels, for input images of ``shape``: ``(B, 3, 3)``, float64."""

    def check_shape(self, shape: Shape) -> None:
        self.resampling.check_shape(shape)

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        shape: Shape = tuple(images.shape[-3:])  # type: ignore[assignment]
        _, height, width = self.output_shape(shape)
        matrix = self.matrices(theta, shape).to(images.device)
        y, x = torch.meshgrid(
            torch.arange(height, dtype=torch.float64, device=images.device),
            torch.arange(width, dtype=torch.float64, device=images.device),
            indexing="ij",
        )
        points = torch.stack([x, y, torch.ones_like(x)])
        u, v, w = torch.einsum("bij,jhw->ibhw", matrix, points)
        return self.resampling.sample(images, u / w, v / w)

    def linear(self, images: Tensor, theta: Tensor) -> Tensor:
        if not self.resampling.fill_like(images).any():
            return self(images, theta)
        return super().linear(images, theta)
