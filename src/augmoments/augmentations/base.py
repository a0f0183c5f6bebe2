"""What an augmentation is: random parameters, a deterministic action, and a rule.

The parameters of a policy are independent random numbers with known laws; the action applies a
policy with given parameters. Together they sample. For affine actions the rule says what the
moments are. Subclass :class:`Elementary` for one operator with one parameter, :class:`Sequence`
for steps that follow each other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from math import inf, prod

import numpy as np
import torch
from torch import Tensor

from augmoments.augmentations.explanation import Explanation, Row
from augmoments.checks import check_images
from augmoments.errors import PolicyError
from augmoments.laws import ContinuousLaw, Discrete, Law
from augmoments.laws.joint import JointAtoms, JointLaw, Seed
from augmoments.operators.base import Operator, Pieces, Shape
from augmoments.rules import IDENTITY, MOST_ATOMS, OperatorMean, Product, Rule, quadratic_rule

_WHY = {
    "atoms": "finitely many operators",
    "expansion": "piecewise linear in the parameter",
    "gauss": "piecewise polynomial in the parameter",
    "cubature": "mean exact piece by piece, covariance by nodes",
}


@dataclass(frozen=True)
class Parameter:
    """What a policy draws at one place, and where the action is a polynomial in it, if known."""

    law: Law | JointLaw
    pieces: Pieces | None = None

    @property
    def width(self) -> int:
        """How many columns of theta it fills."""
        return self.law.width if isinstance(self.law, JointLaw) else 1

    @property
    def dimension(self) -> int:
        """How many uniform numbers it takes."""
        return self.law.dimension if isinstance(self.law, JointLaw) else 1

    @property
    def count(self) -> float:
        """How many outcomes it has, ``inf`` if the law is not finite."""
        if isinstance(self.law, JointLaw):
            return self.law.count
        if isinstance(self.law, Discrete):
            return int((self.law.atoms.weights > 0).sum())
        return inf

    def ppf(self, u: np.ndarray) -> np.ndarray:
        """Outcomes ``(n, width)`` for uniform numbers ``(n, dimension)``."""
        return self.law.ppf(u) if isinstance(self.law, JointLaw) else self.law.ppf(u[:, 0])[:, None]

    def atoms(self) -> JointAtoms:
        """All outcomes with their probabilities."""
        if isinstance(self.law, JointLaw):
            return self.law.atoms()
        assert isinstance(self.law, Discrete)
        points, weights = self.law.atoms
        return JointAtoms(points[weights > 0, None], weights[weights > 0])

    def sample(self, n: int, generator: torch.Generator | None) -> Tensor:
        """``n`` independent outcomes, ``(n, width)``, float64."""
        drawn = self.law.sample(n, generator)
        return drawn if drawn.ndim == 2 else drawn[:, None]


class Augmentation(ABC):
    """A random map of images."""

    @abstractmethod
    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        """What one draw for an image of ``shape`` consists of, independent of each other."""

    @property
    @abstractmethod
    def affine(self) -> bool:
        """Whether every draw is affine in the image."""

    @property
    @abstractmethod
    def mirrors(self) -> bool:
        """Whether mirroring the input just mirrors the output, as far as its law goes."""

    @property
    def couples(self) -> bool:
        """Whether one draw is for a whole batch, whose images it blends with each other."""
        return False

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
    def output_shape(self, shape: Shape) -> Shape:
        """Shape of what comes out for images of ``shape``.

        Raises:
            PolicyError: Images of ``shape`` cannot be taken.
        """

    @abstractmethod
    def jointly(self, shape: Shape) -> bool:
        """Whether moments need nodes over the joint law: not affine, or too many operators."""

    def resolved(self, shape: Shape) -> tuple[Augmentation, ...]:
        """Parts with the same law for images of ``shape``, of which more are exact."""
        return (self,)

    def surrogate(self) -> Augmentation:
        """An affine augmentation of the same parameters that comes near to this one."""
        return self if self.affine else Idle(self)

    def smoothed(self) -> Augmentation:
        """The same, but with noise that its last step adds left to :meth:`conditional`."""
        return self

    def conditional(self, images: Tensor, theta: Tensor) -> tuple[Tensor, Tensor | None]:
        """Mean and variance of the result at each value, given a draw of :attr:`parameters`.

        The variance is that of noise which is independent from value to value and not among the
        parameters; ``None`` if there is no such noise, and then the mean is :meth:`apply`.
        """
        return self.apply(images, theta), None

    def outcomes(self, shape: Shape) -> float:
        """How many different draws there are, ``inf`` if not finitely many."""
        return prod(parameter.count for parameter in self.parameters(shape))

    def atoms(self, shape: Shape) -> JointAtoms:
        """All draws ``(K, P)`` with their probabilities ``(K,)``, if they are finitely many."""
        return independent([parameter.atoms() for parameter in self.parameters(shape)])

    @property
    def parts(self) -> tuple[Augmentation, ...]:
        """The steps that follow each other; an augmentation that has no steps is its own part."""
        return (self,)

    @abstractmethod
    def rows(self, shape: Shape) -> tuple[Row, ...]:
        """The rows of :meth:`explain`, as if the augmentation stood alone."""

    def explain(self, shape: Shape | Tensor, *, tol: float = 0.03, seed: int = 0) -> Explanation:
        """How the moments of this policy are found, and what each step brings, as a table.

        For every number that is drawn: its law, the route of the moments, and whether they are
        exact and why. For every step of a composition: its share of the total variance, *alone*
        (where no other step is random) and *beyond* the others (what goes with the step), and the
        fewest evaluations of an image that it takes.

        Args:
            shape: ``(C, H, W)`` of the images; random ones with the spectrum of natural images
                stand in for them. Or images themselves ``(N, C, H, W)`` in [0, 1].
            tol: Error asked of the shares.
            seed: Seed of the scrambling.

        Example:
            >>> import augmoments as am
            >>> policy = am.Compose([am.RandomHorizontalFlip(), am.RandomGrayscale()])
            >>> print(policy.explain((3, 32, 32)))
            step                  parameter  law              route  exact  why ...
            --------------------  ---------  ---------------  -----  -----  ---...
            RandomHorizontalFlip  mirrored   probability 0.5  atoms  yes    finitely many ...
            RandomGrayscale       gray       probability 0.1  atoms  yes    finitely many ...
            alone: share of the variance where only this step is random; ...
            >>> [round(row.alone, 2) for row in policy.explain((3, 32, 32)).rows]
            [0.99, 0.04]
        """
        from augmoments.calculus.explain import explain

        return explain(self, shape, tol=tol, seed=seed)

    def draw(self, shape: Shape, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Parameters of ``n`` independent draws for ``shape``, ``(n, P)``, float64."""
        columns = [parameter.sample(n, generator) for parameter in self.parameters(shape)]
        return torch.cat(columns, 1) if columns else torch.zeros(n, 0, dtype=torch.float64)

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Augment images, with one independent draw an image.

        Args:
            images: ``(N, C, H, W)`` or ``(C, H, W)``, floating point.
            generator: Source of randomness on the CPU; PyTorch's default one if omitted.

        Returns:
            Augmented images, of the policy's output shape, same dtype and device.

        Raises:
            InputError: The images are not what was meant (see :func:`augmoments.moments`).
            PolicyError: The policy does not take images of this shape.
        """
        batch = check_images(images, value_range=None)
        shape: Shape = tuple(batch.shape[1:])  # type: ignore[assignment]
        self.output_shape(shape)
        out = self._sampled(batch, generator)
        return out.reshape(*images.shape[:-3], *out.shape[1:])

    def _sampled(self, batch: Tensor, generator: torch.Generator | None) -> Tensor:
        """Augmented images ``(N, C', H', W')`` for a batch that has been checked."""
        shape: Shape = tuple(batch.shape[1:])  # type: ignore[assignment]
        if self.couples:
            return self.apply(batch[None], self.draw(shape, 1, generator))[0]
        return self.apply(batch[:, None], self.draw(shape, len(batch), generator))[:, 0]


class Elementary(Augmentation):
    """One operator, whose parameters (if any) are drawn together."""

    @property
    @abstractmethod
    def operator(self) -> Operator:
        """What a draw does."""

    @property
    def law(self) -> Law | JointLaw | None:
        """How its parameters are drawn; ``None`` if it takes none."""
        raise NotImplementedError(f"{type(self).__name__} has no law without a shape.")

    def law_for(self, shape: Shape) -> Law | JointLaw | None:
        """How its parameters are drawn for images of ``shape``."""
        return self.law

    @property
    def family(self) -> str:
        """Name of the augmentation that this is or belongs to."""
        return type(self).__name__

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        law = self.law_for(shape)
        if law is None:
            return ()
        continuous = isinstance(law, ContinuousLaw)
        return (Parameter(law, self.operator.pieces(*law.support) if continuous else None),)

    @property
    def affine(self) -> bool:
        return self.operator.affine

    @property
    def mirrors(self) -> bool:
        return self.operator.mirrors

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
        rule = quadratic_rule(self.operator, self.law_for(shape), shape, n)
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


class Sequence(Augmentation):
    """Independent augmentations, one after the other."""

    @property
    @abstractmethod
    def steps(self) -> tuple[Augmentation, ...]:
        """The augmentations, the first one applied first."""

    @property
    def parts(self) -> tuple[Augmentation, ...]:
        return tuple(part for step in self.steps for part in step.parts)

    def along(self, shape: Shape) -> Iterator[tuple[Augmentation, Shape]]:
        """The steps, each with the shape of the images that reach it."""
        for step in self.steps:
            yield step, shape
            shape = step.output_shape(shape)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        return tuple(p for step, here in self.along(shape) for p in step.parameters(here))

    @property
    def affine(self) -> bool:
        return all(step.affine for step in self.steps)

    @property
    def mirrors(self) -> bool:
        return all(step.mirrors for step in self.steps)

    @property
    def couples(self) -> bool:
        return any(step.couples for step in self.steps)

    def _sampled(self, batch: Tensor, generator: torch.Generator | None) -> Tensor:
        if not self.couples:
            return super()._sampled(batch, generator)
        for step in self.steps:
            batch = step._sampled(batch, generator)
        return batch

    def apply(self, images: Tensor, theta: Tensor) -> Tensor:
        return self._through(self.steps, images, theta)[0]

    @staticmethod
    def _through(
        steps: Iterable[Augmentation], images: Tensor, theta: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Images after ``steps``, and the columns of theta that are left."""
        for step in steps:
            shape: Shape = tuple(images.shape[-3:])  # type: ignore[assignment]
            width = width_of(step, shape)
            images, theta = step.apply(images, theta[:, :width]), theta[:, width:]
        return images, theta

    def surrogate(self) -> Augmentation:
        return Chain(tuple(step.surrogate() for step in self.steps))

    def smoothed(self) -> Augmentation:
        last = self.steps[-1].smoothed() if self.steps else self
        return self if not self.steps or last is self.steps[-1] else Chain((*self.steps[:-1], last))

    def conditional(self, images: Tensor, theta: Tensor) -> tuple[Tensor, Tensor | None]:
        if not self.steps:
            return images, None
        *before, last = self.steps
        images, rest = self._through(before, images, theta)
        return last.conditional(images, rest)

    def jointly(self, shape: Shape) -> bool:
        return any(step.jointly(here) for step, here in self.along(shape))

    def outcomes(self, shape: Shape) -> float:
        return prod(step.outcomes(here) for step, here in self.along(shape))

    def atoms(self, shape: Shape) -> JointAtoms:
        return independent([step.atoms(here) for step, here in self.along(shape)])

    def rule(self, shape: Shape, n: int) -> Rule:
        return Product(tuple(step.rule(here, n) for step, here in self.along(shape)))

    def output_shape(self, shape: Shape) -> Shape:
        for step in self.steps:
            shape = step.output_shape(shape)
        return shape

    def rows(self, shape: Shape) -> tuple[Row, ...]:
        return tuple(row for step, here in self.along(shape) for row in step.rows(here))


@dataclass(frozen=True)
class Chain(Sequence):
    """Given augmentations, one after the other."""

    chained: tuple[Augmentation, ...]

    @property
    def steps(self) -> tuple[Augmentation, ...]:
        return self.chained


@dataclass(frozen=True)
class Idle(Augmentation):
    """The parameters of ``owner``, and nothing done with them."""

    owner: Augmentation

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        return self.owner.parameters(shape)

    @property
    def affine(self) -> bool:
        return True

    @property
    def mirrors(self) -> bool:
        return True

    def apply(self, images: Tensor, theta: Tensor) -> Tensor:
        return images

    def rule(self, shape: Shape, n: int) -> Rule:
        return IDENTITY

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def jointly(self, shape: Shape) -> bool:
        return False

    def rows(self, shape: Shape) -> tuple[Row, ...]:
        return ()


def width_of(augmentation: Augmentation, shape: Shape) -> int:
    """How many columns of theta an augmentation of images of ``shape`` takes."""
    return sum(parameter.width for parameter in augmentation.parameters(shape))


def independent(parts: list[JointAtoms]) -> JointAtoms:
    """All combinations of independent outcomes, side by side."""
    points, weights = np.zeros((1, 0)), np.ones(1)
    for part in parts:
        first = np.repeat(points, len(part.points), axis=0)
        points = np.concatenate([first, np.tile(part.points, (len(points), 1))], 1)
        weights = np.outer(weights, part.weights).ravel()
    return JointAtoms(points, weights)


def require_affine(augmentation: Augmentation) -> None:
    """Refuse what has no quadratic rule."""
    if not augmentation.affine:
        raise PolicyError(
            f"{augmentation} is not affine in the image, so no operator describes it on average "
            "for all images: use moments(images, policy), or clamp=False where it only clamps."
        )
