"""Augmentations of one operator."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from augmoments.augmentations.base import Augmentation, width_of
from augmoments.augmentations.explanation import Row
from augmoments.augmentations.parameters import Parameter
from augmoments.augmentations.scaling import scaled_law
from augmoments.errors import InputTypeError, PolicyError
from augmoments.laws import ContinuousLaw, Law
from augmoments.laws.joint import JointLaw, Seed
from augmoments.operators.base import Operator, Shape
from augmoments.operators.color import Standardisation
from augmoments.rules import MOST_ATOMS, OperatorMean, Rule, quadratic_rule

_WHY = {
    "atoms": "finitely many operators",
    "expansion": "piecewise linear in the parameter",
    "gauss": "piecewise polynomial in the parameter",
    "cubature": "mean exact piece by piece, covariance by nodes",
}


class Elementary(Augmentation):
    """One operator, whose parameters (if any) are drawn together."""

    @property
    @abstractmethod
    def operator(self) -> Operator:
        """What a draw does."""

    @property
    def law(self) -> Law | JointLaw | None:
        """How its parameters are drawn; ``None`` if it takes none."""
        raise NotImplementedError(
            f"{type(self).__name__} has no law without a shape: define law, or law_for(shape)."
        )

    def law_for(self, shape: Shape) -> Law | JointLaw | None:
        """How its parameters are drawn for images of ``shape``."""
        return self.law

    def _checked_law(self, shape: Shape) -> Law | JointLaw | None:
        law = self.law_for(shape)
        if law is None or isinstance(law, Law | JointLaw):
            return law
        raise InputTypeError(
            f"the law of {type(self).__name__} is {law!r}; it must be one of augmoments.laws, such "
            "as Uniform(-1, 1), or None."
        )

    @property
    def family(self) -> str:
        """Name of the augmentation that this is or belongs to."""
        return type(self).__name__

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        law = self._checked_law(shape)
        if law is None:
            return ()
        continuous = isinstance(law, ContinuousLaw)
        pieces = self.operator.pieces(*law.support) if continuous else None
        return (Parameter(law, pieces, self.operator.smooth),)

    @property
    def affine(self) -> bool:
        return self.operator.affine

    @property
    def mirrors(self) -> bool:
        return self.operator.mirrors

    def _neutral(self, shape: Shape) -> tuple[float, ...]:
        found = self.operator.neutral
        if found is None:
            return super()._neutral(shape)
        width = width_of(self, shape)
        return (*(at.value for at in found), *(0.0,) * width)[:width]

    def apply(self, images: Tensor, theta: Tensor) -> Tensor:
        return self.operator(images, theta)

    def jointly(self, shape: Shape) -> bool:
        law = self.law_for(shape)
        return not self.affine or (isinstance(law, JointLaw) and law.count > MOST_ATOMS)

    def expectation(self, shape: Shape) -> Callable[[], OperatorMean] | None:
        """The closed form of E[M] for images of ``shape``, where there is one beside the rule's."""
        return None

    def rule(self, shape: Shape, n: int) -> Rule:
        require_affine(self)
        rule = quadratic_rule(self.operator, self._checked_law(shape), shape, n)
        closed = self.expectation(shape)
        return rule if closed is None else replace(rule, expectation=closed)

    def output_shape(self, shape: Shape) -> Shape:
        self.operator.check_shape(shape)
        return self.operator.output_shape(shape)

    def rows(self, shape: Shape) -> tuple[Row, ...]:
        name, parameter, law = self.family, self.operator.parameter, self.law_for(shape)
        if law is None:
            return (Row(name, "none", "none", "atoms", True, "not random"),)
        if isinstance(law, Seed):
            return (Row(name, parameter, "its own", "monte-carlo", False, "too many numbers"),)
        if self.jointly(shape):
            finite = Parameter(law).count <= MOST_ATOMS
            why = "finite law" if finite else "not affine in the image"
            if self.affine:
                closed = self.expectation(shape) is not None
                why = "mean exact, covariance by nodes" if closed else "several numbers at once"
            route = "atoms" if finite else "cubature"
            return (Row(name, parameter, str(law), route, finite, why),)
        rule = quadratic_rule(self.operator, law, shape, 1)
        why = _WHY[rule.route]
        return (Row(name, parameter, str(law), rule.route, rule.exact, why),)


class Fixed(Elementary):
    """An operator without any parameter, which prepares images rather than augments them."""

    @property
    def law(self) -> None:
        return None

    def _scaled(self, strength: float) -> Augmentation:
        return self


@dataclass(frozen=True)
class Step(Elementary):
    """An operator with a law, as a part of the augmentation ``owner``."""

    action: Operator
    drawn: Law | JointLaw | None
    owner: str

    @property
    def operator(self) -> Operator:
        return self.action

    @property
    def law(self) -> Law | JointLaw | None:
        return self.drawn

    @property
    def family(self) -> str:
        return self.owner

    def _scaled(self, strength: float) -> Augmentation:
        law = scaled_drawing(self.owner, self.action, self.drawn, strength)
        return replace(self, drawn=law)


def scaled_drawing(
    owner: str, operator: Operator, law: Law | JointLaw | None, strength: float
) -> Law | JointLaw | None:
    """The law of what a step of another library draws, at another strength.

    Raises:
        PolicyError: The step has no strength.
        LawError: A probability above 1.
    """
    if law is not None:
        return scaled_law(owner, operator, law, strength)
    if operator.neutral == () or isinstance(operator, Standardisation):
        return None
    raise PolicyError(
        f"{owner} is always done, so that it has no strength to scale: give it a probability, as "
        "in RandomApply([...], p=0.5), or a function strength -> policy."
    )


def require_affine(augmentation: Augmentation) -> None:
    """Refuse what has no quadratic rule."""
    if not augmentation.affine:
        raise PolicyError(
            f"{augmentation} is not affine in the image, so no operator describes it on average "
            "for all images: use moments(images, policy), or clamp=False where it only clamps."
        )
