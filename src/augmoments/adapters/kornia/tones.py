"""Brightness, contrast, saturation and hue as kornia computes them, clamped to [0, 1]."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from augmoments.errors import PolicyError
from augmoments.operators.base import Domain, Neutral, Operator, Pieces, Shape
from augmoments.operators.choose import Action, choose
from augmoments.operators.flip import per_group

GRAY = (0.299, 0.587, 0.114)
_TINY = 1e-8  # what kornia adds to the value before it divides by it


def gray_level(images: Tensor, weights: tuple[float, ...] = GRAY) -> Tensor:
    """A weighted sum of the channels, ``(..., 1, H, W)``."""
    shares = torch.tensor(weights, dtype=images.dtype, device=images.device)
    return torch.einsum("...chw,c->...hw", images, shares).unsqueeze(-3)


def check_colour(name: str, shape: Shape, allowed: tuple[int, ...]) -> None:
    """Refuse images with another number of channels."""
    if shape[0] not in allowed:
        channels = " or ".join(str(n) for n in allowed)
        raise PolicyError(f"{name} takes images of {channels} channels, these have {shape[0]}.")


@dataclass(frozen=True)
class Tone(Operator):
    """A change of tone by one factor; images are clamped to [0, 1] before and after if asked."""

    clamp: bool = True
    acts_on = "channels"
    mirrors = True

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return (Neutral(1.0),)

    @property
    def affine(self) -> bool:
        return not self.clamp

    @abstractmethod
    def change(self, images: Tensor, factor: Tensor) -> Tensor:
        """What happens to clamped ``images``, with the factor in shape ``(B, 1, 1, 1, 1)``."""

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        if not self.clamp:
            return self.change(images, per_group(theta, images))
        return self.change(images.clamp(0, 1), per_group(theta, images)).clamp(0, 1)


@dataclass(frozen=True)
class Offset(Tone):
    """Add the factor less 1, kornia's brightness outside ``ColorJitter``."""

    @property
    def parameter(self) -> str:
        return "brightness factor"

    def change(self, images: Tensor, factor: Tensor) -> Tensor:
        return images + (factor - 1)

    def linear(self, images: Tensor, theta: Tensor) -> Tensor:
        return images.expand(len(theta), -1, -1, -1, -1)

    def pieces(self, low: float, high: float) -> Pieces | None:
        return None if self.clamp else Pieces(np.array([low, high]), 1)


@dataclass(frozen=True)
class Gain(Tone):
    """Multiply by the factor: brightness in ``ColorJitter``, and contrast elsewhere."""

    name: str = "contrast"

    @property
    def parameter(self) -> str:
        return f"{self.name} factor"

    def change(self, images: Tensor, factor: Tensor) -> Tensor:
        return images * factor

    def linear(self, images: Tensor, theta: Tensor) -> Tensor:
        return self(images, theta)

    def pieces(self, low: float, high: float) -> Pieces | None:
        return None if self.clamp else Pieces(np.array([low, high]), 1)


@dataclass(frozen=True)
class MeanContrast(Tone):
    """``f x + (1 - f) m`` with ``m`` the mean gray level; not of 3 channels, the mean of all."""

    acts_on = "everything"

    @property
    def parameter(self) -> str:
        return "contrast factor"

    def change(self, images: Tensor, factor: Tensor) -> Tensor:
        level = gray_level(images) if images.shape[-3] == 3 else images
        return images * factor + level.mean((-3, -2, -1), keepdim=True) * (1 - factor)


@dataclass(frozen=True)
class GraySaturation(Tone):
    """``f x + (1 - f) gray(x)``; images of one channel stay as they are."""

    @property
    def parameter(self) -> str:
        return "saturation factor"

    def change(self, images: Tensor, factor: Tensor) -> Tensor:
        if images.shape[-3] == 1:
            return images
        return (1 - factor) * gray_level(images) + factor * images

    def check_shape(self, shape: Shape) -> None:
        check_colour("The saturation of kornia's ColorJitter", shape, (1, 3))


@dataclass(frozen=True)
class Saturation(Tone):
    """Multiply the saturation (HSV) by the factor, up to 1, at constant hue and value."""

    @property
    def parameter(self) -> str:
        return "saturation factor"

    @property
    def affine(self) -> bool:
        return False

    def change(self, images: Tensor, factor: Tensor) -> Tensor:
        value, low = images.amax(-3, keepdim=True), images.amin(-3, keepdim=True)
        spread = value - low
        share = (spread / torch.where(value == 0, 1, value + _TINY) * factor).clamp(0, 1)
        wanted = value * share
        return (images - low) * (wanted / torch.where(spread == 0, 1, spread)) + (value - wanted)

    def check_shape(self, shape: Shape) -> None:
        check_colour("kornia's saturation", shape, (3,))


@dataclass(frozen=True)
class Hue(Tone):
    """Shift the hue (HSV) by ``theta`` turns."""

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return (Neutral(0.0),)

    @property
    def parameter(self) -> str:
        return "hue shift, turns"

    @property
    def affine(self) -> bool:
        return False

    def change(self, images: Tensor, factor: Tensor) -> Tensor:
        value, low = images.amax(-3, keepdim=True), images.amin(-3, keepdim=True)
        spread = value - low
        red, green, blue = images.unbind(-3)
        top, base = value.squeeze(-3), torch.where(spread == 0, 1, spread).squeeze(-3)
        sixths = torch.where(
            (red >= green) & (red >= blue),
            (green - blue) / base,
            torch.where(green >= blue, 2 + (blue - red) / base, 4 + (red - green) / base),
        )
        reach = top * (spread.squeeze(-3) / torch.where(top == 0, 1, top + _TINY))
        shifted = sixths + 6 * factor.squeeze(-3)
        parts = []
        for start in (5, 3, 1):
            place = (shifted + start).remainder(6)
            parts.append(top - reach * torch.minimum(place, 4 - place).clamp(0, 1))
        return torch.stack(parts, -3)

    def check_shape(self, shape: Shape) -> None:
        check_colour("kornia's hue", shape, (3,))


@dataclass(frozen=True)
class Shuffled(Operator):
    """Change tones one after the other, in an order of ``orders`` that ``theta`` starts with.

    The other numbers are the tones' factors.
    """

    tones: tuple[Tone, ...]
    orders: tuple[tuple[int, ...], ...]
    mirrors = True

    @property
    def acts_on(self) -> Domain:  # type: ignore[override]
        return "channels" if all(t.acts_on == "channels" for t in self.tones) else "everything"

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return (Neutral(0.0, "label"), *(n for tone in self.tones for n in tone.neutral))

    @property
    def parameter(self) -> str:
        return "order, " + ", ".join(tone.parameter for tone in self.tones)

    @property
    def affine(self) -> bool:
        return False

    def check_shape(self, shape: Shape) -> None:
        for tone in self.tones:
            tone.check_shape(shape)

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        def run(order: tuple[int, ...]) -> Action:
            def action(part: Tensor, rows: Tensor) -> Tensor:
                for place in order:
                    part = self.tones[place](part, theta[rows, 1 + place, None])
                return part

            return action

        return choose(images, theta[:, 0], [run(order) for order in self.orders])
