"""AugMix: a random mixture of the image with chains of random operations on it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from numbers import Real
from typing import Any

import numpy as np
from scipy.special import betaincinv

from augmoments.augmentations.automatic import check_whole
from augmoments.augmentations.elementary import Elementary
from augmoments.augmentations.operations import MIXED, MIXED_PARTLY, choices, switch
from augmoments.errors import InputError, InputTypeError
from augmoments.laws.joint import Array, JointLaw, Table
from augmoments.operators.base import Operator, Shape
from augmoments.operators.switch import Blended, Repeat
from augmoments.operators.warp import Fill

_BINS = 10
_DEEPEST = 3


@dataclass(frozen=True)
class ChainsLaw(JointLaw):
    r"""Weights of the image and of each chain, then the operations of all chains.

    :math:`(m, (1 - m) w)` with :math:`m \sim` Beta and :math:`w \sim` Dirichlet, all of whose
    concentrations are ``alpha``. A chain has ``slots`` operations; with ``random_depth`` only the
    first of them are used, one to all with equal probability, and the others do nothing.
    """

    operation: Table
    chains: int
    slots: int
    random_depth: bool
    alpha: float

    def __str__(self) -> str:
        depth = f"1 to {self.slots}" if self.random_depth else f"{self.slots}"
        return f"{self.chains} chains of {depth}, Dirichlet({self.alpha:g}) weights"

    @property
    def width(self) -> int:
        return 1 + self.chains * (1 + 2 * self.slots)

    @property
    def dimension(self) -> int:
        return self.chains * (1 + self.random_depth + self.slots)

    @property
    def count(self) -> float:
        return inf

    def ppf(self, u: Array) -> Array:
        weights, rest = u[:, : self.chains], u[:, self.chains :]
        depth = np.full((len(u), self.chains), self.slots)
        if self.random_depth:
            depth = np.floor(rest[:, : self.chains] * self.slots) + 1
            rest = rest[:, self.chains :]
        drawn = self.operation.ppf(rest.reshape(-1, 1)).reshape(len(u), self.chains, self.slots, 2)
        used = np.arange(self.slots) < depth[..., None]
        drawn = np.where(used[..., None], drawn, 0.0)
        return np.concatenate([self._weights(weights), drawn.reshape(len(u), -1)], 1)

    def _weights(self, u: Array) -> Array:
        """A Beta, then the pieces of a stick that is broken at Beta distributed places."""
        left = np.ones(len(u))
        columns = []
        others = [self.alpha] + [self.alpha * n for n in range(self.chains - 1, 0, -1)]
        for column, other in zip(u.T, others, strict=True):
            share = betaincinv(self.alpha, other, column)
            columns.append(left * share)
            left = left * (1 - share)
        return np.stack([*columns, left], 1)


@dataclass(frozen=True)
class AugMix(Elementary):
    r"""Mix the image with chains of random operations, :math:`m x + (1 - m) \sum_i w_i T_i(x)`.

    ``m`` is Beta and ``w`` Dirichlet distributed; each :math:`T_i` is a chain of operations that
    are drawn uniformly, with magnitudes from the lowest ``severity`` of ten bins. Moments come from
    quasi Monte Carlo over all of it.

    Args:
        severity: From 1 to 10.
        mixture_width: The number of chains.
        chain_depth: Operations a chain; 1, 2 or 3 with equal probability if not positive.
        alpha: The concentration of the Beta and the Dirichlet law.
        all_ops: Whether brightness, colour, contrast and sharpness are among the operations.
        interpolation: ``"bilinear"`` or ``"nearest"`` (torchvision's enum is read too).
        fill: Value outside the image, one or one a channel, with torchvision's border for bilinear
            (it attenuates border pixels twice); ``None`` for plain zero padding.

    Raises:
        InputError: Numbers out of range, or another interpolation.
        PolicyError: Images that have neither 1 nor 3 channels.

    Example:
        >>> import torch
        >>> import augmoments as am
        >>> am.AugMix()(torch.rand(2, 3, 16, 16)).shape
        torch.Size([2, 3, 16, 16])

    Reference:
        Hendrycks, Mu, Cubuk, Zoph, Gilmer, Lakshminarayanan (2020), *AugMix*, arXiv 1912.02781.
    """

    severity: int = 3
    mixture_width: int = 3
    chain_depth: int = -1
    alpha: float = 1.0
    all_ops: bool = True
    interpolation: Any = "bilinear"
    fill: Fill | None = None

    def __post_init__(self) -> None:
        check_whole("AugMix", "severity", self.severity, 1, _BINS)
        check_whole("AugMix", "mixture_width", self.mixture_width, 1)
        check_whole("AugMix", "chain_depth", self.chain_depth, -(10**9))
        if not isinstance(self.alpha, Real):
            raise InputTypeError(
                f"AugMix: alpha must be a number, got {type(self.alpha).__name__}."
            )
        if not 0 < self.alpha < inf:
            raise InputError(f"AugMix: alpha must be positive and finite, got {self.alpha}.")
        _ = self.operator

    @property
    def slots(self) -> int:
        """Operations of the longest chain."""
        return self.chain_depth if self.chain_depth > 0 else _DEEPEST

    @property
    def operator(self) -> Operator:
        action = switch(self.interpolation, self.fill)
        return Blended(Repeat(action, self.slots), self.mixture_width)

    def law_for(self, shape: Shape) -> ChainsLaw:
        space = MIXED if self.all_ops else MIXED_PARTLY
        operation = choices(space, _BINS, range(self.severity), shape[1:])
        random_depth = self.chain_depth <= 0
        return ChainsLaw(operation, self.mixture_width, self.slots, random_depth, self.alpha)
