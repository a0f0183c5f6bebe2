"""How far expansions carry for trained models, and what a whole training comes to."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import augmoments as am
from augmoments.training import ExpectedLoss, ExplicitRegularizer, TaylorWarning

POLICY = am.Compose(
    [
        am.RandomRotation(15, interpolation="bilinear"),
        am.RandomTranslation(x=am.Uniform(-1, 1), y=am.Uniform(-1, 1)),
    ]
)


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(256, 10),
    )


@pytest.fixture(scope="module")
def digits():
    images, labels = am.data.digits()
    return images[:400], labels[:400], images[400:], labels[400:]


def trained(digits, loss, steps=300):
    images, labels, *_ = digits
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        index = torch.randint(len(images), (50,), generator=generator)
        optimizer.zero_grad()
        loss(model, images[index], labels[index]).backward()
        optimizer.step()
    return model


@pytest.fixture(scope="module")
def augmented(digits):
    return trained(digits, ExpectedLoss("cross_entropy", POLICY, nodes=2))


@pytest.fixture(scope="module")
def plain(digits):
    return trained(digits, lambda model, x, y: F.cross_entropy(model(x), y))


def ratios(model, digits):
    """Second order at the mean image, and at the mean output, over the expected loss."""
    images, labels = digits[0][:48], digits[1][:48]
    truth = am.expected_loss(model.eval(), "cross_entropy", images, labels, POLICY)
    at_outputs = ExpectedLoss("cross_entropy", POLICY, method="second_order", nodes=256)
    with torch.no_grad():
        outputs = at_outputs(model, images, labels)
    value = truth.value.mean()
    return float((truth.at_mean + truth.regularizer).mean() / value), float(outputs / value)


def test_second_order_in_the_outputs_comes_nearer(augmented, plain, digits):
    """On 8 x 8 pixels a shift by one is a large one: 0.77 and 0.69, and 3.3 about the image."""
    images, outputs = ratios(augmented, digits)
    assert 0.6 < outputs < 1.1
    assert abs(outputs - 1) < abs(images - 1) / 3
    assert 0.55 < ratios(plain, digits)[1] < 1.1


def test_second_order_in_the_image_does_not(augmented, digits):
    images, _ = ratios(augmented, digits)
    assert images > 1.3
    criterion = ExplicitRegularizer(POLICY, rank=8)
    with pytest.warns(TaylorWarning, match="ExpectedLoss"):
        criterion(augmented, *digits[:2])
    assert criterion.residual < -0.25


def test_training_helps(augmented, plain, digits):
    """On moved test images."""
    _, _, images, labels = digits
    moved = POLICY(images, torch.Generator().manual_seed(1))
    losses = [float(F.cross_entropy(model(moved), labels).detach()) for model in (augmented, plain)]
    assert losses[0] < losses[1] / 1.5
