r"""How many augmented samples are needed to be right to a given error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from scipy.stats import norm
from torch import Tensor, nn

from augmoments.adapters import Policy, as_policy
from augmoments.augmentations.base import Augmentation
from augmoments.calculus.integrate import integrate
from augmoments.calculus.moments import Moments, moments
from augmoments.checks import check_images, did_you_mean
from augmoments.errors import InputError
from augmoments.estimate import Method, weakest
from augmoments.losses.judged import Judged
from augmoments.losses.loss import Sampled
from augmoments.losses.models import Model

Quantity = Literal["mean", "covariance", "loss"]
Bound = Literal["clt", "chebyshev"]
_QUANTITIES = ("mean", "covariance", "loss")
_BOUNDS = ("clt", "chebyshev")
_CHUNK = 256


@dataclass(frozen=True)
class SampleSize:
    r"""Samples an image needs, with the law of the error behind it.

    The squared relative error after n independent draws is
    :math:`a / n + b / (n (n - 1))`.

    Attributes:
        n: Draws needed, ``(N,)``, whole numbers as float64 (infinite where the quantity is zero).
        of: What they are needed for.
        rel_error: Relative error asked for: root mean square for ``"mean"`` and
            ``"covariance"``, of the scalar itself with ``confidence`` for ``"loss"``.
        confidence: Confidence of the bound; concerns ``"loss"`` only.
        bound: ``"clt"`` or ``"chebyshev"``; concerns ``"loss"`` only.
        method: How the moments behind it were obtained.
        error: Relative error bound of ``n``, ``(N,)``.
        first: The coefficient a, ``(N,)``, float64.
        second: The coefficient b, ``(N,)``, float64.
    """

    n: Tensor
    of: Quantity
    rel_error: float
    confidence: float
    bound: Bound
    method: Method
    error: Tensor
    first: Tensor
    second: Tensor

    def predicted_error(self, n: float) -> Tensor:
        """Relative root-mean-square error after ``n`` draws, ``(N,)``.

        Raises:
            InputError: ``n`` is below 1, or below 2 for a covariance.
        """
        least = 2 if self.of == "covariance" else 1
        if n < least:
            raise InputError(f"n must be at least {least} for the {self.of}, got {n}.")
        tail = self.second / (n * (n - 1)) if n > 1 else 0.0
        return (self.first / n + tail).sqrt()

    def summary(self) -> str:
        """One sentence: median and range of the draws an image."""
        middle, low, high = (float(v) for v in (self.n.median(), self.n.min(), self.n.max()))
        how = f" with {self.confidence:.0%} confidence" if self.of == "loss" else ""
        return (
            f"{self.of} to {self.rel_error:.3g}{how}: {middle:,.0f} draws an image (median of "
            f"{len(self.n)}; {low:,.0f} to {high:,.0f}; {self.method})"
        )


def samples_needed(
    images: Float[Tensor, "N C H W"],
    policy: Policy,
    of: Quantity = "mean",
    rel_error: float = 0.01,
    confidence: float = 0.95,
    bound: Bound = "clt",
    *,
    model: Model | None = None,
    loss: str | nn.Module | Sampled | None = None,
    targets: Tensor | None = None,
    given: Moments | None = None,
    tol: float = 1e-3,
    seed: int = 0,
    max_nodes: int = 4096,
    value_range: tuple[float, float] | None = (0.0, 1.0),
) -> SampleSize:
    r"""How many augmented samples of each image are needed.

    With n independent draws and relative error e:

    - ``"mean"``: :math:`n = \mathrm{tr} V / (e^2 \|\mu\|^2)`;
    - ``"covariance"``, by the unbiased estimate :math:`S_n`:
      :math:`E\|S_n - V\|_F^2 = \frac{m_4 - \|V\|_F^2}{n} +
      \frac{(\mathrm{tr} V)^2 + \|V\|_F^2}{n (n - 1)}` with :math:`m_4 = E\|T(x) - \mu\|^4`;
    - ``"loss"``: :math:`n = z^2 \mathrm{Var}\,\ell / (e\,E\ell)^2` with the two-sided normal
      quantile z (``"clt"``), or :math:`1 / (1 - \mathrm{confidence})` for its square
      (``"chebyshev"``, which holds for any law).

    Args:
        images: ``(N, C, H, W)`` or ``(C, H, W)``.
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations.
        of: ``"mean"``, ``"covariance"`` or ``"loss"``.
        rel_error: Relative error asked for.
        confidence: For ``"loss"``: how sure to be.
        bound: For ``"loss"``: ``"clt"`` or ``"chebyshev"``.
        model: For ``"loss"``: as in :func:`expected_loss`.
        loss: For ``"loss"``: as in :func:`expected_loss`.
        targets: For ``"loss"``: classes ``(N,)`` or real values ``(N, K)``.
        given: Moments of these images under this policy, where they are known already; ``tol`` is
            then that of these.
        tol: Relative error asked of the moments behind the answer.
        seed: Seed of the scrambling.
        max_nodes: Most evaluations an image.
        value_range: What the images' values must lie in; ``None`` lifts the check.

    Returns:
        :class:`SampleSize` with ``.n`` ``(N,)``, ``.summary()`` and ``.predicted_error(n)``.

    Raises:
        InputError: An unknown quantity or bound, an error or confidence outside (0, 1), or a
            model, loss or targets that are missing.
        PolicyError: The policy does not take images of this shape, or mixes those of a batch.

    Example:
        >>> import torch, augmoments as am
        >>> image = torch.tensor([[[[0.0, 1.0]]]])
        >>> am.samples_needed(image, am.RandomHorizontalFlip(), of="mean", rel_error=0.1).n
        tensor([100.], dtype=torch.float64)

    Reference:
        Balestriero, Misra, LeCun (2022), section 2.4.
    """
    batch = check_images(images, value_range=value_range)
    _check_choice("of", of, _QUANTITIES)
    _check_choice("bound", bound, _BOUNDS)
    for name, value in (("rel_error", rel_error), ("confidence", confidence)):
        if not 0 < value < 1:
            raise InputError(f"{name} must lie between 0 and 1, got {value!r}.")
    policy = as_policy(policy)
    policy.outcomes(tuple(batch.shape[1:]))  # type: ignore[arg-type]  # not of mixed batches
    options: Any = {"seed": seed, "max_nodes": max_nodes}
    if of == "loss":
        if model is None or loss is None or targets is None:
            raise InputError('of="loss" needs model=, loss= and targets=.')
        judged = Judged.of(model, loss, batch, targets, policy)
        found = judged.integrate(batch, policy, max(tol, 1e-2), seed, max_nodes)
        value = found.value.double()
        first = _over(found.variance.double(), value.square())
        error = 2 * _over(found.error.double(), value.abs())
        error += _over(found.variance_error.double(), found.variance.double())
        quantile = (
            float(norm.ppf((1 + confidence) / 2)) ** 2 if bound == "clt" else 1 / (1 - confidence)
        )
        n = (first * quantile / rel_error**2).ceil().clamp_min(1)
        second, method = torch.zeros_like(first), found.method
    else:
        if given is not None:
            given.check_given(batch, policy)
        parts = [
            _image_coefficients(batch[index], policy, of, given and given[index], tol, options)
            for index in torch.arange(len(batch), device=batch.device).split(_CHUNK)
        ]
        first, second, *errors = (
            torch.cat([getattr(part, name) for part in parts]) for name in _Coefficients._fields[:4]
        )
        method = parts[0].method
        n = _solve(first, second, rel_error)
        tail = torch.where(n > 1, errors[1] / (n * (n - 1)), 0.0)
        error = torch.where(n.isfinite(), (errors[0] / n + tail) / rel_error**2, 0.0)
    return SampleSize(n, of, rel_error, confidence, bound, method, error, first, second)


class _Coefficients(NamedTuple):
    """The coefficients a and b, and absolute error bounds of both, each ``(N,)``."""

    first: Tensor
    second: Tensor
    first_error: Tensor
    second_error: Tensor
    method: Method


def _image_coefficients(
    images: Tensor,
    policy: Augmentation,
    of: Quantity,
    given: Moments | None,
    tol: float,
    options: Any,
) -> _Coefficients:
    m = given or moments(images, policy, tol, value_range=None, **options)
    trace = m.covariance.trace().double()
    if of == "mean":
        first = _over(trace, m.mean.double().flatten(1).square().sum(1))
        nothing = torch.zeros_like(first)
        error = 2 * m.error.mean.double() + m.error.trace.double()
        return _Coefficients(first, nothing, first * error, nothing, m.method)

    def fourth(x: Tensor, index: Tensor) -> Tensor:
        return (x - m.mean[index.to(x.device)]).double().square().flatten(1).sum(1).square()

    with torch.no_grad():
        found = integrate(fourth, images, policy, 1e-2, progress=None, **options)
    square = m.covariance.frobenius_norm().double().square()
    kurtosis, size = _over(found.value, square), _over(trace.square(), square)
    twice = 2 * m.error.covariance.double()
    return _Coefficients(
        first=kurtosis - _over(square, square),
        second=size + _over(square, square),
        first_error=_over(found.error, square) + kurtosis * twice,
        second_error=size * (2 * m.error.trace.double() + twice),
        method=weakest(m.method, found.method),
    )


def _solve(first: Tensor, second: Tensor, rel_error: float) -> Tensor:
    """Smallest whole n with ``first / n + second / (n (n - 1)) <= rel_error**2``."""
    square = rel_error**2
    middle = square + first
    root = (middle.square() - 4 * square * (first - second)).clamp_min(0).sqrt()
    n = (middle + root) / (2 * square)
    exact = first / square
    least = torch.where(second > 0, 2.0, 1.0)
    return torch.where(second > 0, n, exact).ceil().clamp_min(least)


def _over(value: Tensor, scale: Tensor) -> Tensor:
    return torch.where(value.abs() > 0, value / scale, 0.0)


def _check_choice(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(f"{name}={value!r} is none of {known}.{did_you_mean(str(value), known)}")
