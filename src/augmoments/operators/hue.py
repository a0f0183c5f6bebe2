"""The hue, shifted on the colour circle."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from augmoments.operators.base import Neutral, Operator, Shape
from augmoments.operators.color import check_channels
from augmoments.operators.flip import per_group


@dataclass(frozen=True)
class Hue(Operator):
    """Shift the hue by ``theta`` turns, at constant saturation and value (HSV).

    Computed in single precision whatever the images' dtype, as torchvision does. Images of one
    channel stay as they are.
    """

    acts_on = "channels"
    mirrors = True

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return (Neutral(0.0),)

    @property
    def parameter(self) -> str:
        return "hue shift, turns"

    @property
    def affine(self) -> bool:
        return False

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        if images.shape[-3] == 1:
            return images
        hue, saturation, value = _from_rgb(images.float())
        hue = (hue + per_group(theta, hue).squeeze(-3)).remainder(1)
        return _to_rgb(hue, saturation, value).to(images.dtype)

    def check_shape(self, shape: Shape) -> None:
        check_channels("Hue", shape)


def _from_rgb(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue in turns, saturation and value of images ``(..., 3, H, W)``."""
    value, low = images.amax(-3), images.amin(-3)
    spread = value - low
    gray = spread == 0
    distance = (value.unsqueeze(-3) - images) / torch.where(gray, 1, spread).unsqueeze(-3)
    red, green, blue = distance.unbind(-3)
    r, g, _ = images.unbind(-3)
    sixths = torch.where(
        r == value,
        blue - green,
        torch.where(g == value, 2 + red - blue, 4 + green - red),
    )
    hue = (sixths * (1 / 6) + 1).fmod(1)
    return hue, spread / torch.where(gray, 1, value), value


def _to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """The inverse: around the circle, each channel runs through one ring of levels."""
    sextant = (hue * 6).floor()
    part = saturation * (hue * 6 - sextant)
    floor = value * (1 - saturation)
    falling, rising = value * (1 - part), value * (part + (1 - saturation))
    falling, floor, rising = (level.clamp(0, 1) for level in (falling, floor, rising))
    ring = torch.stack((value, falling, floor, floor, rising, value), -3)
    red = sextant.long()
    return ring.gather(-3, torch.stack((red, red + 4, red + 2), -3) % 6)
