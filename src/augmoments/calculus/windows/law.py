"""The law of a window that is cut at a random place, and what it makes of images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d

from augmoments.operators.base import Shape
from augmoments.operators.crop import Crop
from augmoments.rules import Product, QuadraticRule, Rule

_FEW_WINDOWS = 4


@dataclass(frozen=True, eq=False)
class Windows:
    """The law of a window on an image; ``weights`` ``(T, L)`` are those of its top and left."""

    weights: Tensor

    @classmethod
    def of(cls, rule: Rule, shape: Shape) -> Windows | None:
        """The windows that ``rule`` cuts out of images of ``shape``, if that is all it does."""
        if not isinstance(rule, Product) or len(rule.factors) != 1:
            return None
        (leaf,) = rule.factors
        if not isinstance(leaf, QuadraticRule) or not isinstance(leaf.operator, Crop):
            return None
        tops, lefts = leaf.operator.corners(shape)
        framed = any(leaf.operator.frame(shape))
        corner = leaf.points.detach().long()
        inside = (corner >= 0) & (corner < torch.tensor([tops, lefts]))
        few = len(leaf) <= _FEW_WINDOWS
        if framed or few or leaf.gram is not None or leaf.differentiable or not inside.all():
            return None
        weights = leaf.weights.new_zeros(tops, lefts)
        weights.index_put_((corner[:, 0], corner[:, 1]), leaf.weights, accumulate=True)
        return cls(weights)

    def average(self, images: Tensor) -> Tensor:
        """Average window of ``images`` ``(..., H, W)``."""
        planes = images.flatten(0, -3)[:, None]
        out = conv2d(planes, self.weights.to(images)[None, None])
        return out.reshape(*images.shape[:-2], *out.shape[-2:])

    def adjoint(self, seen: Tensor) -> Tensor:
        """The transpose of the average, ``(..., h, w)`` to ``(..., H, W)``."""
        out = conv_transpose2d(seen.flatten(0, -3)[:, None], self.weights.to(seen)[None, None])
        return out.reshape(*seen.shape[:-2], *out.shape[-2:])

    def coverage(self, like: Tensor) -> Tensor:
        """Probability of each pixel ``(H, W)`` to be seen, for windows ``like`` ``(..., h, w)``."""
        return self.adjoint(torch.ones_like(like[..., :1, :, :].flatten(0, -3)[:1]))[0]

    def cut(self, images: Tensor) -> list[tuple[float, Tensor]]:
        """Probabilities of all windows, and what is seen of ``images`` ``(..., H, W)`` there."""
        height, width = (
            side - places + 1
            for side, places in zip(images.shape[-2:], self.weights.shape, strict=True)
        )
        return [
            (float(weight), images[..., top : top + height, left : left + width])
            for top, row in enumerate(self.weights)
            for left, weight in enumerate(row)
            if weight
        ]

    def between(self, mean: Tensor) -> Tensor:
        """Factor ``(N, K, C, h, w)`` of the covariance of the windows of ``mean``."""
        average = self.average(mean)
        return torch.stack([w**0.5 * (seen - average) for w, seen in self.cut(mean)], 1)

    def inner(self, columns: Tensor, images: Tensor) -> Tensor:
        """Inner products ``(J, k, T, L)`` of ``images`` with all windows of ``columns``."""
        return conv2d(columns, images)

    def combined(self, columns: Tensor, coefficients: Tensor) -> Tensor:
        """Sums ``(k, C, h, w)`` of all windows of ``columns``, times ``(J, k, T, L)``."""
        return conv2d(columns.transpose(0, 1), coefficients.transpose(0, 1)).transpose(0, 1)
