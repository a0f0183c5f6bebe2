"""Mean and covariance of augmented images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor

from augmoments import fragments
from augmoments.adapters import Policy, as_policy
from augmoments.augmentations.base import Augmentation
from augmoments.calculus.blend import most_columns
from augmoments.calculus.covariance import Covariance
from augmoments.calculus.mixing import LabelMoments, MixedPlan
from augmoments.calculus.plan import Plan
from augmoments.calculus.solution import Errors, Solution
from augmoments.calculus.solve import solve
from augmoments.calculus.state import FactorState
from augmoments.calculus.windows import WindowedCovariance, WindowedState
from augmoments.checks import available_memory, check_images, check_memory
from augmoments.errors import InputError
from augmoments.estimate import Method, rounding
from augmoments.operators.base import Shape
from augmoments.options import check_numerics
from augmoments.rules import leaves

_BYTES_AT_ONCE = 256 * 2**20
_MOST_MEMORY = 4 * 2**30
_SOBOL = 512  # nodes at level 2


@dataclass(frozen=True)
class Moments:
    """Mean and covariance of augmented images, and how they were obtained.

    Attributes:
        mean: ``E[T(x)]``, shape ``(N, C, H, W)``.
        covariance: Implicit ``Cov[T(x)]``, shape ``(N, D, D)``.
        method: The least exact route that was used.
        mean_method: The same for the mean alone, which is exact more often.
        error: Relative error bounds of both.
        tol: What was asked for.
        nodes: Evaluations of the policy an image.
        targets: Moments of mixed labels: ``mean`` ``(N, K)``, ``covariance`` ``(N, K, K)`` and
            ``cross`` ``E[y x^T]`` ``(N, K, C, H, W)``; ``None`` if no targets were given.
    """

    mean: Float[Tensor, "N C H W"]
    covariance: Covariance
    method: Method
    mean_method: Method
    error: Errors
    tol: float
    nodes: int
    targets: LabelMoments | None = None

    @property
    def converged(self) -> bool:
        """Whether every image reached the tolerance that was asked for."""
        floor = rounding(self.mean.dtype, max(self.mean.shape[-2:]))
        worst = max(float(self.error.mean.max()), float(self.error.covariance.max()))
        return worst <= max(self.tol, 2 * floor)

    def __getitem__(self, index: Tensor | slice) -> Moments:
        """The moments of some of the images."""
        return replace(
            self,
            mean=self.mean[index],
            covariance=self.covariance[index],
            error=self.error.select(index),
            targets=None if self.targets is None else self.targets.select(index),
        )

    def check_given(self, images: Tensor, policy: Augmentation) -> None:
        """Refuse to stand for the moments of other images.

        Raises:
            InputError: The images are of another number, dtype or device, or come out with another
                shape.
        """
        shape: Shape = tuple(images.shape[1:])  # type: ignore[assignment]
        expected = (len(images), *policy.output_shape(shape))
        if tuple(self.mean.shape) != expected:
            raise InputError(
                f"given has moments of shape {tuple(self.mean.shape)}, these images come out with "
                f"shape {expected}: leave it out, or give moments(images, policy) of these images."
            )
        own, theirs = (f"{x.dtype} on {x.device}" for x in (self.mean, images))
        if own != theirs:
            raise InputError(
                f"given has moments in {own}, these images are {theirs}: leave it out, or give "
                "moments(images, policy) of these images."
            )
        if (self.mean.dtype, self.mean.device) != (images.dtype, images.device):
            raise InputError(
                f"given has moments in {self.mean.dtype} on {self.mean.device}, these images are "
                f"{images.dtype} on {images.device}: compute them from the images as they are here."
            )

    def __repr__(self) -> str:
        short = "" if self.converged else f", tol={self.tol:g} NOT reached"
        return (
            f"Moments(shape={tuple(self.mean.shape)}, method={self.method!r}, "
            f"error(mean)<={float(self.error.mean.max()):.1e}, "
            f"error(covariance)<={float(self.error.covariance.max()):.1e}{short})"
        )

    def _repr_html_(self) -> str:
        deviation = self.covariance.diagonal().clamp_min(0).sqrt()
        high = max(float(deviation.max()), torch.finfo(deviation.dtype).tiny)
        reached = "" if self.converged else f" The tolerance of {self.tol:g} was not reached."
        return fragments.pictures(
            f"Moments of {fragments.shape_of(self.mean)}",
            [("mean", self.mean), ("standard deviation", deviation / high)],
            f"Mean: {self.mean_method}, relative error at most {fragments.worst(self.error.mean)}. "
            f"Covariance: {self.method}, {fragments.worst(self.error.covariance)}. White is a "
            f"standard deviation of {high:.2g}.{reached}",
        )


def moments(
    images: Float[Tensor, "N C H W"],
    policy: Policy,
    tol: float = 1e-3,
    *,
    targets: Tensor | None = None,
    seed: int = 0,
    max_nodes: int = 4096,
    max_memory: float | None = None,
    value_range: tuple[float, float] | None = (0.0, 1.0),
    progress: Callable[[int, int], None] | None = None,
) -> Moments:
    r"""Mean and covariance of augmented images, exactly or to a stated error.

    .. math:: \mu = E[T(x)], \qquad V = E[T(x) T(x)^\top] - \mu \mu^\top .

    Finite laws and expansions give both exactly. A resampling with a continuous parameter gives
    the mean exactly and the covariance by nodes, doubled until the change is below ``tol``. Where
    a step is nonlinear, everything up to it goes by nodes over the joint law: atoms if they are
    few, a grid if one parameter is continuous, else scrambled Sobol points in eight replicates.

    Args:
        images: ``(N, C, H, W)`` or ``(C, H, W)``, floating point in ``value_range``.
        policy: Any augmentation, or a pipeline of torchvision, kornia or albumentations (see
            :func:`augmoments.as_policy`).
        tol: Relative error asked for, in Euclidean norm for the mean and in Frobenius norm for
            the covariance. If ``max_nodes`` do not reach it, ``error`` says how far it got.
        targets: Class indices ``(N,)`` or probabilities ``(N, K)``, for policies that mix the
            labels of a batch with its images (MixUp, CutMix); the result has their moments.
        seed: Seed of the scrambling; the same seed gives the same answer.
        max_nodes: Most evaluations of the policy an image and stage; finite laws of up to as many
            outcomes are enumerated. What it takes to tell an error is made in any case: 64 for a
            parameter by itself, fewer than 256 for several jointly.
        max_memory: Bytes that working memory and result may take; by default half of what is
            available, 4 GiB at most. Fewer nodes are taken and factors compressed to stay within.
        value_range: What the images' values must lie in; ``None`` lifts the check.
        progress: Called with the number of images done and the number of all.

    Returns:
        :class:`Moments`; dtype, device and gradients are those of the images.

    Raises:
        InputError: Images of a wrong shape, range or with values that are not finite.
        PolicyError: The policy does not take images of this shape.
        NotEnoughMemoryError: The covariances do not fit, not even compressed.

    Example:
        >>> import torch, augmoments as am
        >>> images = torch.rand(2, 1, 8, 8, dtype=torch.float64)
        >>> m = am.moments(images, am.RandomTranslation(x=(-1, 1), y=(-1, 1)))
        >>> m.method, m.covariance.shape
        ('exact', torch.Size([2, 64, 64]))

    Reference:
        Balestriero, Misra, LeCun (2022), section 2.
    """
    batch = check_images(images, value_range=value_range)
    policy = as_policy(policy)
    tol, seed, max_nodes = check_numerics(tol, seed, max_nodes)
    shape: Shape = tuple(batch.shape[1:])  # type: ignore[assignment]
    policy.output_shape(shape)
    half = batch.dtype in (torch.float16, torch.bfloat16)
    work = batch.float() if half else batch
    memory = _allowed(max_memory)
    limits = seed, max_nodes, memory / work.element_size()
    mixed = MixedPlan.of(policy, shape, *limits)
    if targets is not None and mixed is None:
        raise InputError(
            "targets are for policies that mix labels (MixUp, CutMix); leave them out."
        )
    plan = Plan.of(policy, shape, *limits) if mixed is None else mixed.before
    parts: list[Solution] = []
    chunks = torch.arange(len(work)).split(_images_at_once(work, plan, memory))
    for index in chunks:
        part = solve(work[index], plan, tol if mixed is None else tol / 2)
        if mixed is not None:
            part = part.spread()
        if len(work) * part.seen.covariance.nbytes > memory / 2 * len(index):
            part = replace(part, state=part.state.compress())
        parts.append(part)
        if progress is not None:
            progress(sum(len(part.state.mean) for part in parts), len(work))
    labels = None
    if mixed is not None:
        before = Solution.gather(len(work), list(zip(chunks, parts, strict=True)))
        parts = [mixed.solve(before, tol / 2)]
        if targets is not None:
            labels = mixed.label_moments(targets, before.state.mean)
    floor = rounding(batch.dtype, max(shape[1:]))
    found = Errors(*map(torch.cat, zip(*(part.errors for part in parts), strict=True)))
    lost = torch.cat([_cancelled(part) for part in parts]) + 2 * floor
    error = found + Errors(torch.full_like(lost, floor), lost, lost, lost)
    states = [part.seen for part in parts]
    covariance = states[0].covariance if len(states) == 1 else _joined(states)
    trace = torch.cat([state.covariance.trace() for state in states])
    covariance.error = (error.spectral * trace).detach()
    return Moments(
        mean=torch.cat([state.mean for state in states]).to(batch.dtype),
        covariance=covariance.to(batch.dtype),
        method=(mixed or plan).method,
        mean_method=(mixed or plan).mean_method,
        error=error,
        tol=tol,
        nodes=max(part.nodes for part in parts),
        targets=labels,
    )


def _joined(states: Sequence[FactorState | WindowedState]) -> Covariance:
    """The covariances of several batches as one."""
    found = [state.noise for state in states if state.noise is not None]
    noise = torch.cat(found) if found else None
    windowed = [state for state in states if isinstance(state, WindowedState)]
    if not windowed:
        return Covariance(_stack([state.factor for state in states]), noise)
    whole = _stack([state.before.factor for state in windowed])
    between = torch.cat([state.covariance.between for state in windowed])
    return WindowedCovariance(whole, windowed[0].windows, between, noise)


def _cancelled(solution: Solution) -> Tensor:
    """What rounding may have done to the covariance: its columns are differences of images.

    A covariance that is zero but for rounding counts as known. Its size is that of its diagonal,
    which is at most its norm.
    """
    with torch.no_grad():
        norm = solution.seen.covariance.diagonal().flatten(1).norm(dim=1)
        noise = solution.seen.roundoff
        share = noise / norm.clamp_min(torch.finfo(norm.dtype).tiny).sqrt()
        return torch.where(norm > noise.square(), 2 * share + share.square(), 0.0)


def _allowed(max_memory: float | None) -> float:
    """Bytes that may be used."""
    if max_memory is None:
        return min(_MOST_MEMORY, (available_memory() or 2 * _MOST_MEMORY) / 2)
    if not max_memory > 0:
        raise InputError(f"max_memory must be a positive number of bytes, got {max_memory!r}.")
    return float(max_memory)


def _images_at_once(images: Tensor, plan: Plan, memory: float) -> int:
    """How many images fit into the working memory with all their columns."""
    size = max(prod(shape) for shape in (plan.shape, plan.middle))
    replicated = plan.nodes is not None and plan.nodes.replicated
    columns = _SOBOL if replicated else len(plan.nodes.nodes(2)) if plan.nodes else 0
    widest = max(columns, 1)
    for leaf in [] if plan.windows else leaves(plan.rule(64)):
        columns = most_columns(leaf, columns, size)
        widest = max(widest, columns)
    needed = 3 * widest * size * images.element_size()
    return max(1, int(min(_BYTES_AT_ONCE, memory) // needed))


def _stack(factors: list[Tensor]) -> Tensor:
    rank = max(factor.shape[1] for factor in factors)
    count = sum(len(factor) for factor in factors)
    size = factors[0][0, :1].nbytes * rank
    check_memory(count * size, "the factors of all covariances", "fewer images at a time")
    out = factors[0].new_zeros(count, rank, *factors[0].shape[2:])
    done = 0
    for factor in factors:
        out[done : done + len(factor), : factor.shape[1]] = factor
        done += len(factor)
    return out
