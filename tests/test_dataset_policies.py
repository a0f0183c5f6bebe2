"""Moments of a dataset against those of its images one by one, for every augmentation."""

import pytest
import torch

import augmoments as am
from augmoments.calculus.reference import reference_images
from cases import CASES
from torchvision_pipelines import PIPELINES

v2 = pytest.importorskip("torchvision.transforms.v2")


def two_ways(policy, shape, tol=1e-2, nodes=512, max_nodes=1024):
    """Covariance and mean from the dataset and from its images, with their stated errors."""
    images = reference_images(shape)[:3].double()
    found = (
        am.DatasetMoments(policy, tol=tol, nodes=nodes, max_nodes=max_nodes)
        .update(images)
        .moments()
    )
    m = am.moments(images, policy, tol, max_nodes=max_nodes, seed=1)
    between = torch.cov(m.mean.flatten(1).T, correction=0).reshape(found.covariance.shape)
    meant = between + m.covariance.dense().mean(0)
    off = float((found.covariance - meant).norm())
    single = (m.error.covariance * m.covariance.frobenius_norm()).mean()
    means = 3 * (m.error.mean * m.mean.flatten(1).norm(dim=1)).max() * between.trace().sqrt()
    allowed = found.error * float(found.covariance.norm()) + float(single + means)
    return off, allowed, float(meant.norm()), found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_dataset_is_the_average_of_its_images(case):
    off, allowed, size, found = two_ways(case.policy, case.shape)
    assert off <= allowed + 1e-9 * max(size, 1e-3)
    assert found.mean.shape == case.policy.output_shape(case.shape)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PIPELINES))
def test_pipelines_of_torchvision_on_a_dataset(name):
    options = {"tol": 0.05, "nodes": 2048, "max_nodes": 1024}
    off, allowed, size, _ = two_ways(PIPELINES[name](8), (3, 8, 8), **options)
    assert off <= allowed
    assert off < 0.25 * size


@pytest.mark.slow
def test_a_step_that_is_sampled_is_told():
    transform = v2.Lambda(lambda x: x.flip(-1) if torch.rand(()) < 0.5 else x)
    policy = am.as_policy(v2.Compose([transform]), on_unsupported="monte-carlo")
    off, allowed, _, found = two_ways(policy, (1, 4, 4))
    assert found.method == "monte-carlo"
    assert off <= allowed
