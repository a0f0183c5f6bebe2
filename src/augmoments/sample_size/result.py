"""The answer: samples needed, with the law of the error behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from augmoments import fragments
from augmoments.errors import InputError
from augmoments.estimate import Method
from augmoments.sample_size.views.result import Views

Quantity = Literal["mean", "covariance", "loss", "gradient", "prediction", "parameters"]
Bound = Literal["clt", "chebyshev", "bernstein"]


@dataclass(frozen=True)
class SampleSize:
    r"""Samples needed, with the law of the error behind it.

    The mean squared relative error after n independent draws is
    :math:`a / n + b / (n (n - 1))`.

    Attributes:
        n: Draws needed, whole numbers as float64 (infinite where the quantity is zero): of each
            image, ``(N,)``, or for what all images determine together, ``(1,)``.
        of: What they are needed for.
        rel_error: Relative error asked for: root mean square for images, covariances, gradients
            and parameters, of the scalar itself with ``confidence`` for scalars.
        confidence: Confidence of the bound, for scalars; ``None`` for a root mean square.
        bound: What the confidence rests on; ``None`` for a root mean square.
        method: How the moments behind it were obtained.
        error: Relative error bound of ``n``.
        first: The coefficient a, float64, of the shape of ``n``.
        second: The coefficient b.
        parts: What the answer is made of, by name, where it has parts.
        views: What each further view of an image brings, where ``views=`` asked for it.
    """

    n: Tensor
    of: Quantity
    rel_error: float
    confidence: float | None
    bound: Bound | None
    method: Method
    error: Tensor
    first: Tensor
    second: Tensor
    parts: Mapping[str, SampleSize] = field(default_factory=dict, kw_only=True)
    views: Views | None = field(default=None, kw_only=True)

    def predicted_error(self, n: float) -> Tensor:
        """Relative root-mean-square error after ``n`` draws, of the shape of ``self.n``.

        Raises:
            InputError: ``n`` is below 1, or below 2 for a covariance.
        """
        least = 2 if self.of == "covariance" else 1
        if not n >= least:
            raise InputError(f"n must be at least {least} for the {self.of}, got {n}.")
        tail = self.second / (n * (n - 1)) if n > 1 else 0.0
        return (self.first / n + tail).sqrt()

    def _repr_html_(self) -> str:
        how = "root mean square"
        if self.confidence is not None:
            how = f"with {100 * self.confidence:.4g}% confidence"
        what = [(self.of, self), *self.parts.items()]
        return fragments.table(
            f"Draws for the {self.of} to {100 * self.rel_error:.3g}% ({how})",
            ("of", "draws", "relative error of that", "method"),
            [
                (name, fragments.spread(size.n), fragments.worst(size.error), size.method)
                for name, size in what
            ],
            f"{self.summary().rstrip('.')}. Above: median (range), and the largest error bound.",
        )

    def summary(self) -> str:
        """One sentence: median and range of the draws an image."""
        middle, low, high = (float(v) for v in (self.n.median(), self.n.min(), self.n.max()))
        how = "" if self.confidence is None else f" with {100 * self.confidence:.4g}% confidence"
        return (
            f"{self.of} to {self.rel_error:.3g}{how}: {middle:,.0f} draws an image (median of "
            f"{len(self.n)}; {low:,.0f} to {high:,.0f}; {self.method})"
        )
