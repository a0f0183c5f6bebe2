r"""Two policies side by side: how far apart the images that they make are."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from augmoments.adapters import Policy
from augmoments.calculus.distances import (
    bures_distance,
    common_roots,
    frobenius_distance,
    images_at_once,
    leading_space,
    principal_angles,
)
from augmoments.calculus.moments import Moments, moments
from augmoments.checks import check_images
from augmoments.errors import PolicyError
from augmoments.estimate import Method
from augmoments.options import check_count

_BYTES_AT_ONCE = 256 * 2**20


class Bounded(NamedTuple):
    """Numbers, and bounds of how far they may be off."""

    value: Tensor
    """Float64."""
    error: Tensor
    """Absolute, of the same shape."""


@dataclass(frozen=True)
class Comparison:
    r"""How far apart two policies are on each image; the second one, b, is what others relate to.

    Error bounds follow from those of the moments, :math:`\delta` in the mean's and
    :math:`\varepsilon` in the covariance's norm: a Wasserstein distance is off by
    :math:`(\delta^2 + \sqrt D \varepsilon)^{1/2}` a policy at most (Powers, Størmer), an angle by
    :math:`\arcsin(2 \varepsilon / (\lambda_k - \lambda_{k+1}))` a policy (Davis, Kahan). They are
    wide where the moments are not exact: lower ``tol``.

    Attributes:
        mean: :math:`\|\mu_a - \mu_b\| / \|\mu_b\|`, ``(N,)``.
        covariance: :math:`\|V_a - V_b\|_F / \|V_b\|_F`, ``(N,)``.
        trace_a: Total variance :math:`\mathrm{tr} V_a`, ``(N,)``.
        trace_b: :math:`\mathrm{tr} V_b`, ``(N,)``.
        angles: Principal angles in degrees between the k leading eigenspaces, ascending,
            ``(N, k)``; an error of 90 says that the eigenspace of one is not determined.
        wasserstein: The distance :math:`W_2` of Gaussians with these means and covariances,
            ``(N,)``. No two laws with these moments are closer.
        relative_wasserstein: The same divided by :math:`(\mathrm{tr} V_b)^{1/2}`, ``(N,)``.
        method_a: How the moments of the first policy were obtained.
        method_b: The same for the second.
    """

    mean: Bounded
    covariance: Bounded
    trace_a: Bounded
    trace_b: Bounded
    angles: Bounded
    wasserstein: Bounded
    relative_wasserstein: Bounded
    method_a: Method
    method_b: Method

    @property
    def cosines(self) -> Tensor:
        """Cosines of the principal angles, descending, ``(N, k)``."""
        return self.angles.value.deg2rad().cos()

    @property
    def rows(self) -> tuple[tuple[str, Bounded], ...]:
        """What :func:`print` shows: names with numbers ``(N,)``."""
        angles = tuple(
            (f"principal angle {j + 1}, degrees", Bounded(*(part[:, j] for part in self.angles)))
            for j in range(self.angles.value.shape[1])
        )
        return (
            ("difference of means / norm of b", self.mean),
            ("difference of covariances / norm of b", self.covariance),
            ("total variance of a", self.trace_a),
            ("total variance of b", self.trace_b),
            *angles,
            ("Wasserstein distance", self.wasserstein),
            ("Wasserstein distance / std of b", self.relative_wasserstein),
        )

    def summary(self) -> str:
        """One sentence: medians over the images."""
        mean, covariance, distance = (
            float(found.value.median())
            for found in (self.mean, self.covariance, self.relative_wasserstein)
        )
        return (
            f"a differs from b by {mean:.2%} in the mean, by {covariance:.2%} in the covariance, "
            f"and by {distance:.3g} standard deviations of b in Wasserstein distance (medians of "
            f"{len(self.mean.value)}; a {self.method_a}, b {self.method_b})"
        )

    def __str__(self) -> str:
        head = ("", "median", "smallest", "largest", "error")
        body = [(name, *(f"{number:.4g}" for number in spread(found))) for name, found in self.rows]
        widths = [max(len(line[i]) for line in (head, *body)) for i in range(len(head))]
        lines = [
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
            for line in (head, *body)
        ]
        return "\n".join([*lines, f"a: {self.method_a}, b: {self.method_b}"])


def spread(found: Bounded) -> tuple[float, float, float, float]:
    """Median, smallest and largest of the numbers, and the largest error."""
    value, error = found
    return float(value.median()), float(value.min()), float(value.max()), float(error.max())


def compare(
    images: Float[Tensor, "N C H W"],
    a: Policy,
    b: Policy,
    tol: float = 1e-3,
    *,
    seed: int = 0,
    max_nodes: int = 4096,
    value_range: tuple[float, float] | None = (0.0, 1.0),
    k: int = 4,
) -> Comparison:
    r"""How far apart two policies are: means, covariances, eigenspaces, Wasserstein distance.

    .. math:: W_2^2 = \|\mu_a - \mu_b\|^2 + \mathrm{tr} V_a + \mathrm{tr} V_b
        - 2 \|F_a^\top F_b\|_* , \qquad V = F F^\top .

    Args:
        images: ``(N, C, H, W)`` or ``(C, H, W)``, floating point in ``value_range``.
        a: A policy: an augmentation, or a pipeline that :func:`moments` takes.
        b: The policy that it is compared with; both give images of one shape.
        tol: Relative error asked of both moments.
        seed: Seed of the scrambling.
        max_nodes: Most evaluations an image and stage.
        value_range: What the images' values must lie in; ``None`` lifts the check.
        k: Eigenvectors whose spans are compared.

    Returns:
        :class:`Comparison`, every number with its error bound; nothing carries gradients.

    Raises:
        InputError: ``k`` is no whole number between 1 and the number of values of an image
            that comes out.
        PolicyError: The policies give images of different shapes.
        NotEnoughMemoryError: The covariances do not fit, or noise of a policy at this size.

    Example:
        >>> import torch, augmoments as am
        >>> image = torch.tensor([[[[0.0, 1.0]]]], dtype=torch.float64)
        >>> found = compare(image, am.RandomHorizontalFlip(0.5), am.RandomHorizontalFlip(0.0), k=1)
        >>> found.mean.value, found.trace_a.value
        (tensor([0.7071], dtype=torch.float64), tensor([0.5000], dtype=torch.float64))

    Reference:
        Gelbrich (1990) for the distance and its lower bound; Yu, Wang, Samworth (2015) for the
        errors of the angles.
    """
    batch = check_images(images, value_range=value_range)
    with torch.no_grad():
        found = [
            moments(batch, policy, tol, seed=seed, max_nodes=max_nodes, value_range=value_range)
            for policy in (a, b)
        ]
        _check_shapes(found[0], found[1], k)
        at_once = images_at_once(found[0].covariance, found[1].covariance, _BYTES_AT_ONCE)
        index = torch.arange(len(batch), device=batch.device).split(at_once)
        parts = [_compare(found[0][part], found[1][part], k) for part in index]
    return _joined(parts)


def _joined(parts: list[Comparison]) -> Comparison:
    """One comparison for all images."""
    joined = {}
    for field in fields(Comparison):
        found = [getattr(part, field.name) for part in parts]
        if isinstance(found[0], Bounded):
            joined[field.name] = Bounded(*map(torch.cat, zip(*found, strict=True)))
    return replace(parts[0], **joined)


def _check_shapes(a: Moments, b: Moments, k: int) -> None:
    first, second = tuple(a.mean.shape[1:]), tuple(b.mean.shape[1:])
    if first != second:
        raise PolicyError(
            f"the policies give images of different shapes, {first} and {second}: compare policies "
            "that end with the same size."
        )
    size = a.mean[0].numel()
    check_count("k", k, 1, size)


def _compare(a: Moments, b: Moments, k: int) -> Comparison:
    """The comparison for some of the images."""
    roots = common_roots(a.covariance, b.covariance)
    norms = [m.mean.double().flatten(1).norm(dim=1) for m in (a, b)]
    shift = (a.mean.double() - b.mean.double()).flatten(1).norm(dim=1)
    shifts = [m.error.mean.double() * norm for m, norm in zip((a, b), norms, strict=True)]
    sizes = [(root @ root.mT).flatten(1).norm(dim=1) for root in (roots.a, roots.b)]
    errors = [m.error.covariance.double() * size for m, size in zip((a, b), sizes, strict=True)]
    trace_a, trace_b = (
        Bounded(trace, m.error.trace.double() * trace)
        for m in (a, b)
        for trace in [m.covariance.trace().double()]
    )
    off = [(d.square() + roots.size**0.5 * e).sqrt() for d, e in zip(shifts, errors, strict=True)]
    distance = Bounded(shift.hypot(bures_distance(roots)), off[0] + off[1])
    means = Bounded(shift, shifts[0] + shifts[1]), Bounded(norms[1], shifts[1])
    gap = Bounded(frobenius_distance(roots), errors[0] + errors[1])
    return Comparison(
        mean=_over(*means),
        covariance=_over(gap, Bounded(sizes[1], errors[1])),
        trace_a=trace_a,
        trace_b=trace_b,
        angles=_angles((roots.a, roots.b), roots.size, errors, k),
        wasserstein=distance,
        relative_wasserstein=_over(distance, _root(trace_b)),
        method_a=a.method,
        method_b=b.method,
    )


def _angles(roots: tuple[Tensor, ...], size: int, errors: list[Tensor], k: int) -> Bounded:
    """Principal angles in degrees; each eigenspace may be turned by its own error."""
    (first, gap_a), (second, gap_b) = (leading_space(root, size, k) for root in roots)
    angles = principal_angles(first, second).rad2deg()
    turned = [
        torch.where(gap > 2 * error, 2 * error / gap, 1.0).asin().rad2deg()
        for gap, error in zip((gap_a, gap_b), errors, strict=True)
    ]
    bound = (turned[0] + turned[1]).clamp_max(90.0)
    return Bounded(angles, bound[:, None].expand_as(angles))


def _over(x: Bounded, y: Bounded) -> Bounded:
    """``x / y`` for what is not negative; nothing by nothing is nothing."""
    ratio = torch.where(x.value > 0, x.value / y.value, 0.0)
    bound = (x.error + ratio * y.error) / (y.value - y.error)
    nothing = (x.value == 0) & (x.error == 0)
    unknown = torch.where(nothing, 0.0, torch.inf)
    return Bounded(ratio, torch.where(y.value > y.error, bound, unknown))


def _root(x: Bounded) -> Bounded:
    """The square root, which is off most downwards."""
    value = x.value.sqrt()
    return Bounded(value, value - (x.value - x.error).clamp_min(0).sqrt())
