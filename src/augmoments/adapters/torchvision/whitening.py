"""A matrix that acts on the whole image, such as one that whitens."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from torch import Tensor

from augmoments.augmentations.elementary import Fixed
from augmoments.errors import PolicyError
from augmoments.operators.base import Operator, Shape


@dataclass(frozen=True, eq=False)
class MatrixProduct(Operator):
    """``(x - mean) M`` for the flattened image ``x``; takes no parameter."""

    matrix: Tensor
    mean: Tensor
    acts_on = "everything"

    @property
    def parameter(self) -> str:
        return "none"

    @property
    def affine(self) -> bool:
        return True

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        centred = images.flatten(2) - self.mean.to(images)
        return (centred @ self.matrix.to(images)).reshape(images.shape)

    def check_shape(self, shape: Shape) -> None:
        if prod(shape) != len(self.mean):
            raise PolicyError(
                f"LinearTransformation takes {len(self.mean)} values, images of shape {shape} have "
                f"{prod(shape)}."
            )


@dataclass(frozen=True, eq=False)
class LinearTransformation(Fixed):
    """``(x - mean) M`` for the flattened image ``x``, not random."""

    matrix: Tensor
    mean: Tensor

    def __repr__(self) -> str:
        return f"LinearTransformation({len(self.mean)} values)"

    @property
    def operator(self) -> Operator:
        return MatrixProduct(self.matrix, self.mean)
