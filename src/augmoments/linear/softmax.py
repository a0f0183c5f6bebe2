r"""Expected cross-entropy of a linear model over an augmentation, as a function of its weights.

.. math:: \sum_n \omega_n \, E[\mathrm{CE}(W T(x_n) + b, y_n)] + \alpha \|W\|_F^2 .
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor

from augmoments.calculus.moments import Moments
from augmoments.linear.newton import Objective
from augmoments.linear.rows import AugmentedRows, Block

_TYPICAL = 0.05  # of the second derivatives p (1 - p) of the loss
_ROWS_AN_INPUT = 4
_IMAGES_AT_ONCE = 256


class CrossEntropy(Objective):
    """What both forms of the expected cross-entropy share.

    Args:
        targets: Classes ``(N,)``.
        weights: Weights of the images ``(N,)``, float64, that sum to 1.
        outputs: The number of classes.
        inputs: Values D of an augmented image.
        alpha: Strength of the penalty, positive.
    """

    def __init__(
        self, targets: Tensor, weights: Tensor, outputs: int, inputs: int, alpha: float
    ) -> None:
        self.targets = targets
        self.weights = weights
        self.outputs = outputs
        self.inputs = inputs
        self.alpha = alpha
        self.device = weights.device

    @abstractmethod
    def loss(self, theta: Tensor) -> float:
        """The expected cross-entropy, without the penalty."""

    @abstractmethod
    def _moment(self) -> Tensor:
        """About the second moment of augmented images with a last 1, ``(D + 1, D + 1)``."""

    def curvature(self) -> Tensor:
        found = _TYPICAL * self._moment()
        found.diagonal()[:-1] += 2 * self.alpha
        return found

    def penalty(self, theta: Tensor) -> float:
        """``alpha ||W||^2``."""
        return self.alpha * float(theta[:, :-1].square().sum())

    def _shrink(self, theta: Tensor) -> Tensor:
        """The gradient of the penalty, which is linear in the weights."""
        found = 2 * self.alpha * theta
        found[..., -1] = 0.0
        return found


class NodeCrossEntropy(CrossEntropy):
    """By nodes over the joint law: a weighted sum over rows, convex in the weights.

    Args:
        rows: Augmented images at the nodes.
        targets: As in :class:`CrossEntropy`, as the rest.
    """

    def __init__(
        self, rows: AugmentedRows, targets: Tensor, weights: Tensor, outputs: int, alpha: float
    ) -> None:
        super().__init__(targets, weights, outputs, rows.size, alpha)
        self.rows = rows

    def _shares(self, block: Block) -> Tensor:
        """Weight of each row in the mean over images and the nodes of one replicate."""
        return self.weights[block.index] * block.shares

    def losses(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """The loss ``(R,)`` and its gradient ``(R, K, D + 1)`` from each replicate of the nodes.

        The penalty is left out of the loss, and counts in the gradient.
        """
        loss = torch.zeros(self.rows.replicates, dtype=torch.float64, device=self.device)
        gradient = self._shrink(theta).repeat(len(loss), 1, 1)
        for block in self.rows:
            logs = _logits(block.rows, theta).log_softmax(1)
            own = self.targets[block.index][:, None]
            shares = self._shares(block)[:, None]
            loss[block.replicate] -= (shares * logs.gather(1, own)).sum()
            residual = shares * logs.exp().scatter_add(1, own, -torch.ones_like(shares))
            _add_outer(gradient[block.replicate], residual, block.rows)
        return loss, gradient

    def loss(self, theta: Tensor) -> float:
        return float(self.losses(theta)[0].mean())

    def value_and_gradient(self, theta: Tensor) -> tuple[float, Tensor]:
        loss, gradient = self.losses(theta)
        return float(loss.mean()) + self.penalty(theta), gradient.mean(0)

    def hessian_products(self, theta: Tensor, directions: Tensor) -> Tensor:
        found = torch.zeros_like(directions)
        flat, total = directions.flatten(0, 1), found.flatten(0, 1)
        both = torch.cat([theta, flat])
        for block in self.rows:
            logits, changes = _logits(block.rows, both).tensor_split([self.outputs], 1)
            p = logits.softmax(1)[:, None]
            changes = changes.unflatten(1, (-1, self.outputs))
            changes = p * (changes - (p * changes).sum(2, keepdim=True))
            _add_outer(total, self._shares(block)[:, None] * changes.flatten(1), block.rows)
        return found / self.rows.replicates + self._shrink(directions)

    def _moment(self) -> Tensor:
        """From some of the rows: any estimate does, since it only sets the coordinates."""
        generator = torch.Generator().manual_seed(0)
        size = (self.inputs + 1, self.inputs + 1)
        found = torch.zeros(size, dtype=torch.float64, device=self.device)
        wanted = _ROWS_AN_INPUT * (self.inputs + 1)
        share = min(1.0, wanted / (self.rows.count * self.rows.nodes))
        for block in self.rows:
            chosen = torch.rand(len(block.rows), generator=generator) < share
            chosen = chosen.to(self.device)
            ones = torch.ones(int(chosen.sum()), 1, dtype=torch.float64, device=self.device)
            rows = torch.cat([block.rows[chosen], ones], 1)
            shares = self._shares(block)[chosen, None]
            found += rows.T @ (shares * rows)
        return found / found[-1, -1].clamp_min(1e-300)


class SecondOrderCrossEntropy(CrossEntropy):
    r"""To second order around the true mean and covariance of the logits.

    .. math:: \sum_n \omega_n \left[ \mathrm{CE}(z_n, y_n)
        + \tfrac12 \mathrm{tr}(H(z_n) W V_n W^\top) \right], \qquad z_n = W \mu_n + b .

    Not convex in general.

    Args:
        moments: Those of the images.
        targets: As in :class:`CrossEntropy`, as the rest.
    """

    def __init__(
        self, moments: Moments, targets: Tensor, weights: Tensor, outputs: int, alpha: float
    ) -> None:
        super().__init__(targets, weights, outputs, moments.mean[0].numel(), alpha)
        self.moments = moments

    def _chunks(self, theta: Tensor) -> Iterator[Tensor]:
        """The loss in parts that sum to it."""
        every = torch.arange(len(self.targets), device=self.device)
        for index in every.split(_IMAGES_AT_ONCE):
            some = self.moments[index]
            logits = _logits(some.mean.double().flatten(1), theta)
            logs = logits.log_softmax(1)
            p = logs.exp()
            spread = some.covariance.to(torch.float64).projected_root(theta[:, :-1])
            square = spread.mT @ spread
            variances = square.diagonal(dim1=1, dim2=2)
            second = (p * (variances - (square @ p[..., None])[..., 0])).sum(1) / 2
            first = -logs.gather(1, self.targets[index, None])[:, 0]
            yield self.weights[index] @ (first + second)

    def loss(self, theta: Tensor) -> float:
        with torch.no_grad():
            return float(sum(self._chunks(theta)))

    def value_and_gradient(self, theta: Tensor) -> tuple[float, Tensor]:
        value, gradient = self.penalty(theta), self._shrink(theta)
        variable = theta.detach().requires_grad_()
        for part in self._chunks(variable):
            gradient += torch.autograd.grad(part, variable)[0]
            value += float(part.detach())
        return value, gradient

    def hessian_products(self, theta: Tensor, directions: Tensor) -> Tensor:
        found = self._shrink(directions)
        variable = theta.detach().requires_grad_()
        for part in self._chunks(variable):
            (slope,) = torch.autograd.grad(part, variable, create_graph=True)
            for total, direction in zip(found, directions, strict=True):
                inner = (slope * direction).sum()
                total += torch.autograd.grad(inner, variable, retain_graph=True)[0]
        return found

    def _moment(self) -> Tensor:
        """That of the mean images: the covariances may be larger than memory allows."""
        mean = self.moments.mean.double().flatten(1)
        rows = torch.cat([mean, torch.ones_like(mean[:, :1])], 1)
        found = rows.T @ (self.weights[:, None] * rows)
        within = torch.zeros_like(mean[0])
        for index in torch.arange(len(mean), device=self.device).split(_IMAGES_AT_ONCE):
            diagonal = self.moments[index].covariance.diagonal().double().flatten(1)
            within += self.weights[index] @ diagonal
        found.diagonal()[:-1] += within
        return found


def _logits(rows: Tensor, theta: Tensor) -> Tensor:
    return rows @ theta[:, :-1].T + theta[:, -1]


def _add_outer(total: Tensor, residual: Tensor, rows: Tensor) -> None:
    """Add the products of residuals ``(B, K)`` with rows ``(B, D)``, and with the last 1."""
    total[:, :-1] += residual.T @ rows
    total[:, -1] += residual.sum(0)
