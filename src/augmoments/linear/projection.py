"""A linear projection that keeps what tells images apart and loses what the policy changes."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from scipy.linalg import LinAlgError, eigh, eigvalsh
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from augmoments.adapters import Policy
from augmoments.calculus.dataset import DatasetMoments
from augmoments.calculus.dataset.augmented import AugmentedMoments
from augmoments.calculus.dataset.joint import JointMoments
from augmoments.errors import InputError
from augmoments.linear.inputs import as_images, as_rows, as_single_policy
from augmoments.operators.base import Shape
from augmoments.options import check_count, check_penalty

Array = np.ndarray


class InvariantProjection(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    r"""Linear self-supervised learning in closed form: what differs between images, not within.

    With the total covariance :math:`S_t` of augmented images, the mean :math:`S_w` of the
    covariances of each image's own augmentations and :math:`S_b = S_t - S_w`, the covariance of
    the mean images, the components solve

    .. math:: S_b v = \lambda \left( S_t + \alpha \tfrac{\mathrm{tr} S_t}{D} I \right) v .

    They are directions with the largest share of variance between images, a linear discriminant
    analysis whose classes are the images, with infinitely many augmented samples of each.

    Args:
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations.
        n_components: Number k of directions.
        alpha: What is added to the total variance of every direction, in units of the mean variance
            of a value; at least 0. It keeps out directions in which hardly anything varies.
        tol: Relative error asked of the covariance, where affine steps need nodes.
        seed: Seed of scrambled nodes.
        nodes: Evaluations of every image by steps that are not affine, see
            :class:`DatasetMoments`.

    Attributes:
        components_: ``(k, D)`` with ``D = C' H' W'`` values of an augmented image; augmented
            training images have unit variance along each, and its largest entry is positive.
        mean_: Mean augmented image, ``(D,)``, which is taken off.
        eigenvalues_: Shares :math:`\lambda` in [0, 1], descending, ``(k,)``: 1 is invariant.
        shape_: ``(C', H', W')``, the shape of augmented images.
        method_: How the covariances were obtained.
        error_: Error bound of ``eigenvalues_``, in Euclidean norm and to first order, from the
            error of the covariances; 0 where they are exact. Where nodes are random the mean
            images, whose error is smaller, are taken to be as far off as the covariances.

    Raises:
        InputError: Images that are not what was meant, or more components than directions in which
            the mean images differ.
        PolicyError: The policy does not take images of this shape, or mixes them.
        NotEnoughMemoryError: The covariance ``(D, D)`` does not fit.

    Example:
        >>> import augmoments as am
        >>> images, labels = am.data.digits()
        >>> policy = am.RandomTranslation(x=(-1, 1), y=(-1, 1))
        >>> projection = am.InvariantProjection(policy, n_components=8).fit(images)
        >>> projection.transform(images).shape
        (1797, 8)

    Reference:
        Fisher (1936); Balestriero, Misra, LeCun (2022), section 2.
    """

    def __init__(
        self,
        policy: Policy,
        n_components: int = 16,
        *,
        alpha: float = 1e-3,
        tol: float = 1e-3,
        seed: int = 0,
        nodes: int = 256,
    ) -> None:
        self.policy = policy
        self.n_components = n_components
        self.alpha = alpha
        self.tol = tol
        self.seed = seed
        self.nodes = nodes

    def fit(self, X: object, y: object = None) -> Self:
        """Fit to images ``(N, C, H, W)`` in [0, 1]; ``y`` is not used."""
        check_penalty(self.alpha)
        images = as_images(X)
        shape: Shape = tuple(images.shape[1:])  # type: ignore[assignment]
        policy = as_single_policy(self.policy, shape)
        data = DatasetMoments(policy, tol=self.tol, seed=self.seed, nodes=self.nodes)
        found = data.update(images).moments()
        self.shape_, self.method_ = data.output_shape, found.method
        self.mean_ = found.mean.flatten().cpu().numpy()
        self.eigenvalues_, self.components_ = self._solve(found)
        self.error_ = self._error(found)
        return self

    def _solve(self, found: AugmentedMoments) -> tuple[Array, Array]:
        """The leading eigenpairs, with unit total variance and a sign of their own."""
        total, within = (part.cpu().numpy() for part in (found.covariance, found.within))
        size = len(total)
        check_count("n_components", self.n_components, 1, size)
        ridge = self.alpha * np.trace(total) / size
        regularised = total + ridge * np.eye(size)
        try:
            shares, vectors = eigh(
                total - within,
                regularised,
                subset_by_index=(size - self.n_components, size - 1),
            )
        except LinAlgError:
            raise InputError(
                f"The covariance of the augmented images is singular and alpha is {self.alpha!r}: "
                "take a larger alpha, such as 1e-3."
            ) from None
        shares, components = shares[::-1], vectors.T[::-1]
        self._check_rank(shares, total, regularised)
        scales = np.einsum("kd,kd->k", components @ total, components)
        components = components / np.sqrt(scales)[:, None]
        largest = np.abs(components).argmax(1)[:, None]
        return shares.clip(0, 1), components * np.sign(np.take_along_axis(components, largest, 1))

    def _check_rank(self, shares: Array, total: Array, regularised: Array) -> None:
        """Refuse components of which only rounding says that images differ along them."""
        size = len(total)
        (largest,) = eigvalsh(total, subset_by_index=(size - 1, size - 1))
        (least,) = eigvalsh(regularised, subset_by_index=(0, 0))
        rank = int((shares > size * np.finfo(float).eps * largest / least).sum())
        if rank < self.n_components:
            raise InputError(
                f"n_components is {self.n_components}, but mean images differ in {rank} directions "
                "only: take fewer components, or more images."
            )

    def _error(self, found: AugmentedMoments) -> float:
        components = torch.from_numpy(self.components_).to(found.covariance)
        between = found.covariance - found.within
        kept = ((components @ between) * components).sum(1)

        def shares(moments: JointMoments) -> torch.Tensor:
            total = ((components @ moments.covariance) * components).sum(1)
            mean = moments.covariance.diagonal().mean()
            return kept / (total + self.alpha * mean * components.square().sum(1))

        return found.bound(shares) * (2 if found.variants.replicates else 1)

    def transform(self, X: object) -> Array:
        """Projections ``(N, k)``, float64, of images ``(N, C', H', W')``.

        These are images as the policy gives them: where it changes their shape, as a crop does,
        bring them to it first, such as by a centre crop.

        Raises:
            InputError: Images of another shape.
        """
        check_is_fitted(self, "components_")
        return (as_rows(X, self.shape_) - self.mean_) @ self.components_.T

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)
