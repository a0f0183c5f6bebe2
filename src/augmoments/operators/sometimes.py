"""An operator behind a coin."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from augmoments.errors import PolicyError
from augmoments.operators.base import Domain, Neutral, Operator, Shape
from augmoments.operators.choose import choose


@dataclass(frozen=True)
class Sometimes(Operator):
    """Apply ``action`` where the first number of ``theta`` is 1.

    Its parameters are the other numbers of ``theta``, followed by those that are ``fixed``.
    """

    action: Operator
    fixed: tuple[float, ...] = ()

    @property
    def acts_on(self) -> Domain:  # type: ignore[override]
        return self.action.acts_on

    @property
    def mirrors(self) -> bool:  # type: ignore[override]
        return self.action.mirrors

    @property
    def parameter(self) -> str:
        own = self.action.parameter
        return "applied" if self.fixed or own == "none" else f"applied, {own}"

    @property
    def neutral(self) -> tuple[Neutral, ...]:
        return (Neutral(0.0, "coin"),)

    @property
    def affine(self) -> bool:
        return self.action.affine

    def __call__(self, images: Tensor, theta: Tensor) -> Tensor:
        fixed = theta.new_tensor(self.fixed).expand(len(theta), -1)
        own = torch.cat([theta[:, 1:], fixed], 1)
        return choose(images, theta[:, 0], [None, lambda x, rows: self.action(x, own[rows])])

    def check_shape(self, shape: Shape) -> None:
        self.action.check_shape(shape)
        out = self.action.output_shape(shape)
        if out != shape:
            raise PolicyError(
                f"{self.action} turns images of shape {shape} into {out}: applied only sometimes, "
                "it would give images of two shapes."
            )
