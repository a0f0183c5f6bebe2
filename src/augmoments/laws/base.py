"""What a one-dimensional law has to offer so that every route to a moment can use it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import fields, replace
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from augmoments.errors import InputTypeError, LawError
from augmoments.laws.parameters import TensorParameters, check_number

Array = NDArray[np.float64]


class Nodes(NamedTuple):
    """Points and weights of a quadrature rule; the weights sum to the mass they stand for."""

    points: Array
    weights: Array


class Law(TensorParameters, ABC):
    """A probability law on the real line.

    A law is either a :class:`ContinuousLaw` or :class:`Discrete`; each subclass is final.
    """

    def __str__(self) -> str:
        values = [getattr(self, field.name) for field in fields(self)]  # type: ignore[arg-type]
        shown = ", ".join(f"{value:g}" for value in values if value is not None)
        return f"{type(self).__name__}({shown})"

    @property
    @abstractmethod
    def support(self) -> tuple[float, float]:
        """The interval that holds the law, up to a share below 2e-16 at each open end."""

    @abstractmethod
    def ppf(self, q: ArrayLike) -> Array:
        """Quantile function, the inverse of the distribution function."""

    @abstractmethod
    def expect(self, degree: int) -> float:
        """Raw moment ``E[theta ** degree]``."""

    @property
    def mean(self) -> float:
        """Expectation ``E[theta]``."""
        return self.expect(1)

    @abstractmethod
    def rescaled(self, about: float, factor: float) -> Law | None:
        """The law of ``about + factor (theta - about)``, ``None`` if it is of another family.

        Args:
            about: The point that stays.
            factor: Positive.
        """

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw ``n`` independent values by inversion, shape ``(n,)``, float64 on the CPU.

        They carry no gradient.
        """
        uniform = torch.rand(n, generator=generator, dtype=torch.float64)
        return torch.from_numpy(self.ppf(uniform.numpy()))


class ContinuousLaw(Law):
    """A law with a density that is analytic between its :attr:`knots`."""

    _places: ClassVar[tuple[str, ...]] = ()
    """The fields that move with the law as it is shifted and stretched, ..."""
    _widths: ClassVar[tuple[str, ...]] = ()
    """... and those that are only stretched; both empty if the family is not closed under it."""

    @abstractmethod
    def density(self, x: ArrayLike) -> Array:
        """Probability density at ``x``, which lies inside the support."""

    @abstractmethod
    def cdf(self, x: ArrayLike) -> Array:
        """Distribution function ``P(theta <= x)``."""

    @abstractmethod
    def partial_mean(self, x: ArrayLike) -> Array:
        """Partial expectation ``E[theta 1{theta <= x}]``."""

    @property
    def knots(self) -> Array:
        """Increasing points between which Gauss-Legendre nodes resolve the density.

        The ends of the support are included.
        """
        return np.asarray(self.support)

    @property
    def degree(self) -> int | None:
        """Degree of the density as a polynomial between knots, ``None`` if it is not one."""
        return None

    def cell_edges(self, n: int) -> Array:
        """Edges of ``n`` cells in which a midpoint rule spreads its error evenly."""
        return np.linspace(*self.support, n + 1)

    def rescaled(self, about: float, factor: float) -> Law | None:
        if not self._places:
            return None
        moved = {
            name: about + factor * (value - about)
            for name in self._places
            if (value := self._given(name)) is not None
        }
        wider = {name: factor * self._given(name) for name in self._widths}
        return replace(self, **moved, **wider)  # type: ignore[type-var]

    def mass_change(self, name: str, low: Array, high: Array) -> Array:
        """How the probabilities of intervals change with the parameter ``name``."""
        ends = np.stack([low, high])
        inside = (ends > self.support[0]) & (ends < self.support[1])
        points = np.clip(ends, *self.support)
        with np.errstate(divide="ignore", invalid="ignore"):
            flux = np.where(inside, self.density(points) * self.velocity(name, points), 0.0)
        return flux[0] - flux[1]

    def attached_mass(self, low: Array, high: Array) -> Tensor:
        """Probabilities of intervals ``(n,)``, which change with the parameters of the law."""
        masses = torch.from_numpy(self.mass(low, high))
        for name, tensor in self._tensors.items():
            change = torch.from_numpy(self.mass_change(name, low, high))
            masses = masses + change * (tensor - tensor.detach()).to(masses)
        return masses

    def expect(self, degree: int) -> float:
        edges = self.knots
        nodes = self.quadrature(edges[:-1], edges[1:], self.order(degree))
        return float(np.sum(nodes.weights * nodes.points**degree))

    def order(self, degree: int) -> int:
        """Gauss-Legendre nodes a cell that integrate a polynomial of ``degree`` exactly.

        To machine precision, where the density is not itself a polynomial.
        """
        return (degree + self.degree) // 2 + 1 if self.degree is not None else 10 + degree // 2

    def mass(self, low: ArrayLike, high: ArrayLike) -> Array:
        """Probabilities of intervals; not negative, though rounding may make the CDF fall."""
        return np.maximum(self.cdf(high) - self.cdf(low), 0.0)

    def quadrature(self, low: ArrayLike, high: ArrayLike, order: int) -> Nodes:
        r"""Gauss-Legendre nodes for the law restricted to cells that no knot cuts.

        Args:
            low: Lower ends of the cells, any shape ``(...)``.
            high: Upper ends of the cells, same shape.
            order: Nodes a cell; exact for polynomials of degree ``2 order - 1`` times density.

        Returns:
            Points and weights of shape ``(..., order)``. The weights of a cell sum to its
            probability, taken from the distribution function; this is also what makes the
            innermost cells at an integrable singularity right.
        """
        low, high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
        x, w = np.polynomial.legendre.leggauss(order)
        middle, half = (low + high) / 2, (high - low) / 2
        points = np.moveaxis(middle + np.multiply.outer(x, half), 0, -1)  # cells run fastest
        mass = self.mass(low, high)[..., None]
        if self.degree == 0:
            return Nodes(points, np.moveaxis(np.multiply.outer(w / 2, mass[..., 0]), 0, -1))
        weights = w * self.density(points)
        total = weights.sum(-1, keepdims=True)
        usable = np.isfinite(total) & (total > 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.where(usable, weights / total, w / 2)
        return Nodes(points, mass * shares)

    def cells(self, n: int) -> Nodes:
        """Generalised midpoint rule: ``n`` cells, each its probability at its conditional mean.

        The rule is exact for affine functions and of second order for smooth ones; kinks cost
        it nothing in order. For :class:`Uniform` it is the midpoint rule.
        """
        edges = self.cell_edges(n)
        mass = self.mass(edges[:-1], edges[1:])
        low, high = np.maximum(edges[:-1], self.support[0]), np.minimum(edges[1:], self.support[1])
        middle = (low + high) / 2
        centre = np.divide(np.diff(self.partial_mean(edges)), mass, out=middle, where=mass > 1e-12)
        return Nodes(np.clip(centre, low, high), mass / mass.sum())


def check_finite(law: str, **parameters: float) -> None:
    """Refuse parameters that are not finite numbers."""
    for name, value in parameters.items():
        check_number(f"{law}: {name}", value)
        try:
            finite = bool(np.isfinite(value))
        except (TypeError, ValueError) as error:
            raise InputTypeError(f"{law}: {name} must be a number, got {value!r}.") from error
        if not finite:
            raise LawError(f"{law}: {name} must be a finite number, got {value!r}.")


def check_order(law: str, low: float, high: float) -> None:
    """Refuse an empty interval."""
    check_finite(law, low=low, high=high)
    if not low < high:
        hint = " Use a plain number for a constant." if low == high else " Swap the two?"
        raise LawError(f"{law}: low must be below high, got low={low!r}, high={high!r}.{hint}")


def check_positive(law: str, **parameters: float) -> None:
    """Refuse parameters that are not positive and finite."""
    check_finite(law, **parameters)
    for name, value in parameters.items():
        if value <= 0:
            raise LawError(f"{law}: {name} must be positive, got {value!r}.")
