r"""How the moments of a policy are found, and what each of its steps brings and costs.

The variance of a policy is the mean variance of a value of the images that come out,
:math:`\mathrm{tr} V / D`, so that policies whose images come out with different sizes compare. The
share of a step *alone* is that of the policy in which no other step is random (those that never
are stay, as they scale what comes out); the share *beyond* the others is what goes with the step.
Both are divided by the variance of the policy, and sum to 1 only where steps do not interact: the
second is negative for a step that evens out what others do.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from augmoments import fragments
from augmoments.adapters import Policy, as_policy
from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.compose import Compose
from augmoments.augmentations.explanation import Explanation
from augmoments.augmentations.sequence import Chain
from augmoments.calculus.reference import reference_images
from augmoments.calculus.routes import routes
from augmoments.calculus.shares import shares
from augmoments.checks import check_images
from augmoments.errors import AugmomentsError, InputError
from augmoments.operators.base import Shape
from augmoments.options import check_seed, check_share

_USUAL: tuple[Shape, ...] = ((3, 32, 32), (1, 28, 28), (1, 8, 8))


def explain(
    policy: Policy,
    shape_or_images: Shape | Tensor,
    *,
    tol: float = 0.03,
    seed: int = 0,
    value_range: tuple[float, float] | None = (0.0, 1.0),
) -> Explanation:
    """Steps, laws and routes of a policy, with each step's share of the variance and its cost.

    The routes and the evaluations of the operators are those of :func:`augmoments.moments`; the
    evaluations are the fewest that tell an error, and double until the tolerance is reached.

    Args:
        policy: Any augmentation or pipeline; the steps are those of :class:`~augmoments.Compose`.
        shape_or_images: A shape ``(C, H, W)``, for which
            :func:`~augmoments.calculus.reference.reference_images` stand in, or a few images
            ``(N, C, H, W)``.
        tol: Relative error asked of the variances behind the shares, as far as a number of nodes
            that keeps this quick carries.
        seed: Seed of the scrambling.
        value_range: What the images' values must lie in; ``None`` lifts the check.

    Returns:
        :class:`~augmoments.augmentations.explanation.Explanation`, which prints as a table.

    Raises:
        InputError: Neither a shape nor images, or a tolerance outside (0, 1).
        PolicyError: The policy does not take images of this shape.

    Example:
        >>> import augmoments as am
        >>> policy = am.Compose([am.RandomRotation(15), am.Normalize(0.5, 0.5)])
        >>> [row.alone for row in explain(policy, (1, 16, 16)).rows]
        [1.0, 0.0]
    """
    policy = as_policy(policy)
    check_share("tol", tol)
    check_seed(seed)
    images, what = _images(shape_or_images, value_range)
    shape: Shape = tuple(images.shape[1:])  # type: ignore[assignment]
    policy.output_shape(shape)
    steps = steps_of(policy)
    found = shares(steps, images, tol, seed)
    rows = []
    for row in routes(steps, shape, seed):
        alone, beyond = (share and share.value for share in found[row.position])
        rows.append(replace(row, alone=alone, beyond=beyond))
    error = max((share.error for pair in found for share in pair if share), default=0.0)
    return Explanation(tuple(rows), what, error)


def outline(policy: Augmentation) -> str:
    """Steps, laws and routes of a policy as HTML, for images of a usual shape that it takes."""
    steps = steps_of(policy)
    for shape in _USUAL:
        try:
            rows = routes(steps, shape, 0)
        except AugmomentsError:
            continue
        size = " × ".join(map(str, shape))
        return fragments.table(
            f"{type(policy).__name__}, {len(steps)} {'step' if len(steps) == 1 else 'steps'}",
            ("step", "what is random", "law", "route", "exact"),
            [(r.step, r.parameter, r.law, r.route, "yes" if r.exact else "no") for r in rows],
            f"Routes for images of {size}; explain(shape) has each step's share of the variance.",
        )
    names = [(str(place + 1), str(step)) for place, step in enumerate(steps)]
    return fragments.pairs(type(policy).__name__, names, "explain(shape) has laws and routes.")


def _images(given: Shape | Tensor, value_range: tuple[float, float] | None) -> tuple[Tensor, str]:
    """Images, and what to call them."""
    if isinstance(given, Tensor):
        images, kind, spectrum = check_images(given, value_range=value_range).detach(), "", ""
    else:
        if len(given) != 3 or not all(isinstance(side, int) and side > 0 for side in given):
            raise InputError(f"explain takes a shape (C, H, W), as in (3, 32, 32), got {given!r}.")
        images, kind, spectrum = reference_images(given), "random ", " with a 1/f spectrum"
    size = " x ".join(map(str, images.shape[1:]))
    noun = "image" if len(images) == 1 else "images"
    return images, f"{len(images)} {kind}{noun} of {size}{spectrum}"


def steps_of(policy: Augmentation) -> tuple[Augmentation, ...]:
    """The steps of compositions, also inside of each other."""
    if isinstance(policy, Compose | Chain):
        return tuple(inner for step in policy.steps for inner in steps_of(step))
    return (policy,)
