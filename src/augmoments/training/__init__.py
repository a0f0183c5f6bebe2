"""Training any model without sampling: expected losses and explicit regularizers."""

from augmoments.training.expected_loss import ExpectedLoss
from augmoments.training.regularizer import ExplicitRegularizer
from augmoments.training.second_order import Expansion, TaylorWarning
from augmoments.training.tangent_prop import TangentProp

__all__ = [
    "Expansion",
    "ExpectedLoss",
    "ExplicitRegularizer",
    "TangentProp",
    "TaylorWarning",
]
