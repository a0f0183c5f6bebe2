r"""How sensitive the loss of a model is to the sampling of an augmentation."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from augmoments.adapters import Policy, as_policy
from augmoments.alignment.directions import Against, against
from augmoments.alignment.result import Sensitivity
from augmoments.alignment.saliency import saliency_at
from augmoments.alignment.steps import step_shares
from augmoments.augmentations.base import Augmentation
from augmoments.calculus.moments import Moments, moments
from augmoments.checks import check_images, check_memory
from augmoments.estimate import Method, rounding
from augmoments.losses.judged import Judged
from augmoments.losses.loss import Sampled
from augmoments.losses.models import Model
from augmoments.operators.base import Shape
from augmoments.options import check_count, check_numerics

_CHUNK = 64


def sensitivity(
    model: Model,
    loss: str | nn.Module | Sampled,
    images: Float[Tensor, "N C H W"],
    targets: Tensor,
    policy: Policy,
    k: int = 16,
    tol: float = 1e-2,
    *,
    steps: bool = False,
    keep_vectors: bool = True,
    seed: int = 0,
    max_nodes: int = 4096,
    given: Moments | None = None,
    value_range: tuple[float, float] | None = (0.0, 1.0),
) -> Sensitivity:
    r"""Sensitivity of a model's loss to the sampling of an augmentation.

    To first order :math:`\mathrm{Var}[\ell(T(x))] \approx g^\top V g` with the saliency map g.
    The loss is stable where g lies in the smallest eigenvectors of V, or in its kernel. The
    variance without approximation stands beside it. Covariances are found and let go image by
    image, 64 at a time, so that thousands of images need little more memory than what is returned.

    Args:
        model: Maps augmented images ``(N, C', H', W')`` to ``(N, K)``; in evaluation mode.
        loss: As in :func:`expected_loss`.
        images: ``(N, C, H, W)`` or ``(C, H, W)``.
        targets: Classes ``(N,)`` or real values ``(N, K)``.
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations.
        k: Number of eigenvectors, at most :math:`D = C' H' W'`.
        tol: Relative error asked for; absolute for the shares of steps.
        steps: Whether to tell the share of the loss variance that each step of the policy has.
            With S steps this takes up to ``(2 S + 1) max_nodes`` more evaluations of the model an
            image, most of them at the last of several rounds that double.
        keep_vectors: Whether to keep the eigenvectors, k times as large as the images.
        seed: Seed of the scrambling.
        max_nodes: Most evaluations of the model an image.
        given: Moments of these images under this policy, where they are known already.
        value_range: What the images' values must lie in; ``None`` lifts the check.

    Raises:
        InputError: Images, targets or a loss that are not what was meant, or k below 1.
        ModelError: The model is not a deterministic, differentiable function of each image.
        NotEnoughMemoryError: The eigenvectors do not fit.
        PolicyError: The policy does not take images of this shape.

    Example:
        >>> import torch, augmoments as am
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3)).eval()
        >>> images, targets = torch.rand(4, 1, 4, 4), torch.tensor([0, 1, 2, 0])
        >>> policy = am.RandomTranslation(x=(-1, 1))
        >>> s = am.sensitivity(model, "cross_entropy", images, targets, policy, k=2)
        >>> bool((s.ratio <= 1).all())
        True

    Reference:
        Balestriero, Misra, LeCun (2022), section 4.
    """
    batch = check_images(images, value_range=value_range)
    k = check_count("k", k)
    tol, seed, max_nodes = check_numerics(tol, seed, max_nodes)
    policy = as_policy(policy)
    judged = Judged.of(model, loss, batch, targets, policy)
    if given is not None:
        given.check_given(batch, policy)
    options: Any = {"seed": seed, "max_nodes": max_nodes}
    shape: Shape = tuple(batch.shape[1:])  # type: ignore[assignment]
    size = prod(policy.output_shape(shape))
    k = min(k, size)
    if keep_vectors:
        needed = len(batch) * k * size * batch.element_size()
        check_memory(needed, "the eigenvectors of all images", "keep_vectors=False")
    parts = [
        _against(judged, index, batch, policy, k, given, {"tol": tol, **options}, keep_vectors)
        for index in torch.arange(len(batch), device=batch.device).split(_CHUNK)
    ]
    found = Against(*map(torch.cat, zip(*(part.found for part in parts), strict=True)))
    saliency = torch.cat([part.saliency for part in parts])
    truth = judged.integrate(batch, policy, tol, seed, max_nodes)
    told = None
    if steps:
        floor = rounding(batch.dtype)
        lengths = torch.cat([part.length for part in parts])
        noise = floor * torch.stack([truth.value.double().abs(), lengths.double()], 1)
        told = step_shares(judged, saliency, noise.square(), batch, policy, tol, **options)
    return Sensitivity(
        saliency=saliency,
        spectrum=torch.cat([part.spectrum for part in parts]),
        spectrum_error=torch.cat([part.spectrum_error for part in parts]),
        vectors=torch.cat([p.vectors for p in parts if p.vectors is not None])
        if keep_vectors
        else None,
        alignment=found.alignment,
        explained=found.explained,
        ratio=found.ratio,
        isotropic=found.isotropic,
        linearized_variance=found.linearized,
        linearized_error=found.linearized_error,
        covariance_method=parts[0].method,
        expected=truth.value,
        expected_error=truth.error,
        variance=truth.variance,
        variance_error=truth.variance_error,
        method=truth.method,
        nodes=truth.nodes,
        steps=told,
    )


@dataclass(frozen=True)
class _Part:
    """What is kept of some of the images."""

    saliency: Tensor
    length: Tensor
    """Norms of the mean images."""
    spectrum: Tensor
    spectrum_error: Tensor
    vectors: Tensor | None
    found: Against
    method: Method


def _against(
    judged: Judged,
    index: Tensor,
    images: Tensor,
    policy: Augmentation,
    k: int,
    given: Moments | None,
    options: Any,
    keep_vectors: bool,
) -> _Part:
    with torch.no_grad():
        m = (
            given[index]
            if given is not None
            else moments(images[index], policy, value_range=None, **options)
        )
        _, saliency = saliency_at(judged.model, judged.loss, m.mean, judged.targets[index])
        pairs = m.covariance.eigh(k)
        return _Part(
            saliency=saliency,
            length=m.mean.flatten(1).norm(dim=1),
            spectrum=pairs.values,
            spectrum_error=pairs.error,
            vectors=pairs.vectors if keep_vectors else None,
            found=against(saliency, m.covariance, pairs),
            method=m.method,
        )
