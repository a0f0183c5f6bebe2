"""Random erasing against torchvision: actions, the moments of all outcomes, and draws."""

import pytest
import torch

import augmoments as am
from augmoments.augmentations.erasing import RandomErasing
from augmoments.calculus.plan import Plan
from augmoments.errors import InputError, InputTypeError, LawError, PolicyError
from augmoments.laws.erasing import erasing_law
from augmoments.operators.base import outer
from augmoments.rules.fields import MOST_PIXELS
from augmoments.testing import conformance

v2 = pytest.importorskip("torchvision.transforms.v2")
F = pytest.importorskip("torchvision.transforms.v2.functional")

SHAPE = (3, 7, 6)
CLOSE = {"rtol": 0, "atol": 1e-12}
VALUES = [0.25, (0.5,), (0.5, 0.25, 1.0), "random"]


def random_images(generator, shape=SHAPE, n=2):
    return torch.rand(n, *shape, generator=generator, dtype=torch.float64)


def erased(images, box, value):
    """What torchvision makes of ``images``; noise is replaced by its mean."""
    top, left, height, width = (int(b) for b in box)
    given = torch.tensor(0.0 if value == "random" else value, dtype=torch.float64)
    return F.erase(images, top, left, height, width, given.reshape(-1, 1, 1))


def all_outcomes(images, p, value):
    """All boxes ``(K,)`` with the results of torchvision ``(K, N, D)``."""
    points, weights = erasing_law(*images.shape[-2:], p).atoms()
    results = torch.stack([erased(images, box, value).flatten(1) for box in points])
    return torch.from_numpy(weights), results, points


def brute_force(images, p, value):
    """Mean and covariance over all outcomes, noise by its own variance."""
    weights, results, points = all_outcomes(images, p, value)
    mean = torch.einsum("k,kni->ni", weights, results)
    centred = results - mean
    covariance = torch.einsum("k,kni,knj->nij", weights, centred, centred)
    if value == "random":
        ones = torch.zeros_like(images[:1])
        inside = torch.stack([erased(ones, box, 1.0).flatten() for box in points])
        covariance = covariance + (weights @ inside).diag()
    return mean, covariance


@pytest.mark.parametrize("value", VALUES[:3], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draws_do_what_torchvision_does(value, dtype, generator):
    images = random_images(generator).to(dtype)
    policy = RandomErasing(0.8, value=value)
    theta = policy.draw(SHAPE, 50, generator)
    theirs = torch.stack([erased(images, row, value).to(dtype) for row in theta])
    torch.testing.assert_close(policy.apply(outer(images, 50), theta), theirs, rtol=0, atol=0)


def test_noise_is_standard_normal_and_stays_in_the_box(generator):
    policy = RandomErasing(1.0, value="random")
    images = 7 * torch.ones(1, *SHAPE)
    theta = policy.draw(SHAPE, 2000, generator)
    out = policy.apply(outer(images, 2000), theta)
    noise = out[out != 7]
    assert len(noise) == 3 * int((theta[:, 2] * theta[:, 3]).sum())
    count = len(noise) ** 0.5
    assert abs(float(noise.mean()) * count) < 4
    assert abs(float(noise.square().mean() - 1) * count / 2**0.5) < 4


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("value", VALUES, ids=str)
def test_moments_are_those_of_all_outcomes(value, p, generator):
    images = random_images(generator)
    found = am.moments(images, RandomErasing(p, value=value))
    mean, covariance = brute_force(images, p, value)
    assert (found.method, found.mean_method) == ("exact", "exact")
    torch.testing.assert_close(found.mean.flatten(1), mean, **CLOSE)
    torch.testing.assert_close(found.covariance.dense(), covariance, **CLOSE)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 9), (2, 8, 2), (3, 2, 2)])
@pytest.mark.parametrize("value", [0.5, "random"])
def test_moments_of_awkward_sizes_are_those_of_all_outcomes(shape, value, generator):
    images = random_images(generator, shape)
    found = am.moments(images, RandomErasing(0.6, value=value))
    mean, covariance = brute_force(images, 0.6, value)
    torch.testing.assert_close(found.mean.flatten(1), mean, **CLOSE)
    torch.testing.assert_close(found.covariance.dense(), covariance, **CLOSE)


@pytest.mark.parametrize("value", [0.5, "random"])
def test_moments_between_other_steps_are_those_of_all_outcomes(value, generator):
    images = random_images(generator)
    before, after = am.RandomHorizontalFlip(0.3), am.Normalize((0.5, 0.4, 0.3), 0.25)
    late = am.RandomVerticalFlip(0.2)
    policy = am.Compose([before, RandomErasing(0.7, value=value), after, late])
    found = am.moments(images, policy)
    first, second = torch.zeros(()), torch.zeros(())
    for weight, start in ((0.7, images), (0.3, images.flip(-1))):
        mean, covariance = brute_force(start, 0.7, value)
        shift = torch.tensor((0.5, 0.4, 0.3), dtype=torch.float64).repeat_interleave(42)
        mean, covariance = (mean - shift) / 0.25, covariance / 0.0625
        for share, flipped in ((0.8, False), (0.2, True)):
            order = torch.arange(126).reshape(SHAPE)
            order = (order.flip(-2) if flipped else order).flatten()
            m, v = mean[:, order], covariance[:, order][:, :, order]
            first = first + weight * share * m
            second = second + weight * share * (v + m[:, :, None] * m[:, None])
    assert found.method == "exact"
    torch.testing.assert_close(found.mean.flatten(1), first, rtol=0, atol=1e-11)
    truth = second - first[:, :, None] * first[:, None]
    torch.testing.assert_close(found.covariance.dense(), truth, rtol=0, atol=1e-11)


def test_noise_that_is_erased_again_has_the_moments_of_both_boxes(generator):
    images = random_images(generator, (1, 4, 5))
    policy = am.Compose([RandomErasing(0.7, value="random"), RandomErasing(0.5, value=0.5)])
    found = am.moments(images, policy)
    mean, covariance = brute_force(images, 0.7, "random")
    weights, results, points = all_outcomes(torch.zeros(1, 1, 4, 5).double(), 0.5, 1.0)
    inside = results[:, 0]
    kept = 1 - inside
    second = covariance + mean[:, :, None] * mean[:, None]
    first = torch.einsum("k,kp->p", weights, kept) * mean + 0.5 * weights @ inside
    crossed = 0.5 * torch.einsum("k,kp,kq->pq", weights, kept, inside)
    second = torch.einsum("k,kp,kq->pq", weights, kept, kept) * second
    second = second + crossed * mean[:, :, None] + crossed.T * mean[:, None]
    second = second + 0.25 * torch.einsum("k,kp,kq->pq", weights, inside, inside)
    assert len(points) == len(weights)
    torch.testing.assert_close(found.mean.flatten(1), first, **CLOSE)
    truth = second - first[:, :, None] * first[:, None]
    torch.testing.assert_close(found.covariance.dense(), truth, **CLOSE)


def test_noise_after_a_step_that_is_not_affine_is_not_sampled(generator):
    images = random_images(generator, (1, 4, 5))
    policy = am.Compose([am.ColorJitter(brightness=0.5), RandomErasing(1.0, value="random")])
    found = am.moments(images, policy, tol=1e-4)
    assert found.method == "cubature"
    coverage = torch.from_numpy(erasing_law(4, 5, 1.0).coverage())
    plain = am.moments(images, am.ColorJitter(brightness=0.5), tol=1e-5)
    second = (plain.covariance.diagonal() + plain.mean**2) * (1 - coverage) + coverage
    truth = second - ((1 - coverage) * plain.mean) ** 2
    torch.testing.assert_close(found.covariance.diagonal(), truth, rtol=0, atol=1e-4)


def test_the_average_operator_needs_no_image(generator):
    images = random_images(generator)
    value = (0.5, 0.25, 1.0)
    operator = am.expected_operator(RandomErasing(0.4, value=value), SHAPE)
    mean, _ = brute_force(images, 0.4, value)
    torch.testing.assert_close((operator @ images).flatten(1), mean, **CLOSE)
    kept = 1 - torch.from_numpy(erasing_law(7, 6, 0.4).coverage()).flatten().repeat(3)
    torch.testing.assert_close(torch.from_numpy(operator.matrix().diagonal()), kept, **CLOSE)


@pytest.mark.parametrize("value", [0.5, "random"])
def test_large_images_have_an_exact_mean_and_a_covariance_to_the_error_stated(value, generator):
    images = random_images(generator, (1, 41, 40))
    assert images[0].numel() > MOST_PIXELS
    found = am.moments(images, RandomErasing(value=value), tol=0.1)
    law = erasing_law(41, 40, 0.5)
    covered = torch.from_numpy(law.coverage())
    number = 0.0 if value == "random" else value
    gap = number - images
    assert (found.method, found.mean_method) == ("cubature", "exact")
    torch.testing.assert_close(found.mean, images + covered * gap, **CLOSE)
    joint = torch.from_numpy(law.joint_coverage())
    field = joint - torch.outer(covered.flatten(), covered.flatten())
    truth = field * gap.flatten(1)[:, :, None] * gap.flatten(1)[:, None]
    if value == "random":
        truth = truth + covered.flatten().diag()
    error = (found.covariance.dense() - truth).flatten(1).norm(dim=1)
    assert (error <= found.error.covariance * truth.flatten(1).norm(dim=1)).all()
    assert (found.error.covariance <= 0.1).all()


def test_gradients_are_those_of_all_outcomes(generator):
    images = random_images(generator, (1, 4, 4), 1).requires_grad_()
    probe = torch.randn(16, generator=generator, dtype=torch.float64)
    found = am.moments(images, RandomErasing(0.6, value=0.5))
    ours = (found.mean.flatten() @ probe) + probe @ (found.covariance @ probe[None])[0]
    (gradient,) = torch.autograd.grad(ours, images)
    mean, covariance = brute_force(images, 0.6, 0.5)
    theirs = mean[0] @ probe + probe @ covariance[0] @ probe
    (truth,) = torch.autograd.grad(theirs, images)
    torch.testing.assert_close(gradient, truth, rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    "draws", [6000, pytest.param(60_000, marks=pytest.mark.slow)], ids=["few", "many"]
)
@pytest.mark.parametrize("value", [0.25, (0.5, 0.25, 1.0), "random"], ids=str)
def test_draws_of_torchvision_fit_the_moments(value, draws, generator):
    """Means and products of eight projections: all z-scores stay below 5."""
    images = random_images(generator)
    given = list(value) if isinstance(value, tuple) else value
    transform = v2.RandomErasing(0.7, (0.05, 0.5), (0.5, 3.0), given)
    policy = RandomErasing(0.7, (0.05, 0.5), (0.5, 3.0), value)
    found = am.moments(images, policy)
    rows = torch.randn(8, 126, generator=generator, dtype=torch.float64) / 126**0.5
    torch.manual_seed(draws + len(str(value)))
    seen = torch.stack([transform(images).flatten(1) @ rows.T for _ in range(draws)])
    mean = found.mean.flatten(1) @ rows.T
    second = rows @ found.covariance.dense() @ rows.T + mean[:, :, None] * mean[:, None]
    products = seen[..., None] * seen[..., None, :]
    for sample, truth in ((seen, mean), (products, second)):
        scores = (sample.mean(0) - truth) / (sample.std(0) / draws**0.5)
        assert float(scores.abs().max()) < 5, f"largest z-score {float(scores.abs().max()):.1f}"


@pytest.mark.parametrize("value", [0.25, (0.5, 0.25, 1.0), "random"], ids=str)
def test_conforms(value):
    conformance(RandomErasing(0.7, value=value), (3, 5, 4), draws=2000)


def test_rows_tell_what_is_random():
    (box,) = RandomErasing().rows(SHAPE)
    assert (box.step, box.route, box.exact) == ("RandomErasing", "expansion", True)
    (box,) = RandomErasing().rows((3, 64, 64))
    assert (box.route, box.exact) == ("cubature", False)
    _, noise = RandomErasing(value="random").rows(SHAPE)
    assert (noise.law, noise.exact) == ("Normal(0, 1)", True)


class TestRefusals:
    def test_impossible_laws(self):
        with pytest.raises(LawError, match="not a probability"):
            RandomErasing(1.2)
        with pytest.raises(LawError, match="scale"):
            RandomErasing(scale=(0.5, 1.5))
        with pytest.raises(LawError, match="low <= high"):
            RandomErasing(ratio=(3.0, 0.3))
        with pytest.raises(LawError, match="two ends"):
            RandomErasing(ratio=(1.0, 2.0, 3.0))

    def test_impossible_values(self):
        with pytest.raises(InputTypeError, match='one a channel or "random"'):
            RandomErasing(value="noise")
        with pytest.raises(InputTypeError, match="two numbers"):
            RandomErasing(scale="all")
        with pytest.raises(InputError, match="finite"):
            RandomErasing(value=float("nan"))
        with pytest.raises(InputError, match="inplace"):
            RandomErasing(inplace=True)

    def test_values_that_do_not_fit_the_channels(self, generator):
        with pytest.raises(PolicyError, match="2 values"):
            am.moments(random_images(generator), RandomErasing(value=(0.1, 0.2)))


@pytest.mark.parametrize(("side", "steps_by_nodes"), [(24, 0), (64, 3)])
def test_covariances_that_would_not_compress_go_by_nodes(side, steps_by_nodes):
    """Erasing multiplies the columns before it; on large images nodes of all steps are fewer."""
    policy = am.Compose(
        [am.RandomRotation(15, "bilinear"), am.RandomTranslation(x=(-3, 3)), RandomErasing(0.5)]
    )
    plan = Plan.of(policy, (3, side, side), 0, 4096, 1e9)
    assert len(plan.head) == steps_by_nodes
    assert plan.mean_method == "exact"
