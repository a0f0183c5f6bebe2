"""Pipelines of other libraries as policies: which library, what is refused, what is sampled."""

from __future__ import annotations

import albumentations as A
import kornia.augmentation as K
import pytest
import torch
from kornia.augmentation.container import ImageSequential
from torchvision import transforms as v1
from torchvision.transforms import v2

import augmoments as am
from augmoments.errors import InputError, InputTypeError, PolicyError
from augmoments.testing import check_samples

IMAGES = torch.rand(
    2, 3, 8, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
).clamp(0.05, 0.95)

FLIPS = {
    "torchvision v2": v2.RandomHorizontalFlip(0.3),
    "torchvision v1": v1.RandomHorizontalFlip(0.3),
    "torchvision composition": v2.Compose([v2.RandomHorizontalFlip(0.3)]),
    "torch sequence of torchvision": torch.nn.Sequential(v2.RandomHorizontalFlip(0.3)),
    "kornia": K.RandomHorizontalFlip(p=0.3),
    "kornia composition": K.AugmentationSequential(K.RandomHorizontalFlip(p=0.3)),
    "kornia images": ImageSequential(K.RandomHorizontalFlip(p=0.3)),
    "torch sequence of kornia": torch.nn.Sequential(K.RandomHorizontalFlip(p=0.3)),
    "albumentations": A.HorizontalFlip(p=0.3),
    "albumentations composition": A.Compose([A.HorizontalFlip(p=0.3)]),
}


@pytest.mark.parametrize("name", FLIPS)
def test_moments_take_pipelines_as_they_are(name):
    want = am.moments(IMAGES, am.RandomHorizontalFlip(0.3))
    found = am.moments(IMAGES, FLIPS[name])
    assert found.method == "exact"
    torch.testing.assert_close(found.mean, want.mean, rtol=0, atol=1e-14)
    torch.testing.assert_close(
        found.covariance.dense(), want.covariance.dense(), rtol=0, atol=1e-14
    )


def test_everything_else_takes_pipelines():
    pipeline = v2.RandomHorizontalFlip(0.3)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 9, 2)).double().eval()
    targets = torch.tensor([0, 1])
    assert am.expectation(lambda x: x.mean((1, 2, 3)), IMAGES, pipeline).method == "exact"
    assert am.output_moments(model, IMAGES, pipeline).method == "exact"
    assert am.expected_loss(model, "cross_entropy", IMAGES, targets, pipeline).method == "exact"
    assert am.samples_needed(IMAGES, pipeline).n.shape == (2,)
    assert am.sensitivity(model, "cross_entropy", IMAGES, targets, pipeline).ratio.shape == (2,)
    assert am.DatasetMoments(pipeline).policy == am.RandomHorizontalFlip(0.3)
    assert float(am.compare(IMAGES, pipeline, K.RandomHorizontalFlip(p=0.3)).mean.value.max()) == 0


def test_augmentations_are_returned_as_they_are():
    policy = am.RandomVerticalFlip()
    assert am.as_policy(policy) is policy


@pytest.mark.parametrize(
    "wrong", [3, "RandomHorizontalFlip", None, lambda x: x, torch.nn.ReLU(), [v2.RandomInvert()]]
)
def test_what_is_no_pipeline(wrong):
    with pytest.raises(InputTypeError, match="torchvision, kornia, albumentations; got "):
        am.as_policy(wrong)


def test_unknown_ways_to_deal_with_the_unknown():
    with pytest.raises(InputError, match="on_unsupported"):
        am.as_policy(v2.RandomInvert(), on_unsupported="ignore")


class _Own(v2.RandomHorizontalFlip):
    """A user's class: derived from torchvision's, so it may do anything."""


UNKNOWN = {
    "_Own": v2.Compose([v2.RandomVerticalFlip(), _Own()]),
    "Lambda": v2.Compose([v2.RandomVerticalFlip(), v2.Lambda(lambda x: x * x)]),
    "RandomElasticTransform": torch.nn.Sequential(
        K.RandomVerticalFlip(), K.RandomElasticTransform(kernel_size=(5, 5), sigma=(2.0, 2.0))
    ),
    "ElasticTransform": A.Compose([A.VerticalFlip(), A.ElasticTransform(sigma=3.0)]),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_understood_is_named(name):
    with pytest.raises(PolicyError, match=rf"{name} is not understood: .*Instead, .*monte-carlo"):
        am.moments(IMAGES, UNKNOWN[name])


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_understood_is_sampled_alone_by_request(name):
    policy = am.as_policy(UNKNOWN[name], on_unsupported="monte-carlo")
    known, sampled = policy.parts
    assert known.affine
    assert type(sampled).__name__ == "Sampled"
    state = torch.random.get_rng_state()
    found = am.moments(IMAGES, policy, tol=0.05, max_nodes=256)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert found.method == "monte-carlo"
    assert am.moments(IMAGES, policy, tol=0.05, max_nodes=256).mean.equal(found.mean)


def test_a_sampled_step_has_the_moments_of_the_step():
    """A flip that is sampled, against the same flip in closed form."""
    policy = am.as_policy(v2.Compose([_Own(0.3)]), on_unsupported="monte-carlo")
    want, found = am.moments(IMAGES, am.RandomHorizontalFlip(0.3)), am.moments(IMAGES, policy)
    gap = (found.mean - want.mean).flatten(1).norm(dim=1) / want.mean.flatten(1).norm(dim=1)
    assert (gap <= found.error.mean).all()
    assert (
        (found.covariance.trace() / want.covariance.trace() - 1).abs() <= found.error.trace
    ).all()
    check_samples(policy, IMAGES, draws=1000, tol=0.05)


def test_a_pipeline_that_cannot_take_the_images_says_so():
    policy = am.as_policy(v2.Lambda(lambda x: x[:, :5, :, 7]), on_unsupported="monte-carlo")
    with pytest.raises(PolicyError, match="Lambda"):
        am.moments(torch.rand(1, 3, 2, 2), policy)


def test_a_sampled_step_gives_one_shape():
    policy = am.as_policy(v2.RandomResize(4, 9), on_unsupported="monte-carlo")
    with pytest.raises(PolicyError, match=r"RandomResize gives images of .* shapes"):
        am.moments(IMAGES, policy, tol=0.1)
