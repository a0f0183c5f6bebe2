"""Stated errors of random cases, held against references of higher accuracy."""

from augmoments.testing.calibration.result import Calibration, Share
from augmoments.testing.calibration.run import calibrate

__all__ = ["Calibration", "Share", "calibrate"]
