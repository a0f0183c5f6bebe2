r"""Parameters of laws that are tensors, through which gradients flow.

At a fixed value of its distribution function an outcome has the velocity
:math:`v = \mathrm d\theta / \mathrm d\varphi` in a parameter of the law, and
:math:`\mathrm d E[f(\theta)] / \mathrm d\varphi = E[f'(\theta) v(\theta)]` for functions that are
continuous: quadrature points that move with these velocities, at fixed weights, have the derivative
of the integral.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from augmoments.errors import InputTypeError, LawError

Array = NDArray[np.float64]


class Number(Protocol):
    """The type of a field that is given as a number or a scalar tensor, and read as a number."""

    def __get__(self, instance: object, owner: Any) -> float: ...

    def __set__(self, instance: object, value: float | Tensor) -> None: ...


class OptionalNumber(Protocol):
    """The same, of a field that may be left out."""

    def __get__(self, instance: object, owner: Any) -> float | None: ...

    def __set__(self, instance: object, value: float | Tensor | None) -> None: ...


class TensorParameters:
    """A frozen dataclass of numbers, some of which may be given as tensors that require a gradient.

    Its fields hold the numbers, so that equality, hash and what is shown are those of the values.
    """

    _tensors: Mapping[str, Tensor] = MappingProxyType({})
    """The fields that were given as tensors which require a gradient; the fields are numbers."""

    def __deepcopy__(self, memo: object) -> Self:
        """Itself, as it never changes: gradients flow to the tensors that it was made of."""
        return self

    @property
    def differentiable(self) -> bool:
        """Whether gradients flow from :meth:`attach` to parameters of the law."""
        return bool(self._tensors)

    def attach(self, points: Tensor) -> Tensor:
        r"""The same points ``(n,)``, moving with the parameters of the law.

        At a fixed value of its distribution function an outcome has the velocity
        :math:`v = \mathrm d\theta / \mathrm d\varphi`, and :math:`\mathrm d E[f(\theta)] /
        \mathrm d\varphi = E[f'(\theta) v(\theta)]`: quadrature points with fixed weights and
        these velocities have the derivative of the integral. Without tensors among its parameters
        a law returns the points.

        Reference:
            Figurnov, Mohamed, Mnih (2018), *Implicit Reparameterization Gradients*.
        """
        values = points.detach().cpu().numpy()
        for name, tensor in self._tensors.items():
            velocity = torch.from_numpy(self.velocity(name, values)).to(points.device)
            points = points + velocity * (tensor - tensor.detach()).to(points)
        return points

    def velocity(self, name: str, x: Array) -> Array:
        """How outcomes ``x`` move with the parameter ``name``.

        Raises:
            LawError: There is no such derivative, or no closed form of it.
        """
        raise LawError(
            f"{type(self).__name__} has no derivative by {name}: give a number, not a tensor that "
            "requires a gradient."
        )

    def _given(self, name: str) -> Any:
        """A parameter as it was given, a number or a tensor."""
        return self._tensors.get(name, getattr(self, name))

    def detached(self) -> Self:
        """The same law with numbers only."""
        return replace(self) if self.differentiable else self  # type: ignore[type-var]

    def _read_numbers(self) -> None:
        """Turn parameters that are scalar tensors to numbers, and keep those with a gradient."""
        found = {}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if not isinstance(value, Tensor):
                continue
            if value.numel() != 1 or not value.is_floating_point():
                raise InputTypeError(
                    f"{type(self).__name__}: {field.name} must be a number or a tensor of one "
                    f"floating-point number, got {value.dtype} of shape {tuple(value.shape)}."
                )
            if value.requires_grad:
                found[field.name] = value.reshape(())
            object.__setattr__(self, field.name, float(value.detach()))
        if found:
            object.__setattr__(self, "_tensors", found)
        for name in found:
            self.velocity(name, np.empty(0))


def check_number(name: str, value: object) -> None:
    """Refuse tensors whose gradient would be lost.

    Raises:
        InputTypeError: A tensor that requires a gradient.
    """
    if isinstance(value, Tensor) and value.requires_grad:
        raise InputTypeError(
            f"{name} has no derivative here: give value.item(), or see which parameters of laws "
            "may be tensors."
        )
