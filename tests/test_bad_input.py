"""What bad input gets, wherever it goes in: a typed error that says what was found and what to do.

Nothing is written, and nothing large is allocated.
"""

import math
import resource
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import augmoments as am
from augmoments.cli import app
from augmoments.cli.failures import Exit
from augmoments.errors import (
    AugmomentsError,
    ConfigError,
    InputError,
    InputTypeError,
    LawError,
    ModelError,
    NotEnoughMemoryError,
    PolicyError,
)
from augmoments.reporting import Options

IMAGES = torch.rand(4, 1, 4, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 0])
SHIFT = am.RandomTranslation(x=(-1, 1))
TURN = am.RandomRotation(10, "bilinear")
MODEL = nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).eval()
DRAWS_OF_LOSSES = ("loss", "gradient")


def brightness(x):
    return x.mean((1, 2, 3))


def needed(of):
    def call(x=IMAGES, y=LABELS, policy=SHIFT, model=MODEL, **options):
        if of in DRAWS_OF_LOSSES:
            options |= {"model": model, "loss": "cross_entropy", "targets": y}
        if of == "prediction":
            options |= {"model": model}
        if of == "parameters":
            options |= {"targets": y}
        return am.samples_needed(x, policy, of, **options)

    return call


def judged(function):
    """An entry point of a model, a loss, images and targets."""

    def call(x=IMAGES, y=LABELS, policy=SHIFT, model=MODEL, **options):
        return function(model, "cross_entropy", x, y, policy, **options)

    return call


def trained(module):
    def call(x=IMAGES, y=LABELS, policy=SHIFT, model=MODEL, **options):
        return module(policy, **options)(model, x, y)

    return call


def fitted(estimator):
    def call(x=IMAGES, y=LABELS, policy=SHIFT, model=None, **options):
        return estimator(policy, **options).fit(x, y)

    return call


def monitored(x=IMAGES, y=LABELS, policy=SHIFT, model=MODEL, **options):
    monitor = am.AlignmentMonitor("cross_entropy", x, y, policy, k=options.pop("k", 2), **options)
    return monitor.record(model, 0)


def plain(function):
    """An entry point of images and a policy alone."""

    def call(x=IMAGES, y=None, policy=SHIFT, model=None, **options):
        return function(x, policy, **options)

    return call


def reported(x=IMAGES, y=LABELS, policy=SHIFT, model=MODEL):
    return am.report(x, policy, "report", model=model, targets=y)


def accumulated(x=IMAGES, y=LABELS, policy=SHIFT, model=None, **options):
    return am.DatasetMoments(policy, **options).update(x, y).moments()


ENTRIES = {
    "moments": plain(am.moments),
    "expectation": plain(lambda x, p, **more: am.expectation(brightness, x, p, **more)),
    "output_moments": lambda x=IMAGES, y=None, policy=SHIFT, model=MODEL, **more: am.output_moments(
        model, x, policy, **more
    ),
    "expected_loss": judged(am.expected_loss),
    "sensitivity": judged(lambda *a, k=2, **more: am.sensitivity(*a, k, **more)),
    "AlignmentMonitor": monitored,
    "compare": plain(lambda x, p, **more: am.compare(x, p, am.RandomHorizontalFlip(), **more)),
    "tta": lambda x=IMAGES, y=LABELS, policy=SHIFT, model=MODEL, **more: am.tta(
        model, x, policy, y, **more
    ),
    "explain": plain(lambda x, p, **more: am.as_policy(p).explain(x, **more)),
    "DatasetMoments": accumulated,
    "AugmentedRidge": fitted(am.AugmentedRidge),
    "AugmentedRidgeClassifier": fitted(am.AugmentedRidgeClassifier),
    "AugmentedLogisticRegression": fitted(am.AugmentedLogisticRegression),
    "InvariantProjection": fitted(am.InvariantProjection),
    "ExpectedLoss": trained(lambda p, **more: am.ExpectedLoss("cross_entropy", p, **more)),
    "ExplicitRegularizer": trained(am.ExplicitRegularizer),
    "TangentProp": trained(am.TangentProp),
    "report": reported,
    **{
        f"samples_needed of {of}": needed(of)
        for of in ("mean", "covariance", "loss", "gradient", "parameters", "prediction")
    },
}
ESTIMATORS = tuple(name for name in ENTRIES if name.startswith(("Augmented", "Invariant")))
WITH_MODEL = (
    "output_moments",
    "expected_loss",
    "sensitivity",
    "tta",
    "report",
    "samples_needed of loss",
    "samples_needed of gradient",
    "samples_needed of prediction",
)
WITH_TARGETS = (
    *("expected_loss", "sensitivity", "tta", "AlignmentMonitor", "DatasetMoments", "report"),
    *(f"samples_needed of {of}" for of in ("loss", "gradient", "parameters")),
    *("ExpectedLoss", "ExplicitRegularizer", "TangentProp", *ESTIMATORS[:3]),
)
WITH_CLASSES = (*WITH_TARGETS[:4], *WITH_TARGETS[6:8], *WITH_TARGETS[9:12])
NUMERICS = tuple(name for name in ENTRIES if name not in ("report",))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty folder, in which nothing may be left."""
    monkeypatch.chdir(tmp_path)
    yield
    assert list(tmp_path.iterdir()) == []


def refusal(call, *arguments, **options):
    """The error, which must be one of ours and of a natural builtin type."""
    with pytest.raises(AugmomentsError) as caught:
        call(*arguments, **options)
    error = caught.value
    assert isinstance(error, ValueError | TypeError | MemoryError | OSError)
    assert len(str(error)) > 20
    return error


def with_value(value):
    images = IMAGES.clone()
    images[2, 0, 1, 3] = value
    return images


BAD_IMAGES = {
    "rank": (IMAGES[0, 0], InputError, "(4, 4)", "images"),
    "channels last": (torch.rand(2, 6, 5, 3), InputError, "channels last", "(0, 3, 1, 2)"),
    "bytes": ((IMAGES * 255).byte(), InputError, "uint8 with values from", "/ 255"),
    "0 to 255": (IMAGES * 255, InputError, "expected [0, 1]", "images / 255"),
    "below 0": (2 * IMAGES - 1, InputError, "values from -0.9", "(images + 1) / 2"),
    "NaN": (with_value(math.nan), InputError, "1 NaN and 0 inf", "(2, 0, 1, 3): remove"),
    "Inf": (with_value(math.inf), InputError, "0 NaN and 1 inf", "(2, 0, 1, 3): remove"),
    "empty": (IMAGES[:0], InputError, "(0, 1, 4, 4)", "empty"),
    "no pixels": (IMAGES[..., :0], InputError, "(4, 1, 4, 0)", "no pixels"),
    "complex": (IMAGES.cfloat(), InputTypeError, "complex64", "images.real"),
    "truth values": (IMAGES > 0.5, InputTypeError, "bool", "images.float()"),
    "sparse": (IMAGES.to_sparse(), InputTypeError, "sparse", "images.to_dense()"),
    "list": ([IMAGES[0]], InputTypeError, "a list of tensors", "torch.stack(images)"),
    "nothing": (None, InputTypeError, "NoneType", "torch.as_tensor(images)"),
}


@pytest.mark.parametrize("case", BAD_IMAGES)
@pytest.mark.parametrize("entry", ENTRIES)
def test_images(entry, case):
    images, kind, found, fix = BAD_IMAGES[case]
    if entry == "explain" and case in ("list", "nothing", "rank"):
        pytest.skip("explain takes shapes too")
    error = refusal(ENTRIES[entry], images)
    assert isinstance(error, kind)
    assert found in str(error)
    assert fix in str(error)


@pytest.mark.parametrize("entry", [name for name in ENTRIES if name not in ESTIMATORS])
def test_arrays(entry):
    if entry == "explain":
        pytest.skip("explain takes shapes too")
    error = refusal(ENTRIES[entry], IMAGES.numpy())
    assert isinstance(error, InputTypeError)
    assert "a NumPy array of shape (4, 1, 4, 4), float32: use torch.from_numpy" in str(error)


@pytest.mark.parametrize("entry", WITH_TARGETS)
def test_targets_of_a_wrong_number(entry):
    error = refusal(ENTRIES[entry], y=LABELS[:3])
    assert isinstance(error, InputError)
    assert "(3,)" in str(error)
    assert "(4,)" in str(error) or "4 images" in str(error)


@pytest.mark.parametrize("entry", WITH_CLASSES)
def test_classes_that_the_model_does_not_have(entry):
    error = refusal(ENTRIES[entry], y=torch.tensor([0, 1, 7, 0]))
    assert isinstance(error, InputError)
    assert "outside 0..2, the first is 7 at index 2: 3 classes are known" in str(error)


@pytest.mark.parametrize("entry", WITH_TARGETS)
def test_targets_that_are_no_tensor(entry):
    if entry in (*ESTIMATORS, "samples_needed of parameters"):
        pytest.skip("it takes arrays and lists")
    error = refusal(ENTRIES[entry], y=[0, 1, 2, 0])
    assert isinstance(error, InputTypeError)
    assert "targets must be a torch.Tensor, got list: use torch.as_tensor(targets)" in str(error)


BAD_MODELS = {
    "dropout": (
        nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(16, 3)),
        "training mode with 1 (Dropout)",
        "model.eval()",
    ),
    "batch normalization": (
        nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(16, 3)),
        "training mode with 0 (BatchNorm2d)",
        "model.eval()",
    ),
    "random": (
        lambda x: torch.rand(len(x), 3),
        "it is random",
        "Fix its seed",
    ),
    "looks at the batch": (
        lambda x: (x.flatten(1) - x.flatten(1).mean(0))[:, :3],
        "changes with the other images",
        "Turn off",
    ),
    "one number for all": (lambda x: x.mean(), "it gave ()", "(2, K)"),
    "other channels": (
        nn.Sequential(nn.Conv2d(3, 1, 3), nn.Flatten()).eval(),
        "failed on augmented images of shape (2, 1, 4, 4)",
        "3 channels",
    ),
    "not finite": (lambda x: x.flatten(1)[:, :3] / 0, "not finite", "outputs"),
}


@pytest.mark.parametrize("case", BAD_MODELS)
@pytest.mark.parametrize("entry", WITH_MODEL)
def test_models(entry, case):
    model, found, fix = BAD_MODELS[case]
    if entry == "samples_needed of gradient" and not isinstance(model, nn.Module):
        pytest.skip("it takes modules alone")
    before = [m.training for m in model.modules()] if isinstance(model, nn.Module) else []
    state = torch.get_rng_state()
    error = refusal(ENTRIES[entry], model=model)
    assert isinstance(error, ModelError)
    assert found in str(error)
    assert fix in str(error)
    if before:
        assert [m.training for m in model.modules()] == before
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("entry", [*WITH_MODEL, "AlignmentMonitor", "ExpectedLoss", "TangentProp"])
def test_what_is_no_model(entry):
    if entry in ("report", "samples_needed of loss", "samples_needed of prediction"):
        pytest.skip("None says that there is no model")
    assert isinstance(refusal(ENTRIES[entry], model="resnet18"), InputTypeError | ModelError)


BAD_LAWS = [
    (lambda: am.Uniform(1, -1), "low=1, high=-1", "Swap"),
    (lambda: am.Uniform(math.nan, 1), "nan", "finite"),
    (lambda: am.Normal(0, -1), "got -1", "positive"),
    (lambda: am.Normal(math.inf, 1), "inf", "finite"),
    (lambda: am.TruncatedNormal(0, 1, 2, -2), "low=2, high=-2", "Swap"),
    (lambda: am.LogUniform(0, 1), "got 0", "positive"),
    (lambda: am.Beta(-1, 2), "got -1", "positive"),
    (lambda: am.Triangular(0, 1, 2), "mode", ""),
    (lambda: am.Discrete([0, 1], [0.5, 0.6]), "1.1", "sum to 1"),
    (lambda: am.Discrete([]), "empty", "at least one"),
    (lambda: am.RandomHorizontalFlip(1.5), "1.5", "[0, 1]"),
    (lambda: am.RandomHorizontalFlip(50), "50", "p=0.5"),
    (lambda: am.RandomApply(SHIFT, -0.1), "-0.1", "[0, 1]"),
    (lambda: am.GaussianNoise(0.0, -0.1), "-0.1", ""),
]


@pytest.mark.parametrize(("make", "found", "fix"), BAD_LAWS)
def test_laws(make, found, fix):
    error = refusal(make)
    assert isinstance(error, LawError | InputError)
    assert found in str(error)
    assert fix in str(error)


class Unknown:
    """A transform of a library that nobody knows."""


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("policy", [None, "flip", Unknown()], ids=["None", "str", "object"])
def test_what_is_no_policy(entry, policy):
    error = refusal(ENTRIES[entry], policy=policy)
    assert isinstance(error, InputTypeError | PolicyError)
    assert type(policy).__name__ in str(error)


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_policy_that_does_not_take_the_images(entry):
    error = refusal(ENTRIES[entry], policy=am.RandomCrop(9))
    assert isinstance(error, PolicyError)
    assert "9 x 9 pixels does not fit into images of 4 x 4" in str(error)
    assert "use a smaller size" in str(error)


BAD_NUMBERS = {
    "tol": [("1e-3", "str '1e-3'"), (None, "NoneType"), (0, "got 0"), (2.0, "2.0"), (math.nan, "")],
    "seed": [(-1, "got -1"), (0.5, "got 0.5"), ("7", "str '7'"), (None, "None"), (2**70, "2**70")],
    "max_nodes": [(0, "got 0"), (1.5, "got 1.5"), ("many", "str 'many'"), (None, "NoneType")],
    "nodes": [(0, "got 0"), (1.5, "got 1.5"), ("many", "str 'many'")],
    "k": [(0, "got 0"), (1.5, "got 1.5"), ("2", "str '2'"), (True, "bool")],
    "rel_error": [("0.01", "str '0.01'"), (0, "got 0"), (1, "got 1")],
    "confidence": [("0.95", "str '0.95'"), (95, "got 95"), (None, "NoneType")],
    "alpha": [("1", "'1'"), (-1, "-1"), (math.nan, "nan"), (None, "None")],
    "n_components": [(0, "got 0"), (17, "got 17"), (1.5, "got 1.5")],
}
TAKES = {
    "tol": [n for n in NUMERICS if n != "TangentProp"],
    "seed": NUMERICS,
    "max_nodes": [
        *(n for n in NUMERICS if not n.startswith(("Augmented", "Inv", "Exp", "Tan", "explain")))
    ],
    "nodes": ["DatasetMoments", *ESTIMATORS, "ExpectedLoss"],
    "k": ["sensitivity", "AlignmentMonitor", "compare"],
    "rel_error": [n for n in NUMERICS if n.startswith("samples")],
    "confidence": ["tta", *(n for n in NUMERICS if n.startswith("samples"))],
    "alpha": [*ESTIMATORS, "samples_needed of parameters"],
    "n_components": ["InvariantProjection"],
}


@pytest.mark.parametrize("policy", [SHIFT, TURN], ids=["exact", "nodes"])
@pytest.mark.parametrize(("entry", "name"), [(e, n) for n in TAKES for e in TAKES[n]])
def test_numbers(entry, name, policy):
    for value, found in BAD_NUMBERS[name]:
        error = refusal(ENTRIES[entry], policy=policy, **{name: value})
        assert isinstance(error, InputError | InputTypeError)
        assert name in str(error)
        assert (str(2**70) if found == "2**70" else found) in str(error)
        assert "must" in str(error) or "between" in str(error)


def test_numbers_of_numpy_are_taken():
    found = am.moments(IMAGES, TURN, np.float64(1e-2), seed=np.int64(3), max_nodes=np.int32(256))
    assert found.mean.equal(am.moments(IMAGES, TURN, 1e-2, seed=3, max_nodes=256).mean)


def test_fewest_nodes():
    """Below what tells an error, as many as that takes are made; grids stay within the most."""
    assert am.moments(IMAGES, TURN, max_nodes=1).nodes <= 64
    jitter = am.ColorJitter(0.4, 0.3, 0.2)
    for most in (1, 200, 1000):
        for policy in (jitter, am.Compose([jitter, TURN])):
            found = am.expectation(brightness, IMAGES, policy, 1e-9, max_nodes=most)
            assert found.nodes <= max(most, 255)


@pytest.mark.parametrize("entry", ["sensitivity", "expected_loss", "samples_needed of mean"])
@pytest.mark.parametrize(
    ("other", "found"),
    [
        (IMAGES.double(), "torch.float64 on cpu, these images are torch.float32 on cpu"),
        (IMAGES[:2], "(2, 1, 4, 4), these images come out with shape (4, 1, 4, 4)"),
    ],
    ids=["dtype", "number"],
)
def test_moments_of_other_images(entry, other, found):
    error = refusal(ENTRIES[entry], given=am.moments(other, SHIFT))
    assert isinstance(error, InputError)
    assert found in str(error)
    assert "leave it out" in str(error)


def test_a_monitor_of_a_model_with_other_outputs():
    monitor = am.AlignmentMonitor("cross_entropy", IMAGES, LABELS, SHIFT, k=2)
    monitor.record(MODEL, 0)
    for outputs in (2, 5):
        other = nn.Sequential(nn.Flatten(), nn.Linear(16, outputs))
        error = refusal(monitor.record, other, 1)
        assert isinstance(error, ModelError)
        assert f"{outputs} outputs, at the first record it had 3" in str(error)
        assert other.training
    assert len(monitor.history) == 1


LARGE = torch.full((1, 3, 1024, 1024), 0.5)


@pytest.mark.parametrize(
    ("call", "instead"),
    [
        (lambda: am.moments(LARGE, am.RandomHorizontalFlip()).covariance.dense(), "V @ z"),
        (lambda: am.DatasetMoments(am.RandomHorizontalFlip()).update(LARGE), "smaller images"),
        (lambda: am.AugmentedRidge(am.RandomHorizontalFlip()).fit(LARGE, [1.0]), "smaller images"),
        (lambda: am.InvariantProjection(am.RandomHorizontalFlip()).fit(LARGE), "smaller images"),
        (
            lambda: am.moments(LARGE, am.ColorJitter(0.4), max_memory=1e6),
            "a larger max_memory",
        ),
    ],
    ids=["dense", "dataset", "ridge", "projection", "nodes"],
)
def test_what_does_not_fit_into_memory(call, instead):
    """Refused before it is allocated: the process grows by less than 400 MB (images have 12)."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    error = refusal(call)
    assert isinstance(error, NotEnoughMemoryError)
    assert "needs" in str(error)
    assert instead in str(error)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


COMMANDS = {
    "quantify": ("--model", "ridge", "--out", "out/deep"),
    "need": ("--of", "mean", "--model", "ridge", "--out", "out/deep/need.csv"),
    "tta": ("--model", "ridge", "--out", "out/deep/tta.csv"),
    "fit": ("--out", "out/deep"),
}
BAD_FILES = {
    "nan.npz": ({"images": with_value(math.nan), "labels": LABELS}, "1 NaN", "repair these images"),
    "range.npz": ({"images": 300 * IMAGES, "labels": LABELS}, "values from", "save them scaled"),
    "bytes.npz": ({"images": 255 * IMAGES, "labels": LABELS}, "values from", "save images / 255"),
    "empty.npz": ({"images": IMAGES[:0], "labels": LABELS[:0]}, "(0, 1, 4, 4)", "empty"),
    "short.npz": ({"images": IMAGES, "labels": LABELS[:3]}, "4 images", "labels of shape (3,)"),
    "plain.npz": ({"images": IMAGES}, "has no labels", "give"),
    "one.npz": ({"images": IMAGES, "labels": 0 * LABELS}, "only one class", "give at least two"),
    "cut.npz": (None, "cannot be read", "npz"),
    "none.npz": (None, "there is no none.npz", "check the path"),
}


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder beside the one in which nothing may be left."""
    folder = tmp_path.parent / f"{tmp_path.name}-files"
    folder.mkdir()
    for name, (arrays, _, _) in BAD_FILES.items():
        if arrays is not None:
            np.savez(folder / name, **{key: value.numpy() for key, value in arrays.items()})
    (folder / "cut.npz").write_bytes((folder / "nan.npz").read_bytes()[:200])
    np.savez(folder / "good.npz", images=IMAGES.numpy(), labels=LABELS.numpy())
    (folder / "shift.yaml").write_text("- RandomTranslation: {x: {Uniform: [-1, 1]}}")
    (folder / "name.yaml").write_text("- RandomTranslatoin: {x: {Uniform: [-1, 1]}}")
    (folder / "key.yaml").write_text("- RandomTranslation: {xx: {Uniform: [-1, 1]}}")
    (folder / "law.yaml").write_text("- RandomTranslation: {x: {Uniform: [1, -1]}}")
    (folder / "crop.yaml").write_text("- RandomCrop: {size: 64}")
    return folder


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize("command", COMMANDS)
def test_files_on_the_command_line(command, name, files):
    _, found, fix = BAD_FILES[name]
    done = run(command, "-i", files / name, "-p", files / "shift.yaml", "-q", *COMMANDS[command])
    assert done.exit_code == Exit.BAD_INPUT, done.output
    assert found in done.stderr
    assert fix in done.stderr
    assert "value_range" not in done.stderr
    assert "nan_to_num" not in done.stderr


@pytest.mark.parametrize(
    ("policy", "found", "fix"),
    [
        ("name.yaml", "no augmentation 'RandomTranslatoin'", "did you mean 'RandomTranslation'?"),
        ("key.yaml", "xx", "RandomTranslation"),
        ("law.yaml", "low=1, high=-1", "Swap"),
        ("crop.yaml", "does not fit into images of 4 x 4", "use a smaller size"),
        ("none.yaml", "cannot be read", "No such file"),
    ],
)
@pytest.mark.parametrize("command", COMMANDS)
def test_policies_on_the_command_line(command, policy, found, fix, files):
    done = run(command, "-i", files / "good.npz", "-p", files / policy, "-q", *COMMANDS[command])
    assert done.exit_code == Exit.BAD_USAGE, done.output
    assert found in done.stderr
    assert fix in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_places_that_cannot_be_written_to(command, files):
    out = files / "good.npz" / Path(COMMANDS[command][-1]).name
    done = run(
        command,
        *("-i", files / "good.npz", "-p", files / "shift.yaml", "-q"),
        *(*COMMANDS[command][:-1], out),
    )
    assert done.exit_code == Exit.BAD_USAGE, done.output
    assert "cannot be written" in done.stderr
    assert "--out" in done.stderr


def test_an_unknown_key_of_a_policy():
    error = refusal(am.policy_from, [{"RandomRotation": {"degres": 3}}])
    assert isinstance(error, ConfigError)
    assert "degres" in str(error)
    assert "degrees" in str(error)


def test_a_report_that_fails_leaves_no_folder():
    for options in ({"tol": 2.0}, {"seed": -1}, {"max_nodes": 0}):
        refusal(am.report, IMAGES, TURN, "some/report", options=Options(**options))
