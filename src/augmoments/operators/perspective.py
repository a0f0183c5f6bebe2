"""Perspective: the image's corners are pulled to other places."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from augmoments.errors import PolicyError
from augmoments.operators.base import Shape
from augmoments.operators.projective import Projective
from augmoments.operators.warp import Resampling


@dataclass(frozen=True)
class Perspective(Projective):
    """Move the corners of the image to ``theta``, ``(x, y)`` each, and the inside with them.

    The corners are top left, top right, bottom right and bottom left. As in torchvision, the
    coefficients are found in float64 and then rounded to float32, and act on coordinates that are
    whole at the pixels' edges, though the corners are given in coordinates that are whole at the
    pixels' centres.

    Raises:
        PolicyError: Three corners lie on a line.

    Reference:
        ``torchvision.transforms.v2.functional.perspective``.
    """

    resampling: Resampling

    @property
    def parameter(self) -> str:
        return "x and y of the four corners, pixels"

    def origin(self, shape: Shape) -> tuple[float, float]:
        return -0.5, -0.5

    def matrices(self, theta: Tensor, shape: Shape) -> Tensor:
        corners = theta.cpu().reshape(-1, 4, 2)
        _check_corners(corners)
        right, bottom = shape[2] - 1.0, shape[1] - 1.0
        targets = torch.tensor(
            [[0.0, 0.0], [right, 0.0], [right, bottom], [0.0, bottom]], dtype=torch.float64
        ).expand(len(corners), -1, -1)
        ones, zeros = torch.ones(len(corners), 4, 1), torch.zeros(len(corners), 4, 3)
        points = torch.cat([corners, ones], -1)
        rows_x = torch.cat([points, zeros, -targets[..., :1] * corners], -1)
        rows_y = torch.cat([zeros, points, -targets[..., 1:] * corners], -1)
        system = torch.stack([rows_x, rows_y], 2).reshape(-1, 8, 8)
        values = targets.reshape(-1, 8, 1)
        found = torch.linalg.lstsq(system, values, driver="gels").solution[..., 0]
        rounded = torch.cat([found.float(), torch.ones(len(found), 1)], 1)
        return rounded.double().reshape(-1, 3, 3)


def _check_corners(corners: Tensor) -> None:
    """Refuse corners ``(B, 4, 2)`` that no perspective reaches."""
    others = corners.roll(-1, 1)
    first, second = others - corners, others.roll(-1, 1) - others
    turns = first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
    flat = (turns == 0).any(1)
    if flat.any():
        found = [tuple(corner) for corner in corners[flat][0].tolist()]
        raise PolicyError(
            f"Perspective: three of the corners {found} lie on a line; distort the image less."
        )
