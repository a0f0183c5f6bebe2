r"""Draws for the gradient of the loss with respect to a model's parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch

from augmoments.errors import InputError
from augmoments.losses.judged import Judged
from augmoments.options import check_count
from augmoments.sample_size.gradients.per_sample import gradients
from augmoments.sample_size.gradients.spread import Number, Spread, spreads
from augmoments.sample_size.images import over
from augmoments.sample_size.question import Question
from augmoments.sample_size.result import SampleSize

LEAST_TOL = 5e-2


@dataclass(frozen=True, kw_only=True)
class GradientSampleSize(SampleSize):
    r"""Draws for the gradient :math:`g_i` of every image's loss, and for that of their mean.

    ``n`` is the draws of each image by itself, :math:`\mathrm{tr}\,\mathrm{Cov}(g_i) / (e^2 \|E
    g_i\|^2)`; ``parts`` has the same for each parameter tensor by its name. The variance of a
    stochastic gradient, that of a random image at a random draw, is
    :math:`\mathrm{between} + \mathrm{within}`.

    Attributes:
        whole: Copies of *every* image for the gradient of their mean loss, :math:`\bar g`:
            :math:`\frac{1}{N^2} \sum_i \mathrm{tr}\,\mathrm{Cov}(g_i) / (e^2 \|\bar g\|^2)`;
            ``n`` is ``(1,)``.
        within: What the augmentation does: :math:`\frac1N \sum_i \mathrm{tr}\,\mathrm{Cov}(g_i)`.
        between: What the choice of images does: :math:`\frac1N \sum_i \|E g_i - \bar g\|^2`.
        length: Squared length of the gradient of the mean loss, :math:`\|\bar g\|^2`.
        within_error: Absolute error bound of ``within``.
        between_error: Absolute error bound of ``between``.
        length_error: Absolute error bound of ``length``.
        parameters: How many parameters there are.

    Example:
        >>> import torch, augmoments as am
        >>> images, labels = am.data.digits()
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)).eval()
        >>> size = am.samples_needed(
        ...     images[:8],
        ...     am.RandomHorizontalFlip(),
        ...     of="gradient",
        ...     model=model,
        ...     loss="cross_entropy",
        ...     targets=labels[:8],
        ... )
        >>> size.n.shape, list(size.parts), size.method
        (torch.Size([8]), ['1.weight', '1.bias'], 'exact')
        >>> 0 < size.augmentation_share < 1
        True
    """

    whole: SampleSize
    within: float
    between: float
    length: float
    within_error: float
    between_error: float
    length_error: float
    parameters: int

    @property
    def augmentation_share(self) -> float:
        """Share of the augmentation in the variance of a stochastic gradient, in [0, 1]."""
        total = self.within + self.between
        return self.within / total if total > 0 else 0.0

    @property
    def augmentation_share_error(self) -> float:
        """Absolute error bound of ``augmentation_share``."""
        total = self.within + self.between
        if total == 0:
            return 0.0
        slack = self.between * self.within_error + self.within * self.between_error
        return min(1.0, slack / total**2)

    def batch_variance(self, batch_size: int, draws: int = 1, *, replacement: bool = True) -> float:
        r"""Total variance of the gradient of a mini-batch.

        :math:`(\mathrm{between} \cdot c + \mathrm{within} / k) / B` with B images and k draws of
        each; c is 1 with replacement, as for images that are themselves a sample of many more, and
        :math:`(N - B) / (N - 1)` without: an epoch over these N images in random order.

        Raises:
            InputError: A number below 1, or without replacement more images than there are.
        """
        check_count("batch_size", batch_size)
        check_count("draws", draws)
        correction, count = 1.0, len(self.n)
        if not replacement:
            if batch_size > count:
                raise InputError(f"There are {count} images, too few for {batch_size} at once.")
            correction = (count - batch_size) / max(count - 1, 1)
        return (self.between * correction + self.within / draws) / batch_size

    def summary(self) -> str:
        """Draws an image, copies for the full batch, and the augmentation's share."""
        return (
            f"{super().summary()}; {float(self.whole.n):,.0f} copies of every image for the "
            f"gradient of the mean loss; {self.augmentation_share:.0%} of the variance of a "
            "stochastic gradient is the augmentation's"
        )

    def table(self) -> str:
        """One line a parameter tensor, and one for all of them.

        Its share of the variance that the augmentation causes, the augmentation's share of its own
        variance, draws of an image (median), and copies of all images.
        """
        named = [*self.parts.items(), ("all", self)]
        width = max(len("parameter"), *(len(name) for name, _ in named))
        head = ("numbers", "of variance", "augmentation", "draws", "copies")
        lines = [f"{'parameter':<{width}}" + "".join(f"{title:>14}" for title in head)]
        for name, one in cast("list[tuple[str, GradientSampleSize]]", named):
            share = one.within / self.within if self.within > 0 else 0.0
            lines.append(
                f"{name:<{width}}{one.parameters:>14,}{share:>14.1%}"
                f"{one.augmentation_share:>14.1%}{float(one.n.median()):>14,.0f}"
                f"{float(one.whole.n):>14,.0f}"
            )
        return "\n".join(lines)


def gradient(question: Question) -> GradientSampleSize:
    """Per-sample gradients at the nodes of the policy; see :class:`GradientSampleSize`."""
    question.need("gradient", "model", "loss", "targets")
    images, policy = question.images, question.policy
    judged = Judged.of(question.model, question.loss, images, question.targets, policy)
    what = gradients(judged)
    tol = max(question.tol, LEAST_TOL)
    found = spreads(what, images, [policy], tol, question.seed, question.max_nodes).single[0]
    sizes = list(what.sizes.values())
    layers = {name: _group(question, found, g, sizes[g]) for g, name in enumerate(what.sizes)}
    return _group(question, found, len(sizes), sum(sizes), layers)


def _group(
    question: Question,
    found: Spread,
    group: int,
    parameters: int,
    parts: dict[str, GradientSampleSize] | None = None,
) -> GradientSampleSize:
    """The answer for one parameter tensor, or for all of them."""
    count = len(question.images)
    each = [_column(number, group) for number in (found.variance, found.square)]
    within, between, length = (
        Number(number.value[group : group + 1], number.error[group : group + 1])
        for number in (found.within, found.between, found.length)
    )
    mean = Number(within.value / count, within.error / count)
    own = _size(question, found, each[0], each[1])
    return GradientSampleSize(
        n=own.n,
        of="gradient",
        rel_error=question.rel_error,
        confidence=None,
        bound=None,
        method=found.method,
        error=own.error,
        first=own.first,
        second=own.second,
        parts=parts or {},
        whole=_size(question, found, mean, length),
        within=float(within.value),
        between=float(between.value),
        length=float(length.value),
        within_error=float(within.error),
        between_error=float(between.error),
        length_error=float(length.error),
        parameters=parameters,
    )


def _column(number: Number, group: int) -> Number:
    return Number(number.value[:, group], number.error[:, group])


def _size(question: Question, found: Spread, variance: Number, square: Number) -> SampleSize:
    first = over(variance.value, square.value)
    n = (first / question.rel_error**2).ceil().clamp_min(1)
    error = over(variance.error, variance.value) + over(square.error, square.value)
    known = (variance.value == 0) | ((square.value == 0) & (found.method == "exact"))
    error = torch.where(known, 0.0, error)
    zeros = torch.zeros_like(first)
    return SampleSize(
        n, "gradient", question.rel_error, None, None, found.method, error, first, zeros
    )
