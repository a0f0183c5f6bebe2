r"""Minimising a smooth function of a linear model's weights by Newton's method.

The variables are the weights with the intercept as a last column, :math:`\Theta` of shape
``(K, D + 1)``. Steps are found by conjugate gradients in coordinates in which the second moments
of the inputs, with the penalty, are the identity: there the curvature is that of the loss alone,
so that few Hessian products do, whatever the correlations of pixels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.sparse.linalg import LinearOperator, cg
from torch import Tensor

_NEAR = 1e-4  # gradient in whitened coordinates from which on plain Newton steps converge
_STEPS = 8
_STEP_ERROR = 1e-2  # of a Newton step, relative
_LARGEST = 4096  # inputs up to which their covariance is factored
_JITTER = 1e-12
_VANISHING = 1e-3


class Objective(ABC):
    """A twice differentiable function of the weights ``(K, D + 1)``, float64."""

    outputs: int
    """K."""
    inputs: int
    """D."""
    device: torch.device

    @abstractmethod
    def value_and_gradient(self, theta: Tensor) -> tuple[float, Tensor]:
        """The value, and the gradient ``(K, D + 1)``."""

    @abstractmethod
    def hessian_products(self, theta: Tensor, directions: Tensor) -> Tensor:
        """The Hessian at ``theta`` times each of ``directions``, ``(m, K, D + 1)``."""

    @abstractmethod
    def curvature(self) -> Tensor:
        """About the Hessian of one output, ``(D + 1, D + 1)``, symmetric and positive definite."""


@dataclass(frozen=True)
class Minimum:
    """Where the minimisation ended."""

    theta: Tensor
    iterations: int
    converged: bool


class Newton:
    """An objective with the coordinates that its curvature suggests.

    Args:
        objective: What is minimised.
    """

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        curvature = objective.curvature()
        diagonal = curvature.diagonal()
        diagonal += _JITTER * diagonal.mean()
        large = objective.inputs > _LARGEST
        self._root = diagonal.sqrt().diag() if large else torch.linalg.cholesky(curvature)

    def minimise(self, tol: float, max_iter: int) -> Minimum:
        """Minimise until a Newton step moves the weights by less than ``tol``, relative to them.

        A trust region brings the weights near the minimum; there values differ by less than their
        rounding, so that the last steps are plain Newton steps.
        """
        found = minimize(
            self._value,
            np.zeros(self.objective.outputs * (self.objective.inputs + 1)),
            jac=True,
            hessp=self._product,
            method="trust-ncg",
            options={"gtol": _NEAR, "maxiter": max_iter},
        )
        theta, size = self._weights(found.x[None])[0], float("inf")
        steps = min(_STEPS, max_iter - found.nit) if found.success else 0
        for done in range(1, steps + 1):
            gradient = self.objective.value_and_gradient(theta)[1]
            (step,) = self.steps(theta, gradient[None], _STEP_ERROR)
            before, size = size, relative_size(step, theta)
            if size > before / 2:
                return Minimum(theta, found.nit + done, before <= tol)
            theta = theta + step
            if size <= tol:
                return Minimum(theta, found.nit + done, True)
        return Minimum(theta, found.nit + steps, False)

    def steps(self, theta: Tensor, gradients: Tensor, tol: float) -> Tensor:
        """The Newton steps ``-H^-1 g`` at ``theta`` for each of ``gradients``.

        All are found together, ``(m, K, D + 1)``, from one sequence of Hessian products, to a
        relative residual of ``tol``.
        """
        right = -self._pulled(gradients)
        norms = np.linalg.norm(right, axis=1, keepdims=True)
        right = right / np.where(norms > 0, norms, 1.0)

        def product(v: np.ndarray) -> np.ndarray:
            directions = self._weights(v.reshape(right.shape))
            return self._pulled(self.objective.hessian_products(theta, directions)).ravel()

        found, _ = cg(_Matrix(right.size, product), right.ravel(), rtol=tol, atol=0.0)
        return self._weights(found.reshape(right.shape) * norms)

    def _value(self, u: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = self.objective.value_and_gradient(self._weights(u[None])[0])
        return value, self._pulled(gradient[None])[0]

    def _product(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        theta, direction = self._weights(np.stack([u, v]))
        return self._pulled(self.objective.hessian_products(theta, direction[None]))[0]

    def _weights(self, u: np.ndarray) -> Tensor:
        """Weights ``(m, K, D + 1)`` at coordinates ``(m, K (D + 1))``."""
        rows = torch.tensor(u).to(self._root).reshape(-1, len(self._root))
        found = torch.linalg.solve_triangular(self._root.T, rows.T, upper=True).T
        return found.reshape(len(u), self.objective.outputs, -1)

    def _pulled(self, gradients: Tensor) -> np.ndarray:
        """Gradients in the coordinates, ``(m, K (D + 1))``."""
        found = torch.linalg.solve_triangular(self._root, gradients.flatten(0, 1).T, upper=False)
        return found.T.reshape(len(gradients), -1).cpu().numpy()


class _Matrix(LinearOperator):
    def __init__(self, size: int, product: Callable[[np.ndarray], np.ndarray]) -> None:
        super().__init__(np.dtype(float), (size, size))
        self._product = product

    def _matvec(self, x: np.ndarray) -> np.ndarray:
        return self._product(x)


def relative_size(step: Tensor, theta: Tensor) -> float:
    """Norm of a change of the weights, intercepts left out, relative to :func:`scale`."""
    return float(step[:, :-1].norm()) / scale(theta)


def scale(theta: Tensor) -> float:
    """Norm of the weights, or a thousandth of that with intercepts if the weights all but vanish.

    One where everything does.
    """
    return max(float(theta[:, :-1].norm()), _VANISHING * float(theta.norm())) or 1.0
