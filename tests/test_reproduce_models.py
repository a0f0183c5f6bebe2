"""Small networks of the experiments: deterministic, trained as said, as good as others'."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn import functional as F

import augmoments as am
from augmoments.errors import InputError
from augmoments.reproduce.context import Context
from augmoments.reproduce.models import NAMES, accuracy, architecture, train

DIGITS = (1, 8, 8)


@pytest.fixture(scope="module")
def digits():
    train_set, test = (Context().labelled("digits", split=split) for split in ("train", "test"))
    return train_set.images, train_set.labels, test.images, test.labels


def fitted(name, digits, seed=0, policy=None, epochs=3, **options):
    model = architecture(name, DIGITS, 10, seed)
    generator = torch.Generator().manual_seed(seed)
    images, labels, *_ = digits
    return train(
        model, images, labels, epochs=epochs, policy=policy, generator=generator, **options
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 25, 25), (1, 28, 28), (3, 32, 32)])
def test_architectures_take_the_datasets(name, shape):
    model = architecture(name, shape, 7, 0)
    assert not model.training
    assert model(torch.rand(2, *shape)).shape == (2, 7)
    kinds = {type(module) for module in model.modules()}
    assert kinds <= {nn.Sequential, nn.Flatten, nn.Linear, nn.ReLU, nn.Conv2d}
    if name == "cnn":
        assert 5_000 < sum(p.numel() for p in model.parameters()) < 50_000


def test_seeds_decide_and_the_global_state_stays():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, same, other = (architecture("mlp", DIGITS, 10, seed) for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first[1].weight, same[1].weight)
    assert not torch.equal(first[1].weight, other[1].weight)


def test_unknown_architectures_are_refused():
    with pytest.raises(InputError, match=r"'cmn'.*cnn"):
        architecture("cmn", DIGITS, 10, 0)


def test_training_is_deterministic(digits):
    policy = am.RandomRotation(15)
    first, second = (fitted("cnn", digits, policy=policy, epochs=1) for _ in range(2))
    assert all(map(torch.equal, first.parameters(), second.parameters()))
    assert not first.training


def test_a_linear_model_is_as_good_as_scikit_learns(digits):
    images, labels, test, test_labels = digits
    other = LogisticRegression(max_iter=200).fit(images.flatten(1), labels)
    theirs = other.score(test.flatten(1), test_labels)
    ours = accuracy(fitted("linear", digits, epochs=30), test, test_labels)
    assert abs(ours - theirs) < 0.02


def test_training_on_draws_helps_on_draws(digits):
    """Translations by up to a pixel: test accuracy of about 0.9 with, 0.7 without."""
    policy = am.RandomTranslation(x=(-1, 1), y=(-1, 1))
    *_, test, labels = digits
    moved = policy(test, torch.Generator().manual_seed(5))
    plain, augmented = (fitted("mlp", digits, policy=p, epochs=15) for p in (None, policy))
    assert accuracy(augmented, moved, labels) > accuracy(plain, moved, labels) + 0.1


def test_one_draw_for_each_image_and_step(digits):
    """A linear model of one step: its gradient is that of the draws of the same generator."""
    images, labels = digits[0][:50], digits[1][:50]
    policy = am.RandomTranslation(x=(-2, 2))
    model = architecture("linear", DIGITS, 10, 0)
    before = model[1].weight.detach().clone()
    train(
        model,
        images,
        labels,
        epochs=1,
        lr=1e-3,
        policy=policy,
        generator=torch.Generator().manual_seed(3),
    )
    generator = torch.Generator().manual_seed(3)
    order = torch.randperm(50, generator=generator)
    moved = policy(images[order], generator).flatten(1)
    assert len(((moved - images[order].flatten(1)).abs().amax(1) > 0.01).nonzero()) > 45
    scores = moved @ before.T + architecture("linear", DIGITS, 10, 0)[1].bias.detach()
    slope = (scores.softmax(1) - F.one_hot(labels[order], 10)).T @ moved / 50
    clear = slope.abs() > 1e-5
    step = (model[1].weight.detach() - before)[clear]
    torch.testing.assert_close(step, -1e-3 * slope[clear].sign(), rtol=2e-2, atol=0)


def test_every_epoch_is_told(digits):
    seen = []

    def watch(model, epoch):
        seen.append((epoch, model.training, model[1].weight.detach().clone()))

    model = fitted("linear", digits, epochs=3, after_epoch=watch)
    assert [(epoch, training) for epoch, training, _ in seen] == [
        (1, False),
        (2, False),
        (3, False),
    ]
    assert not torch.equal(seen[0][2], seen[1][2])
    assert torch.equal(seen[2][2], model[1].weight)


def test_accuracy_counts():
    model = nn.Flatten()
    images = torch.eye(4).reshape(4, 1, 2, 2)
    assert accuracy(model, images, torch.tensor([0, 1, 2, 0])) == 0.75
