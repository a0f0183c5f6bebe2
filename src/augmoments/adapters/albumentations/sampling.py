"""OpenCV's interpolation and borders, as they stand in the attributes of a transform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from augmoments.adapters.unsupported import unsupported
from augmoments.errors import PolicyError
from augmoments.operators.base import Shape
from augmoments.operators.warp import Interpolation, Resampling

NEAREST, LINEAR, CUBIC, AREA, LANCZOS, LINEAR_EXACT, NEAREST_EXACT = range(7)
CONSTANT, REPLICATE, REFLECT, WRAP, REFLECT_101 = range(5)

Extension = Literal["replicate", "reflect", "reflect_101"]

_WARPS: dict[int, Interpolation] = {NEAREST: "nearest", LINEAR: "bilinear"}
_EXTENSIONS: dict[int, Extension] = {
    REPLICATE: "replicate",
    REFLECT: "reflect",
    REFLECT_101: "reflect_101",
}


@dataclass(frozen=True)
class Extended(Resampling):
    """Pixels beyond the image repeat its own.

    ``"replicate"`` repeats the outermost, ``"reflect"`` mirrors at the edge and ``"reflect_101"``
    at the centre of the outermost pixel.
    """

    extension: Extension = "replicate"

    def sample(self, images: Tensor, x: Tensor, y: Tensor) -> Tensor:
        groups, n, channels, height, width = images.shape
        if self.interpolation == "nearest":
            x, y = x.round(), y.round()
        centred = self.extension == "reflect_101"
        grid = torch.stack([_unit(x, width, centred), _unit(y, height, centred)], -1)
        out = F.grid_sample(
            images.reshape(groups, n * channels, height, width),
            grid.to(images.dtype),
            mode=self.interpolation,
            padding_mode="border" if self.extension == "replicate" else "reflection",
            align_corners=centred,
        )
        return out.reshape(groups, n, channels, *x.shape[1:])


def _unit(position: Tensor, size: int, centred: bool) -> Tensor:
    """Pixel coordinates as ``grid_sample`` takes them."""
    return 2 * position / max(size - 1, 1) - 1 if centred else (2 * position + 1) / size - 1


def resampling(transform: Any) -> Resampling:
    """How a warp of albumentations reads between and beyond the pixels.

    OpenCV 5 interpolates at the exact position; OpenCV 4 rounds it to 1/32 of a pixel first, so
    that a draw may differ by up to 1/64 of the difference of neighbouring pixels along each axis.
    """
    if transform.interpolation not in _WARPS:
        raise unsupported(
            transform,
            f"interpolation={transform.interpolation} is not known",
            "use interpolation=cv2.INTER_LINEAR or cv2.INTER_NEAREST",
        )
    mode = _WARPS[transform.interpolation]
    if transform.border_mode == CONSTANT:
        return Resampling.of(mode, transform.fill, "zeros")
    if transform.border_mode not in _EXTENSIONS:
        raise unsupported(
            transform,
            f"border_mode={transform.border_mode} is not known",
            "use border_mode=cv2.BORDER_CONSTANT, BORDER_REPLICATE, BORDER_REFLECT or "
            "BORDER_REFLECT_101",
        )
    return Extended(mode, extension=_EXTENSIONS[transform.border_mode])


def check_warped_channels(name: str, shape: Shape) -> None:
    """Refuse images that OpenCV warps with positions rounded to 1/32 of a pixel."""
    if shape[0] not in (1, 3, 4):
        raise PolicyError(
            f"{name} takes images of 1, 3 or 4 channels, these have {shape[0]}: OpenCV rounds "
            "positions in others."
        )
