"""Scrambled Sobol points."""

from __future__ import annotations

import numpy as np


def sobol(dimension: int, log2: int, seed: int | list[int] | np.random.Generator) -> np.ndarray:
    """``2**log2`` scrambled Sobol points of the unit cube, ``(2**log2, dimension)``.

    scipy.stats takes longer to import than most questions take to answer, so it waits until points
    are asked for.
    """
    from scipy.stats import qmc

    return qmc.Sobol(dimension, scramble=True, rng=np.random.default_rng(seed)).random_base2(log2)
