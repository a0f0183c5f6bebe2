"""What one draw of an augmentation does to an image: a deterministic operator.

Every operator works on ``B`` groups of ``n`` images at once, one parameter vector a group. A
random draw an image is ``n = 1``; ``K`` fixed operators on all images is ``B = K`` with the
images expanded along the first axis.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

Shape = tuple[int, int, int]
Domain = Literal["space", "channels", "everything"]


Kind = Literal["magnitude", "coin", "label"]


class Neutral(NamedTuple):
    """A parameter's value with which images stay as they are, and what the parameter is.

    A *magnitude* is a number that does the less the nearer it is to the value; a *coin* is 1 where
    something is done and 0 else; a *label* only names one of several ways.
    """

    value: float
    kind: Kind = "magnitude"


class Pieces(NamedTuple):
    """Edges between which an operator is a polynomial of ``degree`` in its parameter."""

    edges: np.ndarray
    degree: int


class Operator(ABC):
    """A deterministic map of images with parameters, ``T(x; theta)``."""

    acts_on: Domain
    """``"space"``: alike on every channel; ``"channels"``: alike on every pixel; else both mix."""
    monomial: bool = False
    """Whether every output value reads one input value at most, and no two the same one."""
    mirrors: bool = False
    """Whether mirroring the input just mirrors the output, for every fixed parameter."""

    @property
    def smooth(self) -> bool:
        """Whether the result is continuous in the parameters, so that it has a derivative."""
        return True

    @property
    @abstractmethod
    def parameter(self) -> str:
        """What the parameter is, with its unit."""

    @property
    @abstractmethod
    def affine(self) -> bool:
        """Whether ``T(x; theta) = M(theta) x + b(theta)`` for every fixed parameter."""

    @abstractmethod
    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        """Apply ``T(.; theta[i])`` to ``images[i]``.

        Args:
            images: Shape ``(B, n, C, H, W)``.
            theta: Parameters, shape ``(B, P)``, float64.

        Returns:
            Shape ``(B, n, C', H', W')``, see :meth:`output_shape`.
        """

    def check_shape(self, shape: Shape) -> None:  # noqa: B027 - most take every shape
        """Raise :class:`~augmoments.errors.PolicyError` if images of ``shape`` cannot be taken."""

    def output_shape(self, shape: Shape) -> Shape:
        """Shape ``(C', H', W')`` of what comes out for images of ``shape``."""
        return shape

    def pieces(self, low: float, high: float) -> Pieces | None:
        """Where in ``[low, high]`` the operator is a polynomial in its only parameter."""
        return None

    @property
    def neutral(self) -> tuple[Neutral, ...] | None:
        """Parameters with which images in [0, 1] stay as they are; ``None`` if there are none."""
        return None

    def fill_like(self, images: Tensor) -> Tensor:
        """The value that is read outside the image, one a channel, shape ``(C, 1, 1)``."""
        return images.new_zeros(images.shape[-3], 1, 1)

    def offset(self, theta: Tensor, like: Tensor) -> Tensor:
        """The part ``b(theta)`` of an affine operator, shape ``(B, 1, C, H, W)``."""
        zero = torch.zeros((1, 1, *like.shape[-3:]), dtype=like.dtype, device=like.device)
        return self(zero.expand(len(theta), -1, -1, -1, -1), theta)

    def linear(self, images: Tensor, theta: Tensor) -> Tensor:
        """The part ``M(theta) x`` of an affine operator; same shapes as a call."""
        return self(images, theta) - self.offset(theta, images)


def outer(images: Tensor, count: int) -> Tensor:
    """View ``(n, C, H, W)`` as ``(count, n, C, H, W)``, so that each operator meets each image."""
    return images[None].expand(count, *images.shape)
