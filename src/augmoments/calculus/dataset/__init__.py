"""Second moments of whole augmented datasets, and what least squares makes of them."""

from augmoments.calculus.dataset.augmented import AugmentedMoments
from augmoments.calculus.dataset.moments import DatasetMoments
from augmoments.calculus.dataset.ridge import RidgePath, RidgeSolution

__all__ = ["AugmentedMoments", "DatasetMoments", "RidgePath", "RidgeSolution"]
