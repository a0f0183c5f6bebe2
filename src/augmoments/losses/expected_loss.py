r"""The loss that training with an augmentation minimises, and the regularizer it hides."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from augmoments.adapters import Policy, as_policy
from augmoments.calculus.integrate import Progress
from augmoments.calculus.moments import Moments, moments
from augmoments.checks import check_images
from augmoments.estimate import Method, rounding
from augmoments.losses.judged import Judged
from augmoments.losses.loss import Sampled
from augmoments.losses.models import Model, jacobian

_CHUNK = 256


@dataclass(frozen=True)
class LossEstimate:
    r"""Expected loss of every image, and its second-order account.

    Attributes:
        value: :math:`E[\ell(f(T(x)), y)]`, ``(N,)``.
        variance: Variance of the loss over the augmentation, ``(N,)``.
        at_mean: Loss at the mean image, :math:`\ell(f(\mu), y)`, ``(N,)``.
        regularizer: Explicit regularizer, :math:`\frac12 \mathrm{tr}(J^\top H_\ell J V)` at
            the mean image, ``(N,)``.
        residual: ``value - at_mean - regularizer``: what the second order leaves out, ``(N,)``.
        error: Absolute error bound of ``value``, ``(N,)``.
        variance_error: Absolute error bound of ``variance``, ``(N,)``.
        method: How ``value`` was obtained.
        variance_method: How ``variance`` was obtained.
        nodes: Evaluations of the model an image.
    """

    value: Tensor
    variance: Tensor
    at_mean: Tensor
    regularizer: Tensor
    residual: Tensor
    error: Tensor
    variance_error: Tensor
    method: Method
    variance_method: Method
    nodes: int

    def __repr__(self) -> str:
        means = {
            name: f"{float(getattr(self, name).mean()):.5g}"
            for name in ("value", "at_mean", "regularizer", "residual")
        }
        shown = ", ".join(f"{name}={value}" for name, value in means.items())
        worst = float(self.error.max())
        return f"LossEstimate(means: {shown}; error<={worst:.2g}, method={self.method!r})"


def expected_loss(
    model: Model,
    loss: str | nn.Module | Sampled,
    images: Float[Tensor, "N C H W"],
    targets: Tensor,
    policy: Policy,
    tol: float = 1e-2,
    *,
    seed: int = 0,
    max_nodes: int = 4096,
    given: Moments | None = None,
    value_range: tuple[float, float] | None = (0.0, 1.0),
    progress: Progress | None = None,
) -> LossEstimate:
    r"""Expected loss of each image over the augmentation, with its explicit regularizer.

    A linear model (a flattening and one linear layer) with squared error has

    .. math:: E\|y - W T(x) - b\|^2 = \|y - W \mu - b\|^2 + \mathrm{tr}(W V W^\top)

    exactly as far as the moments are exact. Any other model and loss goes by nodes over the joint
    law, without approximation. The second-order account around the mean image stands beside it:
    ``residual`` says how far it carries, image by image.

    Args:
        model: Maps augmented images ``(N, C', H', W')`` to ``(N, K)``; in evaluation mode.
        loss: ``"cross_entropy"``, ``"squared_error"``, a PyTorch loss, or a function of outputs
            and targets that gives one value a sample.
        images: ``(N, C, H, W)`` or ``(C, H, W)``.
        targets: Classes ``(N,)`` or real values ``(N, K)``.
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations.
        tol: Relative error asked for.
        seed: Seed of the scrambling.
        max_nodes: Most evaluations of the model an image.
        given: Moments of these images under this policy, where they are known already.
        value_range: What the images' values must lie in; ``None`` lifts the check.
        progress: Called with the number of images done and the number of all.

    Returns:
        :class:`LossEstimate`, every field ``(N,)``.

    Raises:
        InputError: Images, targets or a loss that are not what was meant.
        ModelError: The model is not a deterministic, differentiable function of each image.
        PolicyError: The policy does not take images of this shape.

    Example:
        >>> import torch, augmoments as am
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3)).eval()
        >>> images, targets = torch.rand(4, 1, 4, 4), torch.tensor([0, 1, 2, 0])
        >>> policy = am.RandomTranslation(x=(-1, 1))
        >>> am.expected_loss(model, "squared_error", images, targets, policy).method
        'exact'

    Reference:
        Balestriero, Misra, LeCun (2022), theorem 2 and section 3.
    """
    batch = check_images(images, value_range=value_range)
    policy = as_policy(policy)
    judged = Judged.of(model, loss, batch, targets, policy)
    found = judged.integrate(batch, policy, tol, seed, max_nodes, progress)
    if given is not None:
        given.check_given(batch, policy)
    parts, kinds = [], set()
    for index in torch.arange(len(batch), device=batch.device).split(_CHUNK):
        m = (
            given[index]
            if given is not None
            else moments(
                batch[index], policy, tol, seed=seed, max_nodes=max_nodes, value_range=None
            )
        )
        parts.append(_second_order(judged, index, m))
        kinds.add(m.method)
    at_mean, regularizer, slack = (torch.cat([part[i] for part in parts]) for i in range(3))
    value, error, method = found.value, found.error, found.method
    if judged.quadratic:
        value, method = at_mean + regularizer, kinds.pop()
        error = torch.minimum(slack, error + (value - found.value).abs())
    return LossEstimate(
        value=value,
        variance=found.variance,
        at_mean=at_mean,
        regularizer=regularizer,
        residual=value - at_mean - regularizer,
        error=error,
        variance_error=found.variance_error,
        method=method,
        variance_method=found.method,
        nodes=found.nodes,
    )


def _second_order(judged: Judged, index: Tensor, m: Moments) -> tuple[Tensor, Tensor, Tensor]:
    """Loss at the mean image, its Gauss-Newton term, and an error bound of their sum.

    The bound follows from the errors of the moments and holds for a quadratic.
    """
    outputs, rows = jacobian(judged.model, m.mean)
    targets = judged.targets[index]
    at_mean = judged.loss.per_sample(outputs, targets)
    derivatives = judged.loss.gradient_and_hessian(outputs, targets)
    work = torch.promote_types(outputs.dtype, rows.dtype)  # a model may give another than it takes
    gradient, hessian, rows = (part.to(work) for part in (*derivatives, rows.flatten(2)))
    spread = m.covariance.to(work).projected_root(rows)
    regularizer = torch.einsum("njk,nkl,njl->n", spread, hessian, spread) / 2
    slope = torch.einsum("nk,nkp->np", gradient, rows).norm(dim=1)
    curvature = torch.einsum("nkp,nkl,nlp->n", rows, hessian, rows) / 2
    slack = (
        slope * m.error.mean * m.mean.flatten(1).norm(dim=1)
        + curvature.abs() * m.error.covariance * m.covariance.frobenius_norm()
        + rounding(at_mean.dtype) * at_mean
    )
    return at_mean, regularizer, slack
