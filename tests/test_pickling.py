"""Policies, answers and modules survive pickling, copying and saving, with the same law."""

import copy
import io
import multiprocessing
import pickle

import joblib
import pytest
import torch
from torch import nn

import augmoments as am
from cases import CASES

IMAGES = torch.rand(4, 1, 4, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 0])
SHIFT = am.RandomTranslation(x=(-1, 1))
MODEL = nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).eval()
MODEL.requires_grad_(False)
NAMES = {name: getattr(am, name) for name in am.__all__} | {"torch": torch}


def pickled(value):
    return pickle.loads(pickle.dumps(value))


def saved(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


def written(value):
    """What its ``repr`` makes, in the names of the package."""
    return eval(repr(value), NAMES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_policies(case):
    policy, shape = case.policy, case.shape
    for way in (pickled, copy.deepcopy, copy.copy, written):
        other = way(policy)
        assert other == policy
        assert hash(other) == hash(policy)
        assert repr(other) == repr(policy)
        draws = [p.draw(shape, 3, torch.Generator().manual_seed(1)) for p in (policy, other)]
        assert torch.equal(*draws)
    assert pickled(policy).rows(shape) == policy.rows(shape)


SOME = {case.name: case for case in CASES if "everything" in case.name or "crop" in case.name}


@pytest.mark.parametrize("name", SOME)
def test_images_and_moments_of_a_copy(name):
    policy, shape = SOME[name].policy, SOME[name].shape
    x = torch.rand(2, *shape, generator=torch.Generator().manual_seed(2))
    other = pickled(policy)
    drawn = [p(x, generator=torch.Generator().manual_seed(3)) for p in (policy, other)]
    assert torch.equal(*drawn)
    first, second = (am.moments(x, p, 0.1, max_nodes=128) for p in (policy, other))
    assert torch.equal(first.mean, second.mean)
    assert torch.equal(first.covariance.factor, second.covariance.factor)


@pytest.mark.parametrize(
    "law",
    [
        lambda t: am.Uniform(-t, t),
        lambda t: am.Normal(0.0, t),
        lambda t: am.TruncatedNormal(0.0, t, -2, 2),
        lambda t: am.LogUniform(0.5, 1 + t),
        lambda t: am.Triangular(-t, t, 0.1),
        lambda t: am.Beta(2.0, 3.0, -t, t),
    ],
)
def test_laws_of_tensors(law):
    """A pickled law has numbers and leaves of its own; a copy is still made of the same tensor."""
    t = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    policy = am.RandomTranslation(x=law(t))
    assert pickled(policy) == copy.deepcopy(policy) == policy
    assert pickled(policy).x.differentiable
    for made in (policy, copy.deepcopy(policy), copy.deepcopy([policy])[0]):
        mean = am.moments(IMAGES.double(), made).mean
        (slope,) = torch.autograd.grad(mean.square().sum(), t)
        assert float(slope) != 0
    model = am.AugmentedRidge(policy)
    assert type(model)(**model.get_params()).policy == policy


def double_mean(policy):
    return am.moments(IMAGES, policy).mean


def test_processes():
    """joblib's and multiprocessing's workers find what this process finds."""
    policies = [SHIFT, am.Compose([SHIFT, am.RandomHorizontalFlip()])]
    here = [double_mean(policy) for policy in policies]
    by_joblib = joblib.Parallel(2)(joblib.delayed(double_mean)(policy) for policy in policies)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        by_pool = pool.map(am.as_policy, policies)
    assert by_pool == policies
    for found, truth in zip(by_joblib, here, strict=True):
        torch.testing.assert_close(found, truth, rtol=0, atol=1e-6)


def answers():
    """One of each kind that the library gives."""
    losses = {"model": MODEL, "loss": "cross_entropy", "targets": LABELS}
    data = am.DatasetMoments(SHIFT).update(IMAGES, LABELS.double())
    monitor = am.AlignmentMonitor("cross_entropy", IMAGES, LABELS, SHIFT, k=2)
    monitor.record(MODEL, 0)
    noisy = am.Compose([SHIFT, am.GaussianNoise(0.0, 0.1, clip=False)])
    yield "moments", am.moments(IMAGES, noisy)
    yield "covariance", am.moments(IMAGES, noisy).covariance
    yield "mixed", am.moments(IMAGES, am.MixUp(num_classes=3), targets=LABELS)
    yield "expectation", am.expectation(lambda x: x.mean((1, 2, 3)), IMAGES, SHIFT)
    yield "output moments", am.output_moments(MODEL, IMAGES, SHIFT)
    yield "loss", am.expected_loss(MODEL, "cross_entropy", IMAGES, LABELS, SHIFT)
    yield "draws", am.samples_needed(IMAGES, SHIFT)
    yield "draws of a loss", am.samples_needed(IMAGES, SHIFT, "loss", views=2, **losses)
    yield "draws of a prediction", am.samples_needed(IMAGES, SHIFT, "prediction", model=MODEL)
    yield "draws of weights", am.samples_needed(IMAGES, SHIFT, "parameters", targets=LABELS)
    yield "sensitivity", am.sensitivity(*losses_of(), SHIFT, 2, steps=True)
    yield "comparison", am.compare(IMAGES, SHIFT, am.RandomHorizontalFlip())
    yield "tta", am.tta(MODEL, IMAGES, SHIFT, LABELS)
    yield "explanation", SHIFT.explain(IMAGES)
    yield "operator", am.expected_operator(SHIFT, (1, 4, 4))
    yield "operator of crops", am.expected_operator(am.RandomResizedCrop(4), (1, 4, 4))
    yield "sums", data
    yield "dataset", data.moments()
    yield "solution", data.solve(1e-3)
    held = IMAGES, LABELS
    yield "strengths", am.strength_curve(*held, SHIFT, [0.5, 1], validation=held)
    yield "monitor", monitor


def losses_of():
    return MODEL, "cross_entropy", IMAGES, LABELS


ANSWERS = dict(answers())


def tensors(value, seen=None):
    """All tensors inside, in the order of the fields."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors(item, seen)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors(item, seen)
    elif type(value).__module__.startswith("augmoments") and hasattr(value, "__dict__"):
        yield from tensors(vars(value), seen)


@pytest.mark.parametrize("way", [pickled, copy.deepcopy, saved])
@pytest.mark.parametrize("name", ANSWERS)
def test_answers(name, way):
    answer = ANSWERS[name]
    other = way(answer)
    assert type(other) is type(answer)
    assert "object at" in repr(answer) or repr(other) == repr(answer)
    first, second = list(tensors(answer)), list(tensors(other))
    assert first or name in ("explanation", "operator", "operator of crops", "strengths")
    if len(first) == len(second):  # what is kept for the next call may be left out
        for one, two in zip(first, second, strict=True):
            torch.testing.assert_close(two, one, rtol=0, atol=0, equal_nan=True)
    else:
        assert name == "sums"


def test_copies_of_operators_act_alike():
    for name in ("operator", "operator of crops"):
        truth = ANSWERS[name] @ IMAGES
        for way in (pickled, copy.deepcopy):
            assert torch.equal(way(ANSWERS[name]) @ IMAGES, truth)


def test_sums_go_on_after_a_copy():
    other = pickled(ANSWERS["sums"]).update(IMAGES.flip(3), LABELS.double())
    twice = am.DatasetMoments(SHIFT).update(IMAGES, LABELS.double())
    twice.update(IMAGES.flip(3), LABELS.double())
    assert torch.equal(other.solve(1e-3).coef, twice.solve(1e-3).coef)


MODULES = {
    "ExpectedLoss": lambda: am.ExpectedLoss("cross_entropy", SHIFT),
    "ExpectedLoss of a loss of PyTorch": lambda: am.ExpectedLoss(
        nn.CrossEntropyLoss(label_smoothing=0.1), SHIFT
    ),
    "ExpectedLoss of a function": lambda: am.ExpectedLoss(nn.functional.nll_loss, SHIFT),
    "ExplicitRegularizer": lambda: am.ExplicitRegularizer(SHIFT),
    "TangentProp": lambda: am.TangentProp(SHIFT),
}


@pytest.mark.parametrize("way", [pickled, copy.deepcopy, saved])
@pytest.mark.parametrize("name", MODULES)
def test_modules(name, way):
    """A copy that was made after a step goes on as the original does."""
    module = MODULES[name]()
    module(MODEL, IMAGES, LABELS)
    other = way(module)
    for _ in range(2):
        assert torch.equal(other(MODEL, IMAGES, LABELS), module(MODEL, IMAGES, LABELS))
    assert int(other.step) == int(module.step) == 3


@pytest.mark.parametrize("name", MODULES)
def test_state_is_all_that_another_module_needs(name):
    """Of tensors alone, so that ``torch.load(weights_only=True)`` reads it."""
    module = MODULES[name]()
    module(MODEL, IMAGES, LABELS)
    buffer = io.BytesIO()
    torch.save(module.state_dict(), buffer)
    buffer.seek(0)
    other = MODULES[name]()
    other.load_state_dict(torch.load(buffer, weights_only=True))
    assert torch.equal(other(MODEL, IMAGES, LABELS), module(MODEL, IMAGES, LABELS))
