"""Closed-form linear models of infinitely augmented datasets."""

from augmoments.linear.ridge import AugmentedRidge, AugmentedRidgeClassifier

__all__ = ["AugmentedRidge", "AugmentedRidgeClassifier"]
