"""Augmentations of one's own that are not written as they should be are told so."""

from dataclasses import dataclass

import pytest
import torch

import augmoments as am
from augmoments.augmentations.elementary import Elementary
from augmoments.errors import InputTypeError
from augmoments.operators.base import Operator
from augmoments.testing import conformance


class Offset(Operator):
    acts_on, parameter, affine = "channels", "offset", True

    def __call__(self, images, theta):
        return images + theta.to(images).reshape(-1, 1, 1, 1, 1)


@dataclass(frozen=True)
class RandomOffset(Elementary):
    drawn: object
    operator = Offset()

    @property
    def law(self):
        return self.drawn


class WithoutLaw(Elementary):
    operator = Offset()


class Bent(Offset):
    """It says that it is affine, and is not."""

    def __call__(self, images, theta):
        return super().__call__(images, theta) ** 2


class RandomBent(RandomOffset):
    operator = Bent()


@pytest.mark.parametrize("law", [0.1, (-0.1, 0.1), "uniform"])
def test_a_law_that_is_none(law):
    policy, images = RandomOffset(law), torch.rand(1, 1, 2, 2)
    for call in (lambda: am.moments(images, policy), lambda: policy(images)):
        with pytest.raises(InputTypeError, match=r"the law of RandomOffset is .* augmoments\.laws"):
            call()


def test_no_law():
    with pytest.raises(NotImplementedError, match=r"define law, or law_for\(shape\)"):
        am.moments(torch.rand(1, 1, 2, 2), WithoutLaw())


def test_the_kit_finds_a_wrong_declaration():
    conformance(RandomOffset(am.Uniform(0, 0.1)), shape=(1, 3, 2), draws=500)
    with pytest.raises(AssertionError):
        conformance(RandomBent(am.Uniform(0, 0.1)), shape=(1, 3, 2), draws=500)
