"""Gradients of moments, and of models in closed form, in the parameters of laws."""

from __future__ import annotations

import gc
import pickle
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

import augmoments as am
from augmoments.augmentations.base import Augmentation
from augmoments.errors import InputError, InputTypeError, LawError, PolicyError
from augmoments.laws import Law
from augmoments.laws.scaled import rescaled_law
from augmoments.linear.strength import strength_curve
from augmoments.linear.tuning import Objective, tune
from augmoments.linear.validation import Judged

U = am.Uniform
Make = Callable[..., Augmentation]
FIXED: dict[str, Any] = {"tol": 1e-12, "max_nodes": 128}


def leaf(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


LAWS: dict[str, tuple[Callable[..., Law], Callable[..., Any], tuple[float, ...]]] = {
    "uniform": (U, lambda a, b: stats.uniform(a, b - a), (-0.3, 1.7)),
    "normal": (am.Normal, stats.norm, (0.4, 1.3)),
    "truncated": (
        am.TruncatedNormal,
        lambda m, s, a, b: stats.truncnorm((a - m) / s, (b - m) / s, m, s),
        (0.3, 0.9, -1.0, 1.6),
    ),
    "tail": (
        am.TruncatedNormal,
        lambda m, s, a, b: stats.truncnorm((a - m) / s, (b - m) / s, m, s),
        (-1.0, 0.5, 0.5, 1.6),
    ),
    "triangular": (
        am.Triangular,
        lambda a, b, m: stats.triang((m - a) / (b - a), a, b - a),
        (-1.2, 2.0, 0.1),
    ),
    "symmetric": (am.Triangular, lambda a, b: stats.triang(0.5, a, b - a), (-1.2, 2.0)),
    "log-uniform": (am.LogUniform, stats.loguniform, (0.4, 2.1)),
    "beta": (
        lambda a, b: am.Beta(2.0, 0.7, a, b),
        lambda a, b: stats.beta(2.0, 0.7, a, b - a),
        (-0.4, 1.1),
    ),
}


@pytest.mark.parametrize("name", LAWS)
def test_velocities_are_derivatives_of_quantiles(name: str) -> None:
    make, reference, values = LAWS[name]
    u, h = np.linspace(0.02, 0.98, 25), 1e-5
    phi = [leaf(value) for value in values]
    law = make(*phi)
    points = torch.from_numpy(law.ppf(u))
    moved = law.attach(points)
    torch.testing.assert_close(moved.detach(), points, rtol=0, atol=0)
    for k, parameter in enumerate(phi):
        shifted = [[v + sign * h * (i == k) for i, v in enumerate(values)] for sign in (1, -1)]
        expected = np.subtract(*(reference(*v).ppf(u) for v in shifted)) / (2 * h)
        found = [
            torch.autograd.grad(moved[j], parameter, retain_graph=True)[0] for j in range(len(u))
        ]
        np.testing.assert_allclose(torch.stack(found).numpy(), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", LAWS)
def test_probabilities_of_intervals_follow_the_distribution_function(name: str) -> None:
    make, reference, values = LAWS[name]
    edges = np.quantile(reference(*values).ppf(np.linspace(0.01, 0.99, 9)), np.linspace(0, 1, 6))
    phi, h = [leaf(value) for value in values], 1e-6
    masses = make(*phi).attached_mass(edges[:-1], edges[1:])  # type: ignore[attr-defined]
    weights = torch.arange(1.0, 6.0, dtype=torch.float64)
    grads = torch.autograd.grad((masses * weights).sum(), phi)
    for k, found in enumerate(grads):
        shifted = [[v + sign * h * (i == k) for i, v in enumerate(values)] for sign in (1, -1)]
        ends = [np.diff(reference(*v).cdf(edges)) @ weights.numpy() for v in shifted]
        assert float(found) == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6, abs=1e-8)


class Smooth(NamedTuple):
    name: str
    make: Make
    values: tuple[float, ...]
    shape: tuple[int, int, int] = (1, 6, 7)


def _shift(s: Any, t: Any) -> Augmentation:
    return am.RandomTranslation(x=U(-s, s), y=am.Normal(0.1, t))


EXACT = [
    Smooth("translation", _shift, (1.3, 0.4)),
    Smooth(
        "triangular",
        lambda s, t: am.RandomTranslation(x=am.Triangular(-1.3, 2.2, s), y=am.Triangular(-1.0, t)),
        (0.3, 0.7),
    ),
    Smooth(
        "truncated",
        lambda s, t: am.RandomTranslation(
            x=am.TruncatedNormal(0.2, 1.0, -s, t), y=am.TruncatedNormal(s - 1, t, -2.0, 1.0)
        ),
        (1.3, 2.2),
    ),
    Smooth("beta", lambda s, t: am.RandomTranslation(x=am.Beta(0.4, 3, -s, t)), (1.3, 2.2)),
    Smooth(
        "nearest",
        lambda s, t: am.RandomTranslation(U(-s, s), U(-t, t), interpolation="nearest"),
        (1.3, 0.8),
    ),
    Smooth("rotation-nearest", lambda s: am.RandomRotation(U(-s, s)), (23.0,)),
    Smooth(
        "masked-twice", lambda s: am.RandomTranslation(x=U(-s, s), border="torchvision"), (1.3,)
    ),
    Smooth("brightness", lambda s: am.ColorJitter(U(1 - s, 1 + s), clamp=False), (0.4,), (3, 3, 4)),
    Smooth(
        "contrast-log",
        lambda s, t: am.ColorJitter(contrast=am.LogUniform(s, t), clamp=False),
        (0.4, 1.8),
        (3, 3, 4),
    ),
    Smooth("noise", lambda s: am.GaussianNoise(0.0, U(0.1, s), clip=False), (0.4,)),
    Smooth("noise-clipped", lambda s: am.GaussianNoise(0.0, U(0.1, s)), (0.4,)),
    Smooth("brightness-clamped", lambda s: am.ColorJitter(U(1 - s, 1 + s)), (0.4,), (3, 3, 4)),
    Smooth(
        "apply",
        lambda s, t: am.RandomApply(am.RandomTranslation(U(-s, s), U(-t, t)), 0.3),
        (1.4, 0.3),
    ),
    Smooth(
        "composed",
        lambda s, t: am.Compose(
            [
                _shift(s, 0.3),
                am.RandomHorizontalFlip(),
                am.ColorJitter(U(1 - t, 1 + t), clamp=False),
            ]
        ),
        (1.4, 0.3),
    ),
    Smooth("scaled", lambda s: _shift(s, 0.3).scaled(0.7), (1.4,)),
    Smooth(
        "scaled-log",
        lambda s: am.ColorJitter(am.LogUniform(s, 2.0), clamp=False).scaled(0.7),
        (0.5,),
    ),
]
NODES = [
    Smooth("rotation", lambda s: am.RandomRotation(U(-s, s), "bilinear"), (23.0,)),
    Smooth("rotation-normal", lambda s: am.RandomRotation(am.Normal(0.0, s), "bilinear"), (9.0,)),
    Smooth("zoom", lambda s, t: am.RandomZoom(U(s, t)), (0.8, 1.3)),
    Smooth("shear", lambda s: am.RandomShear(x=U(-s, s)), (20.0,)),
    Smooth("blur", lambda s: am.GaussianBlur(3, U(0.3, s)), (1.4,)),
    Smooth("affine-alone", lambda s: am.RandomAffine(U(-s, s), interpolation="bilinear"), (20.0,)),
    Smooth(
        "affine",
        lambda s, t: am.RandomAffine(
            U(-s, s), (0.2, 0.2), U(1 - t, 1 + t), interpolation="bilinear"
        ),
        (20.0, 0.2),
    ),
    Smooth(
        "affine-shear",
        lambda s, t: am.RandomAffine(
            U(-s, s), shear=(U(-t, t), U(-t, t)), interpolation="bilinear"
        ),
        (20.0, 7.0),
    ),
    Smooth(
        "jitter-clamped",
        lambda s: am.ColorJitter(U(1 - s, 1 + s), U(1 - s, 1 + s)),
        (0.4,),
        (3, 3, 4),
    ),
    Smooth(
        "composed",
        lambda s, t: am.Compose(
            [
                am.RandomRotation(U(-10 * s, 10 * s), "bilinear"),
                am.RandomTranslation(x=U(-s, s), y=U(-t, t)),
            ]
        ),
        (1.4, 0.3),
    ),
]


def _of_images(policy: Augmentation, shape: tuple[int, int, int], **options: Any) -> Tensor:
    """A number that depends on all of mean and covariance."""
    generator = torch.Generator().manual_seed(7)
    images, weights, probe = (
        torch.randn(2, *shape, generator=generator, dtype=torch.float64) for _ in range(3)
    )
    m = am.moments(images.sigmoid(), policy, **options)
    return (m.mean * weights).sum() + 3 * (probe * (m.covariance @ probe)).sum()


def _of_dataset(policy: Augmentation, shape: tuple[int, int, int], **options: Any) -> Tensor:
    generator = torch.Generator().manual_seed(8)
    size = shape[0] * shape[1] * shape[2]
    images = torch.rand(9, *shape, generator=generator, dtype=torch.float64)
    targets = torch.rand(9, 2, generator=generator, dtype=torch.float64)
    weights, probe, cross = (
        torch.randn(size, k, generator=generator, dtype=torch.float64) for k in (1, 3, 2)
    )
    m = am.DatasetMoments(policy, **options).update(images, targets).moments()
    total = (m.mean.flatten() @ weights).sum() + 3 * (m.cross * cross).sum()
    return total + 3 * (probe * (m.covariance @ probe)).sum()


def _gradients(function: Any, case: Smooth, **options: Any) -> list[float]:
    phi = [leaf(value) for value in case.values]
    found = function(case.make(*phi), case.shape, **options)
    return [float(g) for g in torch.autograd.grad(found, phi)]


def _differences(
    function: Any, case: Smooth, tensors: bool, h: float, **options: Any
) -> list[float]:
    """Central finite differences, the values given to the laws as tensors or as numbers."""
    found = []
    for k in range(len(case.values)):
        ends = []
        for sign in (1, -1):
            values = [v + sign * h * (i == k) for i, v in enumerate(case.values)]
            policy = case.make(*(map(leaf, values) if tensors else values))
            ends.append(float(function(policy, case.shape, **options).detach()))
        found.append((ends[0] - ends[1]) / (2 * h))
    return found


@pytest.mark.parametrize("function", [_of_images, _of_dataset], ids=["images", "dataset"])
@pytest.mark.parametrize("case", EXACT, ids=lambda case: case.name)
def test_gradients_of_exact_moments_are_exact(case: Smooth, function: Any) -> None:
    """Numbers go by expansions and closed forms, tensors by points that move."""
    found = _gradients(function, case)
    expected = _differences(function, case, tensors=False, h=1e-5)
    scale = max(map(abs, expected))
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-7 * scale)


@pytest.mark.parametrize("function", [_of_images, _of_dataset], ids=["images", "dataset"])
@pytest.mark.parametrize("case", NODES, ids=lambda case: case.name)
def test_gradients_by_nodes_are_those_of_the_nodes(case: Smooth, function: Any) -> None:
    """Uniform and normal nodes keep their weights, so that the sums have these derivatives.

    A node that meets a kink within the step of the difference spoils it, which some steps avoid.
    """
    found = np.array(_gradients(function, case, **FIXED))
    errors = []
    for h in (1e-5, 1e-6, 1e-7):
        expected = np.array(_differences(function, case, tensors=True, h=h, **FIXED))
        errors.append(np.abs(found - expected).max() / np.abs(expected).max())
    assert min(errors) < 2e-6


@pytest.mark.parametrize("case", [NODES[0], NODES[2], NODES[3]], ids=lambda case: case.name)
def test_gradients_by_nodes_converge_to_the_derivative_of_the_integral(case: Smooth) -> None:
    """The derivative jumps where a pixel's source meets a grid line: an error of one over nodes."""
    coarse, fine = (
        np.array(_gradients(_of_images, case, tol=1e-12, max_nodes=n)) for n in (128, 4096)
    )
    expected = np.array(
        _differences(_of_images, case, tensors=False, h=2e-3, tol=1e-12, max_nodes=16384)
    )
    scale = np.abs(expected).max()
    assert np.abs(coarse - expected).max() < 0.05 * scale
    assert np.abs(fine - expected).max() < 2e-3 * scale


def test_laws_of_tensors_are_equal_to_those_of_their_values() -> None:
    law, plain = U(-leaf(2.0), leaf(2.0)), U(-2.0, 2.0)
    assert law == plain
    assert hash(law) == hash(plain)
    assert repr(law) == repr(plain)
    assert str(law) == str(plain)
    assert law.differentiable
    assert not plain.differentiable
    assert not law.detached().differentiable
    assert not U(torch.tensor(-1.0), torch.tensor(1.0)).differentiable
    assert pickle.loads(pickle.dumps(law.detached())) == plain
    assert not law.sample(3).requires_grad


def test_scaled_laws_keep_their_gradients() -> None:
    for law in (U(-leaf(2.0), 2.0), am.LogUniform(leaf(0.5), 2.0), am.Normal(0.0, leaf(1.0))):
        for about in (0.0, 1.0):
            assert rescaled_law(law, about, 0.5).differentiable


@pytest.mark.parametrize(
    "case",
    [Smooth("shift", lambda s: am.RandomTranslation(x=U(-s, s)), (1.3,)), NODES[0]],
    ids=lambda case: case.name,
)
def test_expectations_carry_gradients(case: Smooth) -> None:
    weights = torch.randn(42, generator=torch.Generator().manual_seed(3), dtype=torch.float64)

    def function(policy: Augmentation, shape: tuple[int, int, int], **options: Any) -> Tensor:
        images = torch.rand(2, *shape, generator=torch.Generator().manual_seed(4)).double()
        value = am.expectation(lambda x: (x.flatten(1) @ weights).tanh(), images, policy, **options)
        return value.value.sum()

    options: dict[str, Any] = {"tol": 1e-12, "max_nodes": 512}
    found = _gradients(function, case, **options)
    expected = _differences(function, case, tensors=True, h=1e-6, **options)
    assert found == pytest.approx(expected, rel=1e-6)


def test_no_cache_holds_a_tensor() -> None:
    parameter = leaf(12.0)
    kept = weakref.ref(parameter)
    image = torch.rand(1, 1, 5, 5, dtype=torch.float64)
    for policy in (
        am.RandomRotation(U(-parameter, parameter)),
        am.RandomRotation(U(-parameter, parameter), "bilinear"),
        am.GaussianBlur(3, U(1.0, parameter)),
    ):
        am.moments(image, policy)
    del parameter, policy
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize(
    "make",
    [
        lambda t: am.Beta(t, 2.0),
        lambda t: am.Discrete([t, 1.0]),
        lambda t: am.Discrete([0.0, 1.0], [1 - t, t]),
        lambda t: am.RandomHorizontalFlip(t),
        lambda t: am.RandomGrayscale(t),
        lambda t: am.RandomApply(am.RandomInvert(), t),
        lambda t: am.RandomErasing(t),
        lambda t: am.RandomPerspective(0.3, t),
        lambda t: am.RandomChoice([am.RandomInvert(), am.RandomInvert()], [t, 1 - t]),
        lambda t: am.GaussianNoise(t, 0.1),
        lambda t: am.ElasticTransform(t, 0.5),
        lambda t: am.MixUp(alpha=t),
        lambda t: am.ColorJitter(t),
        lambda t: am.RandomRotation(t),
        lambda t: U(torch.stack([t, t]), 3.0),
    ],
)
def test_gradients_that_would_be_lost_are_refused(make: Any) -> None:
    with pytest.raises((InputTypeError, LawError, InputError, PolicyError)):
        make(leaf(0.4))


def test_actions_that_jump_are_refused() -> None:
    image = torch.rand(1, 1, 6, 6, dtype=torch.float64)
    t = leaf(0.4)
    with pytest.raises(PolicyError, match="bilinear"):
        am.moments(image, am.RandomAffine(U(-t, t), (0.2, 0.2)))
    with pytest.raises(PolicyError, match="bilinear"):
        am.moments(image, am.Compose([am.RandomRotation(U(-t, t)), am.ColorJitter(0.4)]))
    large = torch.rand(1, 1, 64, 64)
    with pytest.raises(PolicyError, match="bilinear"):
        am.moments(large, am.RandomRotation(U(-100 * t, 100 * t)))


@pytest.fixture(scope="module")
def digits() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Few digits for training; for validation, others that are shifted by up to a pixel."""
    images, labels = am.data.digits()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    train, held = order[:400], order[400:1000]
    shift = am.RandomTranslation(x=(-1, 1), y=(-1, 1))
    moved = shift(images[held], generator=torch.Generator().manual_seed(1))
    return (images[train], labels[train]), (moved, labels[held])


def _shift_both(p: Tensor) -> Augmentation:
    return am.RandomTranslation(x=U(-p[0], p[0]), y=U(-p[1], p[1]))


def _turn_and_jitter(p: Tensor) -> Augmentation:
    turn = am.RandomRotation(U(-20 * p[0], 20 * p[0]), "bilinear")
    return am.Compose([turn, am.ColorJitter(U(1 - p[1], 1 + p[1]), clamp=False)])


def _clamped(p: Tensor) -> Augmentation:
    jitter = am.ColorJitter(U(1 - p[0], 1 + p[0]), U(1 - p[1], 1 + p[1]))
    return am.Compose([jitter, am.RandomTranslation(x=U(-p[0], p[0]))])


@pytest.mark.parametrize(
    "policy", [_shift_both, _turn_and_jitter, pytest.param(_clamped, marks=pytest.mark.slow)]
)
def test_gradient_of_the_validation_loss(policy: Any, digits: Any) -> None:
    train, held = digits
    options = {"tol": 1e-12, "max_nodes": 32 * 4}
    objective = Objective(Judged.of(*train, held), policy, 1e-2, options)
    x = np.array([0.7, 0.4])
    _, gradient = objective(x)
    errors = []
    for h in (1e-5, 1e-6, 1e-7):  # the larger ones may meet a kink
        steps = h * np.eye(2)
        pairs = [(objective(x + step)[0], objective(x - step)[0]) for step in steps]
        difference = np.array([(above - below) / (2 * h) for above, below in pairs])
        errors.append(np.abs(gradient / difference - 1).max())
    assert min(errors) < 1e-6


def test_tune_finds_the_best_of_a_fine_curve(digits: Any) -> None:
    train, held = digits
    widths = np.linspace(0.5, 1.6, 56)
    curve = strength_curve(
        *train, lambda s: _shift_both(torch.tensor([s, s])), widths.tolist(), validation=held
    )
    best = int(curve.validation_loss.argmin())
    found = tune(
        *train, lambda p: _shift_both(p.expand(2)), [0.5], validation=held, bounds=[(0.1, 3)]
    )
    assert found.converged
    assert 0 < best < len(widths) - 1
    assert float(found.parameters[0]) == pytest.approx(widths[best], abs=widths[1] - widths[0])
    assert found.loss <= curve.validation_loss[best] + 1e-12
    assert found.gradient_norm < 1e-4
    assert found.policy.parameters((1, 8, 8))[0].law.support[1] == float(found.parameters[0])
    assert found.history[-1].loss <= found.history[0].loss


def test_tune_refuses_what_it_cannot_follow(digits: Any) -> None:
    train, held = digits
    with pytest.raises(PolicyError, match="float"):
        tune(*train, lambda p: am.RandomTranslation(x=(-1, 1)), [1.0], validation=held)
    with pytest.raises(PolicyError, match="bounds"):
        tune(*train, _shift_both, [-1.0, 1.0], validation=held)
    with pytest.raises(InputError, match="outside"):
        tune(*train, _shift_both, [4.0, 1.0], validation=held, bounds=[(0, 3), (0, 3)])
    with pytest.raises(InputError, match="bounds"):
        tune(*train, _shift_both, [1.0, 1.0], validation=held, bounds=[(0, 3)])
