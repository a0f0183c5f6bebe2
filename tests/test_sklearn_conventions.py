"""The linear models are scikit-learn estimators, whichever of its tools calls them."""

import inspect
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks as checks

import augmoments as am
from augmoments.errors import InputError, InputTypeError
from augmoments.linear.inputs import as_images, as_rows, as_targets, as_weights, encode_labels
from augmoments.linear.logistic import AugmentedLogisticRegression
from augmoments.linear.projection import InvariantProjection

POLICY = am.Compose([am.RandomHorizontalFlip(0.3), am.RandomTranslation(x=(-1, 1))])
RIDGE = pytest.param(am.AugmentedRidge(POLICY, 1e-2), id="ridge")
RIDGE_CLASSIFIER = pytest.param(am.AugmentedRidgeClassifier(POLICY, 1e-2), id="ridge classifier")
LOGISTIC = pytest.param(AugmentedLogisticRegression(POLICY, 1e-2, nodes=32), id="logistic")
PROJECTION = pytest.param(InvariantProjection(POLICY, 4), id="projection")
PIPELINE = pytest.param(
    make_pipeline(InvariantProjection(POLICY, 6), LogisticRegression(C=10.0)), id="pipeline"
)
CLASSIFIERS = [RIDGE_CLASSIFIER, LOGISTIC, PIPELINE]
SINGLE = [RIDGE, RIDGE_CLASSIFIER, LOGISTIC, PROJECTION]
NAMES = np.array(["cat", "dog", "emu"])


def data(n=60):
    """Noisy images of three patterns, and which one each shows."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 3
    patterns = torch.rand(3, 1, 4, 5, generator=generator)
    images = (patterns[labels] + 0.3 * torch.rand(n, 1, 4, 5, generator=generator)) / 1.3
    return images, labels


def output(model, images):
    return model.transform(images) if hasattr(model, "transform") else model.predict(images)


@pytest.mark.parametrize("model", SINGLE)
def test_parameters_clones_and_pickles(model):
    images, labels = data()
    with pytest.raises(NotFittedError):
        output(clone(model), images)
    parameters = model.get_params()
    assert parameters["policy"] == POLICY
    assert set(parameters) == set(inspect.signature(type(model)).parameters)
    copy = clone(model).set_params(alpha=0.5)
    assert (copy.alpha, model.alpha) == (0.5, parameters["alpha"])
    assert clone(model).get_params() == parameters
    assert "policy=" in repr(model)
    fitted = clone(model).fit(images, labels)
    assert fitted.get_params() == parameters
    restored = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(output(restored, images), output(fitted, images))
    again = clone(fitted).fit(images, labels)
    np.testing.assert_array_equal(output(again, images), output(fitted, images))


@pytest.mark.parametrize("model", SINGLE)
def test_torch_and_numpy_are_the_same_to_it(model):
    images, labels = data()
    ours = clone(model).fit(images, labels)
    theirs = clone(model).fit(images.numpy(), labels.numpy())
    listed = clone(model).fit(images.numpy(), labels.tolist())
    for other in (theirs, listed):
        found = output(other, images.numpy())
        assert isinstance(found, np.ndarray)
        np.testing.assert_array_equal(found, output(ours, images))
    with pytest.raises(InputError, match=r'images.astype\("float32"\) / 255'):
        clone(model).fit((255 * images.numpy()).astype(np.uint8), labels)


@pytest.mark.parametrize("kind", ["torch", "numpy", "strings"])
@pytest.mark.parametrize("model", CLASSIFIERS)
def test_cross_validation_splits_and_grids(model, kind):
    images, labels = data()
    if kind == "numpy":
        images, labels = images.numpy(), labels.numpy()
    if kind == "strings":
        labels = NAMES[labels]
    assert cross_val_score(model, images, labels, cv=3).mean() > 0.9
    train, test, seen, unseen = train_test_split(images, labels, random_state=0)
    fitted = clone(model).fit(train, seen)
    assert fitted.score(test, unseen) > 0.8
    assert list(fitted.classes_) == (list(NAMES) if kind == "strings" else [0, 1, 2])
    name = "alpha" if "alpha" in model.get_params() else "invariantprojection__alpha"
    search = GridSearchCV(model, {name: [1e-2, 1e3]}, cv=3).fit(images, labels)
    assert search.best_score_ > 0.9
    assert output(search, images).shape == (60,)


def test_regression_in_a_grid():
    images, labels = data()
    targets = labels.double() + images.flatten(1).mean(1)
    search = GridSearchCV(am.AugmentedRidge(POLICY), {"alpha": [1e-4, 1.0, 1e4]}, cv=3)
    search.fit(images.numpy(), targets.numpy())
    assert search.best_params_["alpha"] < 1e4
    assert search.predict(images).shape == (60,)


@pytest.mark.parametrize("model", [RIDGE, RIDGE_CLASSIFIER, LOGISTIC])
def test_weights_equal_repetition(model):
    images, labels = data()
    weights = torch.arange(60) % 4
    weighted = clone(model).fit(images, labels, sample_weight=weights)
    repeated = clone(model).fit(
        images.repeat_interleave(weights, 0), labels.repeat_interleave(weights)
    )
    listed = clone(model).fit(images.numpy(), labels.numpy(), (weights / 7).tolist())
    for other in (repeated, listed):
        np.testing.assert_allclose(other.coef_, weighted.coef_, rtol=0, atol=1e-5)
    with pytest.raises(InputError, match="sample_weight"):
        clone(model).fit(images, labels, sample_weight=weights[:5])


def as_flat(X):
    return X.reshape(len(X), -1)


def as_image(X):
    return X.reshape(-1, 1, 4, 5)


@pytest.mark.parametrize("model", CLASSIFIERS)
def test_rows_of_a_table_go_through_a_reshaping_step(model):
    """As tools give them that know tables alone; the pipeline can be searched and pickled."""
    images, labels = data()
    rows = as_flat(images.numpy())
    piped = make_pipeline(FunctionTransformer(as_image), clone(model))
    direct = clone(model).fit(images, labels)
    np.testing.assert_array_equal(piped.fit(rows, labels).predict(rows), direct.predict(images))
    restored = pickle.loads(pickle.dumps(piped))
    np.testing.assert_array_equal(restored.predict(rows), direct.predict(images))


@pytest.mark.parametrize("model", [RIDGE_CLASSIFIER, LOGISTIC])
def test_policies_are_searched(model):
    """A flip of images that are not symmetric costs; nothing costs less."""
    images, labels = data()
    policies = [POLICY, am.RandomApply(am.RandomInvert(1.0), 0.5), am.RandomHorizontalFlip(0.0)]
    search = GridSearchCV(model, {"policy": policies, "alpha": [1e-2, 1.0]}, cv=3)
    search.fit(images, labels)
    assert search.best_params_["policy"] in policies
    assert len(search.cv_results_["params"]) == 6
    assert search.best_estimator_.policy == search.best_params_["policy"]


@pytest.mark.parametrize("model", SINGLE)
def test_scikit_learns_own_checks_that_need_no_table(model):
    """Those of the constructor, of parameters, clones and tags.

    The others of ``sklearn.utils.estimator_checks`` fit to tables ``(n, D)``, which are no images:
    :func:`test_tables_are_refused` and the tests beside it have their like for images.
    """
    name = type(model).__name__
    for check in (
        checks.check_no_attributes_set_in_init,
        checks.check_parameters_default_constructible,
        checks.check_get_params_invariance,
        checks.check_set_params,
        checks.check_estimator_repr,
        checks.check_estimator_cloneable,
    ):
        check(name, clone(model))


@pytest.mark.parametrize("model", SINGLE)
def test_tables_are_refused(model):
    images, labels = data()
    with pytest.raises(InputError, match=r"images.reshape\(-1, C, H, W\)"):
        clone(model).fit(as_flat(images), labels)


@pytest.mark.parametrize("model", SINGLE)
def test_checks_of_scikit_learn_with_images(model):
    """Fitting again forgets; parameters and data stay; one image by itself has the same output."""
    images, labels = data()
    given, before = clone(model), images.clone()
    parameters = given.get_params()
    fitted = given.fit(images, labels)
    assert fitted is given
    assert given.get_params() == parameters
    assert torch.equal(images, before)
    public = [name for name in vars(fitted) if not name.startswith("_")]
    assert all(name in parameters or name.endswith("_") for name in public)
    first = output(fitted, images)
    together = np.concatenate([output(fitted, images[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(together, first[:5], rtol=0, atol=1e-10)
    order = torch.arange(60).flip(0)
    np.testing.assert_allclose(output(fitted, images[order]), first[::-1], rtol=0, atol=1e-10)
    fitted.fit(images[:30].flip(2), labels[:30])
    np.testing.assert_array_equal(output(fitted.fit(images, labels), images), first)


def test_weights_are_routed_through_tools():
    images, labels = data()
    weights = np.linspace(0.1, 1, 60)
    model = AugmentedLogisticRegression(POLICY, 1e-2, nodes=32)
    search = GridSearchCV(model, {"alpha": [1e-2]}, cv=3)
    search.fit(images.numpy(), labels.numpy(), sample_weight=weights)
    direct = clone(model).fit(images, labels, weights)
    np.testing.assert_allclose(search.best_estimator_.coef_, direct.coef_)


def test_two_classes_are_scored_as_scikit_learn_expects():
    images, labels = data()
    images, names = images[labels < 2].numpy(), NAMES[labels[labels < 2]]
    model = AugmentedLogisticRegression(POLICY, 1e-2, nodes=32)
    for scoring in ("roc_auc", "neg_log_loss", "average_precision"):
        y = names if scoring == "neg_log_loss" else (names == "dog").astype(int)
        assert np.isfinite(cross_val_score(model, images, y, cv=3, scoring=scoring)).all()
    assert cross_val_score(model, images, names == "dog", cv=3, scoring="roc_auc").mean() > 0.95
    calibrated = CalibratedClassifierCV(model, cv=3).fit(images, names)
    assert calibrated.predict_proba(images).shape == (40, 2)


def test_the_module_is_the_model():
    images, labels = data()
    model = AugmentedLogisticRegression(POLICY, 1e-2, nodes=32).fit(images, labels)
    outputs = model.to_module()(images).detach().numpy()
    np.testing.assert_allclose(outputs, model.decision_function(images), rtol=0, atol=1e-5)
    np.testing.assert_allclose(
        torch.tensor(outputs).softmax(1), model.predict_proba(images), rtol=0, atol=1e-5
    )


def test_names_of_projected_features():
    images, _ = data()
    model = InvariantProjection(POLICY, 4).set_output(transform="default").fit(images)
    names = [f"invariantprojection{i}" for i in range(4)]
    assert list(model.get_feature_names_out()) == names
    np.testing.assert_array_equal(model.fit_transform(images), model.transform(images))


def test_arrays_are_taken_as_they_come():
    array = data()[0].double().numpy()
    frozen = array.copy()
    frozen.flags.writeable = False  # as joblib hands them to its workers
    for other in (frozen, array[::-1][::-1], array.astype(">f8"), np.asfortranarray(array)):
        torch.testing.assert_close(as_images(other), torch.from_numpy(array))
    assert as_images(array.astype(np.float32)).dtype == torch.float32
    assert not as_images(data()[0].requires_grad_()).requires_grad
    assert as_rows(array, (1, 4, 5)).shape == (60, 20)


def test_bad_arrays_are_refused():
    array = data()[0].numpy()
    with pytest.raises(InputError, match=r"images.reshape\(-1, C, H, W\)"):
        as_images(array.reshape(60, -1))
    with pytest.raises(InputError, match=r"images.transpose\(0, 3, 1, 2\)"):
        as_images(np.zeros((2, 8, 9, 3)))
    with pytest.raises(InputError, match=r"use images / 255"):
        as_images(255 * array)
    with pytest.raises(InputError, match=r"numpy.nan_to_num\(images\)"):
        as_images(np.where(array > 0.5, np.nan, array))
    for wrong in ([[1.0]], None, array.astype(object), array.astype(str), array.astype(complex)):
        with pytest.raises(InputTypeError):
            as_images(wrong)


def test_targets_and_labels():
    assert as_targets([1, 2], 2).tolist() == [1.0, 2.0]
    assert as_targets(np.ones((2, 3), dtype=np.float32), 2).shape == (2, 3)
    for wrong, n in (
        ([1, 2], 3),
        (np.ones((2, 2, 2)), 2),
        ([1.0, np.nan], 2),
        (np.ones((2, 0)), 2),
    ):
        with pytest.raises(InputError, match="targets"):
            as_targets(wrong, n)
    for wrong in (["a", "b"], [True, False], [1j, 2], [[1], [1, 2]], None):
        with pytest.raises(InputTypeError, match="targets"):
            as_targets(wrong, 2)
    for labels in (NAMES, NAMES.tolist(), NAMES.astype(object)):
        classes, index = encode_labels(labels, 3)
        assert classes.tolist() == NAMES.tolist()
        assert index.tolist() == [0, 1, 2]
    classes, index = encode_labels(torch.tensor([7, -1, 7], dtype=torch.uint8).short(), 3)
    assert (index.dtype, classes[index].tolist()) == (torch.int64, [7, 255, 7])
    assert encode_labels([True, False], 2)[0].tolist() == [False, True]
    for wrong in ([0.5, 1.0], [[0], [1]], [0, 1, 2], np.array([0, "a"], dtype=object)):
        with pytest.raises(InputError, match="whole numbers or strings"):
            encode_labels(wrong, 2)
    with pytest.raises(InputError, match="one class"):
        encode_labels(["a", "a"], 2)


def test_weights():
    assert as_weights(None, 3) is None
    assert as_weights(torch.tensor([1, 0]), 2).dtype == torch.float64
    for wrong in ([1.0], [-1.0, 2.0], [np.inf, 1.0], [np.nan, 1.0], [0.0, 0.0], [[1.0], [1.0]]):
        with pytest.raises(InputError, match="sample_weight"):
            as_weights(wrong, 2)
    for wrong in (["a", "b"], [1j, 2]):
        with pytest.raises(InputTypeError, match="sample_weight"):
            as_weights(wrong, 2)
