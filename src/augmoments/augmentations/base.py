"""What an augmentation is: random parameters, a deterministic action, and a rule.

The parameters of a policy are independent random numbers with known laws; the action applies a
policy with given parameters. Together they sample. For affine actions the rule says what the
moments are. Subclass :class:`Elementary` for one operator with one parameter, :class:`Sequence`
for steps that follow each other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from augmoments.augmentations.explanation import Explanation, Row
from augmoments.checks import check_images
from augmoments.errors import PolicyError
from augmoments.laws import ContinuousLaw, Law
from augmoments.operators.base import Operator, Pieces, Shape
from augmoments.rules import Product, Rule, quadratic_rule

_WHY = {
    "atoms": "finitely many operators",
    "expansion": "piecewise linear in the parameter",
    "gauss": "piecewise polynomial in the parameter",
    "cubature": "mean exact piece by piece, covariance by nodes",
}


class Parameter(NamedTuple):
    """One random number of a policy, and where the action is a polynomial in it, if known."""

    law: Law
    pieces: Pieces | None = None


class Augmentation(ABC):
    """A random map of images."""

    @property
    @abstractmethod
    def parameters(self) -> tuple[Parameter, ...]:
        """The independent random numbers that one draw consists of."""

    @property
    @abstractmethod
    def affine(self) -> bool:
        """Whether every draw is affine in the image."""

    @abstractmethod
    def apply(self, images: Tensor, theta: Tensor) -> Tensor:
        """Apply draw ``theta[i]`` ``(B, P)`` to the images ``images[i]`` ``(B, n, C, H, W)``."""

    @abstractmethod
    def rule(self, shape: Shape, n: int) -> Rule:
        """The quadratic rule for images of ``shape``, ``n`` nodes where it needs cubature.

        Raises:
            PolicyError: The augmentation is not affine, so it has no such rule.
        """

    @abstractmethod
    def check_shape(self, shape: Shape) -> None:
        """Raise :class:`~augmoments.errors.PolicyError` if images of ``shape`` cannot be taken."""

    @property
    def parts(self) -> tuple[Augmentation, ...]:
        """The steps that follow each other; an augmentation that has no steps is its own part."""
        return (self,)

    def split(self) -> tuple[tuple[Augmentation, ...], tuple[Augmentation, ...]]:
        """The parts up to the last one that is not affine, and the affine rest."""
        parts = self.parts
        last = max((i + 1 for i, part in enumerate(parts) if not part.affine), default=0)
        return parts[:last], parts[last:]

    @abstractmethod
    def rows(self, shape: Shape) -> tuple[Row, ...]:
        """The rows of :meth:`explain`, as if the augmentation stood alone."""

    def explain(self, shape: Shape) -> Explanation:
        """How the moments of this policy are found for images of ``shape`` ``(C, H, W)``.

        Example:
            >>> import augmoments as am
            >>> print(am.RandomHorizontalFlip().explain((3, 32, 32)))
            step                  parameter  law              route  exact  why
            --------------------  ---------  ---------------  -----  -----  -----------------------
            RandomHorizontalFlip  mirrored   probability 0.5  atoms  yes    finitely many operators
        """
        self.check_shape(shape)
        head, tail = self.split()
        joint = [row for part in head for row in part.rows(shape)]
        if len(joint) > 1:
            why = "before or in a step that is not affine"
            exact = all(row.exact for row in joint)
            joint = [replace(row, route="joint nodes", exact=exact, why=why) for row in joint]
        return Explanation((*joint, *(row for part in tail for row in part.rows(shape))))

    def draw(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Parameters of ``n`` independent draws, shape ``(n, P)``, float64."""
        columns = [parameter.law.sample(n, generator) for parameter in self.parameters]
        return torch.stack(columns, 1) if columns else torch.zeros(n, 0, dtype=torch.float64)

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Augment images, with one independent draw an image.

        Args:
            images: ``(N, C, H, W)`` or ``(C, H, W)``, floating point.
            generator: Source of randomness on the CPU; PyTorch's default one if omitted.

        Returns:
            Augmented images of the same shape, dtype and device.

        Raises:
            InputError: The images are not what was meant (see :func:`augmoments.moments`).
            PolicyError: The policy does not take images of this shape.
        """
        batch = check_images(images, value_range=None)
        self.check_shape(tuple(batch.shape[1:]))  # type: ignore[arg-type]
        out = self.apply(batch[:, None], self.draw(len(batch), generator))[:, 0]
        return out.reshape(images.shape)


class Elementary(Augmentation):
    """One operator, whose only parameter (if any) is random."""

    @property
    @abstractmethod
    def operator(self) -> Operator:
        """What a draw does."""

    @property
    @abstractmethod
    def law(self) -> Law | None:
        """How its parameter is drawn; ``None`` if it takes none."""

    @property
    def family(self) -> str:
        """Name of the augmentation that this is or belongs to."""
        return type(self).__name__

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        if self.law is None:
            return ()
        continuous = isinstance(self.law, ContinuousLaw)
        return (
            Parameter(self.law, self.operator.pieces(*self.law.support) if continuous else None),
        )

    @property
    def affine(self) -> bool:
        return self.operator.affine

    def apply(self, images: Tensor, theta: Tensor) -> Tensor:
        return self.operator(images, theta)

    def rule(self, shape: Shape, n: int) -> Rule:
        require_affine(self)
        return quadratic_rule(self.operator, self.law, shape, n)

    def check_shape(self, shape: Shape) -> None:
        self.operator.check_shape(shape)

    def rows(self, shape: Shape) -> tuple[Row, ...]:
        name, parameter = self.family, self.operator.parameter
        if self.law is None:
            return (Row(name, "none", "none", "atoms", True, "not random"),)
        if not self.affine:
            finite = not isinstance(self.law, ContinuousLaw)
            why = "finite law" if finite else "not affine in the image"
            route = "atoms" if finite else "cubature"
            return (Row(name, parameter, str(self.law), route, finite, why),)
        rule = quadratic_rule(self.operator, self.law, shape, 1)
        why = _WHY[rule.route]
        return (Row(name, parameter, str(self.law), rule.route, rule.exact, why),)


@dataclass(frozen=True)
class Step(Elementary):
    """An operator with a law, as a part of the augmentation ``owner``."""

    action: Operator
    drawn: Law
    owner: str

    @property
    def operator(self) -> Operator:
        return self.action

    @property
    def law(self) -> Law:
        return self.drawn

    @property
    def family(self) -> str:
        return self.owner


class Sequence(Augmentation):
    """Independent augmentations, one after the other."""

    @property
    @abstractmethod
    def steps(self) -> tuple[Augmentation, ...]:
        """The augmentations, the first one applied first."""

    @property
    def parts(self) -> tuple[Augmentation, ...]:
        return tuple(part for step in self.steps for part in step.parts)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return tuple(parameter for step in self.steps for parameter in step.parameters)

    @property
    def affine(self) -> bool:
        return all(step.affine for step in self.steps)

    def apply(self, images: Tensor, theta: Tensor) -> Tensor:
        sizes = [len(step.parameters) for step in self.steps]
        for step, part in zip(self.steps, theta.split(sizes, dim=1), strict=True):
            images = step.apply(images, part)
        return images

    def rule(self, shape: Shape, n: int) -> Rule:
        return Product(tuple(step.rule(shape, n) for step in self.steps))

    def check_shape(self, shape: Shape) -> None:
        for step in self.steps:
            step.check_shape(shape)

    def rows(self, shape: Shape) -> tuple[Row, ...]:
        return tuple(row for step in self.steps for row in step.rows(shape))


def require_affine(augmentation: Augmentation) -> None:
    """Refuse what has no quadratic rule."""
    if not augmentation.affine:
        raise PolicyError(
            f"{augmentation} is not affine in the image (it clamps), so no operator describes it "
            "on average for all images: use moments(images, policy), or clamp=False."
        )
