"""Gaussian blur."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from augmoments.errors import InputError, PolicyError
from augmoments.operators.base import Neutral, Shape
from augmoments.operators.crop import read_pixels
from augmoments.operators.interpolation import Taps
from augmoments.operators.separable import Separable


@dataclass(frozen=True)
class Blur(Separable):
    r"""Convolve with :math:`e^{-n^2 / 2 \theta^2}`, normalised; the image is reflected at its ends.

    Attributes:
        kernel_size: Taps along x and along y, odd numbers.
    """

    kernel_size: tuple[int, int]
    mirrors = True

    def __post_init__(self) -> None:
        if any(size < 1 or size % 2 == 0 for size in self.kernel_size):
            raise InputError(f"kernel_size must be odd and positive, got {self.kernel_size}.")

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return (Neutral(0.0),)

    @property
    def parameter(self) -> str:
        return "sigma, pixels"

    def check_shape(self, shape: Shape) -> None:
        for axis, pixels, taps in zip(
            ("width", "height"), (shape[2], shape[1]), self.kernel_size, strict=True
        ):
            if pixels <= taps // 2:
                raise PolicyError(
                    f"A kernel of {taps} pixels reflects {taps // 2} of them at each end, but the "
                    f"images' {axis} is only {pixels}; use a smaller kernel_size."
                )

    def matrices(self, theta: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
        across, down = (gaussian(theta[:, 0], taps) for taps in self.kernel_size)
        return convolutions(down, shape[1]), convolutions(across, shape[2])


def gaussian(sigma: Tensor, taps: int) -> Tensor:
    """Kernels ``(B, taps)`` with standard deviations ``sigma`` ``(B,)``, each of sum 1.

    Below ``sigma`` = 0.02 all but the middle tap are 0 in float64.
    """
    distance = torch.arange(taps, device=sigma.device) - taps // 2
    return torch.softmax(-((distance / sigma[:, None].clamp_min(1e-2)) ** 2) / 2, 1)


def convolutions(kernels: Tensor, size: int) -> Tensor:
    """Matrices ``(B, size, size)`` that convolve with ``kernels`` ``(B, taps)``, ends reflected."""
    taps = kernels.shape[1]
    pixels = torch.arange(size, device=kernels.device)[:, None]
    reach = torch.arange(taps, device=kernels.device) - taps // 2
    index = read_pixels(pixels + reach, size, "reflect")
    every = (len(kernels), size, taps)
    return Taps(index.expand(every), kernels[:, None].expand(every)).matrices(size)
