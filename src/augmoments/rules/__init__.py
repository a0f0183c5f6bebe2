"""Quadratic rules: random operators as far as first and second moments go."""

from augmoments.rules.build import MOST_ATOMS, gauss_nodes, quadratic_rule
from augmoments.rules.quadratic import (
    IDENTITY,
    Mixture,
    OperatorMean,
    Product,
    QuadraticRule,
    Rule,
    leaves,
)

__all__ = [
    "IDENTITY",
    "MOST_ATOMS",
    "Mixture",
    "OperatorMean",
    "Product",
    "QuadraticRule",
    "Rule",
    "gauss_nodes",
    "leaves",
    "quadratic_rule",
]
