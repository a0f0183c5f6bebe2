"""Covariances by cells cut into thirds, against torchvision at many more angles."""

import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

import augmoments as am
from augmoments.calculus import nested
from augmoments.rules.nesting import thirds

BILINEAR = InterpolationMode.BILINEAR


def images(*shape, seed=0, dtype=torch.float64):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def rotated(x, low, high, count):
    """Mean and covariance ``(N, D, D)`` over torchvision's rotations by midpoints of ``count``."""
    angles = low + (high - low) * (np.arange(count) + 0.5) / count
    turned = torch.stack([functional.rotate(x, float(a), BILINEAR, fill=[0.0]) for a in angles])
    mean = turned.mean(0)
    gap = (turned - mean).flatten(2)
    return mean, torch.einsum("knd,kne->nde", gap, gap) / count


def rotation(low, high):
    return am.RandomRotation((low, high), interpolation="bilinear", border="torchvision")


@pytest.mark.parametrize(("low", "high"), [(-20, 20), (-90, 30), (1, 3)])
@pytest.mark.parametrize("size", [4, 9])
def test_errors_hold(size, low, high):
    """As stated, but for what 1,500 angles leave open themselves."""
    x = images(3, 2, size, size)
    mean, covariance = rotated(x, low, high, 1500)
    trace, norm = covariance.diagonal(dim1=1, dim2=2).sum(1), torch.linalg.matrix_norm(covariance)
    for dtype, tol in ((torch.float32, 3e-2), (torch.float32, 1e-3), (torch.float64, 1e-3)):
        found = am.moments(x.to(dtype), rotation(low, high), tol)
        assert found.converged
        gap = torch.linalg.matrix_norm(found.covariance.dense() - covariance) / norm
        assert (gap <= found.error.covariance + 3e-5).all()
        gap = (found.covariance.trace() - trace).abs() / trace
        assert (gap <= found.error.trace + 3e-5).all()
        torch.testing.assert_close(found.mean.double(), mean, atol=2e-4, rtol=0)


def test_dropped_columns_are_within_the_tolerance():
    x = images(2, 3, 16, 16, dtype=torch.float32)
    found = am.moments(x, rotation(-15, 15), 1e-2)
    assert 2 * found.covariance.factor.shape[1] <= found.nodes
    _, covariance = rotated(x.double(), -15, 15, 600)
    gap = torch.linalg.matrix_norm(found.covariance.dense() - covariance)
    norm = torch.linalg.matrix_norm(covariance)
    assert (gap / norm <= found.error.covariance).all()
    torch.testing.assert_close(found.covariance.frobenius_norm().double(), norm, rtol=1e-2, atol=0)


def test_results_do_not_depend_on_the_batch(monkeypatch):
    x = images(5, 1, 8, 8)
    x[1] = 0
    x[2] /= 100
    x[3, :, :, :4] = 0.5
    whole = am.moments(x, rotation(-30, 30), 1e-2)
    monkeypatch.setattr(nested, "_BYTES_AT_ONCE", 1)
    parts = [am.moments(x[n : n + 1], rotation(-30, 30), 1e-2) for n in range(5)]
    split = am.moments(x, rotation(-30, 30), 1e-2)
    for found in (split.covariance.dense(), torch.cat([p.covariance.dense() for p in parts])):
        torch.testing.assert_close(found, whole.covariance.dense(), rtol=0, atol=1e-12)
    each = torch.cat([part.error.covariance for part in parts])
    torch.testing.assert_close(each, whole.error.covariance, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("most", [18, 64, 100, 1000])
def test_no_more_nodes_than_allowed(most):
    found = am.moments(images(1, 1, 8, 8), rotation(-30, 30), 1e-7, max_nodes=most)
    assert most // 3 - 12 <= found.nodes <= most
    assert not found.converged


@pytest.mark.parametrize(
    ("policy", "nests"),
    [
        (rotation(-30, 30), True),
        (am.RandomZoom((0.5, 2)), True),
        (am.RandomRotation(am.Triangular(-30, 30), interpolation="bilinear"), False),
        (am.RandomApply([rotation(-30, 30)], 0.5), False),
        (am.Compose([rotation(-30, 30), am.RandomHorizontalFlip()]), False),
    ],
)
def test_which_rules_nest(policy, nests):
    found = thirds(lambda n: policy.rule((1, 8, 8), n))
    assert (found is not None) == nests


def test_an_image_that_does_not_change_has_no_covariance():
    x = torch.zeros(2, 1, 8, 8)
    found = am.moments(x, rotation(-30, 30))
    assert float(found.covariance.trace().max()) == 0
    assert found.converged
