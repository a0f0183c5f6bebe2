"""Alignment of saliency and augmentation, followed over a training."""

from __future__ import annotations

from dataclasses import asdict
from math import prod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from augmoments.adapters import Policy, as_policy
from augmoments.alignment.directions import against
from augmoments.alignment.evaluating import evaluating
from augmoments.alignment.frequencies import BANDS, radial_energy
from augmoments.alignment.record import AlignmentRecord
from augmoments.alignment.saliency import saliency_at
from augmoments.calculus.moments import Moments, moments
from augmoments.checks import check_images, check_targets
from augmoments.errors import ModelError
from augmoments.losses.judged import Judged
from augmoments.losses.loss import Sampled, as_loss
from augmoments.losses.models import Model
from augmoments.operators.base import Shape
from augmoments.options import check_count, check_numerics


class AlignmentMonitor:
    r"""Follows alignment, linearized variance and spatial frequencies of saliency over a training.

    Mean images, covariances and eigenvectors of the probe images do not depend on the model: they
    are found once, here, by at most ``max_nodes`` evaluations of the policy an image and stage, and
    stay in memory. :meth:`record` then costs one forward and one backward pass
    over the probe images, whatever the policy. The first record also makes four passes over two
    images, to check the model.

    Training goes on as if there were no monitor: the model is evaluated in evaluation mode and its
    modes, buffers and gradients and the random state are as before.

    Args:
        loss: As in :func:`sensitivity`.
        images: Probe images ``(P, C, H, W)``, on the device of the model; a few dozen will do.
        targets: Classes ``(P,)`` or real values ``(P, K)``.
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations.
        k: Number of eigenvectors, at most :math:`D = C' H' W'`.
        tol: Relative error asked of the moments, and of the variance of the loss.
        variance_every: Every how many records the variance of the loss itself is found too, from
            the first one on; ``None`` for never.
        variance_nodes: Draws an image for it at last; all rounds together cost fewer than twice as
            many forward passes.
        bands: Edges of the bands of spatial frequencies, see :func:`radial_energy`.
        seed: Seed of the scrambling.
        max_nodes: Most evaluations of the policy an image for the moments, as in :func:`moments`.
        given: Moments of the probe images under the policy, where they are known already.
        value_range: What the images' values must lie in; ``None`` lifts the check.

    Attributes:
        moments: Moments of the probe images.
        edges: Edges of the bands of spatial frequencies, with both ends.
        history: The records, :class:`AlignmentRecord`, in the order in which they were made.

    Raises:
        InputError: Images, targets, a loss or numbers that are not what was meant.
        PolicyError: The policy does not take images of this shape, or mixes those of a batch.

    Example:
        >>> import torch, augmoments as am
        >>> from augmoments.alignment import AlignmentMonitor
        >>> images, labels = am.data.digits()
        >>> policy = am.RandomRotation(15, interpolation="bilinear")
        >>> monitor = AlignmentMonitor("cross_entropy", images[:8], labels[:8], policy, k=4)
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
        >>> record = monitor.record(model, step=0)
        >>> len(record.alignment), 0 <= record.ratio <= 1, model.training
        (4, True, True)
    """

    def __init__(
        self,
        loss: str | nn.Module | Sampled,
        images: Float[Tensor, "P C H W"],
        targets: Tensor,
        policy: Policy,
        k: int = 16,
        tol: float = 1e-2,
        *,
        variance_every: int | None = None,
        variance_nodes: int = 256,
        bands: tuple[float, ...] = BANDS,
        seed: int = 0,
        max_nodes: int = 4096,
        given: Moments | None = None,
        value_range: tuple[float, float] | None = (0.0, 1.0),
    ) -> None:
        counts = (("k", k), ("variance_every", variance_every), ("variance_nodes", variance_nodes))
        for name, value in counts:
            if value is not None or name != "variance_every":
                check_count(name, value)
        tol, seed, max_nodes = check_numerics(tol, seed, max_nodes)
        self._images = check_images(images, value_range=value_range).detach().clone()
        self._targets = check_targets(targets, len(self._images))
        self._loss = loss
        self._sampled = as_loss(loss)
        self._policy = as_policy(policy)
        shape: Shape = tuple(self._images.shape[1:])  # type: ignore[assignment]
        self._policy.outcomes(shape)  # known for those only that take each image by itself
        self._tol, self._seed = tol, seed
        self._every, self._nodes = variance_every, variance_nodes
        self._judged: Judged | None = None
        self._outputs: int | None = None
        self.history: list[AlignmentRecord] = []
        if given is not None:
            given.check_given(self._images, self._policy)
        with torch.no_grad(), torch.autocast(self._images.device.type, enabled=False):
            self.moments = given or moments(
                self._images, self._policy, tol, seed=seed, max_nodes=max_nodes, value_range=None
            )
            k = min(k, prod(self.moments.mean.shape[1:]))
            self._pairs = self.moments.covariance.eigh(k)
        self._bands = bands
        self.edges = radial_energy(self.moments.mean[:1], bands).edges

    def record(self, model: Model, step: float) -> AlignmentRecord:
        """Look at the model as it is now, and add what is seen to :attr:`history`.

        Args:
            model: Maps augmented images to ``(P, K)``, in whatever mode.
            step: The number of the step or epoch, for the record.

        Raises:
            InputError: Targets that do not fit the model's outputs.
            ModelError: The model is not a deterministic, differentiable function of each image, its
                loss is not finite any more, or it has another number of outputs than before.
        """
        m = self.moments
        with evaluating(model, m.mean.device):
            if self._judged is None:
                self._judged = Judged.of(
                    model, self._loss, self._images, self._targets, self._policy
                )
            model = self._with_as_many_outputs(model)
            targets = self._judged.targets
            losses, saliency = saliency_at(model, self._sampled, m.mean, targets)
            variance = self._variance(model)
            with torch.no_grad():
                found = against(saliency, m.covariance, self._pairs)
                energy = radial_energy(saliency, self._bands)
        weight = self._pairs.values[:, 0].double() * saliency.flatten(1).double().square().sum(1)
        linearized = found.linearized.double()
        weights = float(weight.sum()) or 1.0
        shares = energy.energy / energy.energy.sum(1, keepdim=True).clamp_min(1e-300)
        made = AlignmentRecord(
            step=step,
            loss=_mean(losses),
            ratio=_mean(found.ratio),
            isotropic=_mean(found.isotropic),
            pooled_ratio=float(linearized.sum()) / weights,
            pooled_isotropic=float(weight @ found.isotropic.double()) / weights,
            alignment=tuple(found.alignment.double().mean(0).tolist()),
            explained=tuple(found.explained.double().mean(0).tolist()),
            linearized_variance=_mean(linearized),
            energy=tuple(shares.mean(0).tolist()),
            low=_mean(energy.low),
            high=_mean(energy.high),
            mean_frequency=_mean(energy.mean_frequency),
            variance=None if variance is None else variance[0],
            variance_error=None if variance is None else variance[1],
        )
        self.history.append(made)
        return made

    def _with_as_many_outputs(self, model: Model) -> Model:
        """The model, refused when it has another number of outputs than at the first record."""

        def checked(images: Tensor) -> Tensor:
            outputs = model(images)
            self._outputs = self._outputs or outputs.shape[1]
            if outputs.shape[1] != self._outputs:
                raise ModelError(
                    f"The model has {outputs.shape[1]} outputs, at the first record it had "
                    f"{self._outputs}: follow one model, or make another AlignmentMonitor."
                )
            return outputs

        return checked

    def _variance(self, model: Model) -> tuple[float, float] | None:
        """Mean variance of the loss and its error bound, if it is its turn."""
        assert self._judged is not None
        if self._every is None or len(self.history) % self._every:
            return None
        judged = Judged(model, self._sampled, self._judged.targets, quadratic=False)
        found = judged.integrate(self._images, self._policy, self._tol, self._seed, self._nodes)
        return _mean(found.variance), _mean(found.variance_error)

    def to_dict(self) -> dict[str, Any]:
        """The history in plain numbers, lists and strings, as for :func:`json.dumps`."""
        return {
            "images": len(self._images),
            "policy": repr(self._policy),
            "loss": self._sampled.name,
            "method": self.moments.method,
            "edges": list(self.edges),
            "history": [
                {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(record).items()}
                for record in self.history
            ],
        }


def _mean(values: Tensor) -> float:
    return float(values.double().mean())
