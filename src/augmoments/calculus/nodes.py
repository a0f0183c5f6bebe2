r"""Nodes over the joint law of all parameters of a policy.

Weights :math:`w_i` and draws :math:`\theta_i` integrate any function of the augmented image,
linear or not. Three kinds:

- *atoms*: every parameter has a finite law and the combinations are few; exact;
- *grid*: the product of one-dimensional rules, Gauss nodes between the points where the action
  is known to be a polynomial in a parameter, generalised midpoint nodes elsewhere;
- *Sobol*: scrambled low-discrepancy points, in independent replicates that tell the error; finite
  laws are enumerated as long as their outcomes are few. (Replicates may agree on how many points
  fall on either side of a jump, and be wrong together.)
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from scipy.stats import qmc
from torch import Tensor

from augmoments.augmentations.base import Augmentation, Parameter
from augmoments.errors import InputError
from augmoments.estimate import Method
from augmoments.laws import ContinuousLaw, Discrete, Nodes
from augmoments.rules import gauss_nodes

REPLICATES = 8
QUANTILE = 4.03  # Student's t with REPLICATES - 1 degrees of freedom exceeds it once in 200 times
_MOST_ATOMS = 4096
_LARGEST_GRID = 4096
_MOST_OUTCOMES = 16
_POLYNOMIAL_DEGREE = 4  # fourth moments of actions that are linear in the parameter


@dataclass(frozen=True)
class JointNodes:
    """Draws of a policy with weights, in replicates that are unbiased each by itself."""

    theta: Tensor
    """(n, P), float64."""
    weights: Tensor
    """(n,), float64, sums to 1."""
    method: Method
    replicates: int = 1
    """The nodes are this many blocks of equal size, scrambled independently."""

    def __len__(self) -> int:
        return len(self.theta)


class NodeFamily:
    """The nodes of a policy at increasing resolution.

    ``family.nodes(level)`` has about ``16 * 2**level`` nodes a continuous parameter (grid) or a
    replicate (Sobol); finite laws have all their atoms at every level, unless they are many.
    """

    def __init__(self, policy: Augmentation, seed: int) -> None:
        if seed < 0:
            raise InputError(f"seed must not be negative, got {seed}.")
        self.parameters = policy.parameters
        self.seed = seed
        self._affine = policy.affine
        finite = prod(len(p.law.values) for p in self.parameters if isinstance(p.law, Discrete))
        self._few = finite <= _MOST_OUTCOMES
        self._continuous = [p for p in self.parameters if not isinstance(p.law, Discrete)]
        level = 2 if self._free else 1  # from which on a grid can tell its error
        sizes = [len(_nodes_1d(parameter, level).points) for parameter in self._continuous]
        if not self._continuous and finite <= _MOST_ATOMS:
            self.method: Method = "exact"
        elif finite * prod(sizes) <= _LARGEST_GRID and len(self._free) <= 1:
            self.method = "cubature"
        else:
            self.method = "quasi-monte-carlo"

    @property
    def _free(self) -> list[Parameter]:
        """Continuous parameters in which the action is not known to be a polynomial."""
        return [parameter for parameter in self._continuous if parameter.pieces is None]

    @property
    def polynomial(self) -> bool:
        """Whether the grid integrates products of up to four images without error."""
        return self._affine and self.method != "quasi-monte-carlo" and not self._free

    def nodes(self, level: int) -> JointNodes:
        """The nodes at ``level`` >= 0."""
        if self.method == "quasi-monte-carlo":
            return self._sobol(4 + level)
        rules = [_nodes_1d(parameter, level) for parameter in self.parameters]
        theta = _product([rule.points for rule in rules])
        weights = _product([rule.weights for rule in rules]).prod(1)
        return JointNodes(theta, weights, self.method)

    def _sobol(self, log2: int) -> JointNodes:
        """Points of the parameters that are not enumerated, for each outcome of those that are."""
        enumerated = [isinstance(p.law, Discrete) and self._few for p in self.parameters]
        outcomes = [_nodes_1d(p, 0) for p, e in zip(self.parameters, enumerated, strict=True) if e]
        values = _product([outcome.points for outcome in outcomes])
        shares = _product([outcome.weights for outcome in outcomes]).prod(1)
        drawn = [p.law for p, e in zip(self.parameters, enumerated, strict=True) if not e]
        log2 -= int(np.log2(len(shares)))
        theta = torch.empty(REPLICATES, len(shares), 2**log2, len(enumerated), dtype=torch.float64)
        theta[..., torch.tensor(enumerated)] = values[:, None]
        for replicate in range(REPLICATES):
            rng = np.random.default_rng([self.seed, replicate])
            points = qmc.Sobol(len(drawn), scramble=True, rng=rng).random_base2(log2)
            columns = [law.ppf(u) for law, u in zip(drawn, points.T, strict=True)]
            theta[replicate, ..., ~torch.tensor(enumerated)] = torch.from_numpy(
                np.stack(columns, 1)
            )
        weights = (shares / (REPLICATES * 2**log2))[None, :, None].expand(theta.shape[:-1])
        return JointNodes(theta.flatten(0, 2), weights.flatten(), self.method, REPLICATES)


def _nodes_1d(parameter: Parameter, level: int) -> Nodes:
    law, pieces = parameter
    if isinstance(law, Discrete):
        return law.atoms
    assert isinstance(law, ContinuousLaw)
    if pieces is None:
        return law.cells(16 * 2**level)
    return gauss_nodes(law, pieces, _POLYNOMIAL_DEGREE * pieces.degree, refine=2**level)


def _product(columns: list[np.ndarray]) -> Tensor:
    if not columns:
        return torch.ones(1, 0, dtype=torch.float64)
    grid = np.stack(np.meshgrid(*columns, indexing="ij"), -1)
    return torch.from_numpy(grid.reshape(-1, len(columns)))
