"""Moments of an infinitely augmented dataset, and how far what follows from them may be off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property, partial

import torch
from torch import Tensor

from augmoments.calculus.dataset.head import Head
from augmoments.calculus.dataset.joint import JointMoments, pooled
from augmoments.calculus.dataset.plan import FIRST_NODES, DatasetPlan
from augmoments.calculus.nodes import QUANTILE, REPLICATES
from augmoments.errors import PolicyError
from augmoments.estimate import Method, weakest

_SHARE = 4  # joint nodes for each node of a parameter
Between = Callable[[], Tensor]


@dataclass(frozen=True)
class Variants:
    """Other estimates of the same moments, which tell the error of whatever follows from them."""

    replicates: tuple[JointMoments, ...] = ()
    """Independent ones, of which the estimate is the average; none or several."""
    levels: tuple[tuple[JointMoments, ...], ...] = ()
    """Chains of three each: the estimate, then with half of the nodes, then with a quarter."""

    @torch.no_grad()
    def bound(self, fn: Callable[[JointMoments], Tensor]) -> float:
        """Bound of the error of ``fn`` of the moments, in Euclidean norm.

        A 99.5% bound from the jackknife over replicates; for levels the last change, and a quarter
        of the one before.
        """
        error = 0.0
        if self.replicates:
            count = len(self.replicates)
            values = [fn(part) for part in _all_but_one(self.replicates)]
            centre = torch.stack(values).mean(0)
            squares = sum(float((value - centre).square().sum()) for value in values)
            error += QUANTILE * ((count - 1) / count * squares) ** 0.5
        for chain in self.levels:
            last, half, quarter = (fn(part) for part in chain)
            error += float((last - half).norm()) + float((half - quarter).norm()) / 4
        return error


@dataclass(frozen=True)
class AugmentedMoments(JointMoments):
    """Moments of an infinitely augmented dataset and its targets, float64.

    Attributes:
        mean: Mean augmented image, ``(C', H', W')``.
        covariance: Total covariance of augmented images, between and within, ``(D, D)``.
        cross: Covariance of augmented images with targets, ``(D, K)``.
        target_mean: ``(K,)``.
        target_covariance: ``(K, K)``.
        method: How they were obtained.
        error: Relative error bound of ``covariance`` in Frobenius norm.
        nodes: Nodes a parameter that needs cubature, and of each step that needs joint nodes.
    """

    method: Method
    error: float
    nodes: int
    variants: Variants = field(default_factory=Variants, repr=False)
    _between: Between | None = field(default=None, repr=False)

    @cached_property
    def within(self) -> Tensor:
        """Mean over the images of the covariance of their own augmentations, ``(D, D)``.

        Raises:
            PolicyError: The policy mixes images with each other.
        """
        if self._between is None:
            raise PolicyError(
                "The policy mixes the images of a batch, so the variation of one image is not its "
                "own: leave MixUp and CutMix out."
            )
        return self.covariance - self._between()

    def bound(self, fn: Callable[[JointMoments], Tensor]) -> float:
        """Bound of the error of a function of the moments, in Euclidean norm.

        Not counting rounding. See :attr:`method` for whether it is a change of level or a 99.5%
        bound from replicates; 0 for exact moments.
        """
        return self.variants.bound(fn)


def augmented_moments(
    plan: DatasetPlan,
    head: Head | None,
    starts: Sequence[JointMoments],
    between: Tensor | None,
    count: int,
    tol: float,
    max_nodes: int,
) -> AugmentedMoments:
    """Moments after the affine steps, their nodes doubled until the covariance is known.

    Args:
        plan: The policy.
        head: What was done image by image.
        starts: Moments after it, one of every variant of the head.
        between: Covariance of the mean images there; ``None`` if it is that of the images.
        count: Number of images.
        tol: Relative error asked of the covariance.
        max_nodes: Most nodes of a step.
    """
    spread = head is not None and head.replicated
    copies = REPLICATES if spread or plan.replicated else 1

    def move(n: int, replicate: int, variant: int) -> JointMoments:
        return plan.move(starts[variant], between, count, n, replicate)

    n, values = FIRST_NODES, []
    while True:
        parts = tuple(move(n, r, r if spread else 0) for r in range(copies))
        values.append(pooled(parts) if copies > 1 else parts[0])
        chains = (tuple(values[:-4:-1]),) if plan.refined else ()
        if not plan.refined or len(values) > 2:
            variants = Variants(parts if copies > 1 else (), chains)
            error = _relative(variants, values[-1])
            if not (plan.refined or plan.replicated) or error <= tol:
                break
            if 2 * n * (_SHARE if plan.replicated else 1) > max_nodes:
                break
        n *= 2
    if head is not None and head.method == "cubature":
        chain = tuple(move(n, 0, level) for level in range(3))
        variants = Variants(variants.replicates, (*variants.levels, chain))
        error = _relative(variants, values[-1])
    before = starts[0].covariance if between is None else between
    return AugmentedMoments(
        **{field.name: getattr(values[-1], field.name) for field in fields(JointMoments)},
        method=weakest(plan.method, head.method if head else "exact"),
        error=error,
        nodes=n if plan.refined or plan.replicated else 0,
        variants=variants,
        _between=None if plan.mixes else partial(plan.move_between, before, n),
    )


def _relative(variants: Variants, value: JointMoments) -> float:
    norm = float(value.covariance.detach().norm().clamp_min(1e-300))
    return variants.bound(lambda part: part.covariance) / norm


def _all_but_one(parts: Sequence[JointMoments]) -> list[JointMoments]:
    return [pooled([*parts[:i], *parts[i + 1 :]]) for i in range(len(parts))]
