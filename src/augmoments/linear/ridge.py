"""Ridge regression and classification trained on infinitely many augmented samples."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from augmoments.adapters import Policy
from augmoments.calculus.dataset import DatasetMoments
from augmoments.calculus.dataset.ridge import RidgePath, RidgeSolution
from augmoments.errors import InputError, InputTypeError
from augmoments.linear.inputs import (
    as_images,
    as_rows,
    as_single_policy,
    as_targets,
    as_weights,
    encode_labels,
)
from augmoments.linear.leave_one_out import leave_one_out
from augmoments.linear.module import linear_module

Array = np.ndarray
Alphas = float | Sequence[float]
Validation = tuple[Any, Any]


class _Linear(BaseEstimator):
    """What the two estimators share: the fit, the choice of a penalty, and the linear map."""

    def __init__(
        self,
        policy: Policy,
        alpha: Alphas = 1e-3,
        *,
        tol: float = 1e-3,
        seed: int = 0,
        nodes: int = 256,
    ) -> None:
        self.policy = policy
        self.alpha = alpha
        self.tol = tol
        self.seed = seed
        self.nodes = nodes

    def _fit(
        self, images: Tensor, targets: Tensor, sample_weight: Any, validation: Validation | None
    ) -> Self:
        alphas = _alphas(self.alpha)
        weights = as_weights(sample_weight, len(images))
        data = DatasetMoments(self.policy, tol=self.tol, seed=self.seed, nodes=self.nodes)
        moments = data.update(images, targets, weights).moments()
        self.shape_ = data.output_shape
        path = RidgePath(moments)
        solutions = path.solutions(alphas)
        best = 0
        if validation is not None:
            self.scores_ = self._validation_scores(solutions, validation)
            best = int(self.scores_.argmax())
        elif len(alphas) > 1:
            policy = as_single_policy(self.policy, tuple(images.shape[1:]))  # type: ignore[arg-type]
            left = leave_one_out(
                images, targets, weights, policy, path, alphas, tol=self.tol, seed=self.seed
            )
            self.left_out_ = left
            self.scores_ = self._scores(left.predictions.numpy(), targets.numpy(), weights)
            best = int(self.scores_.argmax())
        self.alpha_ = alphas[best]
        self.path_ = solutions
        self.method_ = moments.method
        return self._take(solutions[best])

    def _take(self, solution: RidgeSolution) -> Self:
        self.coef_ = solution.coef.cpu().numpy()
        self.intercept_ = solution.intercept.cpu().numpy()
        self.loss_, self.loss_error_ = solution.loss, solution.loss_error
        self.error_ = solution.error
        return self

    def _validation_scores(
        self, solutions: Sequence[RidgeSolution], validation: Validation
    ) -> Array:
        rows = as_rows(validation[0], self.shape_)
        outputs = [rows @ s.coef.cpu().numpy().T + s.intercept.cpu().numpy() for s in solutions]
        return self._scores(np.stack(outputs), self._targets(validation[1], len(rows)), None)

    @abstractmethod
    def _targets(self, y: Any, n: int) -> Array:
        """Targets ``(n, K)`` that are compared with outputs."""

    @abstractmethod
    def _scores(self, outputs: Array, targets: Array, weights: Tensor | None) -> Array:
        """The score of each of several outputs ``(A, n, K)``, the higher the better."""

    def decision_function(self, images: Tensor | Array) -> Array:
        """``coef_ x + intercept_`` for images ``(N, C', H', W')``, shape ``(N, K)``.

        These are images as the policy gives them: where it changes their shape, as a crop does,
        bring them to it first, such as by a centre crop.

        Raises:
            InputError: Images of another shape.
        """
        check_is_fitted(self, "coef_")
        return as_rows(images, self.shape_) @ self.coef_.T + self.intercept_

    def to_module(self) -> nn.Module:
        """The fitted model for PyTorch, ``(N, C', H', W')`` to ``(N, K)``, float32."""
        check_is_fitted(self, "coef_")
        return linear_module(self.coef_, self.intercept_)


def _alphas(alpha: Alphas) -> tuple[float, ...]:
    try:
        found = np.atleast_1d(np.asarray(alpha))
    except ValueError as error:
        raise InputTypeError(f"alpha must be a number or several, got {alpha!r}.") from error
    if found.dtype.kind not in "fiu":
        raise InputTypeError(f"alpha must be a number or several, got {alpha!r}.")
    if found.ndim != 1 or not len(found):
        raise InputError(f"alpha must be a number, or at least one in a list, got {alpha!r}.")
    return tuple(float(value) for value in found)


class AugmentedRidge(RegressorMixin, _Linear):
    r"""Ridge regression on infinitely many augmented samples of every image, in closed form.

    Minimises

    .. math:: \frac1N \sum_n E\|y_n - W T(x_n) - b\|^2 + \alpha \|W\|_F^2 ,

    the intercept b free. The cost of affine policies does not depend on the number of images.
    MixUp and CutMix blend every image and its targets with each of the others with equal
    probability, as in batches of shuffled images.

    Args:
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations; affine
            ones once for the whole dataset, others image by image.
        alpha: Strength of the penalty, at least 0. Of several, all from one decomposition, the best
            is taken: by the images that :meth:`fit` gets for validation, or else by leaving out
            one image at a time, also in closed form.
        tol: Relative error of the augmented covariance, where the policy needs nodes.
        seed: Seed of scrambled nodes.
        nodes: Evaluations of an image by steps that are not affine.

    Attributes:
        coef_: Weights ``(K, D)`` with ``D = C' H' W'`` values of an augmented image, float64.
        intercept_: ``(K,)``, float64.
        error_: Relative error bound of ``coef_``, in Frobenius norm.
        shape_: ``(C', H', W')``, the shape of augmented images.
        loss_: Expected squared error on the augmented training set, without the penalty.
        loss_error_: Absolute error bound of ``loss_``.
        method_: How the moments were obtained.
        alpha_: The penalty that was taken.
        path_: The solutions for all of ``alpha``.
        scores_: Their scores, where they were compared: coefficients of determination.
        left_out_: What came of leaving out one image at a time, where that was done.

    Raises:
        InputError: Images or targets that are not what was meant.
        InputTypeError: ``policy`` is no policy.
        PolicyError: The policy does not take images of this shape.

    Example:
        >>> import torch, augmoments as am
        >>> images, targets = torch.rand(20, 1, 4, 4), torch.rand(20)
        >>> model = am.AugmentedRidge(am.RandomTranslation(x=(-1, 1)), alpha=[1e-3, 1e-1, 1e1])
        >>> model.fit(images, targets).predict(images).shape
        (20,)
        >>> model.scores_.shape, model.alpha_ in model.alpha
        ((3,), True)

    Reference:
        Balestriero, Misra, LeCun (2022), section 3.
    """

    def fit(
        self,
        images: Tensor | Array,
        targets: Any,
        sample_weight: Any = None,
        validation: Validation | None = None,
    ) -> Self:
        """Fit to images ``(N, C, H, W)`` and targets ``(N,)`` or ``(N, K)``.

        Args:
            images: In [0, 1], a torch tensor or a NumPy array.
            targets: Real numbers.
            sample_weight: How often each image counts, ``(N,)``.
            validation: Images and targets by which one of several penalties is taken.
        """
        batch = as_images(images)
        y = as_targets(targets, len(batch))
        self.single_ = y.ndim == 1
        return self._fit(batch, y.reshape(len(batch), -1), sample_weight, validation)

    def predict(self, images: Tensor | Array) -> Array:
        """Predictions ``(N,)`` or ``(N, K)``, as the targets were."""
        out = self.decision_function(images)
        return out[:, 0] if self.single_ else out

    def _targets(self, y: Any, n: int) -> Array:
        return as_targets(y, n).reshape(n, -1).cpu().numpy()

    def _scores(self, outputs: Array, targets: Array, weights: Tensor | None) -> Array:
        w = None if weights is None else weights.cpu().numpy()
        return np.array([r2_score(targets, found, sample_weight=w) for found in outputs])


class AugmentedRidgeClassifier(ClassifierMixin, _Linear):
    """Ridge regression to one-hot classes on infinitely many augmented samples.

    Takes the arguments of :class:`AugmentedRidge`; targets are 1 for an image's class, 0 else.

    Attributes:
        classes_: The classes, sorted.
        coef_: Weights ``(K, D)`` with ``D = C' H' W'`` values of an augmented image, float64.
        intercept_: ``(K,)``, float64.
        scores_: Accuracies for all of ``alpha``, where they were compared.

    The others are those of :class:`AugmentedRidge`.

    Raises:
        InputError: Images or labels that are not what was meant, or a single class.

    Example:
        >>> import augmoments as am
        >>> images, labels = am.data.digits()
        >>> model = am.AugmentedRidgeClassifier(am.RandomTranslation(x=(-1, 1), y=(-1, 1)))
        >>> bool(model.fit(images, labels).score(images, labels) > 0.8)
        True
    """

    def fit(
        self,
        images: Tensor | Array,
        labels: Any,
        sample_weight: Any = None,
        validation: Validation | None = None,
    ) -> Self:
        """Fit to images ``(N, C, H, W)`` and labels ``(N,)``, whole numbers or strings.

        Args:
            images: In [0, 1], a torch tensor or a NumPy array.
            labels: One class an image.
            sample_weight: How often each image counts, ``(N,)``.
            validation: Images and labels by which one of several penalties is taken.
        """
        batch = as_images(images)
        self.classes_, index = encode_labels(labels, len(batch))
        targets = nn.functional.one_hot(index, len(self.classes_)).double()
        return self._fit(batch, targets, sample_weight, validation)

    def predict(self, images: Tensor | Array) -> Array:
        """The class with the largest output, ``(N,)``."""
        outputs = super().decision_function(images)
        return self.classes_[outputs.argmax(1)]

    def decision_function(self, images: Tensor | Array) -> Array:
        """Outputs ``(N, K)``; of two classes, how much larger that of the second is, ``(N,)``."""
        outputs = super().decision_function(images)
        return outputs[:, 1] - outputs[:, 0] if len(self.classes_) == 2 else outputs

    def _targets(self, y: Any, n: int) -> Array:
        labels = y.detach().cpu().numpy() if isinstance(y, Tensor) else np.asarray(y)
        if labels.shape != (n,):
            raise InputError(f"labels of shape {labels.shape} for {n} images, expected ({n},).")
        return (labels[:, None] == self.classes_).astype(float)

    def _scores(self, outputs: Array, targets: Array, weights: Tensor | None) -> Array:
        w = None if weights is None else weights.cpu().numpy()
        right = outputs.argmax(2) == targets.argmax(1)
        return np.average(right & (targets.sum(1) > 0), axis=1, weights=w)
