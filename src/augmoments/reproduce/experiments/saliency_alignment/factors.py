r"""What the variance of a loss is made of: its gradient's size and alignment, and the rest.

For every image, without approximation,

.. math::
    \mathrm{Var}[\ell] = \lambda_1 \cdot \|g\|^2 \cdot \frac{g^\top V g}{\lambda_1 \|g\|^2}
    \cdot \frac{\mathrm{Var}[\ell]}{g^\top V g},

spread of the augmented images, size of the saliency, its alignment and what the first order leaves
out. Logarithms add up, so that each factor has a share in how the variance differs between images,
and in how it changes with training.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from scipy.stats import spearmanr
from torch import Tensor

from augmoments.alignment import Sensitivity

FACTORS = ("spread", "size", "alignment", "nonlinearity")


@dataclass(frozen=True)
class Factors:
    """The variance of the loss of each image, and what it is made of, ``(N,)`` each.

    Attributes:
        variance: Of the loss under the augmentation.
        relative: Its root over the expected loss.
        linearized: g'Vg, what the first order says of the variance.
        spread: Largest eigenvalue of V.
        size: ||g||^2.
        alignment: g'Vg / (largest eigenvalue ||g||^2).
        nonlinearity: Variance over g'Vg, what the first order leaves out.
        excess: The alignment over that of a direction at random, tr V / (D largest eigenvalue).
    """

    variance: Tensor
    relative: Tensor
    linearized: Tensor
    spread: Tensor
    size: Tensor
    alignment: Tensor
    nonlinearity: Tensor
    excess: Tensor

    @classmethod
    def of(cls, found: Sensitivity) -> Factors:
        """Factors of every image; NaN or infinite where an image has no variance."""
        return cls(
            variance=found.variance,
            relative=found.variance.sqrt() / found.expected,
            linearized=found.linearized_variance,
            spread=found.spectrum[:, 0],
            size=found.saliency.flatten(1).square().sum(1),
            alignment=found.ratio,
            nonlinearity=found.variance / found.linearized_variance,
            excess=found.ratio / found.isotropic,
        )

    def where(self, kept: Tensor) -> Factors:
        """Of some of the images."""
        return Factors(**{field.name: getattr(self, field.name)[kept] for field in fields(self)})

    def masked(self, known: Tensor) -> Factors:
        """With NaN as the variance of images where it is not known."""
        return replace(self, variance=torch.where(known, self.variance, torch.nan))

    def sound(self) -> Tensor:
        """Which images have positive, finite factors throughout."""
        table = torch.stack([getattr(self, field.name) for field in fields(self)])
        return (table.isfinite() & (table > 0)).all(0)


def rank_correlation(first: Tensor, second: Tensor) -> float:
    """Spearman's.

    >>> round(rank_correlation(torch.tensor([1.0, 2, 3]), torch.tensor([1.0, 9, 4])), 3)
    0.5
    """
    found: Any = spearmanr(first.numpy(), second.numpy())
    return float(found.statistic)


def partial_rank_correlation(first: Tensor, second: Tensor, given: Tensor) -> float:
    """Spearman's of two quantities at a given value of a third.

    >>> a, b = torch.tensor([1.0, 2, 3, 4, 5]), torch.tensor([2.0, 1, 4, 3, 5])
    >>> c = torch.tensor([3.0, 5, 1, 2, 4])
    >>> round(partial_rank_correlation(a, b, c), 3)
    0.833
    """
    direct = rank_correlation(first, second)
    one, other = rank_correlation(first, given), rank_correlation(second, given)
    return (direct - one * other) / ((1 - one**2) * (1 - other**2)) ** 0.5


def correlations(found: Factors) -> dict[str, float]:
    """Rank correlations over the images, of the variance and of the relative deviation."""
    return {
        "alignment": rank_correlation(found.variance, found.alignment),
        "size": rank_correlation(found.variance, found.size),
        "linearized": rank_correlation(found.variance, found.linearized),
        "alignment_at_equal_size": partial_rank_correlation(
            found.variance, found.alignment, found.size
        ),
        "size_at_equal_alignment": partial_rank_correlation(
            found.variance, found.size, found.alignment
        ),
        "relative_with_alignment": rank_correlation(found.relative, found.alignment),
        "relative_with_size": rank_correlation(found.relative, found.size),
    }


def shares(found: Factors) -> dict[str, float]:
    """Share of each factor in how the log variance differs between images; their sum is 1."""
    target = found.variance.log()
    away = target - target.mean()
    total = away.square().sum()
    return {name: float((getattr(found, name).log() * away).sum() / total) for name in FACTORS}


def changes(before: Factors, after: Factors) -> dict[str, float]:
    """Geometric means of variance and factors after over before, of the same images."""
    both = before.sound() & after.sound()
    names = ("variance", "size", "alignment", "nonlinearity")
    ratios = {name: getattr(after, name)[both] / getattr(before, name)[both] for name in names}
    return {name: float(ratio.log().mean().exp()) for name, ratio in ratios.items()}
