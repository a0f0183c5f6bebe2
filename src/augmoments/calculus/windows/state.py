"""Moments seen through random windows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from augmoments.calculus.state import FactorState
from augmoments.calculus.windows.covariance import WindowedCovariance
from augmoments.calculus.windows.law import Windows
from augmoments.estimate import rounding


@dataclass(frozen=True)
class WindowedState:
    """Random windows on random images, of which mean and covariance are known."""

    before: FactorState
    windows: Windows

    @cached_property
    @torch.enable_grad()
    def mean(self) -> Tensor:
        """(N, C, H, W)."""
        return self.windows.average(self.before.mean)

    @cached_property
    @torch.enable_grad()
    def covariance(self) -> WindowedCovariance:
        """The covariance of factor and noise."""
        between = self.windows.between(self.before.mean)
        return WindowedCovariance(self.before.factor, self.windows, between, self.noise)

    @property
    def factor(self) -> Tensor:
        """Its columns, all of them."""
        return self.covariance.factor

    @cached_property
    @torch.enable_grad()
    def noise(self) -> Tensor | None:
        """Variances of noise that is independent from value to value, if there is any."""
        noise = self.before.noise
        return None if noise is None else self.windows.average(noise)

    @cached_property
    def roundoff(self) -> Tensor:
        """Rounding of the columns of the factor, all together, (N,)."""
        columns = self.covariance.diagonal().flatten(1).sum(1).sqrt()
        size = self.mean.flatten(1).norm(dim=1).hypot(columns)
        return rounding(self.mean.dtype, max(self.mean.shape[-2:])) * size

    def spread(self) -> FactorState:
        """The same with all columns written out."""
        return replace(self.before, mean=self.mean, factor=self.factor, noise=self.noise)

    def select(self, index: Tensor) -> WindowedState:
        """Some of the images, by index or mask."""
        return replace(self, before=self.before.select(index))

    def compress(self) -> WindowedState:
        """Drop the directions that carry next to nothing before the windows are cut."""
        return replace(self, before=self.before.compress())
