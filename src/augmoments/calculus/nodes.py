r"""Nodes over the joint law of all parameters of a policy.

Weights :math:`w_i` and draws :math:`\theta_i` integrate any function of the augmented image,
linear or not. Three kinds:

- *atoms*: every parameter has a finite law and the combinations are few; exact;
- *grid*: the product of one-dimensional rules, Gauss nodes between the points where the action
  is known to be a polynomial in a parameter, generalised midpoint nodes elsewhere;
- *Sobol*: scrambled low-discrepancy points, in independent replicates that tell the error; finite
  laws are enumerated as long as their outcomes are few. Actions that draw numbers of their own
  get seeds, which makes the answer a Monte Carlo estimate. (Replicates may agree on how many points
  fall on either side of a jump, and be wrong together.)
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import Tensor

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.parameters import Parameter, independent
from augmoments.estimate import Method
from augmoments.laws import ContinuousLaw
from augmoments.laws.joint import JointAtoms, JointLaw, Seed
from augmoments.laws.sobol import sobol
from augmoments.operators.base import Shape
from augmoments.options import check_seed
from augmoments.rules import MOST_ATOMS, gauss_nodes

REPLICATES = 8
QUANTILE = 4.03  # Student's t with REPLICATES - 1 degrees of freedom exceeds it once in 200 times
_LARGEST_GRID = 4096
_FEWEST = 16 * REPLICATES  # Sobol points that tell an error
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

    def __init__(
        self, policy: Augmentation, shape: Shape, seed: int, max_nodes: int = MOST_ATOMS
    ) -> None:
        self.policy = policy
        self.shape = shape
        self.seed = check_seed(seed)
        self.parameters = policy.parameters(shape)
        self.method: Method = self._choose(max_nodes)

    def _choose(self, most: int) -> Method:
        if self.policy.outcomes(self.shape) <= most:
            return "exact"
        laws = [parameter.law for parameter in self.parameters]
        if any(isinstance(law, Seed) for law in laws):
            return "monte-carlo"
        if any(isinstance(law, JointLaw) and law.count == np.inf for law in laws):
            return "quasi-monte-carlo"
        level = 2 if self._free else 1  # from which on a grid can tell its error
        continuous = [p for p in self.parameters if isinstance(p.law, ContinuousLaw)]
        finite = prod(p.count for p in self.parameters if not isinstance(p.law, ContinuousLaw))
        if not continuous or len(self._free) > 1 or finite > _LARGEST_GRID:
            return "quasi-monte-carlo"
        sizes = [len(_nodes_1d(parameter, level).points) for parameter in continuous]
        largest = min(_LARGEST_GRID, max(most, _FEWEST))
        return "cubature" if finite * prod(sizes) <= largest else "quasi-monte-carlo"

    @property
    def _free(self) -> list[Parameter]:
        """Continuous parameters in which the action is not known to be a polynomial."""
        return [p for p in self.parameters if isinstance(p.law, ContinuousLaw) and p.pieces is None]

    @property
    def replicated(self) -> bool:
        """Whether the nodes come in replicates that tell the error."""
        return self.method in ("quasi-monte-carlo", "monte-carlo")

    @property
    def polynomial(self) -> bool:
        """Whether the grid integrates products of up to four images without error."""
        return self.policy.affine and not self.replicated and not self._free

    def nodes(self, level: int) -> JointNodes:
        """The nodes at ``level`` >= 0; of replicates, those of the level before come first."""
        if self.replicated:
            return self._sobol(level)
        if self.method == "exact":
            points, weights = self.policy.atoms(self.shape)
        else:
            points, weights = independent([_nodes_1d(p, level) for p in self.parameters])
        theta = self._attached(torch.from_numpy(points))
        return JointNodes(theta, torch.from_numpy(weights), self.method)

    def added(self, level: int) -> JointNodes:
        """The half of the nodes of replicates at ``level`` > 0 that the level before lacks."""
        return self._sobol(level, added=True)

    def _attached(self, theta: Tensor) -> Tensor:
        """Nodes that move with the parameters of their laws, where these are tensors."""
        if not any(parameter.law.differentiable for parameter in self.parameters):
            return theta
        columns = theta.split([parameter.width for parameter in self.parameters], 1)
        pairs = zip(self.parameters, columns, strict=True)
        return torch.cat([parameter.attach(own) for parameter, own in pairs], 1)

    def _sobol(self, level: int, added: bool = False) -> JointNodes:
        """Points of the parameters that are not enumerated, for each outcome of those that are."""
        enumerated = self._enumerated()
        outcomes = independent(
            [p.atoms() for p, e in zip(self.parameters, enumerated, strict=True) if e]
        )
        shares = torch.from_numpy(outcomes.weights)
        drawn = [p for p, e in zip(self.parameters, enumerated, strict=True) if not e]
        columns = torch.tensor(
            [e for p, e in zip(self.parameters, enumerated, strict=True) for _ in range(p.width)]
        )
        log2 = 4 + level - int(np.log2(len(shares)))
        first, count = (2**log2 // 2, 2**log2 // 2) if added else (0, 2**log2)
        theta = torch.empty(REPLICATES, count, len(shares), len(columns), dtype=torch.float64)
        theta[..., columns] = torch.from_numpy(outcomes.points)
        for replicate in range(REPLICATES):
            points = _scrambled(drawn, log2, [self.seed, replicate])[first:]
            theta[replicate, ..., ~columns] = points[:, None]
        weights = (shares / (REPLICATES * count)).expand(theta.shape[:-1])
        theta = self._attached(theta.flatten(0, 2))
        return JointNodes(theta, weights.flatten(), self.method, REPLICATES)

    def _enumerated(self) -> list[bool]:
        """The finite laws with the fewest outcomes, as long as all combinations are few."""
        chosen, total = [False] * len(self.parameters), 1.0
        for index in np.argsort([p.count for p in self.parameters], kind="stable"):
            total *= self.parameters[index].count
            if total > _MOST_OUTCOMES:
                break
            chosen[index] = True
        return chosen


def _scrambled(parameters: list[Parameter], log2: int, seed: list[int]) -> Tensor:
    """``2**log2`` scrambled Sobol points of several parameters, side by side."""
    ends = np.cumsum([0, *(parameter.dimension for parameter in parameters)])
    u = sobol(int(ends[-1]), log2, seed)
    columns = [p.ppf(u[:, i:j]) for p, i, j in zip(parameters, ends[:-1], ends[1:], strict=True)]
    return torch.from_numpy(np.concatenate(columns, 1).astype(float))


def _nodes_1d(parameter: Parameter, level: int) -> JointAtoms:
    law, pieces = parameter.law, parameter.pieces
    if not isinstance(law, ContinuousLaw):
        return parameter.atoms()
    if pieces is None:
        points, weights = law.cells(16 * 2**level)
    else:
        order = _POLYNOMIAL_DEGREE * pieces.degree
        points, weights = gauss_nodes(law, pieces, order, refine=2**level)
    return JointAtoms(points[:, None], weights)
