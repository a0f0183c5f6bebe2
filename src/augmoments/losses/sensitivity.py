r"""How sensitive the loss of a model is to the sampling of an augmentation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from augmoments.adapters import Policy, as_policy
from augmoments.calculus.moments import Moments, moments
from augmoments.checks import check_images
from augmoments.errors import InputError
from augmoments.estimate import Method
from augmoments.losses.judged import Judged
from augmoments.losses.loss import Sampled
from augmoments.losses.models import Model, jacobian


@dataclass(frozen=True)
class Sensitivity:
    r"""Saliency maps against the directions in which an augmentation moves images.

    Attributes:
        saliency: Gradient g of the loss with respect to the image, at the mean image,
            ``(N, C', H', W')`` as the policy gives them.
        spectrum: Leading eigenvalues of V, descending, ``(N, k)``.
        vectors: Their eigenvectors :math:`q_j`, ``(N, k, C', H', W')``.
        alignment: :math:`(q_j \cdot g)^2 / \|g\|^2`, ``(N, k)``; the sum is at most 1.
        ratio: :math:`g^\top V g / (\lambda_1 \|g\|^2)` in [0, 1], ``(N,)``: 1 if the saliency is
            the direction of largest variance, 0 if the augmentation leaves it alone.
        isotropic: What ``ratio`` is on average for a direction at random,
            :math:`\mathrm{tr} V / (D \lambda_1)`, ``(N,)``.
        linearized_variance: :math:`g^\top V g`, the variance of the loss to first order, ``(N,)``.
        variance: The variance of the loss itself, ``(N,)``.
        variance_error: Absolute error bound of ``variance``, ``(N,)``.
        method: How ``variance`` was obtained.
    """

    saliency: Tensor
    spectrum: Tensor
    vectors: Tensor
    alignment: Tensor
    ratio: Tensor
    isotropic: Tensor
    linearized_variance: Tensor
    variance: Tensor
    variance_error: Tensor
    method: Method


def sensitivity(
    model: Model,
    loss: str | nn.Module | Sampled,
    images: Float[Tensor, "N C H W"],
    targets: Tensor,
    policy: Policy,
    k: int = 16,
    tol: float = 1e-2,
    *,
    seed: int = 0,
    max_nodes: int = 4096,
    given: Moments | None = None,
    value_range: tuple[float, float] | None = (0.0, 1.0),
) -> Sensitivity:
    r"""Sensitivity of a model's loss to the sampling of an augmentation.

    To first order :math:`\mathrm{Var}[\ell(T(x))] \approx g^\top V g` with the saliency map g.
    The loss is stable where g lies in the smallest eigenvectors of V, or in its kernel. The
    variance without approximation stands beside it.

    Args:
        model: Maps augmented images ``(N, C', H', W')`` to ``(N, K)``; in evaluation mode.
        loss: As in :func:`expected_loss`.
        images: ``(N, C, H, W)`` or ``(C, H, W)``.
        targets: Classes ``(N,)`` or real values ``(N, K)``.
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations.
        k: Number of eigenvectors, at most :math:`D = C' H' W'`.
        tol: Relative error asked for.
        seed: Seed of the scrambling.
        max_nodes: Most evaluations of the model an image.
        given: Moments of these images under this policy, where they are known already.
        value_range: What the images' values must lie in; ``None`` lifts the check.

    Raises:
        InputError: Images, targets or a loss that are not what was meant, or k below 1.
        ModelError: The model is not a deterministic, differentiable function of each image.
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
    if k < 1:
        raise InputError(f"k must be at least 1, got {k}.")
    policy = as_policy(policy)
    judged = Judged.of(model, loss, batch, targets, policy)
    m = given
    if m is None:
        m = moments(batch, policy, tol, seed=seed, max_nodes=max_nodes, value_range=None)
    m.check_given(batch, policy)
    truth = judged.integrate(batch, policy, tol, seed, max_nodes)
    outputs, rows = jacobian(judged.model, m.mean)
    slope, _ = judged.loss.gradient_and_hessian(outputs, judged.targets)
    saliency = torch.einsum("nk,nkchw->nchw", slope, rows)
    flat = saliency.flatten(1)
    values, vectors, _ = m.covariance.eigh(min(k, flat.shape[1]))
    power = flat.square().sum(1)
    tiny = torch.finfo(power.dtype).tiny
    linearized = m.covariance.projected_root(flat[:, None]).square().sum((1, 2))
    top = values[:, 0]
    return Sensitivity(
        saliency=saliency,
        spectrum=values,
        vectors=vectors,
        alignment=torch.einsum("nkchw,nchw->nk", vectors, saliency).square()
        / power.clamp_min(tiny)[:, None],
        ratio=(linearized / (top * power).clamp_min(tiny)).clamp(max=1.0),
        isotropic=m.covariance.trace() / (flat.shape[1] * top).clamp_min(tiny),
        linearized_variance=linearized,
        variance=truth.variance,
        variance_error=truth.variance_error,
        method=truth.method,
    )
