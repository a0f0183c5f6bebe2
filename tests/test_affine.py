"""Affine and perspective maps against torchvision."""

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from augmoments.errors import PolicyError
from augmoments.operators.affine import Affine
from augmoments.operators.base import Operator, Shape, outer
from augmoments.operators.perspective import Perspective
from augmoments.operators.projective import Projective
from augmoments.operators.warp import Resampling

F = pytest.importorskip("torchvision.transforms.v2.functional")
InterpolationMode = pytest.importorskip("torchvision.transforms.v2").InterpolationMode

SIZES = [(5, 7), (8, 8), (13, 20), (32, 33)]
FILLS = [(None, "zeros"), (0.3, "torchvision"), ([0.1, 0.2, 0.3], "torchvision")]


def _resampling(interpolation: str, fill, border: str) -> Resampling:
    return Resampling.of(interpolation, 0.0 if fill is None else fill, border)


def _torchvision_affine(image: Tensor, theta: Tensor, interpolation: str, fill, centre) -> Tensor:
    angle, x, y, factor, *shear = theta.tolist()
    mode = InterpolationMode(interpolation)
    centre = None if centre is None else list(centre)
    return F.affine(image, angle, [x, y], factor, shear, mode, fill, centre)


def _torchvision_perspective(image: Tensor, theta: Tensor, interpolation: str, fill) -> Tensor:
    right, bottom = image.shape[-1] - 1, image.shape[-2] - 1
    corners = [[0, 0], [right, 0], [right, bottom], [0, bottom]]
    moved = theta.long().reshape(4, 2).tolist()
    return F.perspective(image, corners, moved, InterpolationMode(interpolation), fill)


def _corners(size: tuple[int, int], scale: float, n: int, generator: torch.Generator) -> Tensor:
    height, width = size
    across, down = int(scale * (width // 2)) + 1, int(scale * (height // 2)) + 1
    inside = torch.rand(n, 8, generator=generator, dtype=torch.float64)
    shift = (inside * torch.tensor([across, down] * 4)).floor()
    low, high = torch.zeros(8), torch.tensor([width - 1, height - 1] * 4)
    far = torch.tensor([0, 0, 1, 0, 1, 1, 0, 1]).bool()
    return torch.where(far, high - shift, low + shift).double()


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize(("fill", "border"), FILLS)
@pytest.mark.parametrize("centre", [None, (1.0, 2.5)])
def test_affine_is_torchvisions(interpolation, fill, border, centre, generator):
    spread = torch.tensor([360, 10, 10, 1.5, 100, 100])
    low = torch.tensor([-180, -5, -5, 0.3, -50, -50])
    operator = Affine(_resampling(interpolation, fill, border), centre)
    for size in SIZES:
        images = torch.rand(2, 3, *size, generator=generator, dtype=torch.float64)
        theta = torch.rand(10, 6, generator=generator, dtype=torch.float64) * spread + low
        ours = operator(outer(images, 10), theta)
        theirs = torch.stack(
            [_torchvision_affine(images, t, interpolation, fill, centre) for t in theta]
        )
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
        if interpolation == "nearest":
            assert torch.equal(operator(outer(images.float(), 10), theta), ours.float())
        else:
            single = operator(outer(images.float(), 10), theta)
            torch.testing.assert_close(single.double(), ours, rtol=0, atol=2e-5)


def _slope(tangent: float) -> float:
    return math.degrees(math.atan(tangent))


@pytest.mark.parametrize("size", [(5, 7), (8, 8), (9, 9), (12, 15), (33, 32)])
@pytest.mark.parametrize("centre", [None, (0.0, 0.0), (1.0, 2.5)])
def test_ties_of_nearest_neighbours_are_decided_as_torchvision_does(size, centre, generator):
    """Sources half-way between pixels: rounding errors decide, so all bits must agree."""
    angles = [0, 30, -30, 45, 60, 90, 180, 270, -90]
    shifts = [(0, 0), (3, -2), (0.5, -1.5)]
    slopes = [(0.0, 0.0), (_slope(0.2), 0.0), (0.0, _slope(0.1)), (45.0, _slope(-0.25))]
    cases = product(angles, shifts, [1.0, 0.5, 2.0, 1.5], slopes)
    rows = [(a, *shift, factor, *shears) for a, shift, factor, shears in cases]
    theta = torch.tensor(rows, dtype=torch.float64)
    images = torch.rand(1, 1, *size, generator=generator, dtype=torch.float64)
    ours = Affine(Resampling("nearest"), centre)(outer(images, len(theta)), theta)
    theirs = [_torchvision_affine(images, t, "nearest", None, centre) for t in theta]
    assert torch.equal(ours, torch.stack(theirs))


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize(("fill", "border"), FILLS)
@pytest.mark.parametrize("scale", [0.5, 0.9])
def test_perspective_is_torchvisions(interpolation, fill, border, scale, generator):
    operator = Perspective(_resampling(interpolation, fill, border))
    for size in [(6, 7), (16, 16), (32, 41)]:
        images = torch.rand(1, 3, *size, generator=generator, dtype=torch.float64)
        theta = _corners(size, scale, 60, generator)
        theta = theta[[_bends(t.reshape(4, 2)) for t in theta]]
        ours = operator(outer(images, len(theta)), theta)
        theirs = torch.stack(
            [_torchvision_perspective(images, t, interpolation, fill) for t in theta]
        )
        assert not ours.isnan().any()
        ours = torch.where(theirs.isnan(), theirs, ours)  # on the horizon
        tolerance = 1e-9 if scale > 0.5 else 1e-12
        torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance, equal_nan=True)


def _bends(corners: Tensor) -> bool:
    """Whether no three corners lie on a line."""
    sides = corners.roll(-1, 0) - corners
    after = sides.roll(-1, 0)
    turns = sides[:, 0] * after[:, 1] - sides[:, 1] * after[:, 0]
    return bool((turns != 0).all())


def test_perspective_with_corners_in_place_changes_nothing(generator):
    images = torch.rand(2, 3, 9, 12, generator=generator, dtype=torch.float64)
    theta = torch.tensor([[0, 0, 11, 0, 11, 8, 0, 8]], dtype=torch.float64)
    same = Perspective(Resampling("nearest"))(images[None], theta)
    assert torch.equal(same[0], images)


def test_perspective_refuses_corners_on_a_line():
    theta = torch.tensor([[4, 4, 8, 0, 8, 8, 0, 8]], dtype=torch.float64)
    with pytest.raises(PolicyError, match="lie on a line"):
        Perspective(Resampling())(torch.zeros(1, 1, 1, 9, 9), theta)


@pytest.mark.parametrize(
    ("operator", "row"),
    [
        (Affine(Resampling("bilinear", 0.4)), [20, 1, -2, 1.2, 5, -3]),
        (Affine(Resampling("bilinear", 0.4, "torchvision")), [20, 1, -2, 1.2, 5, -3]),
        (Perspective(Resampling("bilinear", 0.4)), [1, 2, 7, 0, 6, 8, 0, 7]),
    ],
)
def test_operators_are_affine_and_differentiable(operator: Operator, row, generator):
    theta = torch.tensor([row], dtype=torch.float64)
    x, y = torch.rand(2, 1, 1, 2, 9, 9, generator=generator, dtype=torch.float64)
    mixed = operator(0.3 * x + 0.7 * y, theta)
    torch.testing.assert_close(mixed, 0.3 * operator(x, theta) + 0.7 * operator(y, theta))
    parts = operator.linear(x, theta) + operator.offset(theta, x)
    torch.testing.assert_close(parts, operator(x, theta))
    x.requires_grad_()
    operator(x, theta).sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


class Window(Projective):
    """Five rows and six columns from the second column and third row on, at half the speed."""

    resampling = Resampling("nearest")
    parameter = "none"

    def output_shape(self, shape: Shape) -> Shape:
        return shape[0], 5, 6

    def matrices(self, theta: Tensor, shape: Shape) -> Tensor:
        matrix = torch.tensor([[2, 0, 1], [0, 2, 2], [0, 0, 1]], dtype=torch.float64)
        return matrix.expand(len(theta), -1, -1)


def test_projective_maps_take_pixel_coordinates_and_change_the_size(generator):
    images = torch.rand(1, 1, 8, 9, generator=generator)
    out = Window()(images[None], torch.zeros(1, 0, dtype=torch.float64))[0]
    expected = torch.zeros(1, 1, 5, 6)
    expected[..., :3, :4] = images[..., 2::2, 1::2]
    assert torch.equal(out, expected)


def test_fill_needs_a_value_a_channel():
    for operator in (Affine(Resampling(fill=(0.1, 0.2))), Perspective(Resampling(fill=(0.1, 0.2)))):
        with pytest.raises(PolicyError, match="fill has 2 values"):
            operator.check_shape((3, 8, 8))
