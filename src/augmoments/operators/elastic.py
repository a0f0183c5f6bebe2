"""Elastic deformation: every pixel is displaced by a smooth random field."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from augmoments.errors import LawError, PolicyError
from augmoments.operators.base import Operator, Shape
from augmoments.operators.blur import convolutions, gaussian
from augmoments.operators.seeded import seeded
from augmoments.operators.warp import Resampling


@dataclass(frozen=True)
class Elastic(Operator):
    r"""Read the input at :math:`(x, y) + (\alpha_x b_x, \alpha_y b_y) / 2`.

    The fields b are uniform on [-1, 1] at every pixel and then blurred, both by ``sigma``; the
    blur's kernel is square and its size follows from ``sigma`` along x for the displacements along
    x, along y for those along y. The parameter is the seed of the fields.

    Attributes:
        alpha: Twice the largest displacement along x and y, pixels, before the blur.
        sigma: Standard deviations of the blur along x and y, pixels; both 0 for none.

    Raises:
        LawError: Standard deviations that are negative, or 0 along one axis only.
        PolicyError: Images smaller than half the kernel.

    Reference:
        ``torchvision.transforms.v2.ElasticTransform``.
    """

    alpha: tuple[float, float]
    sigma: tuple[float, float]
    resampling: Resampling
    acts_on = "space"

    def __post_init__(self) -> None:
        if min(self.sigma) < 0 or (min(self.sigma) == 0) != (max(self.sigma) == 0):
            raise LawError(
                f"Elastic: sigma must be positive along x and y, or 0 along both, got {self.sigma}."
            )

    @property
    def parameter(self) -> str:
        return "seed"

    @property
    def affine(self) -> bool:
        return True

    def check_shape(self, shape: Shape) -> None:
        self.resampling.check_shape(shape)
        taps = max(map(_taps, self.sigma))
        if self.sigma[0] and min(shape[1:]) <= taps // 2:
            raise PolicyError(
                f"Elastic: a kernel of {taps} pixels reflects {taps // 2} of them at each end, but "
                f"the images have only {shape[1]} x {shape[2]}; use a smaller sigma."
            )

    def fill_like(self, images: Tensor) -> Tensor:
        return self.resampling.fill_like(images)

    def displacements(self, fields: Tensor) -> Tensor:
        """Displacements in pixels from fields ``(B, 2, H, W)`` along x and y, within [-1, 1]."""
        alpha = fields.new_tensor(self.alpha)[:, None, None]
        if not self.sigma[0]:
            return alpha / 2 * fields
        across, down = fields.new_tensor(self.sigma)[:, None]
        blurred = []
        for axis, taps in enumerate(map(_taps, self.sigma)):
            rows = convolutions(gaussian(down, taps), fields.shape[2])
            columns = convolutions(gaussian(across, taps), fields.shape[3])
            blurred.append(rows @ fields[:, axis] @ columns.mT)
        return alpha / 2 * torch.stack(blurred, 1)

    def displaced(self, images: Tensor, displacements: Tensor) -> Tensor:
        """``images`` read at pixels displaced by ``(B, 2, H, W)``, float64."""
        height, width = images.shape[-2:]
        y = torch.arange(height, dtype=torch.float64, device=images.device)[:, None]
        x = torch.arange(width, dtype=torch.float64, device=images.device)
        along_x, along_y = displacements.to(images.device).unbind(1)
        return self.resampling.sample(images, x + along_x, y + along_y)

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        fields = 2 * seeded("uniform", theta[:, 0], (2, *images.shape[-2:])) - 1
        return self.displaced(images, self.displacements(fields))

    def linear(self, images: Tensor, theta: Tensor) -> Tensor:
        if not self.resampling.fill_like(images).any():
            return self(images, theta)
        return super().linear(images, theta)


def _taps(sigma: float) -> int:
    """Pixels of the blur's kernel, an odd number."""
    return int(8 * sigma + 1) | 1
