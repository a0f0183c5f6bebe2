"""Many cases, in one process or several."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import torch

from augmoments.options import check_count, check_seed, check_share
from augmoments.testing.calibration.cases import Case
from augmoments.testing.calibration.result import Calibration
from augmoments.testing.calibration.verdicts import examine

Progress = Callable[[int, int], None]


def calibrate(
    cases: int = 1000,
    *,
    seed: int = 0,
    require: float = 0.99,
    workers: int = 1,
    progress: Progress | None = None,
) -> Calibration:
    """Hold the errors that the library states against references of higher accuracy.

    Each case is a random image (photos, digits, noise, checkerboards, constants, single pixels; 1 x
    1 to 40 x 40 pixels, float32 or float64), a random policy of any family and a random tolerance.
    Mean, covariance (in Frobenius norm, trace and spectral norm), draws needed for the mean,
    expectation and variance of a function, and the expected loss of a classifier are compared with
    the policy's own draws in float64: all outcomes, or up to ``2**15`` Sobol points whose seeds the
    library does not use. A stated error is held or failed where the reference's own error is small
    enough to tell, else undecided; pipelines of torchvision are left out where it is missing.

    Args:
        cases: How many.
        seed: Of everything; case k of a seed is the same in every run.
        require: Share of the decided stated errors that has to hold, quantity by quantity.
        workers: Processes.
        progress: Called with the number of cases done and the number of all.

    Raises:
        InputError: Numbers out of range.

    Example:
        >>> from augmoments.testing import calibrate
        >>> found = calibrate(4)
        >>> found.shares["mean"].cases
        4
    """
    check_count("cases", cases)
    check_count("workers", workers)
    check_seed(seed)
    check_share("require", require)
    records = []
    work = partial(examined, seed=seed)
    if workers == 1:
        found = map(work, range(cases))
        for record in found:
            records.append(record)
            if progress is not None:
                progress(len(records), cases)
        return Calibration(seed, require, tuple(records))
    with ProcessPoolExecutor(workers, get_context("spawn"), _one_thread) as pool:
        for record in pool.map(work, range(cases), chunksize=4):
            records.append(record)
            if progress is not None:
                progress(len(records), cases)
    return Calibration(seed, require, tuple(records))


def examined(number: int, seed: int) -> dict[str, Any]:
    """The record of one case."""
    try:
        case = Case.drawn(seed, number)
    except (ImportError, RuntimeError) as error:
        return {"case": number, "refused": f"torchvision: {error}", "quantities": {}}
    return examine(case, seed)


def _one_thread() -> None:
    torch.set_num_threads(1)
