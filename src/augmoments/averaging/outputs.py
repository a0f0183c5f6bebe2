"""What a model says at the nodes of a policy, kept value by value: the law of one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.averaging.classifier import Average, scaled
from augmoments.calculus.integrate import node_values
from augmoments.calculus.memory import images_at_once
from augmoments.calculus.nodes import QUANTILE, JointNodes, NodeFamily
from augmoments.errors import ModelError
from augmoments.estimate import Method, rounding
from augmoments.losses.models import Model
from augmoments.operators.base import Shape
from augmoments.options import check_numerics

_VALUES_KEPT = 2**24
_MOST_AT_ONCE = 256


@dataclass(frozen=True)
class PassLaw:
    """The law of the output of one pass of some images, as far as the nodes know it.

    Attributes:
        index: Their places among all images, ``(c,)``.
        values: Outputs at the nodes, ``(n, c, K)``, on the CPU.
        weights: Of the nodes, ``(n,)``, float64.
        method: How well they stand for the policy.
        replicates: The nodes are this many blocks that stand for it each by itself.
        before: The same by fewer nodes; ``None`` where the nodes tell their error by themselves.
    """

    index: Tensor
    values: Tensor
    weights: Tensor
    method: Method
    replicates: int
    before: PassLaw | None = None

    def __len__(self) -> int:
        return len(self.index)

    @property
    def parts(self) -> list[tuple[Tensor, Tensor]]:
        """Values and weights of the replicates, or of the whole."""
        weights = self.weights.chunk(self.replicates)
        pairs = zip(self.values.chunk(self.replicates), weights, strict=True)
        return [(values, share / share.sum()) for values, share in pairs]

    @property
    def resolution(self) -> float:
        """Probability that a node stands for: rarer events may be missed. 0 if nothing can be."""
        return 0.0 if self.method == "exact" else float(self.weights.max())

    def mean(self, of: Tensor) -> Tensor:
        """Average of what the nodes have, ``(n, ...)``, in double precision."""
        return torch.einsum("n,n...->...", self.weights, of.double())

    @cached_property
    def average(self) -> Tensor:
        """The limit of many passes, ``(c, K)``, float64."""
        return self.mean(self.values)

    @cached_property
    def variance(self) -> Tensor:
        """Of one pass, ``(c, K)``, float64."""
        return self.mean((self.values - self.average).double().square())

    @cached_property
    def floor(self) -> Tensor:
        """What rounding may do to averages, ``(c, K)``."""
        return rounding(self.values.dtype) * (self.average.abs() + self.variance.sqrt())

    @cached_property
    def error(self) -> Tensor:
        """Absolute error bound of ``average``, ``(c, K)``."""
        return self.floor + self.spread(lambda law: law.average)

    def gaps(self, top: Tensor) -> Tensor:
        """By how much the outputs of the classes ``top`` exceed the others, ``(n, c, K)``."""
        return self.values.gather(2, top.expand(len(self.values), -1)[..., None]) - self.values

    def spread(self, statistic: Statistic) -> Tensor:
        """Error bound of a statistic: from its replicates, or its changes from level to level."""
        if self.replicates > 1:
            single = torch.stack([statistic(self._only(*part)) for part in self.parts])
            return QUANTILE * single.std(0) / self.replicates**0.5
        value = statistic(self)
        if self.before is None:
            return torch.zeros_like(value) if self.method == "exact" else value.abs() + torch.inf
        change = (value - statistic(self.before)).abs()
        earlier = self.before.before
        if earlier is not None:
            change = change + (statistic(self.before) - statistic(earlier)).abs() / 4
        return change

    def _only(self, values: Tensor, weights: Tensor) -> PassLaw:
        return PassLaw(self.index, values, weights, self.method, 1)

    def select(self, mask: Tensor) -> PassLaw:
        """The law of some of the images."""
        before = None if self.before is None else self.before.select(mask)
        values = self.values[:, mask]
        return PassLaw(self.index[mask], values, self.weights, self.method, self.replicates, before)


Statistic = Callable[[PassLaw], Tensor]


def pass_laws(
    model: Model,
    images: Tensor,
    policy: Augmentation,
    average: Average,
    *,
    tol: float,
    risk: float,
    seed: int,
    max_nodes: int,
) -> Iterator[PassLaw]:
    """The laws of all images, in groups of as many nodes as they need.

    Nodes are doubled until the average is known to ``tol`` times the larger of an image's largest
    output and its standard deviation, and either the variance to four times that share of the
    largest one, or all nodes agree on the class and are more than ``2 / risk``.
    """
    tol, seed, max_nodes = check_numerics(tol, seed, max_nodes)
    shape: Shape = tuple(images.shape[1:])  # type: ignore[assignment]
    family = NodeFamily(policy, shape, seed, max_nodes)
    first = 0 if family.replicated or family.method == "exact" else 2
    with torch.no_grad():
        outputs = model(policy.apply(images[None, :1], family.nodes(0).theta[:1])[0]).shape[1]
    most = max(max_nodes, len(family.nodes(first)))
    room = min(_MOST_AT_ONCE, images_at_once(images[0]))
    each = min(room, max(1, _VALUES_KEPT // (most * outputs)))
    for index in torch.arange(len(images)).split(each):
        level, law = 0, None
        while len(index):
            nested = law is not None and family.replicated
            nodes = family.added(level) if nested else family.nodes(level)
            law = _law(model, images, index, policy, nodes, average, law)
            last = law.method == "exact" or 2 * len(law.values) > max_nodes
            if level >= first:
                done = torch.ones(len(law), dtype=torch.bool) if last else _known(law, tol, risk)
                if done.any():
                    yield law.select(done)
                law, index = law.select(~done), index[~done]
            level += 1


def _law(
    model: Model,
    images: Tensor,
    index: Tensor,
    policy: Augmentation,
    nodes: JointNodes,
    average: Average,
    before: PassLaw | None,
) -> PassLaw:
    """What the nodes have, and, of replicates, what they had ``before``."""

    def outputs(x: Tensor, _: Tensor) -> Tensor:
        return scaled(model(x), average).cpu()

    with torch.no_grad():
        parts = node_values(outputs, images[index.to(images.device)], index, policy, nodes)
        kept = torch.cat([part.values for part in parts])
    if not bool(kept.isfinite().all()):
        wrong = (~kept.isfinite()).any(2).any(0).nonzero().flatten()
        raise ModelError(
            f"The model's outputs are not finite for {len(wrong)} of {len(index)} images somewhere "
            f"in the augmentation, the first is image {int(index[wrong[0]])}."
        )
    blocks = nodes.replicates
    if before is None or blocks == 1:
        return PassLaw(index, kept, nodes.weights, nodes.method, blocks, before)
    pairs = ((before.values, kept), (before.weights / 2, nodes.weights / 2))
    values, weights = (
        torch.cat([part.unflatten(0, (blocks, -1)) for part in pair], 1).flatten(0, 1)
        for pair in pairs
    )
    return PassLaw(index, values, weights, nodes.method, blocks)


def _known(law: PassLaw, tol: float, risk: float) -> Tensor:
    """Whether more nodes are not needed, ``(c,)``."""
    scale = torch.maximum(law.average.abs(), law.variance.sqrt()).amax(1)
    known = law.error.amax(1) <= tol * scale
    least = law.gaps(law.average.argmax(1)).amin((0, 2))
    unanimous = (least >= 0) & (2 * law.resolution <= risk)
    spread = law.spread(lambda part: part.variance).amax(1)
    return known & (unanimous | (spread <= 4 * tol * law.variance.amax(1)))
