"""Ridge regression and classification trained on infinitely many augmented samples."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from augmoments.adapters import Policy
from augmoments.calculus.dataset import DatasetMoments
from augmoments.checks import check_images, check_targets
from augmoments.errors import InputError

Array = np.ndarray


class _Linear(BaseEstimator):
    """What the two estimators share: the fit, and the linear map."""

    def __init__(
        self, policy: Policy, alpha: float = 1e-3, *, tol: float = 1e-3, seed: int = 0
    ) -> None:
        self.policy = policy
        self.alpha = alpha
        self.tol = tol
        self.seed = seed

    def _fit(self, images: Tensor, targets: Tensor) -> Self:
        data = DatasetMoments(self.policy, tol=self.tol, seed=self.seed)
        solution = data.update(images, targets).solve(self.alpha)
        self.shape_ = data.output_shape
        self.coef_ = solution.coef.cpu().numpy()
        self.intercept_ = solution.intercept.cpu().numpy()
        self.loss_ = solution.loss
        return self

    def decision_function(self, images: Tensor) -> Array:
        """``coef_ x + intercept_`` for images ``(N, C', H', W')``, shape ``(N, K)``.

        These are images as the policy gives them: where it changes their shape, as a crop does,
        bring them to it first, such as by a centre crop.

        Raises:
            InputError: Images of another shape.
        """
        check_is_fitted(self, "coef_")
        batch = check_images(images, value_range=None)
        if tuple(batch.shape[1:]) != self.shape_:
            raise InputError(
                f"Fitted on augmented images of shape {self.shape_}, got {tuple(batch.shape[1:])}."
            )
        rows = batch.detach().cpu().double().flatten(1).numpy()
        return rows @ self.coef_.T + self.intercept_

    def to_module(self) -> nn.Module:
        """The fitted model for PyTorch, ``(N, C', H', W')`` to ``(N, K)``, float32."""
        check_is_fitted(self, "coef_")
        outputs, features = self.coef_.shape
        linear = nn.Linear(features, outputs)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(self.coef_))
            linear.bias.copy_(torch.from_numpy(self.intercept_))
        return nn.Sequential(nn.Flatten(), linear).eval()


class AugmentedRidge(RegressorMixin, _Linear):
    r"""Ridge regression on infinitely many augmented samples of every image, in closed form.

    Minimises

    .. math:: \frac1N \sum_n E\|y_n - W T(x_n) - b\|^2 + \alpha \|W\|_F^2 ,

    the intercept b free. The cost of the policy does not depend on the number of images.

    Args:
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations; affine
            ones once for the whole dataset, others image by image.
        alpha: Strength of the penalty, at least 0.
        tol: Relative error of the augmented covariance, where the policy needs nodes.
        seed: Seed of scrambled nodes.

    Attributes:
        coef_: Weights ``(K, D)`` with ``D = C' H' W'`` values of an augmented image, float64.
        intercept_: ``(K,)``, float64.
        shape_: ``(C', H', W')``, the shape of augmented images.
        loss_: Expected squared error on the augmented training set, without the penalty.

    Raises:
        InputError: Images or targets that are not what was meant.
        InputTypeError: ``policy`` is no policy.
        PolicyError: The policy does not take images of this shape.

    Example:
        >>> import torch, augmoments as am
        >>> images, targets = torch.rand(20, 1, 4, 4), torch.rand(20)
        >>> model = am.AugmentedRidge(am.RandomTranslation(x=(-1, 1)), alpha=1e-3)
        >>> model.fit(images, targets).predict(images).shape
        (20,)

    Reference:
        Balestriero, Misra, LeCun (2022), section 3.
    """

    def fit(self, images: Tensor, targets: Tensor) -> Self:
        """Fit to images ``(N, C, H, W)`` and targets ``(N,)`` or ``(N, K)``."""
        self.single_ = torch.as_tensor(targets).ndim == 1
        return self._fit(images, torch.as_tensor(targets))

    def predict(self, images: Tensor) -> Array:
        """Predictions ``(N,)`` or ``(N, K)``, as the targets were."""
        out = self.decision_function(images)
        return out[:, 0] if self.single_ else out


class AugmentedRidgeClassifier(ClassifierMixin, _Linear):
    """Ridge regression to one-hot classes on infinitely many augmented samples.

    Takes the arguments of :class:`AugmentedRidge`; targets are 1 for an image's class, 0 else.

    Attributes:
        classes_: The classes, sorted.
        coef_: Weights ``(K, D)`` with ``D = C' H' W'`` values of an augmented image, float64.
        intercept_: ``(K,)``, float64.

    Raises:
        InputError: Images or labels that are not what was meant, or a single class.

    Example:
        >>> import augmoments as am
        >>> images, labels = am.data.digits()
        >>> model = am.AugmentedRidgeClassifier(am.RandomTranslation(x=(-1, 1), y=(-1, 1)))
        >>> bool(model.fit(images, labels).score(images, labels) > 0.8)
        True
    """

    def fit(self, images: Tensor, labels: Tensor) -> Self:
        """Fit to images ``(N, C, H, W)`` and labels ``(N,)``, whole numbers."""
        labels = torch.as_tensor(labels)
        check_targets(labels, len(images))
        if labels.ndim != 1 or labels.is_floating_point():
            raise InputError(
                f"labels must be whole numbers of shape (N,), got {labels.dtype} of shape "
                f"{tuple(labels.shape)}; use AugmentedRidge for real targets."
            )
        classes, index = labels.unique(return_inverse=True)
        if len(classes) < 2:
            raise InputError(f"There is only one class, {classes.tolist()}; give at least two.")
        self.classes_ = classes.cpu().numpy()
        return self._fit(images, nn.functional.one_hot(index).double())

    def predict(self, images: Tensor) -> Array:
        """The class with the largest output, ``(N,)``."""
        return self.classes_[self.decision_function(images).argmax(1)]
