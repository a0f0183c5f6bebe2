"""Stated errors of one case, held against a reference."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from augmoments.calculus.moments import Moments, moments
from augmoments.errors import AugmomentsError
from augmoments.estimate import rounding
from augmoments.losses.expectation import expectation
from augmoments.losses.expected_loss import expected_loss
from augmoments.sample_size import samples_needed
from augmoments.testing.calibration.cases import Case
from augmoments.testing.calibration.sums import Subject, Truth
from augmoments.testing.calibration.truths import truths

State = Literal["held", "failed", "undecided", "nothing"]
QUANTITIES = (
    "mean",
    "covariance",
    "trace",
    "spectral",
    "draws",
    "expectation",
    "variance",
    "loss",
)
_REL_ERROR = 0.01
_CLASSES = 3
_BEYOND = 4  # times a 99.5% bound, which fails once in 200 times
_REACH = 32  # by how much eight times the draws may lower the error of the reference


@dataclass(frozen=True)
class Verdict:
    """One stated error.

    Attributes:
        stated: Error that the library states.
        true: Distance from the reference, in the same units.
        reference: Bound of the reference's own error.
        state: ``"held"`` or ``"failed"`` beyond the error of the reference (four times its bound
            where that is larger than what is stated), ``"undecided"`` within it, ``"nothing"``
            where what is estimated is zero to rounding.
    """

    stated: float
    true: float
    reference: float
    state: State

    @classmethod
    def of(cls, stated: float, true: float, reference: float) -> Verdict:
        """Held, failed or undecided."""
        slack = reference if reference <= stated else _BEYOND * reference
        held, failed = true + reference <= stated, not true - slack <= stated
        return cls(stated, true, reference, "held" if held else "failed" if failed else "undecided")

    @property
    def within_reach(self) -> bool:
        """Whether it is open, and more draws of the reference may tell."""
        return self.state == "undecided" and self.reference <= _REACH * self.stated


NOTHING = Verdict(0.0, 0.0, 0.0, "nothing")


@dataclass(frozen=True)
class _Found:
    """What the library says."""

    moments: Moments
    draws: tuple[float, float]
    values: Tensor
    """Expectation, its variance, and the expected loss."""
    errors: Tensor


def examine(case: Case, seed: int) -> dict[str, Any]:
    """A record of the case: what was stated, how far off it is, and whether that is held."""
    record = case.about()
    weights, target = _model(case, seed)

    def fn(x: Tensor) -> Tensor:
        return (x.flatten(1) @ weights[0].to(x)).tanh()

    def observe(x: Tensor) -> Tensor:
        outputs = x.flatten(1) @ weights.T
        losses = nn.functional.cross_entropy(outputs, target.expand(len(x)), reduction="none")
        return torch.stack([fn(x), losses], 1)

    model = nn.Sequential(nn.Flatten(), nn.Linear(weights.shape[1], _CLASSES, bias=False))
    model[1].weight.data = weights.to(case.image.dtype)  # type: ignore[union-attr]
    try:
        found = _ask(case, fn, model.eval(), target)
    except AugmomentsError as error:
        return {**record, "refused": f"{type(error).__name__}: {error}", "quantities": {}}
    subject = Subject(case.policy, case.image.double(), observe)
    verdicts: dict[str, Verdict] = {}
    with torch.no_grad():
        for truth in truths(subject, [seed, case.number]):
            verdicts = _judge(case, found, truth)
            if not any(verdict.within_reach for verdict in verdicts.values()):
                break
    return {
        **record,
        "method": found.moments.method,
        "quantities": {name: asdict(verdict) for name, verdict in verdicts.items()},
    }


def _model(case: Case, seed: int) -> tuple[Tensor, Tensor]:
    """Weights ``(K, D)`` of a linear classifier, representable in float32, and a class."""
    rng = np.random.default_rng([seed, case.number, 1])
    size = int(np.prod(case.policy.output_shape(tuple(case.image.shape[1:]))))  # type: ignore[arg-type]
    weights = (3 * rng.standard_normal((_CLASSES, size)) / size**0.5).astype(np.float32)
    return torch.from_numpy(weights).double(), torch.tensor([int(rng.integers(_CLASSES))])


def _ask(case: Case, fn: Any, model: nn.Module, target: Tensor) -> _Found:
    numerics: Any = {"tol": case.tol, "seed": case.number}
    found = moments(case.image, case.policy, **numerics)
    size = samples_needed(case.image, case.policy, "mean", _REL_ERROR, **numerics)
    one = expectation(fn, case.image, case.policy, **numerics)
    loss = expected_loss(
        model, "cross_entropy", case.image, target, case.policy, given=found, **numerics
    )
    values = (one.value, one.variance, loss.value)
    errors = (one.error, one.variance_error, loss.error)
    return _Found(
        found,
        (float(size.n), float(size.error)),
        torch.cat([value.detach().double() for value in values]),
        torch.cat([error.detach().double() for error in errors]),
    )


def _judge(case: Case, found: _Found, truth: Truth) -> dict[str, Verdict]:
    m, stated = found.moments, {k: float(v) for k, v in found.moments.error._asdict().items()}
    size, trace = float(truth.mean.norm()), float(truth.covariance.trace())
    norm = float(truth.covariance.norm())
    gap = m.mean[0].double().flatten() - truth.mean
    verdicts: dict[str, Verdict] = dict.fromkeys(QUANTITIES, NOTHING)
    if size > 0:
        relative = truth.mean_error / size
        verdicts["mean"] = Verdict.of(stated["mean"], float(gap.norm()) / size, relative)
    side = max(*case.image.shape[2:], *m.mean.shape[2:])
    unseen = (rounding(case.image.dtype, side) * np.hypot(size, max(trace, 0.0) ** 0.5)) ** 2
    if norm > unseen:
        distance = m.covariance.dense()[0].double() - truth.covariance
        relative = truth.trace_error / trace
        verdicts["covariance"] = Verdict.of(
            stated["covariance"], float(distance.norm()) / norm, truth.covariance_error / norm
        )
        verdicts["trace"] = Verdict.of(
            stated["trace"], abs(float(distance.trace())) / trace, relative
        )
        verdicts["spectral"] = Verdict.of(
            stated["spectral"],
            float(torch.linalg.eigvalsh(distance).abs().max()) / trace,
            truth.spectral_error / trace,
        )
        if size > 0:
            n, error = found.draws
            needed = max(1.0, trace / (size * _REL_ERROR) ** 2)
            off = max(0.0, abs(n - needed) - 1) / needed  # n is rounded up
            verdicts["draws"] = Verdict.of(error, off, relative + 2 * truth.mean_error / size)
    assert truth.values_error is not None
    assert truth.variances_error is not None
    known = torch.stack([truth.values[0], truth.variances[0], truth.values[1]])
    unsure = torch.stack([truth.values_error[0], truth.variances_error[0], truth.values_error[1]])
    off = (found.values - known).abs()
    for place, name in enumerate(("expectation", "variance", "loss")):
        verdicts[name] = Verdict.of(
            float(found.errors[place]), float(off[place]), float(unsure[place])
        )
    return verdicts
