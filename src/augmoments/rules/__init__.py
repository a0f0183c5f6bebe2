"""Quadratic rules: random operators as far as first and second moments go."""

from augmoments.rules.build import gauss_nodes, quadratic_rule
from augmoments.rules.quadratic import IDENTITY, Mixture, Product, QuadraticRule, Rule, leaves

__all__ = [
    "IDENTITY",
    "Mixture",
    "Product",
    "QuadraticRule",
    "Rule",
    "gauss_nodes",
    "leaves",
    "quadratic_rule",
]
