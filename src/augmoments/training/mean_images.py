"""Mean images of batch after batch."""

from __future__ import annotations

from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.expected_operator import ExpectedOperator, average, has_exact_mean
from augmoments.calculus.moments import moments
from augmoments.operators.base import Shape


class MeanImages:
    """``E[T(x)]`` of any images: by an operator that is built once a shape, or by moments."""

    def __init__(self, policy: Augmentation, tol: float, seed: int) -> None:
        self._policy = policy
        self._tol = tol
        self._seed = seed
        self._operators: dict[Shape, ExpectedOperator | None] = {}

    def __call__(self, images: Tensor) -> Tensor:
        """Mean images ``(N, C', H', W')`` of a batch that has been checked."""
        shape: Shape = tuple(images.shape[1:])  # type: ignore[assignment]
        self._policy.output_shape(shape)
        if shape not in self._operators:
            self._operators[shape] = self._operator(shape)
        operator = self._operators[shape]
        if operator is not None:
            return operator.apply(images)
        return moments(images, self._policy, self._tol, seed=self._seed, value_range=None).mean

    def _operator(self, shape: Shape) -> ExpectedOperator | None:
        if not self._policy.affine:
            return None
        rule = self._policy.rule(shape, 1)
        return average(rule, shape) if has_exact_mean(rule) else None
