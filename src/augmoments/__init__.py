"""augmoments: the exact calculus of data augmentation."""

from augmoments import data
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.color import ColorJitter, Normalize, RandomGrayscale
from augmoments.augmentations.compose import Compose, RandomApply
from augmoments.augmentations.geometric import (
    RandomHorizontalFlip,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomVerticalFlip,
    RandomZoom,
)
from augmoments.calculus.dataset import DatasetMoments
from augmoments.calculus.expected_operator import expected_operator
from augmoments.calculus.moments import Moments, moments
from augmoments.laws import (
    Beta,
    Discrete,
    LogUniform,
    Normal,
    Triangular,
    TruncatedNormal,
    Uniform,
)
from augmoments.linear.ridge import AugmentedRidge, AugmentedRidgeClassifier
from augmoments.losses.expectation import expectation
from augmoments.losses.expected_loss import LossEstimate, expected_loss
from augmoments.losses.outputs import OutputMoments, output_moments
from augmoments.losses.sensitivity import Sensitivity, sensitivity
from augmoments.sample_size import SampleSize, samples_needed

__all__ = [
    "Augmentation",
    "AugmentedRidge",
    "AugmentedRidgeClassifier",
    "Beta",
    "ColorJitter",
    "Compose",
    "DatasetMoments",
    "Discrete",
    "LogUniform",
    "LossEstimate",
    "Moments",
    "Normal",
    "Normalize",
    "OutputMoments",
    "RandomApply",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomRotation",
    "RandomShear",
    "RandomTranslation",
    "RandomVerticalFlip",
    "RandomZoom",
    "SampleSize",
    "Sensitivity",
    "Triangular",
    "TruncatedNormal",
    "Uniform",
    "data",
    "expectation",
    "expected_loss",
    "expected_operator",
    "moments",
    "output_moments",
    "samples_needed",
    "sensitivity",
]
