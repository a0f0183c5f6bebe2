"""Ridge on sampled copies: the experiment against scikit-learn on enumerated and drawn copies."""

import json

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

import augmoments as am
from augmoments.data.dataset import Dataset
from augmoments.reproduce.context import Context
from augmoments.reproduce.experiments import linear_regression
from augmoments.reproduce.experiments.linear_regression import ALPHA, Case, measure, sampled_ridge

SHIFTS = (-1, 0, 1)
FINITE = am.RandomTranslation(x=am.Discrete([float(shift) for shift in SHIFTS]))


def digits(first, last):
    images, labels = am.data.digits()
    return Dataset(images[first:last], labels[first:last])


def one_hot(labels):
    return np.eye(10)[labels.numpy()]


def ridge(copies, targets):
    """scikit-learn's, whose penalty is for the sum over all rows."""
    rows = np.concatenate([copy.flatten(1).double().numpy() for copy in copies])
    y = np.concatenate([targets] * len(copies))
    model = Ridge(ALPHA * len(rows), solver="cholesky").fit(rows, y)
    square = np.square(model.predict(rows) - y).sum(1).mean()
    return model, square + ALPHA * np.square(model.coef_).sum()


def test_sampled_ridge_is_that_of_scikit_learn():
    data, policy = digits(0, 80), am.RandomRotation(15, interpolation="bilinear")
    images, targets = data.images.double(), one_hot(data.labels)
    found = sampled_ridge(
        images, torch.from_numpy(targets), policy, (1, 3), torch.Generator().manual_seed(5)
    )
    generator = torch.Generator().manual_seed(5)
    copies = [policy(images, generator=generator) for _ in range(3)]
    for count, model in zip((1, 3), found, strict=True):
        truth, _ = ridge(copies[:count], targets)
        np.testing.assert_allclose(model[:, :-1], truth.coef_, atol=1e-9)
        np.testing.assert_allclose(model[:, -1], truth.intercept_, atol=1e-9)


@pytest.fixture(scope="module")
def numbers():
    case = Case("digits", digits(0, 300), digits(300, 600), FINITE, (1, 10, 50), repeats=8)
    return measure(case, torch.Generator().manual_seed(0))


def test_the_optimum_is_that_of_all_outcomes(numbers):
    data = digits(0, 300)
    padded = torch.nn.functional.pad(data.images, (1, 1))
    copies = [padded[..., 1 - shift : 9 - shift] for shift in SHIFTS]
    model, objective = ridge(copies, one_hot(data.labels))
    test = digits(300, 600)
    right = model.predict(test.images.flatten(1).numpy()).argmax(1) == test.labels.numpy()
    assert numbers["loss"]["optimum"] == pytest.approx(objective, rel=1e-6)
    assert numbers["accuracy"]["closed_form"] == pytest.approx(right.mean(), abs=1e-12)


def test_excess_loss_is_the_distance_of_the_weights(numbers):
    loss = numbers["loss"]
    np.testing.assert_allclose(loss["excess"], loss["excess_from_weights"], rtol=1e-7)
    assert loss["excess"][0] > 5 * loss["excess"][1] > 0


def test_predicted_errors_are_observed(numbers):
    """8 repetitions: within 15% from ten copies on, where first order in 1/n is enough."""
    for part in ("weights", "predictions"):
        found = numbers[part]
        np.testing.assert_allclose(found["observed"][1:], found["predicted"][1:], rtol=0.15)
        extrapolated = found["copies_for_goal_from_observed"]
        assert extrapolated == pytest.approx(found["copies_for_goal"], rel=0.3)
    assert numbers["weights"]["copies_for_goal"] > 3 * numbers["predictions"]["copies_for_goal"]


def test_findings(monkeypatch):
    def few(_):
        yield Case("digits", digits(0, 100), digits(100, 200), FINITE, (1, 2, 5), repeats=1)

    monkeypatch.setattr(linear_regression, "cases", few)
    found = linear_regression.EXPERIMENT.run(Context(quick=True))
    assert json.loads(json.dumps(found.numbers, allow_nan=False)) == found.numbers
    case = found.numbers["cases"][0]
    assert f"{case['weights']['copies_for_goal']:,.0f} copies" in found.measured
    assert "nan" not in (found.measured + found.differs).lower()


def test_cases_of_the_embedded_data():
    found = list(linear_regression.cases(Context(quick=True)))
    assert [case.name for case in found] == ["digits, translation ±1 px", "digits, rotation ±15°"]
