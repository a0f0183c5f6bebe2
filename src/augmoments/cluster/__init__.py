"""Moments of datasets of any size: piece by piece, on one machine or many, and resumed if killed.

The images are cut into partitions that depend on nothing but their number. Each gives its own
:class:`~augmoments.DatasetMoments`, and these are merged along a tree that is fixed as well, so
that neither the number of workers nor the order in which they finish changes the result.
"""

from augmoments.cluster.accumulate import accumulate

__all__ = ["accumulate"]
