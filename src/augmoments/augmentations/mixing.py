"""MixUp and CutMix: every image of a batch is blended with the one before it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import NamedTuple, NoReturn

import numpy as np
import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.explanation import Row
from augmoments.augmentations.parameters import Parameter
from augmoments.checks import check_images, check_targets
from augmoments.errors import InputError, PolicyError
from augmoments.laws import Beta
from augmoments.laws.base import check_positive
from augmoments.laws.boxes import BoxLaw
from augmoments.laws.mixing import cutmix_law
from augmoments.operators.base import Pieces, Shape
from augmoments.operators.fields import box_masks
from augmoments.operators.flip import per_group
from augmoments.rules import Rule
from augmoments.rules.fields import RandomField, box_field, has_exact_field


class Share(NamedTuple):
    """Moments of the share s that the partner has in the label, B being its field of weights."""

    mean: float
    """E[s]."""
    square: float
    """E[s^2]."""
    product: Tensor
    """E[s B], ``(H, W)``, float64."""


class Mixing(Augmentation):
    r"""Blend each image with the one before it, the first one with the last.

    .. math:: y_n = x_n + B\,(x_{n-1} - x_n), \qquad \ell_n = t_n + s\,(t_{n-1} - t_n)

    with one random field of weights B and one share s for the whole batch; t are one-hot or soft
    labels. A batch of one image stays as it is.

    These augmentations couple images, so that a policy is applied to a batch as a whole, and its
    rules and nodes, which are those of one image, do not exist.
    """

    num_classes: int | None
    """Number of classes, for labels that are class indices."""

    @abstractmethod
    def field(self, shape: Shape, n: int) -> RandomField:
        """Mean and covariance of B, from ``n`` terms where it is not exact."""

    @abstractmethod
    def share(self, shape: Shape) -> Share:
        """Moments of s, exact."""

    @abstractmethod
    def shares(self, theta: Tensor, shape: Shape) -> Tensor:
        """The shares ``(B,)`` that belong to draws ``theta`` ``(B, P)``."""

    @abstractmethod
    def blend(self, images: Tensor, partners: Tensor, theta: Tensor) -> Tensor:
        """The blends of ``images`` and ``partners``, both ``(B, n, C, H, W)``."""

    @property
    def affine(self) -> bool:
        return True

    @property
    def mirrors(self) -> bool:
        """Never: each image is mirrored by itself before it is mixed, but not after."""
        return False

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def apply(self, images: Tensor, theta: Tensor) -> Tensor:
        """Mix the images of each group.

        Raises:
            PolicyError: Several groups of one image, which would not be mixed at all.
        """
        if images.shape[1] == 1 and len(images) > 1:
            self._refuse()
        return self.blend(images, images.roll(1, 1), theta)

    @property
    def couples(self) -> bool:
        return True

    def mix(
        self, images: Tensor, labels: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Mix a batch and its labels, as a call does with images alone.

        Args:
            images: ``(N, C, H, W)``.
            labels: Class indices ``(N,)``, or probabilities ``(N, K)``.
            generator: Source of randomness on the CPU; PyTorch's default one if omitted.

        Returns:
            The mixed images, and mixed labels ``(N, K)``.

        Raises:
            InputError: Labels of a wrong shape, or class indices without ``num_classes``.
        """
        batch = check_images(images, value_range=None)
        soft = self.soft_labels(labels, len(batch))
        theta = self.draw(_shape(batch), 1, generator)
        share = float(self.shares(theta, _shape(batch)))
        mixed = self.apply(batch[None], theta)[0].reshape(images.shape)
        return mixed, (1 - share) * soft + share * soft.roll(1, 0)

    def soft_labels(self, labels: Tensor, n: int) -> Tensor:
        """Labels of ``n`` images as probabilities ``(n, K)``.

        Raises:
            InputError: Labels of a wrong shape, or class indices without ``num_classes``.
        """
        found = check_targets(labels, n, self.num_classes)
        if found.ndim == 2:
            return found
        if self.num_classes is None or found.is_floating_point():
            raise InputError(
                f"{type(self).__name__}: labels of shape ({n},) are class indices and need "
                f"num_classes, as in {type(self).__name__}(num_classes=10); else give "
                f"probabilities of shape ({n}, K)."
            )
        return torch.nn.functional.one_hot(found, self.num_classes).float()

    def jointly(self, shape: Shape) -> bool:
        self._refuse()

    def outcomes(self, shape: Shape) -> float:
        self._refuse()

    def rule(self, shape: Shape, n: int) -> Rule:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise PolicyError(
            f"{type(self).__name__} mixes the images of a batch with each other, so it has no "
            "moments or samples of one image: call it on a batch, or use moments(images, policy) "
            "with the whole batch and this step followed by affine ones only."
        )


@dataclass(frozen=True, kw_only=True)
class MixUp(Mixing):
    r"""Blend each image with the one before it, :math:`\lambda x_n + (1 - \lambda) x_{n-1}`.

    One :math:`\lambda \sim \mathrm{Beta}(\alpha, \alpha)` for the batch; labels are blended alike.
    As torchvision does it: the first image is blended with the last one.

    Args:
        alpha: Both parameters of the Beta law.
        num_classes: Number of classes, for labels that are class indices.

    Raises:
        LawError: ``alpha`` is not positive.
        InputError: ``num_classes`` is not a positive whole number.

    Example:
        >>> import torch
        >>> import augmoments as am
        >>> batch, classes = torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 0, 1])
        >>> images, labels = am.MixUp(num_classes=2).mix(batch, classes)
        >>> images.shape, labels.shape
        (torch.Size([4, 1, 8, 8]), torch.Size([4, 2]))

    Reference:
        Zhang et al. (2018), *mixup: Beyond Empirical Risk Minimization*.
    """

    alpha: float = 1.0
    num_classes: int | None = None

    def __post_init__(self) -> None:
        _check(self)

    @property
    def law(self) -> Beta:
        """The law of lambda."""
        return Beta(self.alpha, self.alpha)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        return (Parameter(self.law, Pieces(np.array([0.0, 1.0]), 1)),)

    def _neutral(self, shape: Shape) -> tuple[float, ...]:
        return (1.0,)

    @property
    def _variance(self) -> float:
        return 1 / (4 * (2 * self.alpha + 1))

    def field(self, shape: Shape, n: int) -> RandomField:
        ones = torch.ones(1, *shape[1:], dtype=torch.float64)
        return RandomField(0.5 * ones[0], self._variance**0.5 * ones)

    def share(self, shape: Shape) -> Share:
        square = 0.25 + self._variance
        return Share(0.5, square, torch.full(shape[1:], square, dtype=torch.float64))

    def shares(self, theta: Tensor, shape: Shape) -> Tensor:
        return 1 - theta[:, 0]

    def blend(self, images: Tensor, partners: Tensor, theta: Tensor) -> Tensor:
        return per_group(1 - theta, images) * partners + per_group(theta, images) * images

    def rows(self, shape: Shape) -> tuple[Row, ...]:
        why = "linear in lambda, one for the batch"
        return (Row("MixUp", "lambda", str(self.law), "expansion", True, why),)


@dataclass(frozen=True, kw_only=True)
class CutMix(Mixing):
    r"""Put a random box of the image before it into each image.

    With :math:`\lambda \sim \mathrm{Beta}(\alpha, \alpha)` the box has the image's height and width
    times :math:`\sqrt{1 - \lambda}`, rounded as torchvision does, and its centre is a uniform
    pixel; what lies outside the image is cut off. One box for the batch; labels are blended by the
    area that is left.

    Args:
        alpha: Both parameters of the Beta law.
        num_classes: Number of classes, for labels that are class indices.

    Raises:
        LawError: ``alpha`` is not positive.
        InputError: ``num_classes`` is not a positive whole number.

    Example:
        >>> import torch
        >>> import augmoments as am
        >>> round(am.CutMix().share((3, 32, 32)).mean, 4)
        0.2993

    Reference:
        Yun et al. (2019), *CutMix: Regularization Strategy to Train Strong Classifiers with
        Localizable Features*.
    """

    alpha: float = 1.0
    num_classes: int | None = None

    def __post_init__(self) -> None:
        _check(self)

    def law_for(self, shape: Shape) -> BoxLaw:
        """The law of the box in images of ``shape``."""
        return _law(*shape[1:], self.alpha)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        return (Parameter(self.law_for(shape)),)

    def _neutral(self, shape: Shape) -> tuple[float, ...]:
        return (0.0,) * 4

    def field(self, shape: Shape, n: int) -> RandomField:
        return _field(self.law_for(shape), n)

    def share(self, shape: Shape) -> Share:
        law, size = self.law_for(shape), prod(shape[1:])
        product = torch.from_numpy(np.ascontiguousarray(law.area_coverage())) / size
        return Share(law.area_moment() / size, law.area_moment(2) / size**2, product)

    def shares(self, theta: Tensor, shape: Shape) -> Tensor:
        return theta[:, 2] * theta[:, 3] / prod(shape[1:])

    def blend(self, images: Tensor, partners: Tensor, theta: Tensor) -> Tensor:
        inside = box_masks(theta, *images.shape[-2:]).to(images.device)
        return torch.where(inside[:, None, None], partners, images)

    def rows(self, shape: Shape) -> tuple[Row, ...]:
        law = self.law_for(shape)
        exact = has_exact_field(law)
        route = "expansion" if exact else "cubature"
        why = "covariance of the box is known" if exact else "mean exact, covariance by terms"
        return (Row("CutMix", "box, pixels", str(law), route, exact, why),)


_law = lru_cache(maxsize=64)(cutmix_law)
_field = lru_cache(maxsize=8)(box_field)


def _check(mixing: MixUp | CutMix) -> None:
    name = type(mixing).__name__
    check_positive(name, alpha=mixing.alpha)
    count = mixing.num_classes
    if count is not None and (not isinstance(count, int) or count < 1):
        raise InputError(f"{name}: num_classes must be a positive whole number, got {count!r}.")


def _shape(images: Tensor) -> Shape:
    return tuple(images.shape[-3:])  # type: ignore[return-value]
