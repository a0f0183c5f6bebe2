r"""How the moments of a policy are found, and what each of its steps brings.

The variance of a policy is the mean variance of a value of the images that come out,
:math:`\mathrm{tr} V / D`, which compares policies whose images come out with different sizes. The
share of a step *alone* is that of the policy in which no other step is random (those that never
are stay, as they scale what comes out), the share *beyond* the others is what is lost without the
step, both divided by that of the policy. They sum to 1 only where steps do not interact.
"""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, replace

from torch import Tensor

from augmoments.adapters import Policy, as_policy
from augmoments.augmentations.base import Augmentation, Chain
from augmoments.augmentations.compose import Compose
from augmoments.augmentations.explanation import Explanation, Row
from augmoments.calculus.moments import _BUDGET, Moments, moments
from augmoments.calculus.plan import Plan, shapes_along
from augmoments.calculus.reference import reference_images
from augmoments.calculus.solve import head_moments
from augmoments.checks import check_images
from augmoments.errors import InputError, PolicyError
from augmoments.laws.joint import Seed
from augmoments.operators.base import Shape
from augmoments.rules import Rule, leaves

_VALUES = 2**24  # that the nodes of one image may take
_NODES = (128, 256)  # fewest and most
_FIRST_NODES = 16
_HIGHEST_LEVEL = 10


def explain(
    policy: Policy,
    shape_or_images: Shape | Tensor,
    *,
    tol: float = 0.03,
    seed: int = 0,
    value_range: tuple[float, float] | None = (0.0, 1.0),
) -> Explanation:
    """Steps, laws and routes of a policy, with each step's share of the variance and its cost.

    Args:
        policy: Any augmentation; the steps are those of :class:`~augmoments.Compose`.
        shape_or_images: A shape ``(C, H, W)``, for which :func:`reference_images` stand in, or
            images ``(N, C, H, W)``.
        tol: Relative error asked of the covariances behind the shares.
        seed: Seed of the scrambling.
        value_range: What the images' values must lie in; ``None`` lifts the check.

    Returns:
        :class:`~augmoments.augmentations.explanation.Explanation`, which prints as a table.

    Raises:
        InputError: Neither a shape nor images.
        PolicyError: The policy does not take images of this shape.

    Example:
        >>> import augmoments as am
        >>> policy = am.Compose([am.RandomRotation(15), am.Normalize(0.5, 0.5)])
        >>> [row.alone for row in explain(policy, (1, 16, 16)).rows]
        [1.0, 0.0]
    """
    policy = as_policy(policy)
    images, what = _images(shape_or_images, value_range)
    shape: Shape = tuple(images.shape[1:])  # type: ignore[assignment]
    policy.output_shape(shape)
    low, high = _NODES
    max_nodes = min(max(_VALUES // images[0].numel(), low), high)
    steps = _Steps(tuple(_flat(policy)), images, tol, seed, max_nodes)
    whole = steps.moments(range(len(steps.given)))
    assert whole is not None
    plan = Plan.of(Chain(steps.parts), shape, seed, max_nodes, _BUDGET)
    rows = _rows(steps, plan, whole.nodes)
    shares = [steps.shares(place, whole) for place in range(len(steps.given))]
    return Explanation(
        tuple(
            replace(row, alone=shares[row.position][0], beyond=shares[row.position][1])
            for row in rows
        ),
        what,
        max(steps.errors),
    )


def _images(given: Shape | Tensor, value_range: tuple[float, float] | None) -> tuple[Tensor, str]:
    """Images, and what to call them."""
    if isinstance(given, Tensor):
        images = check_images(given, value_range=value_range).detach()
        noun = "image" if len(images) == 1 else "images"
        return images, f"{len(images)} {noun} of {_spelled(images)}"
    if len(given) != 3 or not all(isinstance(side, int) and side > 0 for side in given):
        raise InputError(f"explain takes a shape (C, H, W), as in (3, 32, 32), got {given!r}.")
    images = reference_images(given)
    noun = "image" if len(images) == 1 else "images"
    return images, f"{len(images)} random {noun} of {_spelled(images)} with a 1/f spectrum"


def _spelled(images: Tensor) -> str:
    return " x ".join(map(str, images.shape[1:]))


def _flat(policy: Augmentation) -> list[Augmentation]:
    """The steps of compositions, also inside of each other."""
    if isinstance(policy, Compose | Chain):
        return [inner for step in policy.steps for inner in _flat(step)]
    return [policy]


@dataclass
class _Steps:
    """The steps of a policy, of which some can be left out."""

    given: tuple[Augmentation, ...]
    images: Tensor
    tol: float
    seed: int
    max_nodes: int

    def __post_init__(self) -> None:
        shape: Shape = tuple(self.images.shape[1:])  # type: ignore[assignment]
        shapes = shapes_along(self.given, shape)
        pairs = list(zip(self.given, shapes, strict=True))
        self.random = [bool(step.parameters(here)) for step, here in pairs]
        grouped = [step.parts for step in self.given]
        self.parts = tuple(part for parts in grouped for part in parts)
        self.positions = [place for place, parts in enumerate(grouped) for _ in parts]
        self.errors: list[float] = []

    def moments(self, kept: SequenceOf[int]) -> Moments | None:
        """Moments of the policy of these steps; ``None`` if they do not follow each other."""
        try:
            found = moments(
                self.images,
                Chain(tuple(self.given[place] for place in kept)),
                self.tol,
                seed=self.seed,
                max_nodes=self.max_nodes,
                value_range=None,
            )
        except PolicyError:
            if len(kept) == len(self.given):
                raise
            return None
        self.errors.append(float(found.error.covariance.max()))
        return found

    def shares(self, place: int, whole: Moments) -> tuple[float | None, float | None]:
        """Shares of the variance of a step, alone and beyond the others."""
        places = range(len(self.given))
        if not self.random[place]:
            alone = 0.0
        elif sum(self.random) == 1:
            alone = _ratio(whole, whole)
        else:
            alone = self._share([p for p in places if p == place or not self.random[p]], whole)
        others = self._share([p for p in places if p != place], whole)
        return alone, None if others is None else 1 - others

    def _share(self, kept: SequenceOf[int], whole: Moments) -> float | None:
        found = self.moments(kept)
        return None if found is None else _ratio(found, whole)


def _ratio(part: Moments, whole: Moments) -> float | None:
    """Ratio of the variances, the mean over the images; ``None`` if nothing varies."""
    variances = [float(m.covariance.diagonal().double().mean()) for m in (part, whole)]
    return variances[0] / variances[1] if variances[1] > 0 else None


def _rows(steps: _Steps, plan: Plan, total: int) -> list[Row]:
    """The rows of all parts in their order, with routes and evaluations as the plan has them."""
    shapes = shapes_along(steps.parts, plan.shape)
    nodes = _head_nodes(steps.images, plan, steps.tol, total)
    level = _tail_level(plan, total - nodes)
    left, found, spent = list(plan.head), [], [0] * len(steps.given)
    for part, here, position in zip(steps.parts, shapes, steps.positions, strict=True):
        rows = [replace(row, position=position) for row in part.rows(here)]
        if left and left[0] is part:
            left.pop(0)
            rows = [_joined(row, part, here, plan, last=not left) for row in rows]
            spent[position] = nodes
        else:
            spent[position] += _operators(part.rule(here, _FIRST_NODES * 2**level))
        found += rows
    return [replace(row, evaluations=spent[row.position]) for row in found]


def _joined(row: Row, part: Augmentation, here: Shape, plan: Plan, last: bool) -> Row:
    """The row of a part of the head."""
    parameters = part.parameters(here)
    never = not parameters and part.affine
    if plan.nodes is None or never or (last and part.smoothed() is not part):
        return row
    if any(isinstance(parameter.law, Seed) for parameter in parameters):
        return replace(row, route="monte-carlo", exact=False, why="too many numbers")
    jointly = part.jointly(here)
    if jointly and len(plan.nodes.parameters) == 1:
        return row
    exact = plan.nodes.method == "exact"
    if not part.affine:
        why = "not affine in the image"
    elif plan.has_head_mean and not exact:
        why = "mean exact, covariance by nodes"
    elif jointly:
        why = row.why
    else:
        why = "too many columns" if last else "before a step that goes by nodes"
    return replace(row, route="joint nodes", exact=exact, why=why)


def _head_nodes(images: Tensor, plan: Plan, tol: float, total: int) -> int:
    """Nodes that the head takes; they are all there are where there is no tail."""
    if not plan.head:
        return 0
    if not plan.tail:
        return total
    return max(head_moments(image, plan, tol).nodes for image in images.split(1))


def _tail_level(plan: Plan, operators: int) -> int:
    """The level of refinement at which the rules of the tail have so many operators."""
    level = 0
    while level < _HIGHEST_LEVEL and _operators(plan.rule(_FIRST_NODES * 2**level)) < operators:
        level += 1
    return level


def _operators(rule: Rule) -> int:
    return sum(len(leaf) for leaf in leaves(rule))
