"""Cut out a part of the image, or set it in a frame: every output pixel reads one pixel at most."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from augmoments.errors import InputError, PolicyError
from augmoments.operators.base import Shape
from augmoments.operators.separable import Separable

PaddingMode = Literal["constant", "edge", "reflect", "symmetric"]
Padding = tuple[int, int, int, int]
_MODES = ("constant", "edge", "reflect", "symmetric")


class Selection(Separable):
    """Rows and columns that are picked by number; beyond the image they may be constant."""

    fill: float | tuple[float, ...] = 0.0

    @abstractmethod
    def picks(self, theta: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
        """Numbers ``(B, H')`` and ``(B, W')`` of the pixels read; -1 where the fill value is."""

    def fill_like(self, images: Tensor) -> Tensor:
        fill = torch.tensor(self.fill, dtype=images.dtype, device=images.device)
        return fill.expand(images.shape[-3]).reshape(-1, 1, 1)

    def check_shape(self, shape: Shape) -> None:
        if isinstance(self.fill, tuple) and len(self.fill) != shape[0]:
            raise PolicyError(
                f"fill has {len(self.fill)} values but the images {shape[0]} channels."
            )

    def matrices(self, theta: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
        rows, columns = self.picks(theta, shape)
        return _one_hot(rows, shape[1]), _one_hot(columns, shape[2])

    def linear(self, images: Tensor, theta: Tensor) -> Tensor:
        groups, n, channels, height, width = images.shape
        rows, columns = self.picks(theta.to(images.device), (channels, height, width))
        rows, columns = rows[:, :, None], columns[:, None, :]
        index = (rows * width + columns).clamp(min=0).reshape(groups, 1, -1)
        flat = images.reshape(groups, n * channels, height * width)
        out = flat.gather(2, index.expand(-1, n * channels, -1))
        out = out.reshape(groups, n, channels, rows.shape[1], columns.shape[2])
        outside = (rows < 0) | (columns < 0)
        return out.masked_fill(outside[:, None, None], 0.0) if outside.any() else out

    def offset(self, theta: Tensor, like: Tensor) -> Tensor:
        shape: Shape = tuple(like.shape[-3:])  # type: ignore[assignment]
        rows, columns = self.picks(theta.to(like.device), shape)
        outside = (rows[:, None, :, None] < 0) | (columns[:, None, None, :] < 0)
        return (self.fill_like(like) * outside)[:, None]


@dataclass(frozen=True)
class Crop(Selection):
    """Set the image in a frame of ``padding``, then cut out a window of ``size`` ``(H', W')``.

    The parameters are the top and the left of the window in the framed image.

    Attributes:
        size: Height and width of the window.
        padding: Widths of the frame on the left, top, right and bottom.
        fill: Value of the frame, or one a channel, if the mode is ``"constant"``.
        padding_mode: ``"constant"``, ``"edge"`` (repeats the last pixel), ``"reflect"`` (mirrors
            about it) or ``"symmetric"`` (mirrors behind it).
        pad_if_needed: Widen the frame, on both sides by all that is missing, where the window
            would not fit.
    """

    size: tuple[int, int]
    padding: Padding = (0, 0, 0, 0)
    fill: float | tuple[float, ...] = 0.0
    padding_mode: PaddingMode = "constant"
    pad_if_needed: bool = False

    def __post_init__(self) -> None:
        check_padding(self.padding, self.padding_mode)
        object.__setattr__(self, "monomial", self.padding_mode == "constant")

    @property
    def parameter(self) -> str:
        return "top and left, pixels"

    def frame(self, shape: Shape) -> Padding:
        """What is added to images of ``shape`` on the left, top, right and bottom."""
        left, top, right, bottom = self.padding
        if self.pad_if_needed:
            down = max(self.size[0] - shape[1] - top - bottom, 0)
            across = max(self.size[1] - shape[2] - left - right, 0)
            return left + across, top + down, right + across, bottom + down
        return self.padding

    def corners(self, shape: Shape) -> tuple[int, int]:
        """How many tops and lefts the window can have in images of ``shape``."""
        left, top, right, bottom = self.frame(shape)
        return (
            shape[1] + top + bottom - self.size[0] + 1,
            shape[2] + left + right - self.size[1] + 1,
        )

    def output_shape(self, shape: Shape) -> Shape:
        return (shape[0], *self.size)

    def check_shape(self, shape: Shape) -> None:
        super().check_shape(shape)
        check_frame(self.frame(shape), self.padding_mode, shape)
        if min(self.corners(shape)) < 1:
            left, top, right, bottom = self.padding
            raise PolicyError(
                f"A crop of {self.size[0]} x {self.size[1]} pixels does not fit into images of "
                f"{shape[1] + top + bottom} x {shape[2] + left + right} (padding included); "
                "use a smaller size, more padding or pad_if_needed=True."
            )

    def picks(self, theta: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
        left, top, _, _ = self.frame(shape)
        rows = _window(theta[:, 0] - top, self.size[0])
        columns = _window(theta[:, 1] - left, self.size[1])
        mode = self.padding_mode
        return read_pixels(rows, shape[1], mode), read_pixels(columns, shape[2], mode)


@dataclass(frozen=True)
class Pad(Selection):
    """Set the image in a frame; takes no parameter. See :class:`Crop` for the attributes."""

    padding: Padding
    fill: float | tuple[float, ...] = 0.0
    padding_mode: PaddingMode = "constant"

    def __post_init__(self) -> None:
        check_padding(self.padding, self.padding_mode)
        object.__setattr__(self, "monomial", self.padding_mode == "constant")
        left, top, right, bottom = self.padding
        object.__setattr__(self, "mirrors", left == right and top == bottom)

    @property
    def parameter(self) -> str:
        return "none"

    def output_shape(self, shape: Shape) -> Shape:
        left, top, right, bottom = self.padding
        return shape[0], shape[1] + top + bottom, shape[2] + left + right

    def check_shape(self, shape: Shape) -> None:
        super().check_shape(shape)
        check_frame(self.padding, self.padding_mode, shape)

    def picks(self, theta: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
        left, top, _, _ = self.padding
        _, height, width = self.output_shape(shape)
        nothing = theta.new_zeros(len(theta))
        rows, columns = _window(nothing - top, height), _window(nothing - left, width)
        mode = self.padding_mode
        return read_pixels(rows, shape[1], mode), read_pixels(columns, shape[2], mode)


@dataclass(frozen=True)
class CenterCrop(Selection):
    """Cut out the middle, ``size`` ``(H', W')``, of a black frame if need be; no parameter.

    Halves of pixels are rounded as torchvision does.
    """

    size: tuple[int, int]
    monomial = True

    @property
    def parameter(self) -> str:
        return "none"

    def output_shape(self, shape: Shape) -> Shape:
        return (shape[0], *self.size)

    def picks(self, theta: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
        nothing = theta.new_zeros(len(theta))
        rows, columns = (
            read_pixels(_window(nothing + _margin(size, out), out), size, "constant")
            for size, out in zip(shape[1:], self.size, strict=True)
        )
        return rows, columns


def _margin(size: int, out: int) -> int:
    """Pixels before the middle ``out`` of ``size``; negative if they have to be added."""
    return round((size - out) / 2) if out <= size else -((out - size) // 2)


def check_padding(padding: Padding, mode: str) -> None:
    """Refuse negative widths of a frame and unknown modes."""
    if min(padding) < 0:
        raise InputError(f"padding must not be negative, got {padding}.")
    if mode not in _MODES:
        choice = ", ".join(f'"{known}"' for known in _MODES)
        raise InputError(f"padding_mode must be one of {choice}, got {mode!r}.")


def check_frame(frame: Padding, mode: PaddingMode, shape: Shape) -> None:
    """Refuse images that are too small to be mirrored into the frame."""
    if mode not in ("reflect", "symmetric"):
        return
    left, top, right, bottom = frame
    for axis, width, size in (
        ("width", max(left, right), shape[2]),
        ("height", max(top, bottom), shape[1]),
    ):
        most = size - 1 if mode == "reflect" else size
        if width > most:
            raise PolicyError(
                f'padding_mode="{mode}" mirrors at most {most} pixels of images whose {axis} is '
                f'{size}, but the frame takes {width}; use "edge" or less padding.'
            )


def _window(start: Tensor, size: int) -> Tensor:
    """Positions ``(B, size)`` from ``start`` ``(B,)`` on."""
    return start.long()[:, None] + torch.arange(size, device=start.device)


def read_pixels(position: Tensor, size: int, mode: PaddingMode) -> Tensor:
    """The pixels out of ``size`` that are read at positions in the frame; -1 for its constant."""
    last = size - 1
    match mode:
        case "constant":
            return torch.where((position < 0) | (position > last), -1, position)
        case "edge":
            return position.clamp(0, last)
        case "reflect":
            return last - (last - position.abs()).abs()
        case "symmetric":
            inner = torch.where(position < 0, -1 - position, position)
            return torch.where(inner > last, 2 * last + 1 - inner, inner)


def _one_hot(index: Tensor, size: int) -> Tensor:
    """Matrices ``(B, out, size)`` with a 1 at each number that is not negative, float64."""
    return (index[..., None] == torch.arange(size, device=index.device)).double()
