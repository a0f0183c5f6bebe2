"""Saliency maps against the directions in which an augmentation moves images."""

from augmoments.alignment.frequencies import RadialEnergy, radial_energy
from augmoments.alignment.monitor import AlignmentMonitor
from augmoments.alignment.pooled import PooledSensitivity
from augmoments.alignment.portions import Portion, StepShare, StepShares
from augmoments.alignment.record import AlignmentRecord
from augmoments.alignment.result import Sensitivity
from augmoments.alignment.sensitivity import sensitivity

__all__ = [
    "AlignmentMonitor",
    "AlignmentRecord",
    "PooledSensitivity",
    "Portion",
    "RadialEnergy",
    "Sensitivity",
    "StepShare",
    "StepShares",
    "radial_energy",
    "sensitivity",
]
