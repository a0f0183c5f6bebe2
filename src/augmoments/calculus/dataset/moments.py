r"""Second moments of a whole augmented dataset.

For an affine policy :math:`\sum_n E[T(x_n) T(x_n)^\top]` depends on the images through their mean
and covariance alone: one pass over the data, then the policy at a cost that does not depend on
the number of images. Steps up to the last one that is not affine are taken image by image.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from augmoments.adapters import Policy, as_policy
from augmoments.calculus.dataset.augmented import AugmentedMoments, augmented_moments
from augmoments.calculus.dataset.head import Head
from augmoments.calculus.dataset.joint import JointMoments
from augmoments.calculus.dataset.plan import DatasetPlan
from augmoments.calculus.dataset.ridge import RidgePath, RidgeSolution
from augmoments.calculus.dataset.scatter import Scatter
from augmoments.calculus.dataset.storage import check_tensors, fingerprint, read, write
from augmoments.checks import check_images, check_memory, check_targets
from augmoments.errors import InputError, InputTypeError, PolicyError
from augmoments.operators.base import Shape
from augmoments.options import check_count, check_numerics

_ROWS_AT_ONCE = 4096


class DatasetMoments:
    r"""Accumulates images and targets, and gives the moments of their augmentations.

    .. math:: \frac1N \sum_n E[T(x_n) T(x_n)^\top], \qquad \frac1N \sum_n E[T(x_n)] y_n^\top .

    Sums are kept in float64, centred at the running mean, and merge associatively up to rounding;
    memory does not grow with the number of images. MixUp and CutMix blend every image and its
    targets with each of the others with equal probability, as in batches of shuffled images.

    Args:
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations.
        tol: Relative error asked of the covariance where the affine steps need nodes; it costs
            nothing a further image.
        seed: Seed of scrambled nodes.
        nodes: Evaluations of every image by the steps up to the last one that is not affine, at
            least 128; all outcomes if they are no more.
        max_nodes: Most nodes of an affine step.
        first: Number of the first image among all, where these are spread over several
            accumulators: scrambled nodes change from image to image.

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
        self,
        policy: Policy,
        *,
        tol: float = 1e-3,
        seed: int = 0,
        nodes: int = 256,
        max_nodes: int = 4096,
        first: int = 0,
    ) -> None:
        self.policy = as_policy(policy)
        self.tol, self.seed, self.max_nodes = check_numerics(tol, seed, max_nodes)
        self.nodes = check_count("nodes", nodes)
        self.first = check_count("first", first, 0)
        self.count = 0
        self.shape: Shape | None = None
        self._plan: DatasetPlan | None = None
        self._head: Head | None = None
        self._variants: list[Scatter] = []
        self._means: Scatter | None = None

    def update(
        self, images: Tensor, targets: Tensor | None = None, weights: Tensor | None = None
    ) -> Self:
        """Add images ``(N, C, H, W)`` with targets ``(N,)`` or ``(N, K)``, real-valued.

        Args:
            images: In [0, 1].
            targets: One an image; leave them out for the moments of the images alone.
            weights: How often each image counts, ``(N,)``, not negative; once by default.

        Raises:
            InputError: Images, targets or weights that are not what was meant, or of another shape
                than those before.
            NotEnoughMemoryError: The covariance ``(D, D)`` does not fit.
            PolicyError: The policy does not take these images; or weights for one that mixes them.
        """
        batch = check_images(images)
        y = torch.zeros(len(batch), 0) if targets is None else check_targets(targets, len(batch))
        y = y.to(torch.float64).reshape(len(batch), -1).to(batch.device)
        shares = torch.ones(len(batch), dtype=torch.float64)
        shares = (shares if weights is None else _checked(weights, len(batch))).to(batch.device)
        self._check_like_before(tuple(batch.shape[1:]), y.shape[1], batch.device)  # type: ignore[arg-type]
        assert self._plan is not None
        if weights is not None and self._plan.mixes:
            raise PolicyError("weights have no meaning for a policy that mixes images.")
        splits = (part.split(_ROWS_AT_ONCE) for part in (batch, y, shares))
        for x, target, share in zip(*splits, strict=True):
            self._add(x.to(torch.float64), target, None if weights is None else share)
        return self

    @property
    def output_shape(self) -> Shape | None:
        """``(C', H', W')`` of augmented images; ``None`` before there are any."""
        return None if self.shape is None else self.policy.output_shape(self.shape)

    @property
    def fingerprint(self) -> str:
        """What sums that may be merged have in common: policy, seed and nodes, as a hash."""
        return fingerprint(self.policy, self.seed, self.nodes)

    @property
    def columns(self) -> int:
        """Number of targets an image."""
        return 0 if self._plan is None else len(self._variants[0].mean) - prod(self._plan.middle)

    def _check_like_before(self, shape: Shape, columns: int, device: torch.device) -> None:
        if self.shape is None:
            self._start(shape, columns, device)
        if shape != self.shape:
            raise InputError(f"These images have shape {shape}, those before {self.shape}.")
        if columns != self.columns:
            raise InputError(f"These targets have {columns} columns, those before {self.columns}.")

    def _start(self, shape: Shape, columns: int, device: torch.device) -> None:
        self.policy.output_shape(shape)
        plan, head = self._cut(shape)
        variants = head.copies if head else 1
        total = prod(plan.middle) + columns
        needed = 8 * (variants + 5) * total**2
        check_memory(needed, "the covariance of a dataset", "smaller images")
        self.shape, self._plan, self._head = shape, plan, head
        self._variants = [Scatter.empty(total, device) for _ in range(variants)]
        self._means = Scatter.empty(total, device) if head else None

    def _cut(self, shape: Shape) -> tuple[DatasetPlan, Head | None]:
        plan = DatasetPlan.of(self.policy, shape, self.seed, self.max_nodes)
        return plan, plan.head and Head.of(plan.head, shape, self.seed, self.nodes)

    def _add(self, images: Tensor, targets: Tensor, weights: Tensor | None) -> None:
        if self._head is None:
            rows = torch.cat([images.flatten(1), targets], 1)
            self._variants = [self._variants[0] + Scatter.of(rows, weights)]
        else:
            weights = images.new_ones(len(images)) if weights is None else weights
            found, means = self._head.scatter(images, targets, weights, self.first + self.count)
            self._variants = [a + b for a, b in zip(self._variants, found, strict=True)]
            self._means = means if self._means is None else self._means + means
        self.count += len(images)

    def merge(self, other: DatasetMoments) -> Self:
        """Add what another accumulator of the same policy and shape has seen.

        Raises:
            InputError: The other one has another policy, other nodes or other images.
            InputTypeError: It is no accumulator.
        """
        if not isinstance(other, DatasetMoments):
            raise InputTypeError(f"merge takes DatasetMoments, got {type(other).__name__}.")
        if other.policy != self.policy:
            raise InputError(f"Cannot merge moments of {other.policy} into those of {self.policy}.")
        if (other.seed, other.nodes) != (self.seed, self.nodes):
            raise InputError(
                f"Cannot merge moments with seed={other.seed}, nodes={other.nodes} into those with "
                f"seed={self.seed}, nodes={self.nodes}."
            )
        if other.shape is None:
            return self
        device = other._variants[0].mean.device
        self._check_like_before(other.shape, other.columns, device)
        self._variants = [a + b for a, b in zip(self._variants, other._variants, strict=True)]
        if self._means is not None and other._means is not None:
            self._means = self._means + other._means
        self.count += other.count
        return self

    def with_policy(self, policy: Policy) -> DatasetMoments:
        """The same images under another policy, without another pass over them.

        Raises:
            PolicyError: A step of one of the two policies is not affine.
        """
        other = DatasetMoments(
            policy, tol=self.tol, seed=self.seed, nodes=self.nodes, max_nodes=self.max_nodes
        )
        if self.shape is None:
            return other
        other._check_like_before(self.shape, self.columns, self._variants[0].mean.device)
        for data in (self, other):
            if data._head is not None:
                raise PolicyError(
                    f"{data.policy} has a step that is not affine, so that its moments need the "
                    "images themselves: make DatasetMoments(policy) and update it with them."
                )
        other._variants, other.count = list(self._variants), self.count
        return other

    def moments(self) -> AugmentedMoments:
        """Moments after infinitely many augmentations of every image.

        Raises:
            InputError: No images were added.
        """
        if self._plan is None or self._variants[0].weight == 0:
            raise InputError("No images yet: call update(images, targets) first.")
        starts = [JointMoments.of(v.mean, v.covariance, self._plan.middle) for v in self._variants]
        between = None
        if self._means is not None:
            size = prod(self._plan.middle)
            between = self._means.covariance[:size, :size]
        return augmented_moments(
            self._plan, self._head, starts, between, self.count, self.tol, self.max_nodes
        )

    def solve(self, alpha: float) -> RidgeSolution:
        r"""Ridge regression on infinitely many augmented samples.

        Minimises :math:`\frac1N \sum_n E\|y_n - W T(x_n) - b\|^2 + \alpha \|W\|_F^2`, the
        intercept free: :math:`W = C_{yx} (C_{xx} + \alpha I)^{-1}`.

        Raises:
            InputError: ``alpha`` is negative or not finite, or 0 with a singular covariance; or
                there are no targets.
        """
        return self.path([alpha])[0]

    def path(self, alphas: Sequence[float]) -> tuple[RidgeSolution, ...]:
        """The same for several strengths of the penalty, from one decomposition."""
        if self.shape is not None and not self.columns:
            raise InputError("There are no targets to fit: call update(images, targets).")
        return RidgePath(self.moments()).solutions(alphas)

    def save(self, path: str | Path) -> None:
        """Write the sums to a file of safetensors, with what they belong to.

        Raises:
            InputError: No images were added.
            OutputError: The file cannot be written.
        """
        if self.shape is None:
            raise InputError("No images yet: there is nothing to save.")
        facts = {"count": self.count, "shape": list(self.shape), "columns": self.columns}
        write(path, self._tensors(), {**facts, "fingerprint": self.fingerprint})

    def _tensors(self) -> dict[str, Tensor]:
        sums = [*self._variants, *([self._means] if self._means is not None else [])]
        return {
            "weight": torch.tensor([part.weight for part in sums], dtype=torch.float64),
            "mean": torch.stack([part.mean for part in sums]),
            "scatter": torch.stack([part.scatter for part in sums]),
        }

    @classmethod
    def load(
        cls,
        path: str | Path,
        policy: Policy,
        *,
        tol: float = 1e-3,
        seed: int = 0,
        nodes: int = 256,
        max_nodes: int = 4096,
    ) -> DatasetMoments:
        """Read sums that :meth:`save` wrote; more images can be added to them.

        Raises:
            DataError: The file cannot be read, or is that of another policy, seed, number of nodes
                or version.
        """
        data = cls(policy, tol=tol, seed=seed, nodes=nodes, max_nodes=max_nodes)
        tensors, facts = read(path, data.fingerprint)
        shape: Shape = tuple(facts["shape"])  # type: ignore[assignment]
        data._start(shape, int(facts["columns"]), torch.device("cpu"))
        check_tensors(path, tensors, data._tensors())
        columns = tensors["weight"].tolist(), tensors["mean"], tensors["scatter"]
        sums = [Scatter(*row) for row in zip(*columns, strict=True)]
        data._variants = sums[: len(data._variants)]
        data._means = sums[-1] if data._means is not None else None
        data.count = int(facts["count"])
        return data

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_plan": None, "_head": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.shape is not None:
            self._plan, self._head = self._cut(self.shape)


def _checked(weights: Tensor, n: int) -> Tensor:
    found = check_targets(weights, n).to(torch.float64)
    if found.ndim != 1 or bool((found < 0).any()):
        raise InputError(f"weights must be {n} numbers that are not negative, shape ({n},).")
    return found
