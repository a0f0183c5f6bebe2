"""What an augmentation is: random parameters, a deterministic action, and a rule.

The parameters of a policy are independent random numbers with known laws; the action applies a
policy with given parameters. Together they sample. For affine actions the rule says what the
moments are. Subclass :class:`Elementary` for one operator with one parameter, :class:`Sequence`
for steps that follow each other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import prod
from numbers import Real

import torch
from torch import Tensor

from augmoments.augmentations.explanation import Explanation, Row
from augmoments.augmentations.parameters import Parameter, independent
from augmoments.checks import check_images
from augmoments.errors import InputError, InputTypeError, LawError, PolicyError
from augmoments.laws.joint import JointAtoms
from augmoments.operators.base import Shape
from augmoments.rules import IDENTITY, Rule


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

    def _repr_html_(self) -> str:
        from augmoments.calculus.explain import outline

        return outline(self)

    def neutral(self, shape: Shape) -> Tensor:
        """The draw that leaves images of ``shape`` as they are, ``(P,)``, float64.

        An angle or a shift of 0, a factor of 1, what is done with a probability left undone. The
        images have values in [0, 1], to which some actions clamp.

        Raises:
            PolicyError: A step changes every image, or the images' shape; it is named.

        Example:
            >>> import augmoments as am
            >>> am.RandomAffine(10, scale=(0.9, 1.1)).neutral((1, 28, 28))
            tensor([0., 0., 0., 1., 0., 0.], dtype=torch.float64)
        """
        out = self.output_shape(shape)
        if out != shape:
            raise PolicyError(
                f"{_short(self)} turns images of shape {shape} into {out}: no draw leaves them as "
                "they are."
            )
        return torch.tensor(self._neutral(shape), dtype=torch.float64)

    def _neutral(self, shape: Shape) -> tuple[float, ...]:
        raise PolicyError(
            f"{_short(self)} changes every image of shape {shape}: no draw leaves them as they are."
        )

    def scaled(self, strength: float) -> Augmentation:
        r"""The same augmentation, weaker (below 1) or stronger (above 1).

        Numbers that have a neutral value :math:`\theta_0` become :math:`\theta_0 + s\,(\theta -
        \theta_0)`: angles, shifts and shears about 0, factors of zoom and colour about 1. What is
        done or not is done with ``strength`` times its probability (flips, grayscale, erasing,
        :class:`RandomApply`, ...). Steps that are not random stay. ``scaled(1)`` has the same law,
        ``scaled(0)`` leaves images as they are.

        Raises:
            InputError: ``strength`` is negative or not finite.
            PolicyError: A probability above 1, a factor of 0 or less, or a step that has no
                strength, such as a crop; it is named.

        Example:
            >>> import augmoments as am
            >>> am.RandomTranslation(x=(-2, 2)).scaled(0.5).x
            Uniform(low=-1.0, high=1.0)
            >>> am.RandomHorizontalFlip().scaled(0.5).p
            0.25
        """
        if isinstance(strength, bool) or not isinstance(strength, Real):
            raise InputTypeError(
                f"strength must be a number of at least 0, got {type(strength).__name__}."
            )
        if not 0 <= strength < float("inf"):
            raise InputError(f"strength must be a finite number of at least 0, got {strength!r}.")
        try:
            return self._scaled(float(strength))
        except (LawError, InputError) as error:
            raise PolicyError(f"{_short(self)} has no strength of {strength:g}: {error}") from error

    def _scaled(self, strength: float) -> Augmentation:
        raise PolicyError(
            f"{_short(self)} has no strength that could be scaled: give a function strength -> "
            "policy instead, such as lambda s: RandomCrop(28, padding=round(4 * s))."
        )

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


def _short(augmentation: Augmentation) -> str:
    """What messages call an augmentation."""
    return getattr(augmentation, "family", type(augmentation).__name__)


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

    def _neutral(self, shape: Shape) -> tuple[float, ...]:
        return (0.0,) * width_of(self, shape)

    def _scaled(self, strength: float) -> Augmentation:
        return self

    def jointly(self, shape: Shape) -> bool:
        return False

    def rows(self, shape: Shape) -> tuple[Row, ...]:
        return ()


def width_of(augmentation: Augmentation, shape: Shape) -> int:
    """How many columns of theta an augmentation of images of ``shape`` takes."""
    return sum(parameter.width for parameter in augmentation.parameters(shape))
