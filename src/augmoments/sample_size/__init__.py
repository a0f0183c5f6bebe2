"""How many augmented samples are needed to be right to a given error.

``needed`` asks, ``question`` checks what is asked, a module for every quantity answers
(``images``, ``scalars``, ``gradient``, ...), ``bounds`` turns variances into numbers of draws,
``views`` says what further views of an image bring, and ``result`` is the answer.
"""

from augmoments.sample_size.gradient import GradientSampleSize
from augmoments.sample_size.needed import samples_needed
from augmoments.sample_size.parameters import RidgeSampleSize
from augmoments.sample_size.prediction import PredictionSampleSize
from augmoments.sample_size.result import SampleSize
from augmoments.sample_size.scalars import LossSampleSize
from augmoments.sample_size.views import Views

__all__ = [
    "GradientSampleSize",
    "LossSampleSize",
    "PredictionSampleSize",
    "RidgeSampleSize",
    "SampleSize",
    "Views",
    "samples_needed",
]
