"""Losses, outputs and other functions of augmented images."""

from augmoments.losses.expectation import expectation
from augmoments.losses.expected_loss import LossEstimate, expected_loss
from augmoments.losses.outputs import OutputMoments, output_moments

__all__ = [
    "LossEstimate",
    "OutputMoments",
    "expectation",
    "expected_loss",
    "output_moments",
]
