r"""Mean and total variance, without the covariance.

.. math:: \mu = \sum_i w_i t_i, \qquad \mathrm{tr} V = \sum_i w_i \|t_i\|^2 - \|\mu\|^2 .

Where a policy goes by Sobol points, nothing is kept of the single draws: images go through in
blocks, draws in pieces that stay in the cache, sorted so that those of a piece take the same
branches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from augmoments.adapters import Policy, as_policy
from augmoments.augmentations.sequence import Chain
from augmoments.calculus.draw_sums import DrawSums, Tail
from augmoments.calculus.moments import moments
from augmoments.calculus.nodes import JointNodes
from augmoments.calculus.plan import Plan
from augmoments.calculus.solution import ratio
from augmoments.checks import check_images
from augmoments.errors import InputError
from augmoments.estimate import Method, rounding
from augmoments.operators.base import Shape

_AT_ONCE = 64  # images
_FEWEST = 128  # nodes of the first level, or up to twice as many where outcomes are enumerated
_ERROR = 0.1  # a bound that they reach at best
_COLUMNS = ("mean", "trace", "mean_error", "trace_error")


@dataclass(frozen=True)
class MeanAndTrace:
    """Mean and total variance of augmented images, and how they were obtained.

    Attributes:
        mean: ``E[T(x)]``, shape ``(N, C, H, W)``.
        trace: ``tr Cov[T(x)]``, the sum of the variances of all values, float64, ``(N,)``.
        mean_error: Relative error bounds of the means in Euclidean norm, ``(N,)``.
        trace_error: Relative error bounds of the traces, ``(N,)``.
        method: The least exact route that was used.
        mean_method: The same for the mean alone.
        tol: What was asked for.
        nodes: Evaluations of the policy, the most that an image took.
    """

    mean: Float[Tensor, "N C H W"]
    trace: Float[Tensor, " N"]
    mean_error: Float[Tensor, " N"]
    trace_error: Float[Tensor, " N"]
    method: Method
    mean_method: Method
    tol: float
    nodes: int

    @property
    def converged(self) -> bool:
        """Whether every image reached the tolerance that was asked for."""
        floor = rounding(self.mean.dtype, max(self.mean.shape[-2:]))
        worst = max(float(self.mean_error.max()), float(self.trace_error.max()))
        return worst <= max(self.tol, 2 * floor)


@torch.no_grad()
def mean_and_trace(
    images: Float[Tensor, "N C H W"],
    policy: Policy,
    tol: float = 1e-2,
    *,
    seed: int = 0,
    max_nodes: int = 4096,
    value_range: tuple[float, float] | None = (0.0, 1.0),
    progress: Callable[[int, int], None] | None = None,
) -> MeanAndTrace:
    r"""Mean and total variance of augmented images, without their covariances.

    .. math:: \mu = E[T(x)], \qquad \mathrm{tr} V = E\|T(x)\|^2 - \|\mu\|^2 .

    The same as ``moments``, but for policies that go by Sobol points (random crops before colour
    jitter, affine maps with several parameters) at a fraction of its time and memory, so that any
    number of images will do. The result has no gradients.

    Args:
        images: ``(N, C, H, W)`` or ``(C, H, W)``, floating point in ``value_range``.
        policy: As in :func:`augmoments.moments`.
        tol: Relative error asked for, of the mean in Euclidean norm and of the trace. The nodes of
            an image are doubled until its error bounds, 99.5% bounds from eight replicates that
            are about four standard errors, are below it. If ``max_nodes`` do not reach it,
            ``mean_error`` and ``trace_error`` say how far it got.
        seed: Seed of the scrambling; the same seed gives the same answer.
        max_nodes: Most evaluations of the policy an image, but not less than 128.
        value_range: What the images' values must lie in; ``None`` lifts the check.
        progress: Called with the number of images done and the number of all.

    Raises:
        InputError: Images of a wrong shape, range or with values that are not finite.
        PolicyError: The policy does not take images of this shape.

    Example:
        >>> import torch, augmoments as am
        >>> found = am.mean_and_trace(torch.ones(1, 1, 2, 1), am.RandomErasing(1.0, value=0))
        >>> found.mean.shape, found.trace.shape
        (torch.Size([1, 1, 2, 1]), torch.Size([1]))

    Reference:
        Balestriero, Misra, LeCun (2022), section 2.
    """
    batch = check_images(images, value_range=value_range)
    policy = as_policy(policy)
    if not 0 < tol < 1:
        raise InputError(f"tol must lie between 0 and 1, got {tol!r}.")
    shape: Shape = tuple(batch.shape[1:])  # type: ignore[assignment]
    policy.output_shape(shape)
    work = batch.float() if batch.dtype in (torch.float16, torch.bfloat16) else batch
    streamed = None
    if not policy.couples:
        plan = Plan.of(policy, shape, seed, max_nodes, np.inf)
        streamed = _Streamed.of(plan)
    parts = []
    for index in torch.arange(len(work)).split(_AT_ONCE):
        part = work[index.to(work.device)]
        if streamed is None:
            found = moments(part, policy, tol, seed=seed, max_nodes=max_nodes, value_range=None)
            trace = found.covariance.trace().double()
            errors = found.error.mean.double(), found.error.trace.double()
            parts.append(
                MeanAndTrace(
                    found.mean, trace, *errors, found.method, found.mean_method, tol, found.nodes
                )
            )
        else:
            parts.append(streamed.solve(part, tol))
        if progress is not None:
            progress(int(index[-1]) + 1, len(work))
    columns = {name: torch.cat([getattr(part, name) for part in parts]) for name in _COLUMNS}
    columns["mean"] = columns["mean"].to(batch.dtype)
    return replace(parts[0], **columns, nodes=max(part.nodes for part in parts))


@dataclass(frozen=True)
class _Streamed:
    """A policy by Sobol points whose tail has few operators."""

    plan: Plan
    tail: Tail
    nodes: Callable[[int], JointNodes]
    """The nodes at a level, the same for all images."""
    added: Callable[[int], JointNodes]
    """Those that the level before lacks."""

    @classmethod
    def of(cls, plan: Plan) -> _Streamed | None:
        """``None`` where the policy has to be solved by its covariance."""
        family = plan.nodes
        if family is None or not family.replicated:
            return None
        tail = Tail.of(plan)
        noise = plan.policy != Chain(plan.head)
        if tail is None or noise:
            return None
        return cls(plan, tail, cache(family.nodes), cache(family.added))

    def solve(self, images: Tensor, tol: float) -> MeanAndTrace:
        """Double the nodes of those images whose errors are not below ``tol`` yet."""
        index = torch.arange(len(images), device=images.device)
        most = self.plan.max_nodes
        level = max(0, int(np.log2(min(_ERROR / tol, most / _FEWEST))))
        while level and len(self.nodes(level)) > most:
            level -= 1
        nodes = self.nodes(level)
        sums, count = DrawSums.over(self.plan, self.tail, nodes, images), len(nodes)
        result = found = self._judged(sums, images, count, tol)
        while True:
            open_ = torch.maximum(found.mean_error, found.trace_error) > tol
            if not open_.any() or 2 * count > most:
                return result
            index, sums, level = index[open_], sums.select(open_), level + 1
            more = self.added(level)
            sums = sums.joined(DrawSums.over(self.plan, self.tail, more, images[index]))
            count *= 2
            found = self._judged(sums, images[index], count, tol)
            result = _replaced(result, index, found)

    def _judged(self, sums: DrawSums, images: Tensor, nodes: int, tol: float) -> MeanAndTrace:
        plan = self.plan
        floor = rounding(images.dtype, max(images.shape[-2:]))
        mean, mean_error = sums.mean(plan, self.tail, images)
        trace, error = sums.trace(self.tail)
        size = mean.double().flatten(1).norm(dim=1)
        unseen = floor * size.square().clamp_min(1e-300)
        trace = torch.where(trace > unseen, trace, trace.clamp_min(0))
        return MeanAndTrace(
            mean=mean,
            trace=trace,
            mean_error=ratio(mean_error, size) + floor,
            trace_error=ratio(error + 2 * unseen, trace, 4 * unseen),
            method=plan.method,
            mean_method=plan.mean_method,
            tol=tol,
            nodes=nodes,
        )


def _replaced(result: MeanAndTrace, index: Tensor, part: MeanAndTrace) -> MeanAndTrace:
    """The same with better numbers of some of the images."""
    columns = {
        name: getattr(result, name).index_copy(0, index, getattr(part, name)) for name in _COLUMNS
    }
    return replace(part, **columns)
