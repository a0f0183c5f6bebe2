"""Results are kept in a bounded amount of memory, for one thread and for many."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

import augmoments as am
from augmoments.operators.remembered import Remembered
from augmoments.rules import build


def remembered(room):
    calls = []

    def zeros(n):
        calls.append(n)
        return np.zeros(n)

    return Remembered(zeros, nbytes=lambda result: result.nbytes, room=room), calls


def test_a_result_is_computed_once():
    zeros, calls = remembered(room=800)
    assert zeros(10) is zeros(10)
    assert calls == [10]


def test_the_least_recent_result_goes_first():
    zeros, calls = remembered(room=8 * 30)
    zeros(9), zeros(10), zeros(9), zeros(12)
    assert zeros.nbytes == 8 * 21
    zeros(9), zeros(12)
    assert calls == [9, 10, 12]
    zeros(10)
    assert calls == [9, 10, 12, 10]


def test_one_that_does_not_fit_is_not_kept_and_leaves_the_others():
    zeros, calls = remembered(room=800)
    zeros(5)
    large = weakref.ref(zeros(1000))
    gc.collect()
    assert large() is None
    zeros(5)
    assert calls == [5, 1000]
    zeros.cache_clear()
    assert zeros.nbytes == 0


def test_threads_share_it():
    zeros, _ = remembered(room=8 * 40)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(zeros, list(range(1, 20)) * 50))
    assert [len(values) for values in found] == list(range(1, 20)) * 50
    assert zeros.nbytes <= 8 * 40


def test_expected_operators_are_kept_by_policy_and_shape():
    build._cached_expectation.cache_clear()
    policy = am.RandomRotation(30, "bilinear")
    first = am.expected_operator(policy, (1, 8, 8))
    again = am.expected_operator(am.RandomRotation(30, "bilinear"), (1, 8, 8))
    assert first.plane is again.plane
    kept = build._cached_expectation.nbytes
    matrix = first.plane.matrix
    parts = matrix.data, matrix.indices, matrix.indptr
    assert kept == 2 * sum(part.nbytes for part in parts) + 8 * 64
    am.expected_operator(policy, (1, 8, 9))
    assert build._cached_expectation.nbytes > kept


def test_laws_that_carry_gradients_leave_nothing_behind():
    build._cached_expectation.cache_clear()
    width = torch.tensor(20.0, requires_grad=True)
    policy = am.RandomRotation(am.Uniform(-width, width), "bilinear")
    mean = am.moments(torch.rand(1, 1, 6, 6, generator=torch.manual_seed(0)), policy).mean
    mean.square().sum().backward()
    assert width.grad is not None
    assert build._cached_expectation.nbytes == 0
