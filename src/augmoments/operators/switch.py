"""One of several operators, several one after the other, and mixtures of such chains."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from augmoments.operators.base import Domain, Neutral, Operator, Shape
from augmoments.operators.choose import Action, choose
from augmoments.operators.flip import per_group


@dataclass(frozen=True)
class Identity(Operator):
    """The image itself; takes no parameter."""

    acts_on = "channels"
    mirrors = True

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return ()

    @property
    def parameter(self) -> str:
        return "none"

    @property
    def affine(self) -> bool:
        return True

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        return images


@dataclass(frozen=True)
class Switch(Operator):
    """Apply one of several operators, all of which keep the images' shape.

    The first number of ``theta`` is the operator's place in ``actions``, the second its parameter,
    which operators that take none leave unread.
    """

    actions: tuple[Operator, ...]

    @property
    def acts_on(self) -> Domain:  # type: ignore[override]
        domains: set[Domain] = {
            action.acts_on for action in self.actions if not isinstance(action, Identity)
        }
        return domains.pop() if len(domains) == 1 else "everything"

    @property
    def mirrors(self) -> bool:  # type: ignore[override]
        return all(action.mirrors for action in self.actions)

    @property
    def neutral(self) -> tuple[Neutral, ...] | None:
        idle = [i for i, action in enumerate(self.actions) if isinstance(action, Identity)]
        return (Neutral(idle[0], "label"), Neutral(0.0, "label")) if idle else None

    @property
    def parameter(self) -> str:
        return "operation, strength"

    @property
    def affine(self) -> bool:
        return all(action.affine for action in self.actions)

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        def run(action: Operator) -> Action:
            return lambda part, rows: action(part, theta[rows, 1:2])

        return choose(images, theta[:, 0], [run(action) for action in self.actions])

    def check_shape(self, shape: Shape) -> None:
        for action in self.actions:
            action.check_shape(shape)


@dataclass(frozen=True)
class Repeat(Operator):
    """Apply ``action`` ``count`` times, each time with the next ``width`` numbers of ``theta``."""

    action: Operator
    count: int
    width: int = 2

    @property
    def acts_on(self) -> Domain:  # type: ignore[override]
        return self.action.acts_on

    @property
    def mirrors(self) -> bool:  # type: ignore[override]
        return self.action.mirrors

    @property
    def neutral(self) -> tuple[Neutral, ...] | None:
        own = self.action.neutral
        return None if own is None else own * self.count

    @property
    def parameter(self) -> str:
        return f"{self.count} times {self.action.parameter}"

    @property
    def affine(self) -> bool:
        return self.action.affine

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        for own in theta.split(self.width, 1):
            images = self.action(images, own)
        return images

    def check_shape(self, shape: Shape) -> None:
        self.action.check_shape(shape)


@dataclass(frozen=True)
class Blended(Operator):
    r"""Mix the image with what ``count`` runs of ``chain`` make of it.

    :math:`w_0 x + \sum_i w_i T_i(x)`. The first ``1 + count`` numbers of ``theta`` are the
    weights; then come the parameters of each run, one run after the other.
    """

    chain: Operator
    count: int

    @property
    def acts_on(self) -> Domain:  # type: ignore[override]
        return self.chain.acts_on

    @property
    def mirrors(self) -> bool:  # type: ignore[override]
        return self.chain.mirrors

    @property
    def neutral(self) -> tuple[Neutral, ...] | None:
        own = self.chain.neutral
        if own is None:
            return None
        weights = Neutral(1.0, "label"), *(Neutral(0.0, "label"),) * self.count
        return (*weights, *own * self.count)

    @property
    def parameter(self) -> str:
        return "weights, operations, strengths"

    @property
    def affine(self) -> bool:
        return self.chain.affine

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        runs = theta[:, 1 + self.count :].chunk(self.count, 1)
        out = per_group(theta, images) * images
        for i, own in enumerate(runs):
            out = out + per_group(theta, images, 1 + i) * self.chain(images, own)
        return out

    def check_shape(self, shape: Shape) -> None:
        self.chain.check_shape(shape)
