"""How many augmented samples are needed to be right to a given error.

``needed`` asks, ``question`` checks what is asked, ``bounds`` turns variances into numbers of
draws, ``result`` is the answer. A quantity is a module (``images``: mean and covariance,
``scalars``: loss) or a package (``gradients``, ``parameters``, ``predictions``) whose ``answer``
is called; ``views`` says what further views of an image bring.
"""

from augmoments.sample_size.gradients.answer import GradientSampleSize
from augmoments.sample_size.needed import samples_needed
from augmoments.sample_size.parameters.answer import RidgeSampleSize
from augmoments.sample_size.predictions.answer import PredictionSampleSize
from augmoments.sample_size.result import SampleSize
from augmoments.sample_size.scalars import LossSampleSize
from augmoments.sample_size.views.result import Views

__all__ = [
    "GradientSampleSize",
    "LossSampleSize",
    "PredictionSampleSize",
    "RidgeSampleSize",
    "SampleSize",
    "Views",
    "samples_needed",
]
