"""The same images in another dtype, layout, order or batch have the same answers."""

import copy

import pytest
import torch

import augmoments as am

EXACT = am.Compose([am.RandomHorizontalFlip(0.3), am.RandomTranslation(x=(-1.2, 1), y=0.4)])
GRID = am.RandomRotation(20, "bilinear")
SCATTERED = am.Compose([am.RandomCrop(5, padding=1), am.ColorJitter(0.4, 0.3), GRID])
POLICIES = {"exact": EXACT, "grid": GRID, "scattered": SCATTERED}
COUNT, SHAPE = 5, (3, 5, 5)
WEIGHT = torch.randn(4, 75, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / 8
TARGETS = torch.tensor([0, 2, 1, 3, 0])
OPTIONS = {"seed": 3, "max_nodes": 256}
SMALLEST = {
    torch.float64: 1e-9,
    torch.float32: 3e-5,
    torch.float16: 2e-2,
    torch.bfloat16: 1.5e-1,
}
"""Relative errors that answers may have from the rounding of each dtype."""


def model(x):
    """Smooth, and in double precision whatever the images are in."""
    return (x.double().flatten(1) @ WEIGHT.T).sin()


def images(seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(COUNT, *SHAPE, generator=generator, dtype=torch.float64)


def _moments(x, y, policy):
    m = am.moments(x, policy, 1e-2, **OPTIONS)
    return {
        "mean": m.mean,
        "variance of every pixel": m.covariance.diagonal(),
        "norm of the covariance": m.covariance.frobenius_norm(),
        "eigenvalues": m.covariance.eigh(2).values,
    }


def _needed(of):
    def answer(x, y, policy):
        more = {"model": model, "loss": "cross_entropy", "targets": y} if of == "loss" else {}
        return {"n": am.samples_needed(x, policy, of, tol=1e-2, **more, **OPTIONS).n}

    return answer


def _expected_loss(x, y, policy):
    found = am.expected_loss(model, "cross_entropy", x, y, policy, 1e-2, **OPTIONS)
    return {"value": found.value, "variance": found.variance, "regularizer": found.regularizer}


def _sensitivity(x, y, policy):
    found = am.sensitivity(model, "cross_entropy", x, y, policy, 2, **OPTIONS)
    return {"saliency": found.saliency, "ratio": found.ratio, "variance": found.variance}


def _tta(x, y, policy):
    found = am.tta(model, x, policy, y, passes=(1, 4), **OPTIONS)
    return {"probabilities": found.prediction, "right": found.right}


ANSWERS = {
    "moments": _moments,
    "draws for the mean": _needed("mean"),
    "draws for the covariance": _needed("covariance"),
    "draws for the loss": _needed("loss"),
    "expected loss": _expected_loss,
    "sensitivity": _sensitivity,
    "tta": _tta,
}


def compare(found, truth, tol):
    """Equal up to ``tol`` of the largest value, name by name."""
    for name, value in found.items():
        own, other = value.detach().double(), truth[name].detach().double()
        gap = float((own - other).abs().max())
        assert gap <= tol * float(other.abs().max()), (name, gap / float(other.abs().max()))


PAIRS = [(policy, answer) for policy in POLICIES for answer in ANSWERS]
pairs = pytest.mark.parametrize(("policy", "answer"), PAIRS)


def settled(found):
    """Without what is drawn again from the outputs, whose seeds go with the place of an image."""
    return {name: value for name, value in found.items() if name != "right"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pairs
def test_dtypes(policy, answer, dtype):
    """As for the same values in float64, up to the rounding of the dtype."""
    x = images().to(dtype)
    found = ANSWERS[answer](x, TARGETS, POLICIES[policy])
    compare(found, ANSWERS[answer](x.double(), TARGETS, POLICIES[policy]), SMALLEST[dtype])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("policy", POLICIES)
def test_stated_errors_hold_what_a_dtype_costs(policy, dtype):
    x = images().to(dtype)
    found, truth = (am.moments(some, POLICIES[policy], 1e-2, **OPTIONS) for some in (x, x.double()))
    assert found.mean.dtype == found.covariance.factor.dtype == dtype
    norm = truth.mean.flatten(1).norm(dim=1)
    gap = (found.mean.double() - truth.mean).flatten(1).norm(dim=1)
    assert bool((gap <= norm * (found.error.mean.double() + truth.error.mean)).all())
    gap = (found.covariance.trace().double() / truth.covariance.trace() - 1).abs()
    assert bool((gap <= found.error.trace.double() + truth.error.trace).all())


@pytest.mark.parametrize(
    "layout",
    {
        "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
        "every other value": lambda x: x.repeat_interleave(2, 3)[..., ::2],
        "transposed": lambda x: x.mT.contiguous().mT,
        "expanded": lambda x: x[:1].expand(len(x), -1, -1, -1),
    }.items(),
    ids=lambda item: item[0],
)
@pairs
def test_layouts(policy, answer, layout):
    """To rounding what contiguous images have."""
    moved = layout[1](images())
    found = ANSWERS[answer](moved, TARGETS, POLICIES[policy])
    compare(found, ANSWERS[answer](moved.contiguous(), TARGETS, POLICIES[policy]), 1e-12)


@pairs
def test_images_with_gradients(policy, answer):
    """The same up to the tolerance: with gradients, factors are compressed in another way."""
    x = images()
    found = ANSWERS[answer](x.clone().requires_grad_(), TARGETS, POLICIES[policy])
    compare(found, ANSWERS[answer](x, TARGETS, POLICIES[policy]), 1e-2)


@pairs
def test_order(policy, answer):
    x, order = images(), torch.tensor([3, 0, 4, 1, 2])
    found = ANSWERS[answer](x[order], TARGETS[order], POLICIES[policy])
    truth = ANSWERS[answer](x, TARGETS, POLICIES[policy])
    truth = {name: value[order] for name, value in truth.items()}
    compare(settled(found), settled(truth), 1e-12)


@pytest.mark.parametrize("part", [slice(0, 2), slice(4, 5)], ids=["two", "one"])
@pairs
def test_batches(policy, answer, part):
    x = images()
    few = x[4] if part == slice(4, 5) else x[part]
    found = ANSWERS[answer](few, TARGETS[part], POLICIES[policy])
    truth = ANSWERS[answer](x, TARGETS, POLICIES[policy])
    truth = {name: value[part] for name, value in truth.items()}
    compare(settled(found), settled(truth), 1e-12)


@pytest.mark.parametrize("policy", POLICIES)
def test_shares_of_passes_in_another_order(policy):
    """Drawn again from the outputs, they agree to their errors."""
    x, order = images(), torch.tensor([3, 0, 4, 1, 2])
    first = am.tta(model, x, POLICIES[policy], TARGETS, passes=(1, 4), **OPTIONS)
    other = am.tta(model, x[order], POLICIES[policy], TARGETS[order], passes=(1, 4), **OPTIONS)
    gap = (first.right[order] - other.right).abs()
    assert bool((gap <= first.right_error[order] + other.right_error + 1e-12).all())


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("answer", ["moments", "expected loss"])
@pytest.mark.parametrize("policy", POLICIES)
def test_threads(policy, answer, threads):
    x = images()
    torch.set_num_threads(1)
    truth = ANSWERS[answer](x, TARGETS, POLICIES[policy])
    torch.set_num_threads(2)
    compare(ANSWERS[answer](x, TARGETS, POLICIES[policy]), truth, 1e-12)


SIZES = [(1, 1, 1), (1, 1, 7), (16, 1, 1), (2, 5, 1), (16, 6, 5), (5, 4, 7)]


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("policy", ["exact", "grid"])
def test_sizes(policy, shape):
    """Mean and covariance are those of every channel and of every pair of channels of its own."""
    generator = torch.Generator().manual_seed(4)
    x = torch.rand(2, *shape, generator=generator, dtype=torch.float64)
    whole = am.moments(x, POLICIES[policy], 1e-3)
    for channel in range(shape[0]):
        one = am.moments(x[:, channel : channel + 1], POLICIES[policy], 1e-9, max_nodes=2**10)
        gap = (whole.mean[:, channel] - one.mean[:, 0]).abs().max()
        assert float(gap) <= 1e-3
        variance = one.covariance.diagonal()[:, 0]
        gap = (whole.covariance.diagonal()[:, channel] - variance).abs().max()
        assert float(gap) <= 2e-3 * float(whole.covariance.diagonal().max()) + 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
def test_large_images(policy):
    """To 512 x 512 pixels: the mean of the policy's own draws, within five standard errors."""
    steps = {"scattered": am.Compose([am.RandomCrop(512, padding=8), am.ColorJitter(0.4, 0.3)])}
    law, side = steps.get(policy, POLICIES[policy]), 96 if policy == "grid" else 512
    generator = torch.Generator().manual_seed(5)
    x = torch.rand(1, 1, side, side, generator=generator)
    found = am.moments(x, law, 0.1, max_nodes=128)
    draws = torch.cat([law(x, generator=generator).mean((1, 2, 3)) for _ in range(200)]).double()
    score = (draws.mean() - found.mean.double().mean()) / (draws.std() / 200**0.5)
    assert abs(float(score)) < 5


@pytest.mark.parametrize("policy", ["exact", "scattered"])
def test_operators_dtypes_and_layouts(policy):
    law = am.Compose([am.RandomCrop(5, padding=1), GRID]) if policy == "scattered" else EXACT
    operator, x = am.expected_operator(law, SHAPE), images()
    truth = operator @ (x)
    for dtype in SMALLEST:
        found = operator @ (x.to(dtype))
        assert found.dtype == dtype
        gap = float((found.double() - truth).abs().max())
        assert gap <= SMALLEST[dtype]
    for other in (x.contiguous(memory_format=torch.channels_last), x.mT.contiguous().mT):
        torch.testing.assert_close(operator @ other, truth, rtol=0, atol=1e-12)
    torch.testing.assert_close(operator @ (x.flip(0)), truth.flip(0), rtol=0, atol=1e-12)
    torch.testing.assert_close(operator @ (x[2]), truth[2], rtol=0, atol=1e-12)


@pytest.mark.parametrize("policy", ["exact", "grid"])
def test_sums_over_a_dataset(policy):
    """Dtypes to their rounding; order, layout and batches to rounding; of affine policies."""
    law, x, y = POLICIES[policy], images(), TARGETS.double()

    def coef(images, targets, pieces=1):
        data = am.DatasetMoments(law, **OPTIONS)
        for part, own in zip(images.chunk(pieces), targets.chunk(pieces), strict=True):
            data.update(part, own)
        return {"coef": data.solve(1e-1).coef}

    truth, order = coef(x, y), torch.tensor([3, 0, 4, 1, 2])
    for found in (
        coef(x, y, 3),
        coef(x[order], y[order]),
        coef(x.contiguous(memory_format=torch.channels_last), y),
        coef(x.clone().requires_grad_(), y),
    ):
        compare(found, truth, 1e-9)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        half = x.to(dtype)
        compare(coef(half, y), coef(half.double(), y), 1e-9)


@pytest.mark.parametrize("policy", ["exact", "grid"])
def test_estimators(policy):
    """AugmentedRidge on images of another dtype, layout or kind."""
    x, law = images(), POLICIES[policy]
    values = torch.linspace(-1, 1, COUNT).double()

    def coef(images):
        model = am.AugmentedRidge(copy.deepcopy(law), 1e-1, seed=3, nodes=256)
        return {"coef": torch.from_numpy(model.fit(images, values).coef_)}

    truth = coef(x)
    for other in (x.numpy(), x.contiguous(memory_format=torch.channels_last), x.mT.contiguous().mT):
        compare(coef(other), truth, 1e-9)
    compare(coef(x.float()), coef(x.float().double()), 1e-9)
