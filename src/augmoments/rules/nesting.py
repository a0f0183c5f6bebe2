"""Rules whose nodes are among those of rules with three times as many."""

from __future__ import annotations

from collections.abc import Callable

import torch

from augmoments.rules.quadratic import Product, QuadraticRule, Rule

Rules = Callable[[int], QuadraticRule]


def thirds(rule: Callable[[int], Rule]) -> Rules | None:
    """The rules of a single step by nodes that nest, given their number; ``None`` if not.

    The midpoint of a cell is also that of its middle third. Only steps with an exact mean are taken
    whose points and weights carry no gradients.
    """
    coarse, fine = _alone(rule(2)), _alone(rule(6))
    if coarse is None or fine is None or coarse.differentiable:
        return None
    if coarse.route != "cubature" or coarse.expectation is None or coarse.noise is not None:
        return None
    if coarse.gram is not None or len(fine) != 3 * len(coarse):
        return None
    if not torch.allclose(coarse.points, fine.points[1::3], rtol=1e-12, atol=1e-12):
        return None

    def single(n: int) -> QuadraticRule:
        found = _alone(rule(n))
        assert found is not None
        return found

    return single


def _alone(rule: Rule) -> QuadraticRule | None:
    match rule:
        case QuadraticRule():
            return rule
        case Product(factors=(only,)):
            return _alone(only)
    return None
