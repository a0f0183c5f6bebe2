"""Parameters of a policy that make the closed-form model best on images set aside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from augmoments.adapters import Policy, as_policy
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.sequence import Chain
from augmoments.calculus.dataset import DatasetMoments
from augmoments.errors import InputError, LawError, PolicyError
from augmoments.linear.strength import ridge
from augmoments.linear.validation import Judged
from augmoments.options import check_penalty

WithParameters = Callable[[Tensor], Policy]
Bound = tuple[float | None, float | None]
_ALWAYS = 1e-12  # a tolerance that is never met, so that the number of nodes is always the same


class Visit(NamedTuple):
    """One evaluation of the objective."""

    parameters: tuple[float, ...]
    loss: float
    gradient: tuple[float, ...]


@dataclass(frozen=True)
class Tuned:
    """What :func:`tune` found.

    Attributes:
        parameters: ``(P,)``, float64.
        policy: The policy with these parameters, as numbers.
        loss: Squared error on the images for validation, summed over targets.
        score: Accuracy there; for real targets R^2.
        gradient_norm: Greatest absolute entry of the gradient, but for those at a bound that point
            outside.
        iterations: Of L-BFGS-B.
        converged: Whether it stopped because the gradient or the progress was small.
        message: What the optimiser said.
        history: Every evaluation.
    """

    parameters: Tensor
    policy: Augmentation
    loss: float
    score: float
    gradient_norm: float
    iterations: int
    converged: bool
    message: str
    history: tuple[Visit, ...] = field(repr=False)


@dataclass
class Objective:
    """The squared error on the images for validation, as a function of the parameters.

    Args:
        judged: Images for training and validation.
        policy: From parameters ``(P,)`` to a policy, whose laws take them as tensors.
        alpha: Penalty of the weights.
        options: Of :class:`~augmoments.DatasetMoments`.
    """

    judged: Judged
    policy: WithParameters
    alpha: float
    options: dict[str, Any]
    visits: list[Visit] = field(default_factory=list)
    _sums: DatasetMoments | None = None

    def solution(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Weights and intercepts of the model, with gradients to the parameters."""
        try:
            policy = as_policy(self.policy(parameters))
        except LawError as error:
            raise PolicyError(
                f"There is no policy with the parameters {parameters.tolist()} ({error}): give "
                "bounds."
            ) from error
        self.judged.check(policy)
        return ridge(self._data(policy).moments(), self.alpha)

    def _data(self, policy: Augmentation) -> DatasetMoments:
        images, targets = self.judged.images, self.judged.targets
        if not policy.affine:
            return DatasetMoments(policy, **self.options).update(images, targets)
        if self._sums is None:
            self._sums = DatasetMoments(Chain(()), **self.options).update(images, targets)
        return self._sums.with_policy(policy)

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss and gradient at ``x``.

        Raises:
            PolicyError: The loss does not depend on the parameters in a way that has a derivative.
        """
        parameters = torch.tensor(x, dtype=torch.float64, requires_grad=True)
        loss = self.judged.squared_error(*self.solution(parameters))
        if not loss.requires_grad:
            raise PolicyError(
                "The policy does not depend on its parameters as laws of tensors: write, for "
                "instance, lambda p: RandomTranslation(x=Uniform(-p[0], p[0])), without float()."
            )
        (gradient,) = torch.autograd.grad(loss, parameters)
        visit = Visit(tuple(x.tolist()), float(loss.detach()), tuple(gradient.tolist()))
        self.visits.append(visit)
        return visit.loss, gradient.numpy()


def tune(
    images: Tensor | np.ndarray,
    targets: Any,
    policy: WithParameters,
    start: Sequence[float] | Tensor,
    *,
    validation: tuple[Any, Any],
    bounds: Sequence[Bound] | None = None,
    alpha: float = 1e-3,
    seed: int = 0,
    nodes: int = 256,
    max_nodes: int = 128,
    max_iterations: int = 50,
) -> Tuned:
    r"""Choose the continuous parameters of a policy by gradients, without sampling.

    Minimises the squared error on images that were set aside, of the ridge model trained on
    infinitely many augmented samples, over the parameters :math:`\varphi` of the policy. The
    gradient goes through the solution, the moments and the laws; L-BFGS-B minimises.

    Args:
        images: ``(N, C, H, W)`` in [0, 1], for training.
        targets: Classes ``(N,)``, or real numbers ``(N,)`` or ``(N, K)``.
        policy: A function from parameters, a float64 tensor ``(P,)``, to a policy whose laws take
            entries of it, such as ``lambda p: RandomTranslation(x=Uniform(-p[0], p[0]))``.
        start: Where to begin, ``(P,)``.
        validation: Images and targets that were set aside.
        bounds: A pair (low, high) for each parameter, ``None`` where there is no bound.
        alpha: Penalty of the weights.
        seed: Seed of scrambled nodes.
        nodes: Evaluations of an image by steps that are not affine.
        max_nodes: Nodes of a parameter that takes them, the same throughout, so that the objective
            is continuous.
        max_iterations: Of the optimiser.

    Raises:
        InputError: Images, targets, start or bounds that are not what was meant.
        PolicyError: No policy for some parameters, or one that has no derivative; see also
            :func:`~augmoments.linear.strength.strength_curve`.

    Example:
        >>> import augmoments as am
        >>> from augmoments.linear.tuning import tune
        >>> images, labels = am.data.digits()
        >>> train, held = (images[::4], labels[::4]), (images[1::4], labels[1::4])
        >>> def shift(p):
        ...     return am.RandomTranslation(x=am.Uniform(-p[0], p[0]), y=am.Uniform(-p[1], p[1]))
        >>> found = tune(*train, shift, [1.0, 1.0], validation=held, bounds=[(0.05, 3)] * 2)
        >>> found.converged, found.parameters.shape
        (True, torch.Size([2]))

    Reference:
        Byrd, Lu, Nocedal, Zhu (1995), *A Limited Memory Algorithm for Bound Constrained
        Optimization*.
    """
    check_penalty(alpha)
    x = np.atleast_1d(np.asarray(torch.as_tensor(start, dtype=torch.float64).detach()))
    limits = _limits(bounds, x)
    options = {"tol": _ALWAYS, "seed": seed, "nodes": nodes, "max_nodes": max_nodes}
    objective = Objective(Judged.of(images, targets, validation), policy, alpha, options)
    found = minimize(
        objective,
        x,
        jac=True,
        method="L-BFGS-B",
        bounds=limits,
        options={"maxiter": max_iterations},
    )
    parameters = torch.tensor(found.x, dtype=torch.float64)
    solution = objective.solution(parameters)
    step = np.clip(found.x - found.jac, limits[:, 0], limits[:, 1]) - found.x
    return Tuned(
        parameters=parameters,
        policy=as_policy(policy(parameters)),
        loss=float(found.fun),
        score=objective.judged.score(*solution),
        gradient_norm=float(np.abs(step).max()),
        iterations=int(found.nit),
        converged=bool(found.success),
        message=str(found.message),
        history=tuple(objective.visits),
    )


def _limits(bounds: Sequence[Bound] | None, x: np.ndarray) -> np.ndarray:
    """Bounds as an array ``(P, 2)``."""
    if x.ndim != 1 or not len(x) or not np.isfinite(x).all():
        raise InputError(f"start must be finite numbers of shape (P,), got {x.tolist()}.")
    if bounds is None:
        return np.tile([-np.inf, np.inf], (len(x), 1))
    if len(bounds) != len(x):
        raise InputError(f"There are {len(x)} parameters, but {len(bounds)} bounds.")
    pairs = [
        (-np.inf if low is None else low, np.inf if high is None else high) for low, high in bounds
    ]
    found = np.array(pairs, dtype=float)
    if not (found[:, 0] <= found[:, 1]).all():
        raise InputError(f"Bounds must be pairs (low, high) with low <= high, got {bounds}.")
    if not ((found[:, 0] <= x) & (x <= found[:, 1])).all():
        raise InputError(f"start {x.tolist()} lies outside the bounds {bounds}.")
    return found
