"""How :func:`augmoments.moments` goes about each step of a policy, and by how many operators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.explanation import Row
from augmoments.augmentations.sequence import Chain
from augmoments.calculus.plan import Plan, shapes_along
from augmoments.laws.joint import Seed
from augmoments.operators.base import Shape
from augmoments.rules import leaves

_MAX_NODES = 4096  # of moments(), by default
_BUDGET = 2**28  # values that one image may take in all
_LEVEL = 2  # from which on nodes that are not replicated tell their error
_NODES = 64  # of one parameter at that level


def routes(steps: Sequence[Augmentation], shape: Shape, seed: int) -> list[Row]:
    """The rows of all steps in their order, with routes and evaluations as moments has them."""
    placed = [(part, place) for place, step in enumerate(steps) for part in step.parts]
    shapes = shapes_along([part for part, _ in placed], shape)
    pieces = [part.resolved(here) for (part, _), here in zip(placed, shapes, strict=True)]
    chain = Chain(tuple(piece for resolved in pieces for piece in resolved))
    plan = Plan.of(chain, shape, seed, _MAX_NODES, _BUDGET)
    nodes, left, spent = _head_nodes(plan), list(plan.head), [0] * len(steps)
    found: list[Row] = []
    for (part, place), resolved, here in zip(placed, pieces, shapes, strict=True):
        rows = [replace(row, position=place) for row in part.rows(here)]
        joined = False
        for piece, inner in zip(resolved, shapes_along(resolved, here), strict=True):
            if left and left[0] is piece:
                left.pop(0)
                joined = True
                spent[place] = max(spent[place], nodes)
            else:
                spent[place] += sum(len(leaf) for leaf in leaves(piece.rule(inner, _NODES)))
        if joined:
            rows = [_joined(row, part, here, plan, last=not left) for row in rows]
        found += rows
    return [replace(row, evaluations=spent[row.position]) for row in found]


def _head_nodes(plan: Plan) -> int:
    """The fewest nodes of the head that tell an error."""
    if plan.nodes is None:
        return 0
    replicated_or_exact = plan.nodes.replicated or plan.nodes.method == "exact"
    return len(plan.nodes.nodes(0 if replicated_or_exact else _LEVEL))


def _joined(row: Row, part: Augmentation, here: Shape, plan: Plan, last: bool) -> Row:
    """The row of a part of the head: it goes by nodes, together with the others there."""
    assert plan.nodes is not None
    parameters = part.parameters(here)
    never = not parameters and part.affine
    if never or (last and part.smoothed() is not part):
        return row
    if any(isinstance(parameter.law, Seed) for parameter in parameters):
        return replace(row, route="monte-carlo", exact=False, why="too many numbers")
    jointly = part.jointly(here)
    if jointly and sum(parameter.count > 1 for parameter in plan.nodes.parameters) <= 1:
        return row
    exact = plan.nodes.method == "exact"
    if not part.affine:
        why = "not affine in the image"
    elif plan.has_head_mean and not exact:
        why = "mean exact, covariance by nodes"
    elif jointly:
        why = "several numbers at once"
    else:
        why = "too many columns" if last else "before a step that goes by nodes"
    return replace(row, route="joint nodes", exact=exact, why=why)
