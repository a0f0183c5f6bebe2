"""How the moments of a policy are found: what goes by nodes, what by rules, what is exact."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.geometric import RandomHorizontalFlip, RandomVerticalFlip
from augmoments.augmentations.sequence import Chain
from augmoments.calculus.blend import blends, most_columns
from augmoments.calculus.expected_operator import ExpectedOperator, average, has_exact_mean
from augmoments.calculus.nodes import NodeFamily
from augmoments.calculus.windows import Windows
from augmoments.errors import NotEnoughMemoryError, PolicyError
from augmoments.estimate import Method, weakest
from augmoments.operators.base import Shape
from augmoments.rules import Product, Rule, leaves

_FIRST_NODES = 64
_FEWEST_NODES = 128
_WINDOWED = 512  # nodes of the first level before windows
_COPIES = 4  # of the columns that exist at one time
_MOST_COLUMNS = 4096


@dataclass(frozen=True)
class Plan:
    """A policy cut in two.

    The *head* is evaluated at nodes over the joint law of its parameters: everything up to the
    last step that is not affine, or that has more operators than a rule can hold. The affine
    *tail* moves means and covariances by its quadratic rules. Mirror images in the head that
    commute with all that follows there are moved to the tail, where they are exact.
    """

    head: tuple[Augmentation, ...]
    tail: tuple[Augmentation, ...]
    shape: Shape
    """Of the images that reach the policy."""
    seed: int
    max_nodes: int

    @classmethod
    def of(
        cls, policy: Augmentation, shape: Shape, seed: int, max_nodes: int, budget: float
    ) -> Plan:
        """Cut ``policy`` so that one image of ``shape`` takes about ``budget`` values at most.

        Raises:
            NotEnoughMemoryError: Not even the fewest nodes fit.
        """
        parts = tuple(
            resolved
            for part, here in zip(policy.parts, shapes_along(policy.parts, shape), strict=True)
            for resolved in part.resolved(here)
        )
        shapes = shapes_along(parts, shape)
        joint = [part.jointly(here) for part, here in zip(parts, shapes, strict=True)]
        cut = max((i + 1 for i, yes in enumerate(joint) if yes), default=0)
        while cut < len(parts) and _too_wide(parts[cut:], shapes[cut:], cut > 0, budget):
            cut += 1
        if cut:
            size = max(prod(here) for here in (*shapes, policy.output_shape(shape)))
            copies = _COPIES * (2 if cut < len(parts) else 1)
            most = budget / (copies * size)
            if most < _FEWEST_NODES:
                raise NotEnoughMemoryError(
                    f"The covariance of one image of shape {shape} needs room for "
                    f"{_FEWEST_NODES * copies * size:.3g} values, {budget:.3g} are allowed: use "
                    "smaller images, a larger max_memory, or expected_operator for the mean alone."
                )
            max_nodes = int(min(max_nodes, most))
        head, mirrors = without_mirrors(parts[:cut])
        return cls(head, (*mirrors, *parts[cut:]), shape, seed, max_nodes)

    @cached_property
    def policy(self) -> Augmentation | None:
        """What is evaluated at the nodes: the head, its last noise integrated out."""
        return Chain(self.head).smoothed() if self.head else None

    @cached_property
    def nodes(self) -> NodeFamily | None:
        """The nodes of the head."""
        if self.policy is None:
            return None
        return NodeFamily(self.policy, self.shape, self.seed, self.max_nodes)

    @cached_property
    def middle(self) -> Shape:
        """Shape of the images between head and tail."""
        return Chain(self.head).output_shape(self.shape) if self.head else self.shape

    @cached_property
    def tail_policy(self) -> Augmentation:
        """The tail as one policy."""
        return Chain(self.tail)

    @cached_property
    def keeps_traces(self) -> bool:
        """Whether the tail leaves norms as they are."""
        return all(
            isinstance(part, RandomHorizontalFlip | RandomVerticalFlip) for part in self.tail
        )

    @property
    def first_level(self) -> int:
        """At which the head begins; before windows the errors of few nodes cost as much to tell."""
        replicated = self.nodes is not None and self.nodes.replicated
        return 2 if replicated and self.windows is not None and self.max_nodes >= _WINDOWED else 0

    @cached_property
    def windows(self) -> Windows | None:
        """The windows that the tail cuts out of what the head makes, if that is all it does."""
        return Windows.of(self.rule(1), self.middle) if self.head and self.exact_tail else None

    @cached_property
    def surrogate(self) -> Augmentation | None:
        """An affine stand-in for the head, with the same parameters and an exact mean."""
        if self.policy is None or self.policy.affine:
            return None
        found = self.policy.surrogate()
        try:
            if found.output_shape(self.shape) != self.middle:
                return None
        except PolicyError:
            return None
        return found if has_exact_mean(found.rule(self.shape, 1)) else None

    @cached_property
    def surrogate_mean(self) -> ExpectedOperator | None:
        """The exact average of the surrogate."""
        if self.surrogate is None:
            return None
        return average(self.surrogate.rule(self.shape, 1), self.shape)

    def rule(self, n: int) -> Rule:
        """The rule of the tail, given a number of nodes a parameter."""
        shapes = shapes_along(self.tail, self.middle)
        return Product(tuple(p.rule(s, n) for p, s in zip(self.tail, shapes, strict=True)))

    @cached_property
    def head_mean(self) -> ExpectedOperator | None:
        """The exact average of the head, if there is a closed form of it."""
        if not self.has_head_mean:
            return None
        return average(Chain(self.head).rule(self.shape, 1), self.shape)

    @cached_property
    def has_head_mean(self) -> bool:
        """Whether the head's average has a closed form."""
        if not self.head or not all(part.affine for part in self.head):
            return False
        return has_exact_mean(Chain(self.head).rule(self.shape, 1))

    @cached_property
    def exact_tail(self) -> bool:
        """Whether the tail's moments are exact at any number of nodes."""
        return all(leaf.exact for leaf in leaves(self.rule(1)))

    @property
    def method(self) -> Method:
        """How mean and covariance are found."""
        head: Method = self.nodes.method if self.nodes else "exact"
        return weakest("exact" if self.exact_tail else "cubature", head)

    @property
    def mean_method(self) -> Method:
        """How the mean is found: exactly in more cases than the covariance."""
        head: Method = self.nodes.method if self.nodes and not self.has_head_mean else "exact"
        return weakest("exact" if has_exact_mean(self.rule(1)) else "cubature", head)


def shapes_along(parts: Iterable[Augmentation], shape: Shape) -> list[Shape]:
    """The shape of the images that reach each of ``parts``."""
    found = []
    for part in parts:
        found.append(shape)
        shape = part.output_shape(shape)
    return found


def _too_wide(
    parts: Sequence[Augmentation], shapes: Sequence[Shape], random: bool, budget: float
) -> bool:
    """Whether a tail has too many columns before compression.

    They must fit into ``budget``. Blends with random fields leave columns that hardly compress,
    whose products with each other must be bearable at every level.
    """
    columns, exact = (_FIRST_NODES if random else 0), True
    for part, shape in zip(parts, shapes, strict=True):
        size = prod(shape)
        for leaf in leaves(part.rule(shape, _FIRST_NODES)):
            columns = most_columns(leaf, columns, size)
            exact = exact and leaf.exact
            stiff = blends(leaf) and not exact and min(columns, size) > _MOST_COLUMNS
            if columns * size > budget or stiff:
                return True
    return False


def without_mirrors(
    parts: tuple[Augmentation, ...],
) -> tuple[tuple[Augmentation, ...], tuple[Augmentation, ...]]:
    """Take out the mirror images that may as well come last."""
    kept: list[Augmentation] = []
    moved: list[Augmentation] = []
    for part in reversed(parts):
        flips = isinstance(part, RandomHorizontalFlip | RandomVerticalFlip)
        if flips and all(later.mirrors for later in kept):
            moved.append(part)
        else:
            kept.append(part)
    return tuple(reversed(kept)), tuple(reversed(moved))
