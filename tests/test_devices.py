"""The same answers whatever they are computed on: with any number of threads, and on a GPU."""

from collections.abc import Callable, Iterator

import pytest
import torch

import augmoments as am
from augmoments.calculus.nodes import NodeFamily
from augmoments.errors import InputError

SHAPE = (1, 8, 8)
POLICY = am.Compose(
    [
        am.RandomHorizontalFlip(),
        am.RandomAffine(10, scale=(0.9, 1.1), interpolation="bilinear"),
        am.ColorJitter(brightness=0.3),
    ]
)
TARGETS = torch.tensor([0, 1, 2, 0, 1, 2])


def _model(device: str) -> torch.nn.Module:
    torch.manual_seed(0)
    layers = torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 3)
    return torch.nn.Sequential(*layers).eval().to(device)


def _images(device: str) -> torch.Tensor:
    return torch.rand(6, *SHAPE, generator=torch.Generator().manual_seed(1)).to(device)


def _moments(device: str) -> list[torch.Tensor]:
    m = am.moments(_images(device), POLICY, 1e-2, max_nodes=512)
    return [m.mean, m.covariance.trace()]


def _operator(device: str) -> list[torch.Tensor]:
    operator = am.expected_operator(am.RandomRotation(20, interpolation="bilinear"), SHAPE)
    return [operator @ _images(device)]


def _loss(device: str) -> list[torch.Tensor]:
    args = _model(device), "cross_entropy", _images(device), TARGETS.to(device), POLICY
    found = am.expected_loss(*args, max_nodes=512)
    return [found.value, found.variance, found.regularizer]


def _draws(device: str) -> list[torch.Tensor]:
    images, options = _images(device), {"rel_error": 0.05, "max_nodes": 512}
    judged = {"model": _model(device), "loss": "cross_entropy", "targets": TARGETS.to(device)}
    return [
        am.samples_needed(images, POLICY, of="mean", **options).n,
        am.samples_needed(images, POLICY, of="gradient", **judged, **options).n,
    ]


def _passes(device: str) -> list[torch.Tensor]:
    found = am.tta(_model(device), _images(device), POLICY, max_nodes=512)
    return [found.mean, found.variance]


def _ridge(device: str) -> list[torch.Tensor]:
    policy = am.RandomTranslation(x=(-1, 1))
    ridge = am.AugmentedRidge(policy, alpha=1e-2)
    return [ridge.fit(_images(device), _images(device).flatten(1)[:, :2]).predict(_images(device))]


ANSWERS = [_moments, _operator, _loss, _draws, _passes, _ridge]
Answer = Callable[[str], list[torch.Tensor]]


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def _agree(one: list[torch.Tensor], other: list[torch.Tensor], share: float) -> None:
    for a, b in zip(one, other, strict=True):
        a, b = torch.as_tensor(a).cpu(), torch.as_tensor(b).cpu()
        torch.testing.assert_close(a, b, rtol=share, atol=share * float(b.abs().max()))


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("answer", ANSWERS)
def test_threads_change_no_more_than_rounding(answer: Answer):
    """To 1e-4 of the largest value, where float32 has 1e-7 and sums hundreds of terms."""
    torch.set_num_threads(1)
    alone = answer("cpu")
    torch.set_num_threads(3)
    _agree(answer("cpu"), alone, 1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("answer", ANSWERS)
def test_gpu_agrees_with_cpu(answer: Answer):
    """To 1e-3 of the largest value: convolutions on a GPU round to 10 bits of mantissa."""
    _agree(answer("cuda"), answer("cpu"), 1e-3)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_replicates_keep_their_nodes_from_level_to_level(level: int):
    """Those before and those added are all, with their weights: what is summed is not redone."""
    family = NodeFamily(POLICY, SHAPE, 3)
    before, added, whole = family.nodes(level - 1), family.added(level), family.nodes(level)
    for name in ("theta", "weights"):
        parts = [getattr(n, name).unflatten(0, (n.replicates, -1)) for n in (before, added)]
        joined = torch.cat(parts, 1).flatten(0, 1)
        share = 2 if name == "weights" else 1
        torch.testing.assert_close(joined / share, getattr(whole, name), rtol=1e-15, atol=0)


def test_integral_over_added_nodes_is_that_over_all_of_them():
    """Against one weighted sum over the nodes of the last level, evaluated at once, to 1e-5."""
    images, model = _images("cpu"), _model("cpu")
    with torch.no_grad():
        found = am.expectation(model, images, POLICY, 1e-6, max_nodes=1024)
        nodes = NodeFamily(POLICY, SHAPE, 0).nodes(3)
        assert found.nodes == len(nodes) == 1024
        moved = POLICY.apply(images.expand(len(nodes), *images.shape), nodes.theta)
        outputs = model(moved.flatten(0, 1)).double().unflatten(0, (len(nodes), -1))
    mean = torch.einsum("k,knc->nc", nodes.weights, outputs)
    variance = torch.einsum("k,knc->nc", nodes.weights, (outputs - mean).square())
    torch.testing.assert_close(found.value.double(), mean, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.variance.double(), variance, rtol=1e-4, atol=1e-6)


def test_moments_of_another_dtype_stand_for_no_images():
    policy, images = am.RandomHorizontalFlip(), _images("cpu")
    given = am.moments(images.double(), policy)
    with pytest.raises(InputError, match=r"given has moments in torch\.float64 on cpu"):
        am.samples_needed(images, policy, of="mean", given=given)
