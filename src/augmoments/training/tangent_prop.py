r"""The regularizer of an augmentation that is infinitely weak."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from augmoments.adapters import Policy
from augmoments.losses.loss import Sampled
from augmoments.operators.base import Shape
from augmoments.training.second_order import Expansion, SecondOrder
from augmoments.training.tangents import Tangents


class TangentProp(SecondOrder):
    r"""The regularizer along the tangents of an augmentation, at the image itself.

    .. math:: \frac12 \sum_j \sigma_j^2\, t_j^\top J^\top H_\ell J\, t_j,
        \qquad t_j = \frac{\partial T_\theta(x)}{\partial \theta_j} \Big|_{\text{neutral}}

    with :math:`\sigma_j^2` the variance of parameter j (their covariance matrix, where they are
    drawn together): what :class:`ExplicitRegularizer` tends to as the laws become narrow,
    ``policy.scaled(eps)``, where T is differentiable at the draw that leaves images as they are.
    No moments are needed, one directional derivative a parameter. Where the laws are not centred
    on the neutral draw, the loss is expanded at :math:`x + \sum_j t_j E[\theta_j - \theta_j^0]`.

    Left out, next to all of higher order: how T curves in the parameters, which the mean image
    of :class:`ExplicitRegularizer` has; and kinks: bilinear interpolation has one at whole
    pixels, where the tangents are central differences, but the least shift already blurs.

    ``criterion.total(model, images, targets)`` adds the loss at the image. The rest is as in
    :class:`ExplicitRegularizer`, also the comparison with the expected loss.

    Args:
        policy: An augmentation, or a pipeline of torchvision, kornia or albumentations, with a
            draw that leaves images as they are and that acts smoothly near it.
        loss: As :class:`ExplicitRegularizer` takes it.
        seed: Seed of the nodes with which the expected loss is measured.
        check_every: Training steps from one measurement to the next; 0 for none.
        warn_above: Relative residual above which it warns, once.
        value_range: What the images' values must lie in; ``None`` lifts the check.

    Attributes:
        step: Calls in training mode so far, a buffer.
        residual: Expected loss minus its expansion, relative to the former, when last measured.
        mode: ``"forward"``, or ``"reverse"`` where the model has no forward-mode derivatives.

    Raises:
        InputError: An unknown loss.
        PolicyError: The policy mixes images. When called: it has no neutral draw or jumps there.

    Warns:
        TaylorWarning: The residual is large; once.

    Example:
        >>> import torch, augmoments as am
        >>> from augmoments.training import TangentProp
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
        >>> images, targets = am.data.digits()
        >>> criterion = TangentProp(am.RandomRotation(5, interpolation="bilinear"))
        >>> criterion.total(model, images[:32], targets[:32]).backward()
        >>> abs(criterion.residual) < 0.1
        True

    Reference:
        Simard, Victorri, LeCun, Denker (1992), *Tangent Prop: a formalism for specifying selected
        invariances in an adaptive network*; Balestriero, Misra, LeCun (2022), section 3.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        loss: str | nn.Module | Sampled = "cross_entropy",
        seed: int = 0,
        check_every: int = 100,
        warn_above: float = 0.25,
        value_range: tuple[float, float] | None = (0.0, 1.0),
    ) -> None:
        super().__init__(policy, loss, seed, check_every, warn_above, value_range)
        self._tangents: dict[Shape, Tangents] = {}

    def _expand(self, images: Tensor) -> Expansion:
        shape: Shape = tuple(images.shape[1:])  # type: ignore[assignment]
        if shape not in self._tangents:
            self._tangents[shape] = Tangents.of(self.policy, shape)
        tangents = self._tangents[shape]
        vectors = tangents.vectors(images)
        moved = torch.einsum("njchw,j->nchw", vectors, tangents.shift.to(vectors.device))
        directions = torch.einsum("njchw,jr->nrchw", vectors, tangents.root.to(vectors.device))
        explained = torch.ones(len(images), dtype=images.dtype, device=images.device)
        return Expansion(images + moved.to(images), directions.to(images), explained)
