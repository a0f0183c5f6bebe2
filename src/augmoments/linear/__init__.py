"""Linear models of infinitely augmented datasets, and the strengths that suit them."""

from augmoments.linear.logistic import AugmentedLogisticRegression
from augmoments.linear.projection import InvariantProjection
from augmoments.linear.ridge import AugmentedRidge, AugmentedRidgeClassifier
from augmoments.linear.strength import StrengthCurve, strength_curve
from augmoments.linear.tuning import Tuned, tune

__all__ = [
    "AugmentedLogisticRegression",
    "AugmentedRidge",
    "AugmentedRidgeClassifier",
    "InvariantProjection",
    "StrengthCurve",
    "Tuned",
    "strength_curve",
    "tune",
]
