"""How a policy is carried through the moments of a whole dataset, step by step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.mixing import Mixing
from augmoments.augmentations.mixing_choice import as_mixing
from augmoments.augmentations.sequence import Chain
from augmoments.calculus.dataset.joint import JointMoments
from augmoments.calculus.expected_operator import ExpectedOperator, average, has_exact_mean
from augmoments.calculus.nodes import REPLICATES, NodeFamily
from augmoments.calculus.plan import shapes_along, without_mirrors
from augmoments.errors import PolicyError
from augmoments.estimate import Method, weakest
from augmoments.operators.base import Operator, Shape
from augmoments.rules import QuadraticRule, Rule, leaves

FIRST_NODES = 32
_ROWS = 256


@dataclass(frozen=True)
class PolicyOperator(Operator):
    """An affine augmentation as the operator that its draws are."""

    policy: Augmentation
    acts_on = "everything"

    @property
    def parameter(self) -> str:
        return "a draw"

    @property
    def affine(self) -> bool:
        return True

    def output_shape(self, shape: Shape) -> Shape:
        return self.policy.output_shape(shape)

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        return self.policy.apply(images, theta)


@dataclass(frozen=True)
class AffineStep:
    """An affine part of a policy, for images of ``shape``."""

    part: Augmentation
    shape: Shape
    family: NodeFamily | None
    """Nodes over all its parameters together, where it has too many operators for a rule."""

    @cached_property
    def replicated(self) -> bool:
        """Whether its nodes come in replicates."""
        return self.family is not None and self.family.replicated

    @cached_property
    def refined(self) -> bool:
        """Whether it takes nodes whose error is told by their doubling."""
        if self.family is not None:
            return self.family.method == "cubature"
        return not all(leaf.exact for leaf in leaves(self.part.rule(self.shape, 1)))

    @property
    def method(self) -> Method:
        """How its second moment is found."""
        if self.family is not None:
            return self.family.method
        return "cubature" if self.refined else "exact"

    def rule(self, n: int, replicate: int) -> Rule:
        """Its rule with ``n`` nodes a parameter, or those of one replicate."""
        if self.family is None:
            return self.part.rule(self.shape, n)
        theta, weights = self._nodes(n, replicate)
        return QuadraticRule(PolicyOperator(self.part), theta, weights)

    def _nodes(self, n: int, replicate: int) -> tuple[Tensor, Tensor]:
        assert self.family is not None
        level = int(math.log2(n // FIRST_NODES))
        match self.family.method:
            case "exact":
                nodes = self.family.nodes(0)
            case "cubature":
                nodes = self.family.nodes(level + 1)
            case _:
                nodes = self.family.nodes(level)
        blocks = nodes.replicates
        size = len(nodes) // blocks
        block = slice(replicate % blocks * size, (replicate % blocks + 1) * size)
        return nodes.theta[block], blocks * nodes.weights[block]

    def average(self, rule: Rule) -> ExpectedOperator:
        """Its average: exact where there is a closed form, else that of ``rule``."""
        if self.family is not None:
            closed = self.part.rule(self.shape, 1)
            if has_exact_mean(closed):
                return average(closed, self.shape)
        return average(rule, self.shape)


@dataclass(frozen=True)
class MixingStep:
    """A step that blends the images of a batch, of ``shape``."""

    mixing: Mixing
    shape: Shape

    @property
    def refined(self) -> bool:
        """Whether the covariance of its weights takes terms whose error their doubling tells."""
        return not self.mixing.field(self.shape, 1).exact

    @property
    def method(self) -> Method:
        """How its second moment is found."""
        return "cubature" if self.refined else "exact"


@dataclass(frozen=True)
class DatasetPlan:
    """A policy cut in two.

    The *head*, up to the last step that is not affine, is evaluated image by image; the affine
    *steps* after it act on the moments of the whole dataset, at a cost that does not depend on the
    number of images.
    """

    head: Augmentation | None
    steps: tuple[AffineStep | MixingStep, ...]
    shape: Shape
    """Of the images that reach the policy."""
    middle: Shape
    """Of those between head and steps."""

    @classmethod
    def of(cls, policy: Augmentation, shape: Shape, seed: int, max_nodes: int) -> DatasetPlan:
        """Cut ``policy`` for images of ``shape``.

        Raises:
            PolicyError: It mixes images twice, or a step after that is not affine.
        """
        parts = tuple(
            resolved
            for part, here in zip(policy.parts, shapes_along(policy.parts, shape), strict=True)
            for resolved in part.resolved(here)
        )
        cut = max((i + 1 for i, part in enumerate(parts) if _curved(part)), default=0)
        _check_mixing(parts, cut)
        head, mirrors = without_mirrors(parts[:cut])
        middle = Chain(head).output_shape(shape) if head else shape
        tail = (*mirrors, *parts[cut:])
        steps = tuple(
            _step(part, here, seed, max_nodes)
            for part, here in zip(tail, shapes_along(tail, middle), strict=True)
        )
        return cls(Chain(head).smoothed() if head else None, steps, shape, middle)

    @cached_property
    def replicated(self) -> bool:
        """Whether a step takes nodes in replicates."""
        return any(isinstance(step, AffineStep) and step.replicated for step in self.steps)

    @cached_property
    def refined(self) -> bool:
        """Whether a step takes nodes whose error is told by their doubling."""
        return any(step.refined for step in self.steps)

    @property
    def mixes(self) -> bool:
        """Whether images are blended with each other."""
        return any(isinstance(step, MixingStep) for step in self.steps)

    @property
    def method(self) -> Method:
        """How the steps' second moments are found."""
        methods: list[Method] = [step.method for step in self.steps]
        return weakest("exact", *methods)

    def move(
        self, start: JointMoments, between: Tensor | None, count: int, n: int, replicate: int
    ) -> JointMoments:
        """Carry moments through the steps.

        Args:
            start: Moments between head and steps.
            between: Covariance of the mean images there; ``None`` if it is that of the images.
            count: Number of images.
            n: Nodes a parameter, a power of two times :data:`FIRST_NODES`.
            replicate: Which replicate of the nodes.
        """
        between = start.covariance if between is None else between
        for step in self.steps:
            match step:
                case AffineStep():
                    rule = step.rule(n, replicate)
                    operator = step.average(rule)
                    start = start.through(rule, operator)
                    if self.mixes:
                        between = _moved(operator, between)
                case MixingStep():
                    start = start.mixed(step.mixing, between, count, n)
        return start

    def move_between(self, between: Tensor, n: int) -> Tensor:
        """Carry the covariance of mean images through the steps, none of which mixes."""
        for step in self.steps:
            assert isinstance(step, AffineStep)
            parts = [
                _moved(step.average(step.rule(n, replicate)), between)
                for replicate in range(REPLICATES if step.replicated else 1)
            ]
            between = torch.stack(parts).mean(0)
        return between


def _curved(part: Augmentation) -> bool:
    return as_mixing(part) is None and not part.affine


def _check_mixing(parts: tuple[Augmentation, ...], cut: int) -> None:
    """Refuse what mixes twice, or is not affine after it."""
    places = [i for i, part in enumerate(parts) if as_mixing(part) is not None]
    if len(places) > 1:
        raise PolicyError(
            "The policy mixes the images of a batch twice; blends of blends are not independent, "
            "so that their moments are not known: mix once, or choose with "
            "RandomChoice([MixUp(), CutMix()])."
        )
    if places and places[0] < cut:
        raise PolicyError(
            f"{parts[cut - 1]} follows a step that mixes the images of a batch, and is not "
            "affine: put it before that step."
        )


def _step(part: Augmentation, shape: Shape, seed: int, max_nodes: int) -> AffineStep | MixingStep:
    mixing = as_mixing(part)
    if mixing is not None:
        return MixingStep(mixing, shape)
    family = NodeFamily(part, shape, seed, max_nodes) if part.jointly(shape) else None
    return AffineStep(part, shape, family)


def _moved(operator: ExpectedOperator, covariance: Tensor) -> Tensor:
    """``E[M] V E[M]^T``, some rows at a time."""
    for _ in range(2):
        rows = covariance.T.reshape(-1, *operator.shape)
        covariance = torch.cat([operator.linear(part) for part in rows.split(_ROWS)]).flatten(1)
    return (covariance + covariance.T) / 2
