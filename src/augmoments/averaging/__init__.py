"""Test-time augmentation without noise: its limit, and how soon a few passes reach it.

``outputs`` keeps what a model says at the nodes, ``limit`` averages it, ``resampling`` draws
averages of a few passes from it, ``agreement`` counts how often they have the class of the limit.
"""

from augmoments.averaging.averaged import tta
from augmoments.averaging.result import AveragedPrediction

__all__ = ["AveragedPrediction", "tta"]
