r"""Training on a loss that is expanded to second order in the image."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from augmoments.adapters import Policy, as_policy
from augmoments.checks import check_images
from augmoments.errors import InputError
from augmoments.losses.loss import Sampled, as_loss
from augmoments.losses.models import Model
from augmoments.operators.base import Shape
from augmoments.options import check_count, check_seed
from augmoments.training.curvature import Mode, curvature, directional
from augmoments.training.draws import refuse_mixing
from augmoments.training.expected_loss import ExpectedLoss
from augmoments.training.models import full_precision, like, losses_of, refuse_batch_norm

_LEAST_EXPLAINED = 0.5
_CHECKED_IMAGES = 8
_CHECK_NODES = 64


class TaylorWarning(UserWarning):
    """A loss expanded to second order is far from the expected loss that it stands for."""


@dataclass(frozen=True)
class Expansion:
    r"""Where the losses of images are expanded, and along what.

    Attributes:
        point: ``(N, C, H, W)``.
        directions: ``(N, r, C, H, W)``, scaled so that :math:`\sum_r d_r d_r^\top` comes near V.
        explained: Share of tr V that the directions carry, ``(N,)``.
    """

    point: Tensor
    directions: Tensor
    explained: Tensor

    def __getitem__(self, index: Tensor | slice) -> Expansion:
        """The expansions of some of the images."""
        return Expansion(self.point[index], self.directions[index], self.explained[index])


class _Parts(NamedTuple):
    at_point: Tensor
    regularizer: Tensor


class SecondOrder(nn.Module):
    """What :class:`ExplicitRegularizer` and :class:`TangentProp` share: all but the expansion."""

    step: Tensor

    def __init__(
        self,
        policy: Policy,
        loss: str | nn.Module | Sampled,
        seed: int,
        check_every: int,
        warn_above: float,
        value_range: tuple[float, float] | None,
    ) -> None:
        super().__init__()
        self.policy = as_policy(policy)
        refuse_mixing(self.policy, type(self).__name__)
        if not warn_above > 0:
            raise InputError(f"warn_above must be positive, got {warn_above!r}.")
        self.loss = as_loss(loss)
        self.seed = check_seed(seed)
        self.check_every = check_count("check_every", check_every, 0)
        self.warn_above = warn_above
        self.value_range = value_range
        self.explained: float | None = None
        self.residual: float | None = None
        self.mode: Mode = "forward"
        self._warned: set[str] = set()
        self._truth = ExpectedLoss(
            loss, self.policy, nodes=_CHECK_NODES, seed=seed, value_range=None
        )
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def forward(
        self,
        model: Model,
        images: Float[Tensor, "N C H W"],
        targets: Tensor,
        given: Expansion | None = None,
    ) -> Float[Tensor, ""]:
        """The regularizer, mean over the batch, differentiable in the model's parameters.

        Args:
            model: Maps images ``(n, C', H', W')`` to outputs ``(n, K)``.
            images: ``(N, C, H, W)``; no gradients flow to them.
            targets: Classes ``(N,)``, probabilities or real values ``(N, K)``.
            given: What :meth:`expansion` gave for these images, where it is known already.

        Raises:
            InputError: Images, targets or an expansion that are not what was meant.
            ModelError: BatchNorm in training mode, or outputs that are not ``(n, K)``.
            PolicyError: The policy does not take images of this shape.
        """
        return self._parts(model, images, targets, given).regularizer

    def total(
        self,
        model: Model,
        images: Float[Tensor, "N C H W"],
        targets: Tensor,
        given: Expansion | None = None,
    ) -> Float[Tensor, ""]:
        """The loss at the point of expansion plus the regularizer: what to train on.

        Takes the same passes as the regularizer alone.
        """
        parts = self._parts(model, images, targets, given)
        return parts.at_point + parts.regularizer

    def expansion(self, images: Float[Tensor, "N C H W"]) -> Expansion:
        """Where the losses of these images are expanded and along what, whatever the model.

        Images that come again in every epoch need it once:
        ``known = regularizer.expansion(images)``, then ``given=known[index]`` for each batch.
        """
        return self._expansion(check_images(images, value_range=self.value_range))

    @torch.no_grad()
    def _expansion(self, batch: Tensor) -> Expansion:
        with full_precision(batch):
            return self._expand(batch.detach())

    @abstractmethod
    def _expand(self, images: Tensor) -> Expansion:
        """The expansion of images that have been checked."""

    def _parts(
        self, model: Model, images: Tensor, targets: Tensor, given: Expansion | None
    ) -> _Parts:
        refuse_batch_norm(model, type(self).__name__)
        batch = check_images(images, value_range=self.value_range)
        known = self._expansion(batch) if given is None else self._checked(given, batch)
        self.explained = float(known.explained.mean())
        values = self._expanded(model, known, like(known.point, batch), targets)
        if self.training:
            if self.check_every and int(self.step) % self.check_every == 0:
                self._measure(model, batch, targets, values)
            self.step += 1
        self._warn_about_rank()
        return _Parts(*(part.mean() for part in values))

    def _checked(self, given: Expansion, batch: Tensor) -> Expansion:
        shape: Shape = tuple(batch.shape[1:])  # type: ignore[assignment]
        expected = (len(batch), *self.policy.output_shape(shape))
        if tuple(given.point.shape) != expected:
            raise InputError(
                f"given is an expansion of images of shape {tuple(given.point.shape)}, these come "
                f"out with shape {expected}."
            )
        return given

    def _expanded(self, model: Model, known: Expansion, point: Tensor, targets: Tensor) -> _Parts:
        """Loss at the point and regularizer of each image."""
        along = directional(model, point, known.directions.transpose(0, 1), self.mode)
        self.mode = along.mode
        size = along.outputs.shape[1]
        fitting = self.loss.check_targets(targets, len(point), size).to(point.device)
        at_point = losses_of(self.loss, along.outputs, fitting)
        return _Parts(
            at_point, curvature(self.loss, along.outputs, fitting, along.slopes).sum(0) / 2
        )

    @torch.no_grad()
    def _measure(self, model: Model, batch: Tensor, targets: Tensor, values: _Parts) -> None:
        """Compare with the expected loss on a few images."""
        few = slice(_CHECKED_IMAGES)
        with torch.random.fork_rng(devices=[batch.device] if batch.is_cuda else []):
            truth = float(self._truth(model, batch[few], targets[few]))
        taylor = sum(float(part[few].mean()) for part in values)
        self.residual = (truth - taylor) / abs(truth) if truth else -taylor
        if abs(self.residual) > self.warn_above:
            self._warn(
                "residual",
                f"at step {int(self.step)} the second order gives {taylor:.3g} on "
                f"{len(batch[few])} images, their expected loss is {truth:.3g}: off by "
                f"{abs(self.residual):.0%}. Train with ExpectedLoss, which is unbiased.",
            )

    def _warn_about_rank(self) -> None:
        assert self.explained is not None
        if self.explained < _LEAST_EXPLAINED:
            self._warn(
                "explained",
                f"the directions carry {self.explained:.0%} of the augmentation's variance, the "
                "rest is left out: raise rank, or train with ExpectedLoss.",
            )

    def _warn(self, kind: str, text: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            warnings.warn(f"{type(self).__name__}: {text}", TaylorWarning, stacklevel=5)

    def extra_repr(self) -> str:
        return f"{self.policy}, loss={self.loss.name}"
