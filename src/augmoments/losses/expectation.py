r"""Expectation and variance of any function of augmented images, by nodes over the joint law."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.calculus.moments import check_policy, moments
from augmoments.calculus.nodes import QUANTILE, JointNodes, NodeFamily
from augmoments.checks import check_images
from augmoments.errors import InputError, InputTypeError, ModelError
from augmoments.estimate import Estimate, Method, rounding
from augmoments.losses.models import LinearMap, Model, check_model, linear_map
from augmoments.operators.base import outer

Indexed = Callable[[Tensor, Tensor], Tensor]
Progress = Callable[[int, int], None]
_IMAGES_AT_ONCE = 8192
_BYTES_AT_ONCE = 256 * 2**20


def expectation(
    fn: Callable[[Tensor], Tensor],
    images: Float[Tensor, "N C H W"],
    policy: Augmentation,
    tol: float = 1e-2,
    *,
    seed: int = 0,
    max_nodes: int = 4096,
    value_range: tuple[float, float] | None = (0.0, 1.0),
    progress: Progress | None = None,
) -> Estimate:
    r"""Expectation :math:`E[f(T(x))]` and variance of any function of the augmented image.

    Finite laws are enumerated (exact); policies with one continuous parameter go by a grid of
    nodes; others by scrambled Sobol points in eight independent replicates. Nodes are doubled
    until the error is below ``tol`` times the larger of the value and its standard deviation.

    Args:
        fn: Maps images ``(n, C, H, W)`` to values ``(n, ...)``, each image by itself.
        images: ``(N, C, H, W)`` or ``(C, H, W)``.
        policy: The augmentation.
        tol: Relative error asked for.
        seed: Seed of the scrambling.
        max_nodes: Most evaluations an image.
        value_range: What the images' values must lie in; ``None`` lifts the check.
        progress: Called with the number of images done and the number of all.

    Returns:
        :class:`Estimate` with ``value``, ``variance``, their errors, ``method`` and ``nodes``.

    Raises:
        InputError: Images that are not what was meant, or a ``tol`` outside (0, 1).
        PolicyError: The policy does not take images of this shape.

    Example:
        >>> import torch, augmoments as am
        >>> image = torch.tensor([[[[0.0, 1.0]]]])
        >>> left = am.expectation(lambda x: x[:, 0, 0, 0], image, am.RandomHorizontalFlip())
        >>> left.value, left.variance, left.method
        (tensor([0.5000]), tensor([0.2500]), 'exact')
    """
    batch = check_images(images, value_range=value_range)
    if not callable(fn):
        raise InputTypeError(f"fn must be callable, got {type(fn).__name__}.")
    return integrate(lambda x, _: fn(x), batch, policy, tol, seed, max_nodes, progress)


def integrate(
    fn: Indexed,
    images: Tensor,
    policy: Augmentation,
    tol: float,
    seed: int,
    max_nodes: int,
    progress: Progress | None = None,
) -> Estimate:
    """:func:`expectation` of a function that is also told which image it looks at."""
    check_policy(policy)
    if not 0 < tol < 1:
        raise InputError(f"tol must lie between 0 and 1, got {tol!r}.")
    policy.check_shape(tuple(images.shape[1:]))  # type: ignore[arg-type]
    family = NodeFamily(policy, seed)
    parts, done = [], 0
    for index in torch.arange(len(images)).split(256):
        parts.append(_refine(fn, images, index, policy, family, tol, max_nodes))
        done += len(index)
        if progress is not None:
            progress(done, len(images))
    return Estimate(
        *(torch.cat([getattr(part, name) for part in parts]) for name in _FIELDS),
        method=family.method,
        nodes=max(part.nodes for part in parts),
    )


_FIELDS = ("value", "variance", "error", "variance_error")


def _refine(
    fn: Indexed,
    images: Tensor,
    index: Tensor,
    policy: Augmentation,
    family: NodeFamily,
    tol: float,
    max_nodes: int,
) -> Estimate:
    """Raise the level for those images whose error is not yet small enough."""
    result: Estimate | None = None
    active = torch.arange(len(index))
    level, first = 0, _first_level(family)
    while True:
        nodes = family.nodes(level)
        values = _values(fn, images[index[active]], index[active], policy, nodes)
        found = _summarise(values, nodes, family.method)
        if result is not None and nodes.replicates == 1:
            found = _with_change(found, result, active, earlier=level > 1)
        result = found if result is None else _update(result, active, found)
        if family.method == "exact":
            return result
        small = tol * torch.maximum(found.value.abs(), found.variance.sqrt())
        settled = (found.error <= small) & (found.variance_error <= 4 * tol * found.variance)
        open_ = ~(settled.flatten(1).all(1) if settled.ndim > 1 else settled).cpu()
        if level >= first:
            if 2 * len(nodes) > max_nodes or not open_.any():
                return result
            active = active[open_]
        level += 1


def _first_level(family: NodeFamily) -> int:
    """The level from which on errors can be told.

    Replicates know theirs. Between pieces where the action is a polynomial one change tells it;
    elsewhere it takes two, because halving a cell can miss a kink.
    """
    if family.method == "quasi-monte-carlo":
        return 0
    return 1 if family.polynomial else 2


def _with_change(found: Estimate, before: Estimate, active: Tensor, earlier: bool) -> Estimate:
    """Errors from the change since the level before, and a quarter of the one before that."""
    error = (found.value - before.value[active]).abs()
    variance_error = (found.variance - before.variance[active]).abs()
    if earlier:
        error = error + before.error[active] / 4
        variance_error = variance_error + before.variance_error[active] / 4
    return replace(found, error=error, variance_error=variance_error)


def _values(
    fn: Indexed, images: Tensor, index: Tensor, policy: Augmentation, nodes: JointNodes
) -> Tensor:
    """``fn`` at every node of every image, ``(n, N, ...)``."""
    at_once = min(_IMAGES_AT_ONCE, max(1, _BYTES_AT_ONCE // (8 * images[0].nbytes)))
    rows = []
    for theta in nodes.theta.split(max(1, at_once // len(images))):
        moved = policy.apply(outer(images, len(theta)), theta).flatten(0, 1)
        values = fn(moved, index.repeat(len(theta)))
        if not isinstance(values, Tensor) or values.shape[:1] != moved.shape[:1]:
            shape = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise ModelError(
                f"The function must give one value, or more, for each of {len(moved)} images "
                f"along the first axis; it gave {shape}."
            )
        rows.append(values.unflatten(0, (len(theta), len(images))))
    return torch.cat(rows)


def _summarise(values: Tensor, nodes: JointNodes, method: Method) -> Estimate:
    """Weighted mean and variance; errors from replicates or, for exact nodes, from rounding."""
    weights = nodes.weights.to(values)
    value = torch.einsum("k,k...->...", weights, values)
    squares = (values - value).square()
    variance = torch.einsum("k,k...->...", weights, squares)
    if nodes.replicates == 1:
        floor = rounding(values.dtype)
        known = 0.0 if method == "exact" else torch.nan
        error = floor * torch.einsum("k,k...->...", weights, values.abs()) + known
        return Estimate(value, variance, error, 4 * floor * variance + known, method, len(nodes))
    blocks = nodes.replicates
    first, second = (v.unflatten(0, (blocks, -1)).mean(1) for v in (values, squares))
    pairs = blocks * (blocks - 1)
    error = QUANTILE * ((first - value).square().sum(0) / pairs).sqrt()
    variance_error = QUANTILE * ((second - variance).square().sum(0) / pairs).sqrt()
    return Estimate(value, variance, error, variance_error, method, len(nodes))


def _update(estimate: Estimate, active: Tensor, part: Estimate) -> Estimate:
    where = (active.to(part.value.device),)
    fields = {
        name: getattr(estimate, name).index_put(where, getattr(part, name)) for name in _FIELDS
    }
    return replace(estimate, nodes=part.nodes, **fields)


@dataclass(frozen=True)
class OutputMoments:
    """Mean and covariance of a model's output over the augmentation.

    Attributes:
        mean: ``(N, K)``.
        covariance: ``(N, K, K)``.
        error: Absolute error bound of ``mean``, ``(N, K)``.
        covariance_error: Absolute error bound of ``covariance``, ``(N, K, K)``.
        method: How they were obtained.
        nodes: Evaluations an image.
    """

    mean: Tensor
    covariance: Tensor
    error: Tensor
    covariance_error: Tensor
    method: Method
    nodes: int


def output_moments(
    model: Model,
    images: Float[Tensor, "N C H W"],
    policy: Augmentation,
    tol: float = 1e-2,
    *,
    seed: int = 0,
    max_nodes: int = 4096,
    value_range: tuple[float, float] | None = (0.0, 1.0),
) -> OutputMoments:
    r"""Mean and covariance of ``model(T(x))``.

    For a linear model (a flattening and one linear layer) :math:`W \mu + b` and
    :math:`W V W^\top` from the moments of the images; else by nodes, see :func:`expectation`.

    Args:
        model: Maps ``(N, C, H, W)`` to ``(N, K)``; in evaluation mode.
        images: ``(N, C, H, W)`` or ``(C, H, W)``.
        policy: The augmentation.
        tol: Relative error asked for.
        seed: Seed of the scrambling.
        max_nodes: Most evaluations an image.
        value_range: What the images' values must lie in; ``None`` lifts the check.

    Raises:
        InputError: Images that are not what was meant.
        ModelError: The model is not a deterministic function of each image.

    Example:
        >>> import torch, augmoments as am
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3)).eval()
        >>> out = am.output_moments(model, torch.rand(2, 1, 4, 4), am.RandomHorizontalFlip())
        >>> out.covariance.shape, out.method
        (torch.Size([2, 3, 3]), 'exact')
    """
    batch = check_images(images, value_range=value_range)
    model = check_model(model, batch)
    linear = linear_map(model, batch)
    if linear is not None:
        return _linear_outputs(linear, batch, policy, tol, seed, max_nodes)
    with torch.no_grad():
        centre = torch.cat([model(part) for part in batch.split(_IMAGES_AT_ONCE)])
        size = centre.shape[1]

        def products(x: Tensor, index: Tensor) -> Tensor:
            gap = model(x) - centre[index.to(centre.device)]
            return torch.cat([gap, (gap[:, :, None] * gap[:, None]).flatten(1)], 1)

        found = integrate(products, batch, policy, tol, seed, max_nodes)
    gap, second = found.value.split([size, size**2], 1)
    error, second_error = found.error.split([size, size**2], 1)
    covariance = second.unflatten(1, (size, size)) - gap[:, :, None] * gap[:, None]
    slack = 2 * gap.abs()[:, :, None] * error[:, None]
    return OutputMoments(
        mean=centre + gap,
        covariance=covariance,
        error=error,
        covariance_error=second_error.unflatten(1, (size, size)) + slack,
        method=found.method,
        nodes=found.nodes,
    )


def _linear_outputs(
    linear: LinearMap, images: Tensor, policy: Augmentation, tol: float, seed: int, max_nodes: int
) -> OutputMoments:
    parts = []
    norms = linear.weight.norm(dim=1)
    for chunk in images.split(256):
        m = moments(chunk, policy, tol, seed=seed, max_nodes=max_nodes, value_range=None)
        mean = m.mean.flatten(1) @ linear.weight.T + linear.bias
        spread = m.covariance.factor.flatten(2) @ linear.weight.T
        size = m.mean.flatten(1).norm(dim=1)
        mean_error = (m.error.mean * size)[:, None] * norms
        covariance_error = (m.error.covariance * m.covariance.frobenius_norm())[:, None, None]
        covariance_error = covariance_error * torch.outer(norms, norms)
        parts.append((mean, spread.mT @ spread, mean_error, covariance_error, m))
    return OutputMoments(
        *(torch.cat(column) for column in list(zip(*parts, strict=True))[:4]),
        method=parts[0][4].method,
        nodes=max(part[4].nodes for part in parts),
    )
