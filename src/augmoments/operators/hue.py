"""The hue, shifted on the colour circle."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from augmoments.operators.base import Neutral, Operator, Shape
from augmoments.operators.color import check_channels
from augmoments.operators.flip import per_group

_COLOURS = (0.0, 2.0, 4.0)
"""The sextants of the colour circle at which red, green and blue begin."""


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
        return _to_rgb(_wrapped(hue + per_group(theta, hue)), saturation, value).to(images.dtype)

    def check_shape(self, shape: Shape) -> None:
        check_channels("Hue", shape)


def _from_rgb(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue in turns, saturation and value of images, ``(..., 1, H, W)``."""
    value, low = images.amax(-3, keepdim=True), images.amin(-3, keepdim=True)
    spread = value - low
    gray = (spread == 0).to(images)
    red, green, blue = ((value - images) / (spread + gray)).split(1, -3)
    r, g, _ = images.split(1, -3)
    from_green = _either(g == value, 2 + red - blue, 4 + green - red)
    sixths = _either(r == value, blue - green, from_green)
    return _wrapped(sixths * (1 / 6) + 1), spread / ((1 - gray) * value + gray), value


def _to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """The inverse: around the circle, each channel runs through one ring of levels.

    In the six sextants from its own colour on they are value, falling, floor twice, rising, value.
    """
    sextant = (hue * 6).floor()
    part = saturation * (hue * 6 - sextant)
    floor = value * (1 - saturation)
    falling, rising = value * (1 - part), value * (part + (1 - saturation))
    falling, floor, rising = (level.clamp(0, 1) for level in (falling, floor, rising))
    place = sextant - sextant.new_tensor(_COLOURS).reshape(3, 1, 1)
    place = place + 6 * (-place).clamp(0, 1)
    from_middle = (place - 2.5).abs()
    near, far = (from_middle - 1.5).clamp(0, 1), (1.5 - from_middle).clamp(0, 1)
    between = _either((place - 3).clamp(0, 1), rising, falling)
    return near * value + far * floor + (1 - near - far) * between


def _wrapped(turns: Tensor) -> Tensor:
    """The remainder of 1, without error."""
    return turns - turns.floor()


def _either(chosen: Tensor, this: Tensor, other: Tensor) -> Tensor:
    """``torch.where`` by products, which are exact and run through vectorised loops."""
    chosen = chosen.to(this)
    return chosen * this + (1 - chosen) * other
