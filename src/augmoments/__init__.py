"""augmoments: the exact calculus of data augmentation.

Names are imported when they are first used, so that what needs none of them starts at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from augmoments import data
    from augmoments.adapters import as_policy
    from augmoments.alignment import AlignmentMonitor, Sensitivity, sensitivity
    from augmoments.augmentations.affine import RandomAffine
    from augmoments.augmentations.augmix import AugMix
    from augmoments.augmentations.automatic import AutoAugment, RandAugment, TrivialAugmentWide
    from augmoments.augmentations.base import Augmentation
    from augmoments.augmentations.blur import GaussianBlur
    from augmoments.augmentations.choice import RandomChoice, RandomOrder
    from augmoments.augmentations.color import ColorJitter, Normalize, RandomGrayscale
    from augmoments.augmentations.compose import Compose, RandomApply
    from augmoments.augmentations.conversion import ToDtype
    from augmoments.augmentations.crops import (
        CenterCrop,
        Pad,
        RandomCrop,
        RandomResizedCrop,
        Resize,
    )
    from augmoments.augmentations.elastic import ElasticTransform
    from augmoments.augmentations.erasing import RandomErasing
    from augmoments.augmentations.geometric import (
        RandomHorizontalFlip,
        RandomRotation,
        RandomShear,
        RandomTranslation,
        RandomVerticalFlip,
        RandomZoom,
    )
    from augmoments.augmentations.mixing import CutMix, MixUp
    from augmoments.augmentations.noise import GaussianNoise
    from augmoments.augmentations.perspective import RandomPerspective
    from augmoments.augmentations.pixelwise import (
        RandomAdjustSharpness,
        RandomAutocontrast,
        RandomEqualize,
        RandomInvert,
        RandomPosterize,
        RandomSolarize,
    )
    from augmoments.averaging import AveragedPrediction, tta
    from augmoments.calculus.dataset import DatasetMoments
    from augmoments.calculus.expected_operator import expected_operator
    from augmoments.calculus.moments import Moments, moments
    from augmoments.calculus.totals import MeanAndTrace, mean_and_trace
    from augmoments.comparison import Comparison, compare
    from augmoments.config import load_policy, policy_from, policy_to_dict
    from augmoments.laws import (
        Beta,
        Discrete,
        LogUniform,
        Normal,
        Triangular,
        TruncatedNormal,
        Uniform,
    )
    from augmoments.linear.logistic import AugmentedLogisticRegression
    from augmoments.linear.projection import InvariantProjection
    from augmoments.linear.ridge import AugmentedRidge, AugmentedRidgeClassifier
    from augmoments.linear.strength import StrengthCurve, strength_curve
    from augmoments.linear.tuning import Tuned, tune
    from augmoments.losses.expectation import expectation
    from augmoments.losses.expected_loss import LossEstimate, expected_loss
    from augmoments.losses.outputs import OutputMoments, output_moments
    from augmoments.models import load_model
    from augmoments.reporting import report
    from augmoments.sample_size import SampleSize, Views, samples_needed
    from augmoments.training import ExpectedLoss, ExplicitRegularizer, TangentProp

_HOMES = {
    "adapters": ("as_policy",),
    "alignment": ("AlignmentMonitor", "Sensitivity", "sensitivity"),
    "augmentations.affine": ("RandomAffine",),
    "augmentations.augmix": ("AugMix",),
    "augmentations.automatic": ("AutoAugment", "RandAugment", "TrivialAugmentWide"),
    "augmentations.base": ("Augmentation",),
    "augmentations.blur": ("GaussianBlur",),
    "augmentations.color": ("ColorJitter", "Normalize", "RandomGrayscale"),
    "augmentations.choice": ("RandomChoice", "RandomOrder"),
    "augmentations.compose": ("Compose", "RandomApply"),
    "augmentations.conversion": ("ToDtype",),
    "augmentations.crops": ("CenterCrop", "Pad", "RandomCrop", "RandomResizedCrop", "Resize"),
    "augmentations.elastic": ("ElasticTransform",),
    "augmentations.erasing": ("RandomErasing",),
    "augmentations.geometric": (
        "RandomHorizontalFlip",
        "RandomRotation",
        "RandomShear",
        "RandomTranslation",
        "RandomVerticalFlip",
        "RandomZoom",
    ),
    "augmentations.mixing": ("CutMix", "MixUp"),
    "augmentations.noise": ("GaussianNoise",),
    "augmentations.perspective": ("RandomPerspective",),
    "augmentations.pixelwise": (
        "RandomAdjustSharpness",
        "RandomAutocontrast",
        "RandomEqualize",
        "RandomInvert",
        "RandomPosterize",
        "RandomSolarize",
    ),
    "averaging": ("AveragedPrediction", "tta"),
    "calculus.dataset": ("DatasetMoments",),
    "calculus.expected_operator": ("expected_operator",),
    "calculus.moments": ("Moments", "moments"),
    "calculus.totals": ("MeanAndTrace", "mean_and_trace"),
    "comparison": ("Comparison", "compare"),
    "config": ("load_policy", "policy_from", "policy_to_dict"),
    "laws": (
        "Beta",
        "Discrete",
        "LogUniform",
        "Normal",
        "Triangular",
        "TruncatedNormal",
        "Uniform",
    ),
    "linear.logistic": ("AugmentedLogisticRegression",),
    "linear.projection": ("InvariantProjection",),
    "linear.ridge": ("AugmentedRidge", "AugmentedRidgeClassifier"),
    "linear.strength": ("StrengthCurve", "strength_curve"),
    "linear.tuning": ("Tuned", "tune"),
    "losses.expectation": ("expectation",),
    "losses.expected_loss": ("LossEstimate", "expected_loss"),
    "losses.outputs": ("OutputMoments", "output_moments"),
    "models": ("load_model",),
    "reporting": ("report",),
    "sample_size": ("SampleSize", "Views", "samples_needed"),
    "training": ("ExpectedLoss", "ExplicitRegularizer", "TangentProp"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AlignmentMonitor",
    "AugMix",
    "Augmentation",
    "AugmentedLogisticRegression",
    "AugmentedRidge",
    "AugmentedRidgeClassifier",
    "AutoAugment",
    "AveragedPrediction",
    "Beta",
    "CenterCrop",
    "ColorJitter",
    "Comparison",
    "Compose",
    "CutMix",
    "DatasetMoments",
    "Discrete",
    "ElasticTransform",
    "ExpectedLoss",
    "ExplicitRegularizer",
    "GaussianBlur",
    "GaussianNoise",
    "InvariantProjection",
    "LogUniform",
    "LossEstimate",
    "MeanAndTrace",
    "MixUp",
    "Moments",
    "Normal",
    "Normalize",
    "OutputMoments",
    "Pad",
    "RandAugment",
    "RandomAdjustSharpness",
    "RandomAffine",
    "RandomApply",
    "RandomAutocontrast",
    "RandomChoice",
    "RandomCrop",
    "RandomEqualize",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomInvert",
    "RandomOrder",
    "RandomPerspective",
    "RandomPosterize",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomShear",
    "RandomSolarize",
    "RandomTranslation",
    "RandomVerticalFlip",
    "RandomZoom",
    "Resize",
    "SampleSize",
    "Sensitivity",
    "StrengthCurve",
    "TangentProp",
    "ToDtype",
    "Triangular",
    "TrivialAugmentWide",
    "TruncatedNormal",
    "Tuned",
    "Uniform",
    "Views",
    "as_policy",
    "compare",
    "data",
    "expectation",
    "expected_loss",
    "expected_operator",
    "load_model",
    "load_policy",
    "mean_and_trace",
    "moments",
    "output_moments",
    "policy_from",
    "policy_to_dict",
    "report",
    "samples_needed",
    "sensitivity",
    "strength_curve",
    "tta",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name == "data":
        return import_module("augmoments.data")
    if name not in _HOME:
        raise AttributeError(f"module 'augmoments' has no attribute {name!r}")
    value = getattr(import_module(f"augmoments.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
