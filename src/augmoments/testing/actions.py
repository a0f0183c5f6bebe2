"""What one draw does: to each image by itself, affine, polynomial between declared edges."""

from __future__ import annotations

from itertools import islice, pairwise

import numpy as np
import torch
from torch import Tensor

from augmoments.adapters import Policy, as_policy
from augmoments.augmentations.base import Augmentation, width_of
from augmoments.calculus.plan import shapes_along
from augmoments.laws import ContinuousLaw
from augmoments.operators.base import outer
from augmoments.testing.common import assert_close, random_images, require, shape_of, size_of


def check_action(policy: Policy, images: Tensor, *, draws: int = 5, seed: int = 0) -> None:
    """A draw acts on each image by itself, keeps the dtype, and follows the generator.

    Args:
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations.
        images: ``(N, C, H, W)``.
        draws: How many random draws are tried.
        seed: Their seed.
    """
    policy = as_policy(policy)
    shape = shape_of(images)
    theta = policy.draw(shape, draws, torch.Generator().manual_seed(seed))
    expected = (draws, width_of(policy, shape))
    require(
        theta.shape == expected,
        f"{policy} draws parameters of shape {tuple(theta.shape)}, not {expected}",
    )
    before = images.clone()
    together = policy.apply(outer(images, draws), theta)
    require(
        together.shape == (draws, len(images), *policy.output_shape(shape)),
        f"{policy} makes {tuple(together.shape)} of {(draws, *images.shape)}",
    )
    require(together.dtype == images.dtype, f"{policy} makes {together.dtype} of {images.dtype}")
    require(torch.equal(images, before), f"{policy} changes its input")
    for index in range(draws):
        for n in range(len(images)):
            alone = policy.apply(images[None, n : n + 1], theta[index : index + 1])[0, 0]
            what = f"{policy} at {theta[index].tolist()}, alone and in a batch, image {n}"
            assert_close(alone, together[index, n], 1e-12 * size_of(images), what)
    first, second = (policy(images, torch.Generator().manual_seed(seed)) for _ in range(2))
    require(torch.equal(first, second), f"{policy} does not follow its generator")


def check_linearity(
    policy: Policy, images: Tensor, *, draws: int = 8, seed: int = 0, rtol: float = 1e-10
) -> None:
    """Every draw is affine: ``T(a x + (1 - a) y) = a T(x) + (1 - a) T(y)``, for any real a.

    Args:
        policy: An augmentation that says it is affine.
        images: ``(N, C, H, W)``.
        draws: How many random draws are tried.
        seed: Their seed.
        rtol: Difference allowed, relative to the size of the images.
    """
    policy = as_policy(policy)
    theta = policy.draw(shape_of(images), draws, torch.Generator().manual_seed(seed))
    x, y = images, images.flip(0, -1) * 0.7 + 0.1
    tx, ty = (policy.apply(outer(z, draws), theta) for z in (x, y))
    for a in (0.3, -1.7):
        got = policy.apply(outer(a * x + (1 - a) * y, draws), theta)
        for index in range(draws):
            want = a * tx[index] + (1 - a) * ty[index]
            what = f"{policy} at {theta[index].tolist()} of a mixture of images with a = {a}"
            assert_close(got[index], want, rtol * size_of(images), what)


def check_pieces(
    policy: Policy, images: Tensor, *, cells: int = 6, seed: int = 0, rtol: float = 1e-9
) -> None:
    """Between the edges that a parameter declares, the action is a polynomial of its degree.

    Differences of order ``degree + 1`` over equidistant parameters must vanish. Steps that are
    not affine make no such promise and are left out.

    Args:
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations.
        images: ``(N, C, H, W)``.
        cells: How many pieces of each parameter are tried.
        seed: Seed of the other parameters' draw.
        rtol: Difference allowed, relative to the size of the images.
    """
    policy = as_policy(policy)
    generator = torch.Generator().manual_seed(seed)
    for part, shape in zip(policy.parts, shapes_along(policy.parts, shape_of(images)), strict=True):
        others = part.draw(shape, 1, generator)
        if not part.affine:
            continue
        reaching = images if shape == shape_of(images) else random_images(shape, seed)
        parameters = part.parameters(shape)
        columns = np.cumsum([0, *(parameter.width for parameter in parameters)]).tolist()
        for column, parameter in zip(columns, parameters, strict=False):
            law, pieces = parameter.law, parameter.pieces
            if pieces is None or not isinstance(law, ContinuousLaw):
                continue
            low, high = law.support
            edges = np.unique(np.clip(np.r_[low, pieces.edges, high], low, high))
            step = max(1, len(edges) // cells)
            for start, stop in islice(pairwise(edges), 0, None, step):
                gap = _highest_difference(
                    part, reaching, others, column, start, stop, pieces.degree
                )
                what = (
                    f"{part} in parameter {column} between {start:.6g} and {stop:.6g}, by its "
                    f"declaration a polynomial of degree {pieces.degree}: the difference of the "
                    "next order, and zero"
                )
                atol = rtol * 2**pieces.degree * size_of(images)
                assert_close(gap, torch.zeros_like(gap), atol, what)


def _highest_difference(
    policy: Augmentation,
    images: Tensor,
    others: Tensor,
    column: int,
    start: float,
    stop: float,
    degree: int,
) -> Tensor:
    """The difference of order ``degree + 1`` over equidistant values of one parameter."""
    order = degree + 1
    points = start + (stop - start) * (0.01 + 0.98 * np.arange(order + 1) / order)
    theta = others.repeat(order + 1, 1)
    theta[:, column] = torch.from_numpy(points)
    moved = policy.apply(outer(images, order + 1), theta)
    signs = np.array([1.0])
    for _ in range(order):
        signs = np.convolve(signs, [1.0, -1.0])
    return torch.einsum("k,k...->...", torch.from_numpy(signs).to(moved), moved)
