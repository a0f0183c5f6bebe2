r"""The prediction that test-time augmentation converges to, without noise."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from augmoments.adapters import Policy, as_policy
from augmoments.averaging.agreement import Shares, shares
from augmoments.averaging.classifier import Average, check_classifier, without_augmentation
from augmoments.averaging.limit import Limit, limit
from augmoments.averaging.outputs import pass_laws
from augmoments.averaging.result import AveragedPrediction
from augmoments.calculus.integrate import Progress
from augmoments.checks import check_images, check_targets
from augmoments.errors import InputError
from augmoments.losses.models import Model
from augmoments.options import check_numerics, check_share

MOST_PASSES = 4096


def tta(
    model: Model,
    images: Float[Tensor, "N C H W"],
    policy: Policy,
    targets: Tensor | None = None,
    *,
    average: Average = "probabilities",
    passes: Sequence[int] = (1, 2, 4, 8, 16, 32),
    confidence: float = 0.95,
    tol: float = 1e-2,
    seed: int = 0,
    max_nodes: int = 4096,
    value_range: tuple[float, float] | None = (0.0, 1.0),
    progress: Progress | None = None,
) -> AveragedPrediction:
    r"""Test-time augmentation in the limit of infinitely many passes, and how soon it is reached.

    The limit is :math:`\bar p = E[\mathrm{softmax} f(T(x))]`, by nodes over the joint law as in
    :func:`expectation`. The class after n passes is that with the largest average of n independent
    outputs. Its law is that of one pass, known at the nodes, n times: enumerated where all
    outcomes are few, else drawn again from the outputs at the nodes, with no further pass.

    Args:
        model: Maps augmented images ``(N, C', H', W')`` to ``(N, K)``; in evaluation mode.
        images: ``(N, C, H, W)`` or ``(C, H, W)``.
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations.
        targets: The right classes ``(N,)``, for accuracies.
        average: ``"probabilities"``, the softmax of the model's output, or ``"outputs"``, the
            output as it is: logits, scores, or probabilities of a model that gives such.
        passes: Numbers of passes whose accuracy is asked for.
        confidence: What ``more_than`` asks of an image.
        tol: Relative error asked for.
        seed: Seed of the scrambling and of the drawing.
        max_nodes: Most passes an image.
        value_range: What the images' values must lie in; ``None`` lifts the check.
        progress: Called with the number of images done and the number of all.

    Returns:
        :class:`AveragedPrediction`.

    Raises:
        InputError: Images or targets that are not what was meant, fewer than two outputs, or
            passes that are no whole numbers from 1 to 4,096.
        ModelError: The model is not a deterministic function of each image.
        PolicyError: The policy does not take images of this shape, or mixes those of a batch.

    Example:
        >>> import torch, augmoments as am
        >>> from augmoments.averaging import tta
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3)).eval()
        >>> found = tta(model, torch.rand(4, 1, 4, 4), am.RandomHorizontalFlip(), passes=(1, 8))
        >>> found.agreement.shape, found.method
        (torch.Size([4, 2]), 'exact')

    Reference:
        Shanmugam, Blalock, Balakrishnan, Guttag (2021), Better Aggregation in Test-Time
        Augmentation.
    """
    batch = check_images(images, value_range=value_range)
    policy = as_policy(policy)
    confidence = check_share("confidence", confidence)
    tol, seed, max_nodes = check_numerics(tol, seed, max_nodes)
    counts = _checked_passes(passes)
    model, classes = check_classifier(model, batch, policy, average)
    if targets is not None:
        targets = _checked_classes(targets, len(batch), classes)
    laws, limits, found, floors, nodes = [], [], [], [], 0
    options: Any = {"tol": tol, "risk": 1 - confidence, "seed": seed, "max_nodes": max_nodes}
    for law in pass_laws(model, batch, policy, average, **options):
        limits.append(limit(law))
        own = None if targets is None else targets[law.index]
        found.append(shares(law, limits[-1].prediction, own, counts, seed))
        floors.append(found[-1].bound(law.resolution))
        laws.append((law.index, law.method, law.values.dtype))
        nodes = max(nodes, len(law.values))
        if progress is not None:
            progress(sum(len(index) for index, _, _ in laws), len(batch))
    order = torch.cat([index for index, _, _ in laws]).argsort()
    _, method, dtype = laws[0]

    def gathered(parts: Sequence[Tensor], axis: int = 0) -> Tensor:
        return torch.cat(list(parts), axis).index_select(axis, order).to(batch.device)

    whole = Shares(
        gathered([part.value for part in found]),
        gathered([part.others for part in found], 1),
        gathered([part.variance for part in found]),
    )
    bounds, overall = gathered(floors), whole.over_images()
    columns = {name: gathered([getattr(part, name) for part in limits]) for name in Limit._fields}
    given: dict[str, Any] = dict.fromkeys(
        ("targets", "right", "right_error", "passes_accuracy", "passes_accuracy_error")
    )
    if targets is not None:
        given = {
            "targets": targets.to(batch.device),
            "right": whole.value[:, 1],
            "right_error": bounds[:, 1],
            "passes_accuracy": overall.value[0, 1],
            "passes_accuracy_error": overall.bound()[0, 1],
        }
    return AveragedPrediction(
        **{name: c.to(dtype) if c.is_floating_point() else c for name, c in columns.items()},
        plain=without_augmentation(model, batch, policy, average),
        passes=counts,
        agreement=whole.value[:, 0],
        agreement_error=bounds[:, 0],
        **given,
        confidence=confidence,
        method=method,
        nodes=nodes,
    )


def _checked_passes(passes: Sequence[int]) -> tuple[int, ...]:
    """Increasing numbers of passes."""
    if (
        not isinstance(passes, Sequence)
        or not passes
        or any(not isinstance(n, Integral) or not 1 <= n <= MOST_PASSES for n in passes)
    ):
        raise InputError(
            f"passes must be whole numbers from 1 to {MOST_PASSES:,}, got {passes!r}; beyond them "
            "is the limit."
        )
    return tuple(sorted({int(n) for n in passes}))


def _checked_classes(targets: Tensor, count: int, classes: int) -> Tensor:
    targets = check_targets(targets, count, classes)
    if targets.is_floating_point():
        raise InputError("targets must be classes (N,) here: use targets.argmax(1).")
    return targets.cpu()
