"""Draws that the losses and the gradients of trained networks need, predicted and observed."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from augmoments.augmentations.base import Augmentation
from augmoments.losses.expected_loss import LossEstimate, expected_loss
from augmoments.sample_size import GradientSampleSize, LossSampleSize, samples_needed

ERRORS = (0.1, 0.05, 0.01)
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Quantiles over images."""


class Draws(NamedTuple):
    """What the losses and gradients of some images need under an augmentation."""

    loss: LossSampleSize
    gradient: GradientSampleSize
    expected: LossEstimate

    @property
    def together(self) -> float:
        """Relative variance of the mean loss after one draw of every image."""
        value, variance = self.expected.value.double(), self.expected.variance.double()
        return float(variance.sum() / value.sum().square())

    @property
    def error_together(self) -> float:
        """Relative error bound of ``together``."""
        one = self.expected
        by_value = float(one.error.double().sum() / one.value.double().sum())
        variance = float(one.variance.double().sum())
        spread = float(one.variance_error.double().sum()) / variance if variance > 0 else 0.0
        return 2 * by_value + spread

    def relative_variances(self) -> dict[str, Tensor]:
        """Of one draw: by image for a loss and a gradient, of all images for their means."""
        return {
            "loss": self.loss.first,
            "gradient": self.gradient.first,
            "mean loss": torch.tensor([self.together], dtype=torch.float64),
            "mean gradient": self.gradient.whole.first,
        }

    def about(self) -> dict[str, Any]:
        """All figures, ready for JSON.

        Images whose expected loss or gradient is zero have no relative error and are left out.
        """
        found = {of: v[v.isfinite()] for of, v in self.relative_variances().items()}
        confident = self.loss.n[self.loss.n.isfinite()]
        return {
            "method": self.gradient.method,
            "error_of_draws": {
                "loss": float(self.loss.error.median()),
                "gradient": float(self.gradient.error.median()),
                "mean loss": self.error_together,
                "mean gradient": float(self.gradient.whole.error),
            },
            "draws": {of: [draws(v.quantile(0.5), e) for e in ERRORS] for of, v in found.items()},
            "over_images_to_1%": {
                of: [draws(found[of].quantile(q), 0.01) for q in SHARES]
                for of in ("loss", "gradient")
            },
            "loss_to_1%_at_95%": float(confident.quantile(0.5)),
            "reliable": float(self.loss.reliable.double().mean()),
            "expected_losses": self.expected.value.tolist(),
            "draws_of_losses": [draws(v, 0.01) if v.isfinite() else None for v in self.loss.first],
            "augmentation_share": self.gradient.augmentation_share,
            "augmentation_share_error": self.gradient.augmentation_share_error,
        }

    def predicted(self, place: int, counts: tuple[int, ...]) -> dict[str, list[float]]:
        """Relative errors at so many draws, of the image at ``place`` and of all of them."""
        return {
            of: [(float(v[place if len(v) > 1 else 0]) / n) ** 0.5 for n in counts]
            for of, v in self.relative_variances().items()
        }


def draws(relative_variance: Tensor | float, error: float) -> float:
    """Draws for a root-mean-square relative error."""
    return float(max(1, -(-float(relative_variance) // error**2)))


def needed(
    model: nn.Module, images: Tensor, labels: Tensor, policy: Augmentation, seed: int, nodes: int
) -> Draws:
    """What the cross-entropy of a network and its gradient need."""
    question: Any = {"model": model, "loss": "cross_entropy", "targets": labels}
    effort: Any = {"tol": 5e-2, "seed": seed, "max_nodes": nodes}
    return Draws(
        cast("LossSampleSize", samples_needed(images, policy, "loss", **question, **effort)),
        cast(
            "GradientSampleSize", samples_needed(images, policy, "gradient", **question, **effort)
        ),
        expected_loss(model, "cross_entropy", images, labels, policy, **effort),
    )


def sampled(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    place: int,
    policy: Augmentation,
    counts: tuple[int, ...],
    repetitions: int,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Relative errors of averages of draws, ``(repetitions, len(counts))`` for each quantity.

    All counts of a repetition are prefixes of the same draws. The errors are those to the average
    over all repetitions, scaled up by what this average has in common with them.
    """
    found = [
        _averages(model, images, labels, place, policy, counts, generator)
        for _ in range(repetitions)
    ]
    errors = {}
    own = 1 - torch.tensor(counts).double() / (repetitions * counts[-1])
    for of in found[0]:
        values = torch.stack([one[of] for one in found])
        truth = values[:, -1].mean(0)
        errors[of] = (values - truth).norm(dim=-1) / truth.norm() / own.sqrt()
    return errors


def _averages(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    place: int,
    policy: Augmentation,
    counts: tuple[int, ...],
    generator: torch.Generator,
) -> dict[str, Tensor]:
    parameters = list(model.parameters())
    parts: dict[str, list[Tensor]] = {}
    for start, end in pairwise((0, *counts)):
        n = end - start
        seen = policy(images.repeat_interleave(n, 0), generator=generator)
        losses = functional.cross_entropy(
            model(seen), labels.repeat_interleave(n), reduction="none"
        ).reshape(len(images), n)
        for name, loss in (("", losses[place].sum()), ("mean ", losses.mean(0).sum())):
            slope = torch.autograd.grad(loss, parameters, retain_graph=name == "")
            parts.setdefault(f"{name}loss", []).append(loss.detach().double()[None])
            flat = torch.cat([part.flatten() for part in slope]).double()
            parts.setdefault(f"{name}gradient", []).append(flat)
    total = torch.tensor(counts).double()[:, None]
    return {of: torch.stack(part).cumsum(0) / total for of, part in parts.items()}
