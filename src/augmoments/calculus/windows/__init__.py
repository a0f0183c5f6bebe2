r"""A last step that cuts windows at random places, kept apart from the covariance before it.

With the covariance :math:`V_0 = F F^\top` of larger images and windows :math:`A_s` of
probability :math:`w_s`,

.. math:: V = \sum_s w_s A_s V_0 A_s^\top + \mathrm{Cov}[A_s \mu] .

Written out this has as many columns as windows times columns of F. But :math:`(A_s f)^\top z` for
all places s is the correlation of the images f and z, and the sum over s is another one: V z takes
two convolutions, the diagonal one of the diagonal of :math:`V_0`.
"""

from augmoments.calculus.windows.covariance import WindowedCovariance
from augmoments.calculus.windows.law import Windows
from augmoments.calculus.windows.state import WindowedState

__all__ = ["WindowedCovariance", "WindowedState", "Windows"]
