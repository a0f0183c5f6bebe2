"""Elastic deformation."""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.elementary import Elementary
from augmoments.errors import InputTypeError
from augmoments.laws.base import check_number
from augmoments.laws.joint import Seed
from augmoments.operators.base import Shape
from augmoments.operators.elastic import Elastic
from augmoments.operators.warp import Fill, Resampling


@dataclass(frozen=True)
class ElasticTransform(Elementary):
    """Displace every pixel by a smooth random field: a Monte Carlo estimate, with its error.

    Args:
        alpha: Strength of the displacements, one number or one along x and y.
        sigma: Smoothness of the displacements in pixels, one number or one along x and y.
        interpolation: ``"bilinear"`` or ``"nearest"``.
        fill: Value outside the image, one or one a channel.
        border: ``"zeros"`` or ``"torchvision"``.

    Raises:
        LawError: A negative ``sigma``.
        PolicyError: Images that are too small for the smoothing kernel.

    Example:
        >>> import torch, augmoments as am
        >>> am.moments(torch.ones(1, 1, 8, 8), am.ElasticTransform(sigma=0.5), tol=0.1).method
        'monte-carlo'

    Reference:
        ``torchvision.transforms.v2.ElasticTransform``; Simard et al. (2003).
    """

    alpha: float | SequenceOf[float] = 50.0
    sigma: float | SequenceOf[float] = 5.0
    interpolation: Any = "bilinear"
    fill: Fill = 0.0
    _: KW_ONLY
    border: str = "zeros"

    def __post_init__(self) -> None:
        _ = self.operator

    @property
    def operator(self) -> Elastic:
        resampling = Resampling.of(self.interpolation, self.fill, self.border)
        return Elastic(_two("alpha", self.alpha), _two("sigma", self.sigma), resampling)

    @property
    def law(self) -> Seed:
        return Seed()

    def _scaled(self, strength: float) -> Augmentation:
        across, down = self.operator.alpha
        return replace(self, alpha=(strength * across, strength * down))

    def jointly(self, shape: Shape) -> bool:
        return True


def _two(name: str, value: Any) -> tuple[float, float]:
    given = tuple(value) if isinstance(value, SequenceOf) else (value,)
    for value in given:
        check_number(f"ElasticTransform: {name}", value)
    try:
        numbers = tuple(float(v) for v in given)
    except (TypeError, ValueError) as error:
        raise InputTypeError(
            f"ElasticTransform: {name} must be one number or two, got {value!r}."
        ) from error
    if len(numbers) not in (1, 2):
        raise InputTypeError(f"ElasticTransform: {name} must be one number or two, got {value!r}.")
    return numbers[0], numbers[-1]
