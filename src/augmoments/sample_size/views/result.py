r"""What the k-th view of an image brings.

With k independent views of each of B images the variance of a mini-batch's mean loss, or of its
gradient, is :math:`(\mathrm{between} + \mathrm{within} / k) / B`: views reduce what the
augmentation does, and leave what the choice of images does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from augmoments.estimate import Method

PairLoss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Views:
    r"""The variance of a mini-batch of B images with more and more views of each.

    The images of the batch are drawn independently of each other, and the views of an image too.
    At an equal number of passes, k views take the place of k times as many images: with between and
    within of one view, the variance is then :math:`(k\,\mathrm{between} + \mathrm{within}) /
    (\mathrm{between} + \mathrm{within})` times that of one view. Of views of one policy this is
    never below 1: repeated views pay where further images cost more than further passes, or where
    there are none. (Losses of pairs of views differ: the pairs are more than the passes.)

    All tensors are float64, one value a number of views.

    Attributes:
        of: Of what: ``"loss"`` or ``"gradient"``.
        batch_size: Images of the mini-batch.
        count: Views of each image: 1, 2, ..., or from 2 on for losses of pairs of views.
        between: Variance between images.
        within: Variance within images, of the average over all views of an image.
        variance: :math:`(\mathrm{between} + \mathrm{within}) / B`.
        reduction: Share of the variance that the last view took away; NaN for the first.
        equal_passes: Variance relative to that of the fewest views at as many passes.
        relative_error: Root-mean-square error of the mini-batch relative to the mean over all
            images without noise.
        error: Relative error bound of ``variance``.
        method: How the variances were obtained.

    Example:
        >>> import torch, augmoments as am
        >>> images, labels = am.data.digits()
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)).eval()
        >>> size = am.samples_needed(
        ...     images[:8],
        ...     am.RandomRotation(20),
        ...     of="loss",
        ...     model=model,
        ...     loss="cross_entropy",
        ...     targets=labels[:8],
        ...     views=4,
        ... )
        >>> size.views.variance.shape
        torch.Size([4])
        >>> bool((size.views.equal_passes >= 1).all())  # further images beat further views
        True

    Reference:
        Hoffer et al. (2020), *Augment your batch: improving generalization through instance
        repetition*; Fort et al. (2021), *Drawing multiple augmentation samples per image*.
    """

    of: Literal["loss", "gradient"]
    batch_size: int
    count: Tensor
    between: Tensor
    within: Tensor
    variance: Tensor
    reduction: Tensor
    equal_passes: Tensor
    relative_error: Tensor
    error: Tensor
    method: Method

    @classmethod
    def of_variances(
        cls,
        of: Literal["loss", "gradient"],
        batch_size: int,
        count: Tensor,
        between: Tensor,
        within: Tensor,
        length: Tensor,
        error: Tensor,
        method: Method,
    ) -> Views:
        """From variances for each number of views, and their absolute error bounds together.

        ``length`` is the squared length of the mean.
        """
        total = between + within
        tiny = torch.finfo(total.dtype).tiny
        known = total.clamp_min(tiny)
        first = torch.full_like(total[:1], torch.nan)
        passes = count / count[0]
        return cls(
            of=of,
            batch_size=batch_size,
            count=count,
            between=between,
            within=within,
            variance=total / batch_size,
            reduction=torch.cat([first, 1 - total[1:] / known[:-1]]),
            equal_passes=passes * total / known[0],
            relative_error=(total / batch_size / length).sqrt(),
            error=torch.where(total > 0, error / known, 0.0),
            method=method,
        )

    def enough(self, share: float = 0.05) -> int | None:
        """Fewest views after which no further one takes away more than ``share`` of the variance.

        ``None`` if not even the last of those that were asked about is that small.
        """
        small = self.reduction[1:] <= share
        for place in range(len(small)):
            if bool(small[place:].all()):
                return int(self.count[place])
        return None

    def summary(self) -> str:
        """The variance left, and how many views are enough."""
        last, left = int(self.count[-1]), float(self.equal_passes[-1])
        kept = float(self.variance[-1] / self.variance[0]) if self.variance[0] > 0 else 1.0
        enough = self.enough()
        after = (
            "every further view still takes away more than 5%"
            if enough is None
            else f"after {enough} no further view takes away more than 5%"
        )
        return (
            f"{last} views leave {kept:.0%} of the variance of the {self.of} with "
            f"{int(self.count[0])} ({after}); at as many passes they have {left:.3g} times its "
            f"variance ({self.method})"
        )

    def table(self) -> str:
        """One line a number of views."""
        lines = [
            f"{'views':>5}{'variance':>13}{'taken away':>12}{'equal passes':>14}{'rms error':>11}"
        ]
        columns = (self.count, self.variance, self.reduction, self.equal_passes)
        for k, variance, taken, passes, relative in zip(
            *(column.tolist() for column in columns), self.relative_error.tolist(), strict=True
        ):
            less = "" if taken != taken else f"{taken:.1%}"
            lines.append(f"{k:>5.0f}{variance:>13.4g}{less:>12}{passes:>14.3f}{relative:>11.2%}")
        return "\n".join(lines)
