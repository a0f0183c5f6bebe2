"""Operators against torchvision's functional transforms, in float64."""

from itertools import permutations

import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

import augmoments as am
from augmoments.augmentations.base import Augmentation
from augmoments.errors import InputError, InputTypeError, LawError, PolicyError

SHAPES = [(1, 7, 5), (3, 6, 6), (2, 1, 8), (1, 9, 1), (1, 1, 1), (3, 2, 3), (1, 28, 28)]
MODES = {"bilinear": InterpolationMode.BILINEAR, "nearest": InterpolationMode.NEAREST}
EXACT = 1e-13

shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)
modes = pytest.mark.parametrize("mode", MODES)
borders = pytest.mark.parametrize("border", ["none", "zero", "value", "channels"])


def image(shape, seed=0):
    return torch.rand(2, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def border_options(border, shape):
    """torchvision's ``fill``, and our options that mean the same."""
    match border:
        case "none":
            return None, {}
        case "zero":
            return 0, {"border": "torchvision"}
        case "value":
            return 0.3, {"fill": 0.3, "border": "torchvision"}
        case "channels":
            fill = [0.1 + 0.4 * c for c in range(shape[0])]
            return fill, {"fill": fill, "border": "torchvision"}


def agree(ours, theirs, atol=EXACT):
    torch.testing.assert_close(ours, theirs, atol=atol, rtol=0)


@shapes
@modes
@borders
@pytest.mark.parametrize("center", [None, (0.0, 0.0), (2.3, -4.1)])
def test_rotation(shape, mode, border, center):
    x = image(shape)
    fill, options = border_options(border, shape)
    for angle in (-170.3, -90.2, -33.3, -1e-3, 0.1, 17.7, 45.1, 89.3, 133.4, 179.9, 361.7):
        ours = am.RandomRotation(am.Discrete([angle]), mode, center=center, **options)
        theirs = F.rotate(x, angle, MODES[mode], center=center, fill=fill)
        agree(ours(x), theirs)
        agree(theirs, F.affine(x, -angle, [0, 0], 1.0, [0.0, 0.0], MODES[mode], fill, center))


@shapes
@modes
@borders
@pytest.mark.parametrize("axis", ["x", "y"])
def test_shear(shape, mode, border, axis):
    x = image(shape)
    fill, options = border_options(border, shape)
    for angle in (-88.7, -61.3, -20.2, -0.1, 0.3, 7.9, 44.3, 71.1, 89.1):
        ours = am.RandomShear(**{axis: am.Discrete([angle])}, interpolation=mode, **options)
        shear = [angle, 0.0] if axis == "x" else [0.0, angle]
        theirs = F.affine(x, 0.0, [0, 0], 1.0, shear, MODES[mode], fill)
        agree(ours(x), theirs, 1e-11 if abs(angle) > 80 else EXACT)


@shapes
@modes
@borders
def test_zoom(shape, mode, border):
    x = image(shape)
    fill, options = border_options(border, shape)
    for factor in (0.013, 0.31, 0.77, 0.999, 1.001, 1.3, 2.9, 17.1):
        ours = am.RandomZoom(am.Discrete([factor]), interpolation=mode, **options)
        theirs = F.affine(x, 0.0, [0, 0], factor, [0.0, 0.0], MODES[mode], fill)
        agree(ours(x), theirs, 1e-12)


@shapes
@modes
@borders
@pytest.mark.parametrize("axis", ["x", "y"])
def test_translation(shape, mode, border, axis):
    x = image(shape)
    fill, options = border_options(border, shape)
    if border in ("value", "channels"):
        fill, options = 0, {"border": "torchvision"}
    for shift in (-30, -2.4, -1, -0.31, 0.2, 1, 2.7, 5, 1000.3):
        ours = am.RandomTranslation(**{axis: am.Discrete([shift])}, interpolation=mode, **options)
        translate = [shift, 0] if axis == "x" else [0, shift]
        agree(ours(x), F.affine(x, 0.0, translate, 1.0, [0.0, 0.0], MODES[mode], fill), 1e-12)


@pytest.mark.parametrize("border", ["none", "zero"])
def test_translation_along_both_axes_is_one_resampling(border):
    x = image((3, 6, 5))
    fill, options = border_options(border, (3, 6, 5))
    for shift in ((0.4, -1.3), (-2.2, 0.7), (3, -1)):
        ours = am.RandomTranslation(x=shift[0], y=shift[1], **options)
        theirs = F.affine(x, 0.0, list(shift), 1.0, [0.0, 0.0], MODES["bilinear"], fill)
        agree(ours(x), theirs)


def test_plain_fill_of_the_border():
    """``border="zeros"`` blends linearly with the fill value: padding with it, then resampling."""
    x = image((1, 5, 6))
    padded = torch.nn.functional.pad(x, (4, 4, 4, 4), value=0.7)
    for policy in (
        am.RandomRotation(am.Discrete([33.0]), "bilinear", fill=0.7),
        am.RandomShear(x=am.Discrete([-41.0]), fill=0.7),
        am.RandomZoom(am.Discrete([0.6]), fill=0.7),
        am.RandomTranslation(x=am.Discrete([1.3]), y=am.Discrete([-2.6]), fill=0.7),
    ):
        agree(policy(x), policy(padded)[..., 4:-4, 4:-4])


def test_torchvision_attenuates_the_border_twice():
    ones = torch.ones(1, 1, 1, 4, dtype=torch.float64)
    quirk = am.RandomTranslation(x=am.Discrete([0.5]), border="torchvision")
    plain = am.RandomTranslation(x=am.Discrete([0.5]))
    assert quirk(ones)[0, 0, 0].tolist() == [0.25, 1, 1, 1]
    assert plain(ones)[0, 0, 0].tolist() == [0.5, 1, 1, 1]


def test_directions():
    x = torch.zeros(1, 1, 5, 5, dtype=torch.float64)
    x[..., 1, 2] = 1  # above the centre

    def place(policy):
        out = policy(x)[0, 0]
        return tuple(divmod(int(out.argmax()), 5))

    assert place(am.RandomTranslation(x=1)) == (1, 3)
    assert place(am.RandomTranslation(y=1)) == (2, 2)
    assert place(am.RandomRotation(am.Discrete([90]))) == (2, 1)  # counter-clockwise
    assert place(am.RandomShear(x=45)) == (1, 3)  # the upper half moves to the right
    assert place(am.RandomZoom(2.0)) == (0, 2)


def test_coordinates_far_away_read_the_fill_value():
    x = image((1, 4, 4)) + 1
    for policy in (
        am.RandomShear(x=am.Discrete([89.999999999]), fill=0.25, interpolation="bilinear"),
        am.RandomShear(y=am.Discrete([-89.999999999]), fill=0.25, interpolation="nearest"),
        am.RandomZoom(am.Discrete([1e-12]), fill=0.25),
        am.RandomTranslation(x=am.Discrete([1e15]), fill=0.25),
        am.RandomTranslation(y=am.Discrete([-1e30]), fill=0.25, interpolation="nearest"),
    ):
        for dtype in (torch.float64, torch.float32):
            assert (policy(x.to(dtype)) == 0.25).all(), policy


@shapes
def test_flips(shape):
    x = image(shape)
    assert torch.equal(am.RandomHorizontalFlip(1.0)(x), F.horizontal_flip(x))
    assert torch.equal(am.RandomVerticalFlip(1.0)(x), F.vertical_flip(x))
    assert torch.equal(am.RandomHorizontalFlip(0.0)(x), x)


COLOURS = {
    "brightness": F.adjust_brightness,
    "contrast": F.adjust_contrast,
    "saturation": F.adjust_saturation,
}


@pytest.mark.parametrize("name", COLOURS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("factor", [0.0, 0.3, 1.0, 1.4, 3.7])
def test_colour(name, channels, factor):
    x = image((channels, 5, 4))
    theirs = COLOURS[name](x, factor)
    agree(am.ColorJitter(**{name: am.Discrete([factor])})(x), theirs)
    free = am.ColorJitter(**{name: am.Discrete([factor])}, clamp=False)(x)
    agree(free.clamp(0, 1), theirs)
    if factor > 1 and channels == 3:
        assert ((free < 0) | (free > 1)).any()


@pytest.mark.parametrize("clamp", [True, False])
def test_colour_jitter_in_every_order(clamp):
    factors = {"brightness": 1.3, "contrast": 0.4, "saturation": 1.8}
    policy = am.ColorJitter(**{k: am.Discrete([v]) for k, v in factors.items()}, clamp=clamp)
    x = image((3, 4, 4))
    x = x if clamp else 0.4 + 0.1 * x  # inside [0, 1] at every stage
    orders = [[0, 1, 2][i] for i in range(3)]
    for index, order in enumerate(permutations(orders)):
        theirs = x
        for step in order:
            name = list(factors)[step]
            theirs = COLOURS[name](theirs, factors[name])
        theta = torch.tensor([[index, *factors.values()]], dtype=torch.float64)
        agree(policy.apply(x[None], theta)[0], theirs)


def test_colour_jitter_draws_every_order_and_factor():
    policy = am.ColorJitter(0.2, 0.3, 0.4)
    drawn = policy.draw((1, 4, 4), 6000, torch.Generator().manual_seed(0))
    assert torch.bincount(drawn[:, 0].long()).tolist() == pytest.approx([1000] * 6, abs=150)
    for column, half in ((1, 0.2), (2, 0.3), (3, 0.4)):
        assert drawn[:, column].min() == pytest.approx(1 - half, abs=0.01)
        assert drawn[:, column].max() == pytest.approx(1 + half, abs=0.01)
    assert am.ColorJitter(3.0).jitters[0].law.support == (0.0, 4.0)


def test_grayscale():
    x = image((3, 5, 4))
    agree(am.RandomGrayscale(1.0)(x), F.rgb_to_grayscale(x, 3))
    assert torch.equal(am.RandomGrayscale(0.0)(x), x)
    gray = image((1, 5, 4))
    assert torch.equal(am.RandomGrayscale(1.0)(gray), gray)


def test_normalize():
    x, mean, std = image((3, 5, 4)), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    agree(am.Normalize(mean, std)(x), F.normalize(x, mean, std))
    agree(am.Normalize(0.5, 0.25)(x), F.normalize(x, [0.5] * 3, [0.25] * 3))


def test_single_precision_is_as_good_as_it_can_be():
    x = image((1, 28, 28))
    for policy in (
        am.RandomRotation(am.Discrete([31.0]), "bilinear"),
        am.RandomRotation(am.Discrete([31.0]), "nearest"),
        am.RandomZoom(am.Discrete([1.7])),
        am.RandomShear(y=am.Discrete([-17.0])),
    ):
        agree(policy(x.float()).double(), policy(x), 4e-6)


@pytest.mark.parametrize("number", [np.int64(20), np.float32(20), 20.0])
def test_numbers_of_numpy_mean_the_same(number):
    assert am.RandomRotation(number).law.support == (-20.0, 20.0)
    assert am.ColorJitter(number / 40).jitters[0].law.support == (0.5, 1.5)
    assert am.RandomTranslation(x=number * 0).steps == ()


def test_one_draw_for_each_image():
    x = image((1, 6, 6))[:1].expand(50, -1, -1, -1)
    out = am.RandomRotation(90, "bilinear")(x, torch.Generator().manual_seed(0))
    assert len({tuple(y.flatten().tolist()) for y in out}) == 50


def test_an_image_alone_stays_alone():
    x = image((3, 4, 5))[0]
    assert am.RandomHorizontalFlip(1.0)(x).shape == (3, 4, 5)


@pytest.mark.parametrize(
    "policy",
    [
        am.RandomRotation(am.Discrete([20.0]), "bilinear", fill=0.2),
        am.RandomTranslation(x=0.3, border="torchvision"),
        am.ColorJitter(am.Discrete([1.2]), am.Discrete([0.7])),
        am.RandomApply(am.RandomVerticalFlip(1.0), 1.0),
    ],
    ids=lambda p: type(p).__name__,
)
def test_gradients_flow(policy):
    x = (0.2 + 0.5 * image((3, 4, 4))[:1]).requires_grad_()

    def action(z):
        return policy(z, torch.Generator().manual_seed(0))

    assert torch.autograd.gradcheck(action, (x,))


@modes
def test_torchvisions_enum_is_read(mode):
    assert am.RandomRotation(10, MODES[mode]).operator == am.RandomRotation(10, mode).operator


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: am.RandomRotation(-5), LawError, "must not be negative, got -5"),
        (lambda: am.RandomRotation(10, "bicubic"), InputError, '"nearest" or "bilinear"'),
        (lambda: am.RandomRotation(10, expand=True), PolicyError, "expand=True"),
        (lambda: am.RandomRotation(10, border="reflect"), InputError, '"zeros" or "torchvision"'),
        (lambda: am.RandomRotation(10, fill="black"), InputTypeError, "fill must be a number"),
        (lambda: am.RandomRotation(10, fill=float("nan")), InputError, "fill must be finite"),
        (lambda: am.RandomRotation((20, 10)), LawError, "low must be below high"),
        (lambda: am.RandomShear(x=(-90, 10)), LawError, r"inside \(-90, 90\)"),
        (lambda: am.RandomShear(y=am.Normal(0, 20)), LawError, r"inside \(-90, 90\)"),
        (lambda: am.RandomZoom(), PolicyError, "got none"),
        (lambda: am.RandomZoom(1.2, x=1.1), PolicyError, "got factor, x"),
        (lambda: am.RandomZoom((0, 1)), LawError, "must be positive"),
        (lambda: am.RandomZoom(am.Normal(1, 0.2)), LawError, "must be positive"),
        (
            lambda: am.RandomTranslation(x=1, fill=0.5, border="torchvision"),
            PolicyError,
            "does not separate",
        ),
        (
            lambda: am.RandomZoom(x=(1, 2), y=(1, 2), fill=0.5, border="torchvision"),
            PolicyError,
            "does not separate",
        ),
        (lambda: am.RandomHorizontalFlip(1.5), LawError, "p=1.5 is not a probability"),
        (lambda: am.RandomGrayscale(-0.1), LawError, "not a probability"),
        (lambda: am.RandomApply(am.RandomVerticalFlip(), 50), LawError, "for 50 % write p=0.5"),
        (lambda: am.ColorJitter(hue=0.6), LawError, "hue must lie in"),
        (lambda: am.ColorJitter(-0.1), LawError, "must not be negative"),
        (lambda: am.ColorJitter((-0.1, 1)), LawError, "must not be negative"),
        (lambda: am.ColorJitter(contrast=am.Normal(1, 0.5)), LawError, "these reach"),
        (lambda: am.Normalize(0.5, 0.0), LawError, "std must not be zero"),
        (lambda: am.Normalize(float("inf"), 1.0), LawError, "finite"),
        (lambda: am.Normalize("bright", 1.0), InputTypeError, "mean must be numbers"),
        (lambda: am.Compose([]), InputTypeError, "no augmentation"),
        (lambda: am.Compose([torch.nn.ReLU()]), InputTypeError, "step 0 is a torch.nn"),
        (lambda: am.Compose(3), InputTypeError, "takes a list of augmentations, got int"),
    ],
)
def test_impossible_augmentations(make, error, says):
    with pytest.raises(error, match=says):
        make()


@pytest.mark.parametrize(
    ("policy", "shape", "says"),
    [
        (am.RandomGrayscale(), (2, 4, 4), "1 or 3 channels, these have 2"),
        (am.ColorJitter(contrast=0.2), (4, 4, 4), "1 or 3 channels, these have 4"),
        (am.RandomRotation(5, fill=(0.1, 0.2)), (3, 4, 4), "2 values but the images 3 channels"),
        (am.Normalize((0.1, 0.2), 1.0), (3, 4, 4), "2 values in mean, the images 3 channels"),
        (am.Compose([am.RandomHorizontalFlip(), am.RandomGrayscale()]), (2, 4, 4), "1 or 3"),
        (am.RandomApply(am.RandomGrayscale()), (2, 4, 4), "1 or 3"),
    ],
    ids=repr,
)
def test_images_that_a_policy_cannot_take(policy, shape, says):
    assert isinstance(policy, Augmentation)
    for use in (
        lambda: policy(image(shape)),
        lambda: am.moments(image(shape), policy),
        lambda: am.expected_operator(policy, shape),
    ):
        with pytest.raises(PolicyError, match=says):
            use()
