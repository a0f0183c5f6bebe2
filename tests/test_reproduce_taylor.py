"""Penalties and expansions of the experiments against derivations by hand and enumeration."""

import json
from functools import partial

import pytest
import torch
from torch import nn

import augmoments as am
from augmoments.reproduce.context import Context
from augmoments.reproduce.experiments import tangent_prop, taylor

ANGLES = (-20.0, 5.0, 30.0)


class FewImages(Context):
    """So few that networks are trained in no time."""

    def labelled(self, source, count=None, split="train"):
        return super().labelled(source, 200, split)


def digits(count):
    images, labels = am.data.digits()
    return images[:count].double(), labels[:count]


def network(*hidden):
    torch.manual_seed(0)
    layers = [nn.Flatten(), nn.Linear(64, 10)]
    if hidden:
        layers = [nn.Flatten(), nn.Linear(64, 24), *hidden, nn.Linear(24, 10)]
    return nn.Sequential(*layers).double().eval().requires_grad_(False)


def along_x(strength=None):
    return tangent_prop.Family(
        "translation", "px", lambda law: am.RandomTranslation(x=law), (0.3,), tol=1e-6
    )


def shifted(x, by):
    """Moved to the right by whole pixels, zeros from outside."""
    return nn.functional.pad(x, (1, 1))[..., 1 - by : 9 - by]


class TestTangentProp:
    def test_a_shift_of_a_linear_model_by_hand(self):
        """V = s^2 (a a^T / 3 + b b^T / 12) below a pixel; TangentProp knows the first term."""
        x, y = digits(12)
        model, s = network(), 0.3
        ahead, behind = shifted(x, 1), shifted(x, -1)
        weight = model[1].weight
        odd = (((ahead - behind) / 2).flatten(1) @ weight.T).square().sum(1).mean()
        even = (((ahead + behind) / 2 - x).flatten(1) @ weight.T).square().sum(1).mean()
        setting = tangent_prop.Setting(x, y, {"linear": model})
        found = tangent_prop.penalties(setting, along_x().policy(s), 1e-6)["linear"]
        assert found["tangent"] == pytest.approx(float(s**2 * odd / 3), rel=1e-6)
        explicit = float(s**2 * (odd / 3 + even / 12))
        assert found["explicit"] == pytest.approx(explicit, rel=1e-6)
        assert found["true"] == pytest.approx(explicit, rel=1e-6)
        limit = tangent_prop.limit(setting, along_x())["linear"]
        assert limit == pytest.approx(float(1 + even / odd / 4), rel=1e-6)

    def test_the_limit_of_a_smooth_network(self):
        x, y = digits(8)
        setting = tangent_prop.Setting(x, y, {"mlp": network(nn.Tanh())})
        rotation = partial(am.RandomRotation, interpolation="bilinear")
        family = tangent_prop.Family("rotation", "degrees", rotation, (0.01,), tol=1e-4)
        end = tangent_prop.limit(setting, family)["mlp"]
        (ratio,) = tangent_prop.follow(setting, family)["models"]["mlp"]["ratio"]
        assert end > 1.05
        assert ratio == pytest.approx(end, rel=1e-3)

    def test_the_same_where_the_image_is_linear_in_the_parameter(self):
        x, y = digits(8)
        setting = tangent_prop.Setting(x, y, {"cnn": network(nn.ReLU())})
        bright = partial(am.ColorJitter, clamp=False)
        family = tangent_prop.Family("brightness", "", bright, (0.1, 0.8), neutral=1.0)
        found = tangent_prop.follow(setting, family)["models"]["cnn"]
        assert found["ratio"] == pytest.approx([1, 1], abs=1e-8)
        assert found["different_from"] is None

    def test_the_true_variance_is_that_of_draws(self, generator):
        """20,000 draws of 2 images: the standard error of the variance is about 1%; 4 of them."""
        x, y = digits(2)
        model, policy = network(nn.ReLU()), tangent_prop.families(8, True)[4].policy(1.0)
        setting = tangent_prop.Setting(x, y, {"mlp": model})
        found = tangent_prop.penalties(setting, policy, 1e-2)["mlp"]
        drawn = policy(x.repeat_interleave(20_000, 0), generator=generator)
        outputs = model(drawn).unflatten(0, (2, -1))
        assert found["true"] == pytest.approx(float(outputs.var(1).sum(1).mean()), rel=0.04)

    def test_findings(self, monkeypatch):
        few = tangent_prop.families(8, True)
        few = tuple(
            tangent_prop.Family(f.name, f.unit, f.build, f.strengths[-2:], f.neutral, 1e-2)
            for f in few
        )
        monkeypatch.setattr(tangent_prop, "families", lambda side, quick: few)
        check(tangent_prop.EXPERIMENT.run(FewImages(quick=True)))


class TestTaylor:
    def test_every_order_by_enumeration(self):
        """A finite law and a smooth network: all of it written out image by image."""
        x, y = digits(6)
        model = network(nn.Tanh())
        policy = am.RandomRotation(am.Discrete(list(ANGLES)), interpolation="bilinear")
        found = taylor.orders(model, x, y, policy, am.moments(x, policy))
        fixed = [am.RandomRotation((a, a + 1e-9), interpolation="bilinear") for a in ANGLES]
        copies = torch.stack([one(x, generator=torch.Generator()) for one in fixed], 1)
        rows = [by_hand(model, some, int(label)) for some, label in zip(copies, y, strict=True)]
        truth = {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]}
        truth["unaugmented"] = float(nn.functional.cross_entropy(model(x), y))
        for key, value in truth.items():
            assert found[key] == pytest.approx(value, rel=1e-5), key
        assert found["off"]["logits"] == pytest.approx(truth["logits"] / truth["true"] - 1)

    def test_families_have_the_strength_of_training(self):
        for family in (*taylor.families(8, True), *taylor.families(28, False)):
            assert family.trained in family.strengths
            assert list(family.strengths) == sorted(family.strengths)

    def test_findings(self, monkeypatch):
        few = tuple(
            taylor.Family(f.name, f.unit, f.policy, (f.trained,), f.trained)
            for f in taylor.families(8, True)
        )
        monkeypatch.setattr(taylor, "families", lambda side, quick: few)
        check(taylor.EXPERIMENT.run(FewImages(quick=True)))


def by_hand(model, copies, label):
    """All of :func:`taylor.orders` for one image from its equally likely outcomes."""

    def loss(x):
        return nn.functional.cross_entropy(model(x[None]), torch.tensor([label]))

    def spread(rows):
        gaps = (rows - rows.mean(0)).flatten(1)
        return gaps.T @ gaps / len(rows)

    losses = torch.stack([loss(one) for one in copies])
    mean, V = copies.mean(0), spread(copies)
    J = torch.func.jacrev(lambda x: model(x[None])[0])(mean).flatten(1)
    g = torch.func.grad(loss)(mean).flatten()
    outputs = model(copies)
    at_mean = loss(mean)
    centre = nn.functional.cross_entropy(outputs.mean(0), torch.tensor(label))
    found = {
        "true": losses.mean(),
        "true_variance": losses.var(correction=0),
        "at_mean": at_mean,
        "second_order": at_mean + (J.T @ hessian(model(mean[None])[0]) @ J @ V).trace() / 2,
        "logits": centre + (hessian(outputs.mean(0)) @ spread(outputs)).trace() / 2,
        "variance": g @ V @ g,
    }
    return {key: float(value) for key, value in found.items()}


def hessian(logits):
    p = logits.softmax(0)
    return p.diag() - torch.outer(p, p)


def check(found):
    assert json.loads(json.dumps(found.numbers, allow_nan=False)) == found.numbers
    assert found.measured
    assert "nan" not in (found.measured + found.differs).lower()
