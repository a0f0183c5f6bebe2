r"""The average of a random affine operator, :math:`E[T] : x \mapsto E[M] x + E[b]`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import cached_property, reduce
from operator import add
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from augmoments.adapters import Policy, as_policy
from augmoments.checks import check_images, check_memory
from augmoments.errors import InputError, PolicyError
from augmoments.operators.base import Shape
from augmoments.operators.kronecker import KroneckerSum
from augmoments.operators.piecewise import SpatialMean, combined_warp
from augmoments.operators.sparse import multiply_rows
from augmoments.operators.warp import Warp
from augmoments.rules import Mixture, Product, QuadraticRule, Rule, leaves


class ExpectedOperator(ABC):
    """The average of a random affine operator; apply it with ``operator @ images``.

    Attributes:
        shape: ``(C, H, W)`` of the images it takes.
        output_shape: ``(C', H', W')`` of those it gives.
    """

    def __init__(self, shape: Shape, output_shape: Shape) -> None:
        self.shape = shape
        self.output_shape = output_shape

    def __matmul__(self, images: Tensor) -> Tensor:
        """``E[M] x + E[b]`` for images ``(N, C, H, W)`` or ``(C, H, W)``; dtype is kept."""
        return _on_batch(images, self.apply, self.shape)

    def adjoint(self, images: Tensor) -> Tensor:
        """``E[M]^T y`` for images ``(N, C', H', W')`` or ``(C', H', W')``."""
        return _on_batch(images, self.transpose, self.output_shape)

    def apply(self, images: Tensor) -> Tensor:
        """``E[M] x + E[b]`` on a batch that has been checked."""
        moved = self.linear(images)
        return moved + self.offset.to(images) if self.has_offset else moved

    @abstractmethod
    def linear(self, images: Tensor) -> Tensor:
        """``E[M] x`` on a batch that has been checked."""

    @abstractmethod
    def transpose(self, images: Tensor) -> Tensor:
        """``E[M]^T y`` on a batch that has been checked."""

    @abstractmethod
    def matrix(self) -> sp.csr_array:
        """``E[M]`` as a sparse matrix ``(D', D)``, ``D = C H W`` with W running fastest."""

    @abstractmethod
    def _offset(self) -> Tensor:
        """``E[b]``, computed."""

    @cached_property
    def offset(self) -> Tensor:
        """``E[b]``, shape ``(C', H', W')``, float64."""
        return self._offset()

    @cached_property
    def has_offset(self) -> bool:
        """Whether ``E[b]`` is anything but zero."""
        return bool(self.offset.any())

    @property
    def size(self) -> int:
        """``D = C H W``."""
        return int(np.prod(self.shape))


class SpatialOperator(ExpectedOperator):
    """The same sparse matrix ``(HW, HW)`` on every channel."""

    def __init__(self, shape: Shape, plane: SpatialMean, offset: Tensor) -> None:
        super().__init__(shape, shape)
        self.plane = plane
        self._shift = offset

    def _multiply(self, images: Tensor, transposed: bool) -> Tensor:
        work = images if images.dtype in (torch.float32, torch.float64) else images.float()
        flat = work.reshape(-1, work.shape[-2] * work.shape[-1])
        matrix = self.plane.tensor(work, transposed)
        return multiply_rows(matrix, flat).reshape(images.shape).to(images.dtype)

    def linear(self, images: Tensor) -> Tensor:
        return self._multiply(images, transposed=False)

    def transpose(self, images: Tensor) -> Tensor:
        return self._multiply(images, transposed=True)

    def matrix(self) -> sp.csr_array:
        return sp.csr_array(sp.kron(sp.eye_array(self.shape[0]), self.plane.matrix, format="csr"))

    def _offset(self) -> Tensor:
        return self._shift


class KroneckerOperator(ExpectedOperator):
    r"""A sum :math:`\sum_r A_r X B_r^\top` on every channel."""

    def __init__(
        self, shape: Shape, output_shape: Shape, terms: KroneckerSum, offset: Tensor
    ) -> None:
        super().__init__(shape, output_shape)
        self.terms = terms
        self._shift = offset

    def linear(self, images: Tensor) -> Tensor:
        return self.terms.apply(images)

    def transpose(self, images: Tensor) -> Tensor:
        return self.terms.transpose(images)

    def matrix(self) -> sp.csr_array:
        plane = self.terms.matrix()
        return sp.csr_array(sp.kron(sp.eye_array(self.shape[0]), plane, format="csr"))

    def _offset(self) -> Tensor:
        return self._shift


class CombinedOperator(ExpectedOperator):
    r"""The finite combination :math:`\sum_k g_k A_k` of a rule's operators."""

    def __init__(self, shape: Shape, rule: QuadraticRule) -> None:
        super().__init__(shape, rule.operator.output_shape(shape))
        self.rule = rule

    def linear(self, images: Tensor) -> Tensor:
        columns = self.rule.linear_columns(images)
        return torch.einsum("k,k...->...", self.rule.weights.to(images), columns)

    def transpose(self, images: Tensor) -> Tensor:
        probe = images.new_zeros(len(images), *self.shape)
        (gradient,) = torch.func.vjp(self.linear, probe)[1](images)
        return gradient

    def matrix(self) -> sp.csr_array:
        channels, height, width = self.shape
        match self.rule.operator.acts_on:
            case "space":
                plane = CombinedOperator((1, height, width), self.rule)._columns()
                return sp.csr_array(sp.kron(sp.eye_array(channels), plane, format="csr"))
            case "channels":
                pixel = CombinedOperator((channels, 1, 1), self.rule)._columns()
                return sp.csr_array(sp.kron(pixel, sp.eye_array(height * width), format="csr"))
            case "everything":
                what = f"the dense matrix of {self.rule.operator}"
                check_memory(24 * self.size**2, what, "operator @ images")
                return self._columns()

    def _columns(self) -> sp.csr_array:
        blocks = []
        for index in torch.arange(self.size).split(256):
            basis = torch.zeros(len(index), self.size, dtype=torch.float64)
            basis[torch.arange(len(index)), index] = 1
            rows = self.linear(basis.reshape(-1, *self.shape)).reshape(len(index), -1)
            blocks.append(sp.csr_array(rows.numpy()))
        return sp.csr_array(sp.vstack(blocks).T)

    def _offset(self) -> Tensor:
        zero = torch.zeros(1, *self.shape, dtype=torch.float64)
        return torch.einsum("k,k...->...", self.rule.weights, self.rule.columns(zero))[0]


class ChainedOperator(ExpectedOperator):
    """Independent steps: the product of their averages, the first one applied first."""

    def __init__(self, shape: Shape, steps: tuple[ExpectedOperator, ...]) -> None:
        super().__init__(shape, steps[-1].output_shape if steps else shape)
        self.steps = steps

    def apply(self, images: Tensor) -> Tensor:
        for step in self.steps:
            images = step.apply(images)
        return images

    def linear(self, images: Tensor) -> Tensor:
        for step in self.steps:
            images = step.linear(images)
        return images

    def transpose(self, images: Tensor) -> Tensor:
        for step in reversed(self.steps):
            images = step.transpose(images)
        return images

    def matrix(self) -> sp.csr_array:
        product = sp.csr_array(sp.eye_array(self.size))
        for step in self.steps:
            product = step.matrix() @ product
        return sp.csr_array(product)

    def _offset(self) -> Tensor:
        return self.apply(torch.zeros(1, *self.shape, dtype=torch.float64))[0]


class AveragedOperator(ExpectedOperator):
    """A random choice: the weighted sum of the averages of its branches."""

    def __init__(
        self, shape: Shape, weights: tuple[float, ...], branches: tuple[ExpectedOperator, ...]
    ) -> None:
        super().__init__(shape, branches[0].output_shape)
        self.weights = weights
        self.branches = branches

    def _sum(self, parts: Iterable[Any]) -> Any:
        return reduce(add, (w * part for w, part in zip(self.weights, parts, strict=True)))

    def linear(self, images: Tensor) -> Tensor:
        return self._sum(branch.linear(images) for branch in self.branches)

    def transpose(self, images: Tensor) -> Tensor:
        return self._sum(branch.transpose(images) for branch in self.branches)

    def matrix(self) -> sp.csr_array:
        return sp.csr_array(self._sum(branch.matrix() for branch in self.branches))

    def _offset(self) -> Tensor:
        return self._sum(branch.offset for branch in self.branches)


def expected_operator(policy: Policy, shape: Shape) -> ExpectedOperator:
    r"""The exact average of an affine policy, independent of any image.

    :math:`E[T(x)] = E[M] x + E[b]`. Resamplings with a continuous parameter are integrated piece
    by piece between the parameters at which a pixel's source crosses a grid line, to 1e-14;
    translations and colour by their finite expansions.

    Args:
        policy: An augmentation that is affine in the image for each draw, or such a pipeline of
            torchvision, kornia or albumentations.
        shape: ``(C, H, W)`` of the images.

    Returns:
        An operator: ``operator @ images``, ``.adjoint(images)``, ``.matrix()``, ``.offset``.

    Raises:
        PolicyError: The policy is not affine, its average has no closed form, or it does not take
            images of this shape.

    Example:
        >>> import augmoments as am
        >>> policy = am.RandomRotation(30, interpolation="bilinear")
        >>> operator = am.expected_operator(policy, (3, 32, 32))
        >>> operator.matrix().shape
        (3072, 3072)

    Reference:
        Balestriero, Misra, LeCun (2022), theorem 1: E[T(x)] is linear in the image.
    """
    shape = check_shape(shape)
    policy = as_policy(policy)
    policy.output_shape(shape)
    rule = policy.rule(shape, 1)
    if not has_exact_mean(rule):
        raise PolicyError(
            f"The average of {policy} has no closed form: use moments(images, policy), which tells "
            "its error."
        )
    return average(rule, shape)


def check_shape(shape: Shape) -> Shape:
    """Check that ``shape`` is ``(C, H, W)`` with positive whole numbers."""
    sizes = tuple(shape)
    if len(sizes) != 3 or not all(isinstance(s, int) and s > 0 for s in sizes):
        raise InputError(f"shape must be three positive whole numbers (C, H, W), got {shape!r}.")
    return sizes  # type: ignore[return-value]


def average(rule: Rule, shape: Shape) -> ExpectedOperator:
    """The average of the random operator that ``rule`` describes.

    A leaf without a closed form is averaged over its nodes.
    """
    match rule:
        case Product(factors=factors):
            steps, here = [], shape
            for factor in factors:
                steps.append(average(factor, here))
                here = steps[-1].output_shape
            return ChainedOperator(shape, tuple(steps))
        case Mixture(weights=weights, branches=branches):
            return AveragedOperator(shape, weights, tuple(average(b, shape) for b in branches))
        case QuadraticRule():
            return _leaf(rule, shape)


def has_exact_mean(rule: Rule) -> bool:
    """Whether the average of the random operator is known in closed form."""
    return all(leaf.exact or leaf.expectation for leaf in leaves(rule))


def _leaf(rule: QuadraticRule, shape: Shape) -> ExpectedOperator:
    operator = rule.operator
    if rule.expectation is not None:
        mean = rule.expectation()
    elif isinstance(operator, Warp) and not rule.differentiable:
        points, weights = rule.points[:, 0].numpy(), rule.weights.numpy()
        mean = combined_warp(operator, points, weights, shape)
    else:
        return CombinedOperator(shape, rule)
    output_shape = operator.output_shape(shape)
    fill = operator.fill_like(torch.zeros(shape, dtype=torch.float64))
    mask = mean.mask() if isinstance(mean, KroneckerSum) else torch.from_numpy(mean.mask)
    offset = fill * (1 - mask.reshape(output_shape[1:]))
    if isinstance(mean, KroneckerSum):
        return KroneckerOperator(shape, output_shape, mean, offset)
    return SpatialOperator(shape, mean, offset)


def _on_batch(images: Tensor, action: Callable[[Tensor], Tensor], shape: Shape) -> Tensor:
    batch = check_images(images, value_range=None)
    if tuple(batch.shape[1:]) != shape:
        raise InputError(
            f"This operator acts on images of shape {shape}, got {tuple(batch.shape[1:])}."
        )
    out = action(batch)
    return out.reshape(*images.shape[:-3], *out.shape[1:])
