"""Random cases, each from the seed of the run and its own number alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from augmoments.adapters import as_policy
from augmoments.augmentations.base import Augmentation
from augmoments.errors import AugmomentsError
from augmoments.testing.calibration.images import KINDS, of_kind, random_shape
from augmoments.testing.calibration.policies import FAMILIES

_TRIES = 50


@dataclass(frozen=True)
class Case:
    """An image, a policy and a tolerance.

    Attributes:
        number: Its place in the run.
        family: Of the policy; a key of ``FAMILIES``.
        policy: What is drawn.
        kind: Of the image; one of ``KINDS``.
        image: ``(1, C, H, W)`` in float32 or float64.
        tol: Relative error that is asked for.
    """

    number: int
    family: str
    policy: Augmentation
    kind: str
    image: Tensor
    tol: float

    @classmethod
    def drawn(cls, seed: int, number: int) -> Case:
        """Case ``number`` of the run with ``seed``.

        Raises:
            ImportError: It is a pipeline of torchvision, which is not there.
            RuntimeError: Nor can it be imported.

        Example:
            >>> case = Case.drawn(0, 3)
            >>> torch.equal(case.image, Case.drawn(0, 3).image)
            True
        """
        rng = np.random.default_rng([seed, number])
        shares = np.array([share for share, _ in FAMILIES.values()])
        family = str(rng.choice(list(FAMILIES), p=shares / shares.sum()))
        kind = str(rng.choice(KINDS))
        dtype = torch.float64 if rng.random() < 0.5 else torch.float32
        tol = float(10 ** rng.uniform(-4, -1.5))
        for _ in range(_TRIES):
            shape = random_shape(rng)
            try:
                policy = as_policy(FAMILIES[family][1](rng, shape))
                policy.parameters(shape)
                policy.output_shape(shape)
            except AugmomentsError:
                continue  # a crop that does not fit, a law of zero width
            return cls(number, family, policy, kind, of_kind(rng, kind, shape).to(dtype), tol)
        raise AssertionError(f"no {family} fits any image in case {number} of seed {seed}")

    def about(self) -> dict[str, object]:
        """What it is, in words and numbers."""
        return {
            "case": self.number,
            "family": self.family,
            "policy": repr(self.policy),
            "image": self.kind,
            "shape": list(self.image.shape[1:]),
            "dtype": str(self.image.dtype).removeprefix("torch."),
            "tol": self.tol,
        }
