r"""Second moments of a whole augmented dataset.

For an affine policy :math:`\sum_n E[T(x_n) T(x_n)^\top]` depends on the images through their mean
and covariance alone: one pass over the data, then the policy at a cost that does not depend on
the number of images. Steps up to the last one that is not affine are taken image by image.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Self

import torch
from torch import Tensor

from augmoments.adapters import Policy, as_policy
from augmoments.calculus.expected_operator import average
from augmoments.calculus.plan import Plan
from augmoments.calculus.solve import head_moments
from augmoments.calculus.state import DenseState, propagate
from augmoments.checks import check_images, check_memory, check_targets
from augmoments.errors import InputError, InputTypeError
from augmoments.estimate import Method
from augmoments.operators.base import Shape
from augmoments.rules import leaves

_FIRST_NODES = 32


@dataclass(frozen=True)
class AugmentedMoments:
    """Moments of an infinitely augmented dataset and its targets, float64.

    Attributes:
        mean: Mean augmented image, ``(C', H', W')``.
        covariance: Total covariance of augmented images, between and within, ``(D, D)``.
        cross: Covariance of augmented images with targets, ``(D, K)``.
        target_mean: ``(K,)``.
        target_covariance: ``(K, K)``.
        method: How they were obtained.
        error: Relative error bound of ``covariance`` in Frobenius norm.
        nodes: Nodes a parameter that needs cubature.
    """

    mean: Tensor
    covariance: Tensor
    cross: Tensor
    target_mean: Tensor
    target_covariance: Tensor
    method: Method
    error: float
    nodes: int


@dataclass(frozen=True)
class RidgeSolution:
    """A linear model ``x -> coef x + intercept``.

    Attributes:
        coef: ``(K, D)``, float64.
        intercept: ``(K,)``, float64.
        loss: Expected squared error at the solution, without the penalty.
    """

    coef: Tensor
    intercept: Tensor
    loss: float


class DatasetMoments:
    r"""Accumulates images and targets, and gives the moments of their augmentations.

    .. math:: \frac1N \sum_n E[T(x_n) T(x_n)^\top], \qquad \frac1N \sum_n E[T(x_n)] y_n^\top .

    Sums are kept in float64, centred at the running mean, and merge associatively up to rounding.

    Args:
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations.
        tol: Relative error asked of the covariance where the policy needs nodes.
        seed: Seed of scrambled nodes, which only policies with nonlinear steps use.
        max_nodes: Most nodes a parameter (and an image, for nonlinear steps).

    Example:
        >>> import torch, augmoments as am
        >>> images, targets = torch.rand(10, 1, 4, 4), torch.rand(10, 2)
        >>> data = am.DatasetMoments(am.RandomTranslation(x=(-1, 1)))
        >>> data.update(images, targets).solve(alpha=1e-3).coef.shape
        torch.Size([2, 16])

    Reference:
        Balestriero, Misra, LeCun (2022), section 3.
    """

    def __init__(
        self, policy: Policy, *, tol: float = 1e-3, seed: int = 0, max_nodes: int = 4096
    ) -> None:
        self.policy = as_policy(policy)
        self.tol = tol
        self.seed = seed
        self.max_nodes = max_nodes
        self.count = 0
        self.shape: Shape | None = None
        self._plan: Plan | None = None
        self._mean = self._scatter = torch.empty(0)
        self._size = 0
        self._head_error = 0.0

    def update(self, images: Tensor, targets: Tensor) -> Self:
        """Add images ``(N, C, H, W)`` with targets ``(N,)`` or ``(N, K)``, real-valued.

        Raises:
            InputError: Images or targets that are not what was meant, or of another shape than
                those before.
            NotEnoughMemoryError: The covariance ``(D, D)`` does not fit.
        """
        batch = check_images(images)
        y = check_targets(targets, len(batch)).to(torch.float64)
        y = y.reshape(len(batch), -1)
        if self.shape is None:
            self._start(tuple(batch.shape[1:]), y.shape[1], batch.device)  # type: ignore[arg-type]
        if tuple(batch.shape[1:]) != self.shape:
            raise InputError(
                f"These images have shape {tuple(batch.shape[1:])}, those before {self.shape}."
            )
        if y.shape[1] + self._size != len(self._mean):
            raise InputError(
                f"These targets have {y.shape[1]} columns, those before "
                f"{len(self._mean) - self._size}."
            )
        for part, target in zip(batch.split(4096), y.split(4096), strict=True):
            self._add(part.to(torch.float64), target.to(batch.device))
        return self

    @property
    def output_shape(self) -> Shape | None:
        """``(C', H', W')`` of augmented images; ``None`` before there are any."""
        return None if self.shape is None else self.policy.output_shape(self.shape)

    def _start(self, shape: Shape, columns: int, device: torch.device) -> None:
        self.policy.output_shape(shape)
        self.shape = shape
        self._plan = Plan.of(self.policy, shape, self.seed, self.max_nodes, float("inf"))
        self._size = prod(self._plan.middle)
        total = self._size + columns
        check_memory(8 * 5 * total**2, "the covariance of a dataset", "smaller images")
        self._mean = torch.zeros(total, dtype=torch.float64, device=device)
        self._scatter = torch.zeros(total, total, dtype=torch.float64, device=device)

    def _add(self, images: Tensor, targets: Tensor) -> None:
        assert self._plan is not None
        within = None
        if self._plan.head:
            head = head_moments(images, self._plan, self.tol)
            images = head.state.mean
            factor = head.state.factor.flatten(2).flatten(0, 1)
            within = factor.T @ factor
            if head.state.noise is not None:
                within.diagonal().add_(head.state.noise.flatten(1).sum(0))
            self._head_error = max(self._head_error, float(head.errors.covariance.max()))
        rows = torch.cat([images.flatten(1), targets], 1)
        mean = rows.mean(0)
        rows = rows - mean
        scatter = rows.T @ rows
        if within is not None:
            scatter[: self._size, : self._size] += within
        self._merge(len(images), mean, scatter)

    def _merge(self, count: int, mean: Tensor, scatter: Tensor) -> None:
        total = self.count + count
        gap = mean - self._mean
        self._scatter += scatter + torch.outer(gap, gap) * (self.count * count / total)
        self._mean += gap * (count / total)
        self.count = total

    def merge(self, other: DatasetMoments) -> Self:
        """Add what another accumulator of the same policy and shape has seen.

        Raises:
            InputError: The other one has another policy or other images.
            InputTypeError: It is no accumulator.
        """
        if not isinstance(other, DatasetMoments):
            raise InputTypeError(f"merge takes DatasetMoments, got {type(other).__name__}.")
        if other.policy != self.policy:
            raise InputError(f"Cannot merge moments of {other.policy} into those of {self.policy}.")
        if other.shape is None:
            return self
        if self.shape is None:
            columns = len(other._mean) - other._size
            self._start(other.shape, columns, other._mean.device)
        if other.shape != self.shape or other._mean.shape != self._mean.shape:
            raise InputError(
                f"Cannot merge images of shape {other.shape} with {len(other._mean) - other._size} "
                f"targets into {self.shape} with {len(self._mean) - self._size}."
            )
        self._head_error = max(self._head_error, other._head_error)
        self._merge(other.count, other._mean, other._scatter)
        return self

    def moments(self) -> AugmentedMoments:
        """Moments after infinitely many augmentations of every image.

        Raises:
            InputError: No images were added.
        """
        if self.shape is None or self._plan is None:
            raise InputError("No images yet: call update(images, targets) first.")
        size, shape = self._size, self._plan.middle
        covariance = self._scatter / self.count
        start = DenseState(self._mean[:size].reshape(shape), covariance[:size, :size])
        state, error, nodes = _refine(start, self._plan, self.tol, self.max_nodes)
        operator = average(self._plan.rule(1 if self._plan.exact_tail else nodes), shape)
        targets = covariance[:size, size:].T.reshape(-1, *shape)
        cross = operator.linear(targets).flatten(1).T
        return AugmentedMoments(
            mean=state.mean,
            covariance=state.covariance,
            cross=cross,
            target_mean=self._mean[size:],
            target_covariance=covariance[size:, size:],
            method=self._plan.method,
            error=error + self._head_error,
            nodes=nodes,
        )

    def solve(self, alpha: float) -> RidgeSolution:
        r"""Ridge regression on infinitely many augmented samples.

        Minimises :math:`\frac1N \sum_n E\|y_n - W T(x_n) - b\|^2 + \alpha \|W\|_F^2`, the
        intercept free: :math:`W = C_{yx} (C_{xx} + \alpha I)^{-1}`.

        Raises:
            InputError: ``alpha`` is negative or not finite, or 0 with a singular covariance.
        """
        return solve_ridge(self.moments(), alpha)


def solve_ridge(moments: AugmentedMoments, alpha: float) -> RidgeSolution:
    """The ridge solution from moments; see :meth:`DatasetMoments.solve`."""
    if not 0 <= alpha < float("inf"):
        raise InputError(f"alpha must be a finite number of at least 0, got {alpha!r}.")
    regularised = moments.covariance + alpha * torch.eye(
        len(moments.covariance), dtype=torch.float64, device=moments.covariance.device
    )
    root, failed = torch.linalg.cholesky_ex(regularised)
    if failed:
        raise InputError(
            f"The covariance of the augmented images is singular and alpha is {alpha!r}: "
            "take a larger alpha, such as 1e-3."
        )
    coef = torch.cholesky_solve(moments.cross, root).T
    intercept = moments.target_mean - coef @ moments.mean.flatten()
    fitted = coef @ moments.covariance
    loss = moments.target_covariance.trace() - (coef * (2 * moments.cross.T - fitted)).sum()
    return RidgeSolution(coef, intercept, float(loss))


def _refine(
    start: DenseState, plan: Plan, tol: float, max_nodes: int
) -> tuple[DenseState, float, int]:
    """Double the nodes until the last two changes of the covariance say that it is known."""
    if plan.exact_tail:
        rule = plan.rule(1)
        return propagate(rule, start), 0.0, sum(len(leaf) for leaf in leaves(rule))
    n = _FIRST_NODES
    before, earlier = propagate(plan.rule(n), start), None
    while True:
        n *= 2
        after = propagate(plan.rule(n), start)
        norm = after.covariance.norm().clamp_min(1e-300)
        change = float((after.covariance - before.covariance).norm() / norm)
        error = change + (earlier or 0.0) / 4
        if earlier is not None and (error <= tol or 2 * n > max_nodes):
            return after, error, n
        before, earlier = after, change
