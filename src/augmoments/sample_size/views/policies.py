r"""Views of one policy, or of several (multi-crop), for losses and gradients.

With :math:`c_p` views of policy p, k of them together and each with the same weight, the average
over the views of an image has the variance :math:`\frac{1}{k^2} \sum_p c_p\,\mathrm{within}_p`
within images and :math:`\frac{1}{k^2} \sum_{pq} c_p c_q\,\mathrm{between}_{pq}` between them, with
the covariance over the images of the means under p and q.

Reference:
    Caron et al. (2020), *Unsupervised learning of visual features by contrasting cluster
    assignments* (multi-crop); Hoffer et al. (2020), *Augment your batch* (repeated augmentation).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor

from augmoments.adapters import Policy, as_policy
from augmoments.augmentations.base import Augmentation
from augmoments.errors import InputError
from augmoments.estimate import Method, weakest
from augmoments.losses.judged import Judged
from augmoments.options import check_count
from augmoments.sample_size.gradients.answer import LEAST_TOL, GradientSampleSize
from augmoments.sample_size.gradients.per_sample import gradients, losses
from augmoments.sample_size.gradients.spread import Number, spreads
from augmoments.sample_size.question import Question
from augmoments.sample_size.result import SampleSize
from augmoments.sample_size.views.result import PairLoss, Views

Asked = int | Sequence[tuple[Policy, int]]


def check_views(
    views: Asked | None, of: str, pair_loss: PairLoss | None
) -> int | list[tuple[Augmentation, int]] | None:
    """What was asked about views, with every policy read.

    Raises:
        InputError: Views of something that has none, or no whole numbers from 1 on.
    """
    if pair_loss is not None and of != "loss":
        raise InputError(f'pair_loss= is for of="loss", not for of={of!r}.')
    if views is None:
        return None
    if of not in ("loss", "gradient"):
        raise InputError(f'views= is for of="loss" and of="gradient", not for of={of!r}.')
    if not isinstance(views, Iterable):
        if pair_loss is not None and views == 1:
            raise InputError("A loss of pairs of views takes at least 2 views, got 1.")
        return check_count("views", views)
    if pair_loss is not None:
        raise InputError("With pair_loss=, views= is one number: the views are of one policy.")
    read = []
    for entry in views:
        if not isinstance(entry, tuple | list) or len(entry) != 2:
            raise InputError(f"views= is a number, or pairs (policy, number); got {entry!r}.")
        read.append((as_policy(entry[0]), check_count("the number of views", entry[1])))
    if not read:
        raise InputError("views= is empty: give a number, or pairs (policy, number).")
    return read


class _Figures(NamedTuple):
    """Of Q policies."""

    within: Number
    """``(Q,)``."""
    between: Number
    """``(Q, Q)``."""
    inner: Tensor
    """Inner products of the means over all images, ``(Q, Q)``."""
    method: Method


def with_views(question: Question, answer: SampleSize) -> SampleSize:
    """The answer with :class:`Views` of the policy, or of those that ``views`` names."""
    of: Literal["loss", "gradient"] = "gradient" if answer.of == "gradient" else "loss"
    if isinstance(question.views, int):
        counts = torch.arange(1.0, question.views + 1, dtype=torch.float64)[:, None]
        if isinstance(answer, GradientSampleSize):
            figures = _known(answer)
        else:
            figures = _figures(question, [question.policy], of)
    else:
        asked = cast("list[tuple[Augmentation, int]]", question.views)
        order = torch.tensor([p for p, (_, count) in enumerate(asked) for _ in range(count)])
        counts = torch.nn.functional.one_hot(order, len(asked)).cumsum(0).double()
        figures = _figures(question, [policy for policy, _ in asked], of)
    total = counts.sum(1)
    share = counts / total[:, None]
    own = share / total[:, None]

    def mixed(matrix: Tensor) -> Tensor:
        return torch.einsum("kp,pq,kq->k", share, matrix, share)

    views = Views.of_variances(
        of=of,
        batch_size=question.batch_size,
        count=total,
        between=mixed(figures.between.value).clamp_min(0),
        within=own @ figures.within.value,
        length=mixed(figures.inner),
        error=mixed(figures.between.error) + own @ figures.within.error,
        method=figures.method,
    )
    return replace(answer, views=views)


def _known(answer: GradientSampleSize) -> _Figures:
    """What the answer for the gradient under one policy knows already."""

    def tensor(value: float) -> Tensor:
        return torch.tensor([value], dtype=torch.float64)

    return _Figures(
        Number(tensor(answer.within), tensor(answer.within_error)),
        Number(tensor(answer.between)[None], tensor(answer.between_error)[None]),
        tensor(answer.length)[None],
        answer.method,
    )


def _figures(
    question: Question, policies: list[Augmentation], of: Literal["loss", "gradient"]
) -> _Figures:
    images = question.images
    judged, *_ = (
        Judged.of(question.model, question.loss, images, question.targets, policy)
        for policy in policies
    )
    what = gradients(judged) if of == "gradient" else losses(judged)
    tol = max(question.tol, LEAST_TOL)
    found = spreads(what, images, policies, tol, question.seed, question.max_nodes)
    methods: list[Method] = [one.method for one in found.single]
    within = Number(
        torch.stack([one.within.value[-1] for one in found.single]).cpu(),
        torch.stack([one.within.error[-1] for one in found.single]).cpu(),
    )
    return _Figures(within, found.between, found.inner, weakest(*methods))
