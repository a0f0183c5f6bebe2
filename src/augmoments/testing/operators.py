"""Expected operators: the dot test, and agreement with their matrices."""

from __future__ import annotations

from math import prod

import torch

from augmoments.calculus.expected_operator import ExpectedOperator
from augmoments.testing.common import assert_close, require, size_of


def check_adjoint(
    operator: ExpectedOperator, *, trials: int = 3, seed: int = 0, rtol: float = 1e-10
) -> None:
    """The dot test: ``<A x, y> = <x, A^T y>`` for the linear part A of an expected operator.

    Args:
        operator: What :func:`augmoments.expected_operator` gives.
        trials: Random pairs x, y.
        seed: Their seed.
        rtol: Difference allowed, relative to ``||A x|| ||y||``.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(trials, *operator.shape, generator=generator, dtype=torch.float64)
    y = torch.randn(trials, *operator.output_shape, generator=generator, dtype=torch.float64)
    ax = (operator @ x) - (operator @ torch.zeros_like(x))
    left, right = ((p * q).flatten(1).sum(1) for p, q in ((ax, y), (x, operator.adjoint(y))))
    scale = ax.flatten(1).norm(dim=1) * y.flatten(1).norm(dim=1) + 1e-300
    worst = int(((left - right).abs() / scale).argmax())
    require(
        (left - right).abs()[worst] <= rtol * scale[worst],
        f"<A x, y> = {left[worst]:.17g} but <x, A^T y> = {right[worst]:.17g} "
        f"for {type(operator).__name__} on {operator.shape}",
    )


def check_operator_matrix(
    operator: ExpectedOperator, *, seed: int = 0, rtol: float = 1e-10
) -> None:
    """``operator @ x`` and its adjoint agree with ``matrix()`` and ``offset``, in two dtypes.

    Args:
        operator: What :func:`augmoments.expected_operator` gives; small, the matrix is formed.
        seed: Seed of the random images.
        rtol: Difference allowed in float64, relative to the size of the images.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(2, *operator.shape, generator=generator, dtype=torch.float64)
    matrix = operator.matrix()
    name = f"{type(operator).__name__} on {operator.shape}"
    expected = (prod(operator.output_shape), prod(operator.shape))
    require(matrix.shape == expected, f"{name}: matrix of {matrix.shape}")
    y = torch.rand(2, *operator.output_shape, generator=generator, dtype=torch.float64)
    applied = torch.from_numpy((matrix @ x.flatten(1).numpy().T).T).reshape(y.shape)
    applied = applied + operator.offset
    back = torch.from_numpy((matrix.T @ y.flatten(1).numpy().T).T).reshape(x.shape)
    for dtype, tolerance in ((torch.float64, rtol), (torch.float32, 1e-5)):
        forward, adjoint = operator @ x.to(dtype), operator.adjoint(y.to(dtype))
        require(forward.dtype == adjoint.dtype == dtype, f"{name} makes {forward.dtype} of {dtype}")
        scale = tolerance * max(size_of(applied), size_of(back), size_of(x))
        assert_close(forward.double(), applied, scale, f"{name} in {dtype}")
        assert_close(adjoint.double(), back, scale, f"the adjoint of {name} in {dtype}")
