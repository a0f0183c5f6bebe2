"""How many augmented samples are needed to be right to a given error.

``needed`` asks, ``question`` checks what is asked, a module for every quantity answers
(``images``, ``scalars``, ...), ``bounds`` turns variances into numbers of draws, and ``result``
is the answer.
"""

from augmoments.sample_size.needed import samples_needed
from augmoments.sample_size.result import SampleSize

__all__ = ["SampleSize", "samples_needed"]
