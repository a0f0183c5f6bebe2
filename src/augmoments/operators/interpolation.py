r"""Interpolation along one axis as matrices, as PyTorch's ``interpolate`` weighs its pixels.

Output pixel :math:`i` of ``out`` reads an interval of ``length`` input pixels around
:math:`s = (i + 1/2)\,r - 1/2` with :math:`r = length / out`, or around
:math:`s = i (length - 1) / (out - 1)` with aligned corners. Nothing outside of the interval is
read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from augmoments.errors import InputError

Mode = Literal["nearest", "nearest-exact", "bilinear", "bicubic"]
_MODES = ("nearest", "nearest-exact", "bilinear", "bicubic")
_RADIUS = {"bilinear": 1.0, "bicubic": 2.0}


class Taps(NamedTuple):
    """The pixels that each output pixel reads, and their weights; both ``(B, out, K)``."""

    pixel: Tensor
    weight: Tensor

    def matrices(self, size: int) -> Tensor:
        """The same as matrices ``(B, out, size)``."""
        matrices = self.weight.new_zeros(*self.pixel.shape[:2], size)
        return matrices.scatter_add_(2, self.pixel, self.weight)


@dataclass(frozen=True)
class Interpolation:
    """How values between pixels are found when an axis is resized.

    Attributes:
        mode: ``"bilinear"`` and ``"bicubic"`` stand for their kernel along one axis.
        antialias: Widen the kernel where the image shrinks; it is cut off and renormalised at the
            ends of the interval. Pixels beyond an end repeat the last one otherwise. (PyTorch
            2.13 repeats the first row of images of one column in this case; this is not copied.)
        align_corners: Map first and last pixels to each other.
    """

    mode: Mode = "bilinear"
    antialias: bool = True
    align_corners: bool = False

    @classmethod
    def of(cls, mode: Any, antialias: bool | None, align_corners: bool = False) -> Interpolation:
        """Check and normalise what a user gave; torchvision's enum is read too."""
        name = getattr(mode, "value", mode)
        if name not in _MODES:
            choice = ", ".join(f'"{known}"' for known in _MODES)
            raise InputError(f"interpolation must be one of {choice}, got {mode!r}.")
        smooth = name in _RADIUS
        if align_corners and antialias and smooth:
            raise InputError("align_corners=True takes no antialiasing; set antialias=False.")
        return cls(name, bool(antialias) and smooth, align_corners and smooth)

    def matrices(self, start: Tensor, length: Tensor, size: int, out: int) -> Tensor:
        """Resize pixels ``start`` to ``start + length`` of an axis of ``size`` pixels.

        Args:
            start: First pixels of the intervals, shape ``(B,)``, whole numbers.
            length: Their numbers of pixels, shape ``(B,)``.
            size: Number of input pixels.
            out: Number of output pixels.

        Returns:
            Shape ``(B, out, size)``, float64.

        Reference:
            PyTorch, ``torch.nn.functional.interpolate``. Keys, "Cubic convolution interpolation"
            (1981), with -1/2 for its constant when antialiasing and -3/4 otherwise.
        """
        pixel, weight = self.taps(length.double()[:, None], out)
        return Taps(pixel + start.long()[:, None, None], weight).matrices(size)

    def taps(self, length: Tensor, out: int) -> Taps:
        """What output pixels read of intervals of ``length`` ``(B, 1)``, from their start."""
        pixels = torch.arange(out, device=length.device)
        if self.mode.startswith("nearest"):
            return _nearest(pixels, length, out, 0.5 if self.mode == "nearest-exact" else 0.0)
        if self.antialias:
            return _antialiased(pixels, length, out, self.mode)
        if self.align_corners:
            source = pixels * (length - 1) / max(out - 1, 1)
        else:
            source = (pixels + 0.5) * (length / out) - 0.5
        return _smooth(source, length, self.mode)


def _nearest(pixels: Tensor, length: Tensor, out: int, shift: float) -> Taps:
    """Ties fall as they do for float32 images, whose coordinates are float32."""
    scale = length.float() / out
    index = ((pixels.float() + shift) * scale).floor().double().minimum(length - 1)
    return Taps(index.long()[..., None], torch.ones_like(index)[..., None])


def _smooth(source: Tensor, length: Tensor, mode: Mode) -> Taps:
    if mode == "bilinear":
        source = source.clamp(min=0)
    radius = int(_RADIUS[mode])
    reach = torch.arange(1 - radius, 1 + radius, device=source.device)
    position = source.floor()[..., None] + reach
    weight = _kernel(mode, position - source[..., None], -0.75)
    return Taps(position.clamp(min=0).minimum(length[..., None] - 1).long(), weight)


def _antialiased(pixels: Tensor, length: Tensor, out: int, mode: Mode) -> Taps:
    scale = length / out
    widening = scale.clamp(min=1)
    support = _RADIUS[mode] * widening
    centre = scale * (pixels + 0.5)
    first = (centre - support + 0.5).floor().clamp(min=0)
    reach = torch.arange(int(2 * support.max()) + 2, device=length.device)
    position = first[..., None] + reach
    distance = (position + 0.5 - centre[..., None]) / widening[..., None]
    inside = position < length[..., None]
    weight = torch.where(inside, _kernel(mode, distance, -0.5), 0.0)
    index = position.minimum(length[..., None] - 1).long()
    return Taps(index, weight / weight.sum(-1, keepdim=True))


def _kernel(mode: Mode, distance: Tensor, a: float) -> Tensor:
    """The triangle, or the cubic kernel with constant ``a``."""
    x = distance.abs()
    if mode == "bilinear":
        return (1 - x).clamp(min=0)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = a * (((x - 5) * x + 8) * x - 4)
    return torch.where(x <= 1, near, torch.where(x < 2, far, 0.0))
