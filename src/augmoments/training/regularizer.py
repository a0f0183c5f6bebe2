r"""The explicit regularizer that an augmentation is, to second order."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from augmoments.adapters import Policy
from augmoments.calculus.covariance import Covariance
from augmoments.calculus.moments import moments
from augmoments.losses.loss import Sampled
from augmoments.options import check_count, check_share
from augmoments.training.second_order import Expansion, SecondOrder

_IMAGES_AT_ONCE = 64


class ExplicitRegularizer(SecondOrder):
    r"""The regularizer :math:`\frac12 \mathrm{tr}(J^\top H_\ell J V)` at the mean image.

    .. math:: E[\ell(f(T(x)), y)] \approx \ell(f(\mu), y)
        + \frac12 \sum_{r} \lambda_r (J q_r)^\top H_\ell (J q_r)

    with :math:`\mu` and V the exact mean and covariance of the augmented image, :math:`\lambda_r,
    q_r` the leading eigenpairs of V, J the Jacobian of the outputs and :math:`H_\ell` the loss's
    Hessian in them, both at :math:`\mu` (the Gauss-Newton term; nothing is random). Exact for a
    linear model with squared error. ``criterion.total(model, images, targets)`` is the
    whole right-hand side, ``criterion(model, images, targets)`` the sum alone, and costs
    the same: one pass and ``rank`` directional derivatives an image.

    An expansion goes only so far: a model trained with an augmentation has its low loss on the
    augmented images, not at their blurred mean. So every ``check_every`` steps the expected loss
    of a few images is measured, and what the expansion says is compared with it.

    Batch normalisation must be in evaluation mode; Dropout may be active (one mask for the
    pass and all its derivatives).

    Args:
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations. Not
            policies that mix a batch (MixUp, CutMix).
        loss: ``"cross_entropy"``, ``"squared_error"``, a PyTorch loss, or a function of outputs
            and targets that gives one value a sample.
        rank: Eigenpairs of V that are used, at most.
        tol: Relative error asked of mean and covariance.
        seed: Seed of the nodes of mean and covariance.
        check_every: Training steps from one measurement to the next, beginning with the first;
            0 for none. One takes 64 passes of 8 images.
        warn_above: Relative residual above which it warns, once.
        value_range: What the images' values must lie in; ``None`` lifts the check.

    Attributes:
        step: Calls in training mode so far, a buffer.
        explained: Share of tr V that the directions of the last call carry; ``None`` before.
        residual: Expected loss minus its expansion, relative to the former, when last measured.
        mode: ``"forward"``, or ``"reverse"`` where the model has no forward-mode derivatives.

    Raises:
        InputError: An unknown loss, or a rank below one.
        PolicyError: The policy mixes images.

    Warns:
        TaylorWarning: The residual is large, or the directions carry little of V; once each.

    Example:
        >>> import torch, augmoments as am
        >>> from augmoments.training import ExplicitRegularizer
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
        >>> images, targets = am.data.digits()
        >>> policy = am.RandomTranslation(x=am.Uniform(-1, 1))
        >>> criterion = ExplicitRegularizer(policy, rank=4)
        >>> criterion.total(model, images[:32], targets[:32]).backward()
        >>> criterion.explained > 0.9, abs(criterion.residual) < 0.1
        (True, True)

    Reference:
        Balestriero, Misra, LeCun (2022), section 3 and theorem 2.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        loss: str | nn.Module | Sampled = "cross_entropy",
        rank: int = 8,
        tol: float = 1e-2,
        seed: int = 0,
        check_every: int = 100,
        warn_above: float = 0.25,
        value_range: tuple[float, float] | None = (0.0, 1.0),
    ) -> None:
        super().__init__(policy, loss, seed, check_every, warn_above, value_range)
        self.rank = check_count("rank", rank)
        self.tol = check_share("tol", tol)

    def _expand(self, images: Tensor) -> Expansion:
        parts = [self._expand_few(few) for few in images.split(_IMAGES_AT_ONCE)]
        columns = max(part.directions.shape[1] for part in parts)
        return Expansion(
            torch.cat([part.point for part in parts]),
            torch.cat([_padded(part.directions, columns) for part in parts]),
            torch.cat([part.explained for part in parts]),
        )

    def _expand_few(self, images: Tensor) -> Expansion:
        m = moments(images, self.policy, self.tol, seed=self.seed, value_range=None)
        directions, explained = _leading(m.covariance, self.rank)
        return Expansion(m.mean, directions, explained)


def _leading(covariance: Covariance, rank: int) -> tuple[Tensor, Tensor]:
    """At most ``rank`` leading directions ``(N, r, C, H, W)``, and the share of tr V they carry."""
    trace = covariance.trace()
    rank = min(rank, covariance.shape[1])
    if covariance.noise is None and covariance.factor.shape[1] <= rank:
        return covariance.factor, torch.ones_like(trace)
    values, vectors, _ = covariance.eigh(rank)
    share = torch.where(trace > 0, values.sum(1) / trace, 1.0).clamp_max(1.0)
    return values.sqrt()[..., None, None, None] * vectors, share


def _padded(directions: Tensor, columns: int) -> Tensor:
    """The same with zero directions added."""
    missing = columns - directions.shape[1]
    return torch.nn.functional.pad(directions, (0, 0) * 3 + (0, missing))
