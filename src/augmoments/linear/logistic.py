"""Logistic regression trained on infinitely many augmented samples."""

from __future__ import annotations

import warnings
from typing import Literal, Self

import numpy as np
import torch
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from augmoments.adapters import Policy
from augmoments.calculus.moments import moments
from augmoments.checks import did_you_mean
from augmoments.errors import InputError
from augmoments.estimate import rounding
from augmoments.linear.accuracy import accuracy
from augmoments.linear.inputs import as_images, as_rows, as_single_policy, as_weights, encode_labels
from augmoments.linear.module import linear_module
from augmoments.linear.newton import Minimum, Newton
from augmoments.linear.rows import AugmentedRows, allowed, node_levels
from augmoments.linear.softmax import NodeCrossEntropy, SecondOrderCrossEntropy
from augmoments.operators.base import Shape
from augmoments.options import check_count, check_penalty, check_seed, check_share

Array = np.ndarray
_METHODS = ("nodes", "second_order")
_TOL = 1e-3  # of the moments


class AugmentedLogisticRegression(ClassifierMixin, BaseEstimator):
    r"""Softmax regression on infinitely many augmented samples of every image.

    Minimises

    .. math:: \frac1N \sum_n E[\mathrm{CE}(W T(x_n) + b, y_n)] + \alpha \|W\|_F^2 ,

    the intercept b free, by Newton's method. With ``method="nodes"`` the expectation is a sum over
    the same nodes in every step: all outcomes of a finite law, which is exact, a grid, or Sobol
    points, scrambled independently for 32 images in turn. With ``method="second_order"`` it is

    .. math:: \mathrm{CE}(z_n, y_n) + \tfrac12 \mathrm{tr}(H(z_n) W V_n W^\top), \qquad
        z_n = W \mu_n + b ,

    with mean and covariance of each augmented image and the Hessian H of the cross-entropy: an
    approximation, whose distance is told.

    Args:
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations.
        alpha: Strength of the penalty, positive. scikit-learn's ``C`` is ``1 / (2 N alpha)``.
        method: ``"nodes"`` or ``"second_order"``.
        nodes: About how many nodes an image; finite laws of up to 4,096 outcomes are enumerated,
            and others take as many as tell their error, such as 128 Sobol points.
        tol: Relative error of the weights that the minimisation may leave.
        max_iter: Most steps of the minimisation.
        seed: Seed of scrambled nodes.
        max_memory: Bytes that augmented images may take, by default half of what is available,
            4 GiB at most. Where they do not fit they are computed anew in each pass.

    Attributes:
        classes_: The classes, sorted.
        coef_: Weights ``(K, D)`` with ``D = C' H' W'`` values of an augmented image, float64.
        intercept_: ``(K,)``, float64.
        shape_: ``(C', H', W')``, the shape of augmented images.
        n_iter_: Steps that were taken.
        converged_: Whether they reached ``tol``.
        loss_: Expected cross-entropy on the augmented training set by nodes, without the penalty.
        loss_error_: Absolute error bound of ``loss_``, from nodes.
        error_: Relative error bound of ``coef_``, against the weights that minimise the expected
            loss itself: to first order, from replicates or coarser grids. With
            ``"second_order"`` it has the distance to them from the approximation.
        method_: How the expectation was obtained.
        residual_: With ``"second_order"``, the expected loss by nodes less that to second order;
            else 0.

    Raises:
        InputError: Images, labels or weights that are not what was meant, or a single class.
        PolicyError: The policy does not take images of this shape, or mixes them.
        NotEnoughMemoryError: Covariances that ``"second_order"`` needs do not fit.

    Example:
        >>> import augmoments as am
        >>> images, labels = am.data.digits()
        >>> model = am.AugmentedLogisticRegression(am.RandomHorizontalFlip(0.1), alpha=1e-2)
        >>> model.fit(images[:200], labels[:200]).method_
        'exact'
        >>> bool(model.score(images[200:400], labels[200:400]) > 0.8)
        True

    Reference:
        Balestriero, Misra, LeCun (2022), section 3.
    """

    def __init__(
        self,
        policy: Policy,
        alpha: float = 1e-3,
        *,
        method: Literal["nodes", "second_order"] = "nodes",
        nodes: int = 128,
        tol: float = 1e-6,
        max_iter: int = 100,
        seed: int = 0,
        max_memory: float | None = None,
    ) -> None:
        self.policy = policy
        self.alpha = alpha
        self.method = method
        self.nodes = nodes
        self.tol = tol
        self.max_iter = max_iter
        self.seed = seed
        self.max_memory = max_memory

    def fit(self, X: object, y: object, sample_weight: object = None) -> Self:
        """Fit to images ``(N, C, H, W)`` in [0, 1] and labels ``(N,)``, numbers or strings.

        Weights ``(N,)`` count relative to their sum.
        """
        self._check_options()
        images = as_images(X)
        self.classes_, index = encode_labels(y, len(images))
        weights = as_weights(sample_weight, len(images))
        weights = torch.ones(len(images)).double() if weights is None else weights.cpu()
        unseen = torch.bincount(index, weights) == 0
        if unseen.any():
            raise InputError(f"Classes without weight: {self.classes_[unseen.numpy()].tolist()}.")
        kept = weights > 0
        images = images[kept.to(images.device)]
        images = images if images.dtype == torch.float64 else images.float()
        index, weights = (part[kept].to(images.device) for part in (index, weights))
        self._fit(images, index, weights / weights.sum())
        return self

    def _fit(self, images: Tensor, index: Tensor, weights: Tensor) -> None:
        shape: Shape = tuple(images.shape[1:])  # type: ignore[assignment]
        policy = as_single_policy(self.policy, shape)
        classes, memory = len(self.classes_), allowed(self.max_memory)
        levels = node_levels(policy, shape, self.seed, self.nodes, len(images))
        truth, *coarser = (
            NodeCrossEntropy(
                AugmentedRows(images, policy, nodes, memory), index, weights, classes, self.alpha
            )
            for nodes in levels
        )
        newton = Newton(truth)
        if self.method == "second_order":
            found = moments(
                images, policy, _TOL, seed=self.seed, max_memory=memory, value_range=None
            )
            objective = SecondOrderCrossEntropy(found, index, weights, classes, self.alpha)
            minimum, self.method_ = self._minimum(Newton(objective)), found.method
            told = accuracy(newton, truth, minimum.theta, coarser)
            self.residual_ = told.loss - objective.loss(minimum.theta)
        else:
            minimum, self.method_ = self._minimum(newton), levels[0][0].method
            told = accuracy(newton, truth, minimum.theta, coarser)
            self.residual_ = 0.0
        self.shape_ = policy.output_shape(shape)
        self.loss_, self.loss_error_ = told.loss, told.loss_error
        self.error_ = told.weights_error + rounding(images.dtype, max(shape[1:]))

    def _minimum(self, solver: Newton) -> Minimum:
        found = solver.minimise(self.tol, self.max_iter)
        weights = found.theta.cpu().numpy()
        self.coef_, self.intercept_ = weights[:, :-1].copy(), weights[:, -1].copy()
        self.n_iter_, self.converged_ = found.iterations, found.converged
        if not found.converged:
            warnings.warn(
                f"The weights did not settle to tol={self.tol:g} in {found.iterations} steps: take "
                "a larger max_iter, alpha or tol.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return found

    def _check_options(self) -> None:
        if check_penalty(self.alpha) == 0:
            raise InputError(
                "alpha must be a positive, finite number, got 0: without a penalty "
                "the weights of classes that can be told apart run to infinity."
            )
        if self.method not in _METHODS:
            hint = did_you_mean(str(self.method), _METHODS)
            raise InputError(f"method must be one of {_METHODS}, got {self.method!r}{hint}.")
        check_share("tol", self.tol)
        check_seed(self.seed)
        check_count("nodes", self.nodes)
        check_count("max_iter", self.max_iter)

    def decision_function(self, X: object) -> Array:
        """``coef_ x + intercept_`` for images ``(N, C', H', W')``, shape ``(N, K)``.

        As in scikit-learn, two classes give ``(N,)``: the log odds of the second one. Images are
        as the policy gives them; see :meth:`AugmentedRidge.decision_function`.

        Raises:
            InputError: Images of another shape.
        """
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: object) -> Array:
        """Probabilities of the classes for images ``(N, C', H', W')``, ``(N, K)``."""
        return softmax(self._logits(X), axis=1)

    def predict(self, X: object) -> Array:
        """The most probable class, ``(N,)``."""
        logits = self._logits(X)
        return self.classes_[logits.argmax(1)]

    def _logits(self, X: object) -> Array:
        check_is_fitted(self, "coef_")
        return as_rows(X, self.shape_) @ self.coef_.T + self.intercept_

    def to_module(self) -> nn.Module:
        """The fitted model for PyTorch, ``(N, C', H', W')`` to logits ``(N, K)``, float32."""
        check_is_fitted(self, "coef_")
        return linear_module(self.coef_, self.intercept_)
