r"""The expected loss over an augmentation, as something to train with."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from augmoments.adapters import Policy, as_policy
from augmoments.checks import check_images, did_you_mean
from augmoments.errors import InputError
from augmoments.losses.loss import Sampled, as_loss
from augmoments.losses.models import Model
from augmoments.operators.base import Shape
from augmoments.options import check_count, check_seed, check_share
from augmoments.training.curvature import curvature
from augmoments.training.draws import refuse_mixing, step_draws
from augmoments.training.mean_images import MeanImages
from augmoments.training.models import full_precision, like, losses_of, outputs_of

Estimator = Literal["nodes", "at_mean", "second_order"]


class ExpectedLoss(nn.Module):
    r"""The loss over an augmentation, :math:`\frac1B \sum_i E[\ell(f(T(x_i)), y_i)]`, to train on.

    In place of drawing augmented images and hoping. Three ways:

    - ``"nodes"``: the mean over ``nodes`` augmented versions an image, at scrambled Sobol points
      of the joint law that are well spread over each image *and* over the batch, scrambled anew in
      every step. Unbiased in every step, with a smaller variance than as many draws. A finite law
      with no more outcomes than ``nodes`` is enumerated: exact, nothing is random.
    - ``"at_mean"``: :math:`\ell(f(E[T(x)]), y)`, one pass an image. Biased: a model that is good
      on augmented images need not be on their blurred mean.
    - ``"second_order"``: :math:`\ell(\bar z, y) + \frac12 \mathrm{tr}(H_\ell(\bar z)
      \mathrm{Cov}\, z)` with the mean and covariance of the outputs z over the same nodes. Biased
      where the loss is not a quadratic in the outputs, and much too low for a network that is sure
      of most images; as many passes as ``"nodes"``. For what two moments say, not for training.

    The model is called once, on all ``nodes * B`` augmented images (one call of the loss counts
    as one batch for BatchNorm and Dropout, which are free to be in training mode). The policy runs
    in the images' own precision inside ``torch.autocast`` too. In training mode each call
    takes the next draws; in evaluation mode (``.eval()``) the same draws come again.

    Args:
        loss: ``"cross_entropy"``, ``"squared_error"``, a PyTorch loss, or a function of outputs
            and targets that gives one value a sample.
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations. Not
            policies that mix a batch (MixUp, CutMix).
        method: ``"nodes"``, ``"at_mean"`` or ``"second_order"``.
        nodes: Augmented versions an image; powers of two spread best.
        seed: Seed of the scrambling; results depend on it and on ``step`` alone. Processes that
            train one model together need seeds of their own.
        tol: Relative error asked of mean images that have no closed form.
        value_range: What the images' values must lie in; ``None`` lifts the check.

    Attributes:
        step: Calls in training mode so far, a buffer: training that is resumed from a state dict
            goes on with the draws that would have come.
        method_used: How the last value was obtained: ``"exact"`` (enumerated),
            ``"quasi-monte-carlo"``, ``"monte-carlo"`` (the policy draws numbers of its own),
            ``"at_mean"`` or ``"second_order"``; ``None`` before the first call.
        passes: Forward passes an image that the last call took.

    Raises:
        InputError: An unknown method or loss, or a number of nodes below one.
        PolicyError: The policy mixes images.

    Example:
        >>> import torch, augmoments as am
        >>> from augmoments.training import ExpectedLoss
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
        >>> images, targets = am.data.digits()
        >>> criterion = ExpectedLoss("cross_entropy", am.RandomRotation(15), nodes=4)
        >>> loss = criterion(model, images[:32], targets[:32])
        >>> loss.backward()
        >>> criterion.method_used, criterion.passes, int(criterion.step)
        ('quasi-monte-carlo', 4, 1)

    Reference:
        Balestriero, Misra, LeCun (2022), section 3; Owen (1997), *Scrambled net variance for
        integrals of smooth functions*.
    """

    step: Tensor

    def __init__(
        self,
        loss: str | nn.Module | Sampled,
        policy: Policy,
        *,
        method: Estimator = "nodes",
        nodes: int = 4,
        seed: int = 0,
        tol: float = 1e-2,
        value_range: tuple[float, float] | None = (0.0, 1.0),
    ) -> None:
        super().__init__()
        known = get_args(Estimator)
        if method not in known:
            hint = did_you_mean(str(method), known)
            raise InputError(f"method must be one of {', '.join(known)}, got {method!r}.{hint}")
        self.loss = as_loss(loss)
        self.policy = as_policy(policy)
        refuse_mixing(self.policy, "ExpectedLoss")
        self.method: Estimator = method
        self.nodes = check_count("nodes", nodes)
        self.seed = check_seed(seed)
        self.value_range = value_range
        self.method_used: str | None = None
        self.passes = 0
        self._means = MeanImages(self.policy, check_share("tol", tol), seed)
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def forward(
        self, model: Model, images: Float[Tensor, "N C H W"], targets: Tensor
    ) -> Float[Tensor, ""]:
        """The mean over the batch, differentiable in the model's parameters and the images.

        Args:
            model: Maps augmented images ``(n, C', H', W')`` to outputs ``(n, K)``, in any mode.
            images: ``(N, C, H, W)``.
            targets: Classes ``(N,)``, probabilities or real values ``(N, K)``.

        Raises:
            InputError: Images or targets that are not what was meant, or a loss that is reduced.
            ModelError: Outputs that are not ``(n, K)``.
            PolicyError: The policy does not take images of this shape.
        """
        batch = check_images(images, value_range=self.value_range)
        values = self._at_mean if self.method == "at_mean" else self._at_nodes
        found = values(model, batch, targets).mean()
        if self.training:
            self.step += 1
        return found

    def _at_mean(self, model: Model, batch: Tensor, targets: Tensor) -> Tensor:
        with full_precision(batch):
            mean = like(self._means(batch), batch)
        outputs = outputs_of(model, mean)
        self.method_used, self.passes = "at_mean", 1
        return losses_of(self.loss, outputs, self._fitting(targets, len(batch), outputs))

    def _at_nodes(self, model: Model, batch: Tensor, targets: Tensor) -> Tensor:
        shape: Shape = tuple(batch.shape[1:])  # type: ignore[assignment]
        self.policy.output_shape(shape)
        draws = step_draws(self.policy, shape, len(batch), self.nodes, (self.seed, int(self.step)))
        with full_precision(batch):
            moved = like(draws.apply(self.policy, batch), batch)
        outputs = outputs_of(model, moved)
        fitting = self._fitting(targets, len(batch), outputs)
        weights, self.passes = draws.weights.to(outputs), len(draws)
        with full_precision(outputs):
            if self.method == "second_order":
                self.method_used = "second_order"
                return self._second_order(outputs.unflatten(0, (len(batch), -1)), fitting, weights)
            self.method_used = draws.method
            repeated = fitting.repeat_interleave(len(draws), 0)
            return losses_of(self.loss, outputs, repeated).unflatten(0, (len(batch), -1)) @ weights

    def _second_order(self, outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        mean = torch.einsum("nkj,k->nj", outputs, weights)
        gaps = (outputs - mean[:, None]).transpose(0, 1)
        spread = curvature(self.loss, mean, targets, gaps)
        return losses_of(self.loss, mean, targets) + weights @ spread / 2

    def _fitting(self, targets: Any, count: int, outputs: Tensor) -> Tensor:
        return self.loss.check_targets(targets, count, outputs.shape[1]).to(outputs.device)

    def extra_repr(self) -> str:
        return f"{self.loss.name}, {self.policy}, method={self.method!r}, nodes={self.nodes}"
